// SPDX-License-Identifier: Apache-2.0
/* What the first bytes of a stream could begin: the guess must grow firmer with every byte and
 * never change its mind. */
#include "support/bytes.h"
#include "tls/hsmsg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum pf_looks looks(const char *bytes, size_t len)
{
    uint8_t *exact = bytes_exact(bytes, len);
    enum pf_looks l = pf_hs_looks_like((struct pf_span){.ptr = exact, .len = len});
    free(exact);
    return l;
}

#define LOOKS(literal) looks(literal, sizeof(literal) - 1)

static void assert_settles(const struct bytes *o, enum pf_looks what, size_t at)
{
    for (size_t n = 0; n <= o->n; n++) {
        enum pf_looks want = n < at ? PF_LOOKS_MORE : what;
        assert_int_equal(looks((const char *)o->b, n), want);
    }
}

static void put_hello(struct bytes *o, uint8_t hs_type, uint16_t version)
{
    o->n = 0;
    bytes_num(o, 1, 22);
    bytes_num(o, 2, 0x0301);
    bytes_num(o, 2, 104);
    bytes_num(o, 1, hs_type);
    bytes_num(o, 3, 100);
    bytes_num(o, 2, version);
    bytes_fill(o, 0x11, 98);
}

static void test_other(void **state)
{
    (void)state;
    assert_int_equal(LOOKS("GET / HTTP/1.1\r\n"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("SSH-2.0-x"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x16\x02\1\0\x10\1"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x16\3\5\0\x10\1"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x16\3\1\0\0"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x17\3\3\x48\1xxxx"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x19\3\3\0\1xxxx"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x80\x2e\7"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x80\x2e\1\4\1"), PF_LOOKS_OTHER);
    assert_int_equal(LOOKS("\x80\x2e\1\3\1\0\x16\0\0\0\x10"), PF_LOOKS_OTHER); /* 22 % 3 */
    assert_int_equal(LOOKS("\x80\x2f\1\3\1\0\x15\0\0\0\x10"), PF_LOOKS_OTHER); /* does not add up */
    assert_int_equal(LOOKS("\xff\xff\xff\xff"), PF_LOOKS_OTHER);
}

static void test_records(void **state)
{
    (void)state;
    assert_int_equal(LOOKS("\x14\3\3\0\1\1"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x15\3\3\0\2\2\x28"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x17\3\3\x48\0"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x18\3\2\0\x20"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x16\3\3\0\4\0\0\0\0"), PF_LOOKS_RECORD); /* HelloRequest */
    assert_int_equal(LOOKS("\x16\3\3\0\x28\0\0\0\0\0\0\0\0"),
                     PF_LOOKS_RECORD); /* sealed Finished */
    /* A sealed record whose first ciphertext bytes pass for a type, not for a length or version. */
    assert_int_equal(LOOKS("\x16\3\3\0\x28\1\xaa\xbb\xcc\3\3"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x16\3\3\0\x28\1\0\0\x24\xdd\xee"), PF_LOOKS_RECORD);
    assert_int_equal(LOOKS("\x16\3\3\0\x28\1\0\0\x30\xdd\xee"), PF_LOOKS_RECORD);
}

static void test_client_hello(void **state)
{
    static struct bytes o;
    (void)state;
    put_hello(&o, 1, 0x0303);
    assert_settles(&o, PF_LOOKS_CLIENT_HELLO, 10);
}

static void test_server_hello(void **state)
{
    static struct bytes o;
    (void)state;
    put_hello(&o, 2, 0x0303);
    assert_settles(&o, PF_LOOKS_SERVER_HELLO, 10);
    put_hello(&o, 2, 0x7f12);
    assert_settles(&o, PF_LOOKS_SERVER_HELLO, 10);
    put_hello(&o, 1, 0x7f12);
    assert_settles(&o, PF_LOOKS_RECORD, 10);
}

static void test_hello_cut_into_tiny_records(void **state)
{
    (void)state;
    assert_int_equal(LOOKS("\x16\3\1\0\1"), PF_LOOKS_MORE);
    assert_int_equal(LOOKS("\x16\3\1\0\1\1"), PF_LOOKS_CLIENT_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\1\1\x16\3\1\0\1\0"), PF_LOOKS_CLIENT_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\1\2"), PF_LOOKS_SERVER_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\3\1\0\0"), PF_LOOKS_CLIENT_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\4\1\0\0\x64\x16\3"), PF_LOOKS_CLIENT_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\5\1\0\0\x64\3\x16\3"), PF_LOOKS_CLIENT_HELLO);
    assert_int_equal(LOOKS("\x16\3\1\0\5\1\0\0\x64\4\x16\3"), PF_LOOKS_RECORD);
}

static void put_sslv2(struct bytes *o, uint16_t version)
{
    o->n = 0;
    bytes_num(o, 2, 0x8000 | (9 + 21 + 16));
    bytes_num(o, 1, 1);
    bytes_num(o, 2, version);
    bytes_num(o, 2, 21);
    bytes_num(o, 2, 0);
    bytes_num(o, 2, 16);
    bytes_fill(o, 0x05, 21 + 16);
}

static void test_sslv2(void **state)
{
    static struct bytes o;
    (void)state;
    put_sslv2(&o, 0x0301);
    assert_settles(&o, PF_LOOKS_CLIENT_HELLO, 11);
    put_sslv2(&o, 0x0002);
    assert_settles(&o, PF_LOOKS_SSL2, 11);
    o.n = 0; /* an SSL 2.0 SERVER-HELLO */
    bytes_num(&o, 2, 0x8000 | (11 + 100 + 6 + 16));
    bytes_num(&o, 1, 4);
    bytes_num(&o, 2, 0x0001);
    bytes_num(&o, 2, 0x0002);
    bytes_num(&o, 2, 100);
    bytes_num(&o, 2, 6);
    bytes_num(&o, 2, 16);
    bytes_fill(&o, 0x30, 122);
    assert_settles(&o, PF_LOOKS_SSL2, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_client_hello),
        cmocka_unit_test(test_server_hello),
        cmocka_unit_test(test_hello_cut_into_tiny_records),
        cmocka_unit_test(test_sslv2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
