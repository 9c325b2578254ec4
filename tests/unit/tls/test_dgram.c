// SPDX-License-Identifier: Apache-2.0
#include "tls/dgram.h"

#include "support/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct bytes o;

static struct pf_dgram read_copy(const void *bytes, size_t n)
{
    struct pf_dgram d;
    uint8_t *exact = bytes_exact(bytes, n);
    pf_dgram_read((struct pf_span){exact, n}, &d);
    bool may = pf_dgram_may_be((struct pf_span){exact, n});
    assert_true(may || d.kind == PF_DGRAM_OTHER); /* what is read must not have been refused */
    free(exact);
    return d;
}

static void assert_other(const char *text, size_t n)
{
    uint8_t packet[1200] = {0};
    memcpy(packet, text, n);
    assert_int_equal(read_copy(text, n).kind, PF_DGRAM_OTHER);
    assert_int_equal(read_copy(packet, sizeof packet).kind, PF_DGRAM_OTHER);
}

static void test_other_protocols(void **state)
{
    (void)state;
#define OTHER(text) assert_other(text, sizeof(text) - 1)
    OTHER("");
    OTHER("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
          "example\x03"
          "com");                                          /* DNS */
    OTHER("\x00\x01\x00\x00\x21\x12\xa4\x42");             /* STUN */
    OTHER("\x80\x60\x00\x01\x00\x00\x00\x01");             /* RTP: byte 1 to 4 no version */
    OTHER("\x80\x00\x00\x00\x01\x08\x01\x02\x03\x04");     /* RTP that looks like QUIC 1 */
    OTHER("\xe3\x00\x04\xfa\x00\x01\x00\x00\x00\x00");     /* NTP */
    OTHER("\x16\x03\x03\x00\x05\x01\x00\x00\x01\x03");     /* TLS */
    OTHER("\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06");     /* a QUIC short header, as any */
    OTHER("\xc0\x00\x00\x00\x03\x08\x01\x02\x03\x04");     /* no such version */
    OTHER("\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"); /* version 0, a list of none known */
    OTHER("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01"); /* record beyond its end */
    OTHER("\x0d\x01\x02\x03\x04\x05\x06\x07\x08Q0x3\x01\x00");
#undef OTHER
}

static void quic(uint8_t first, uint32_t version)
{
    o.n = 0;
    bytes_num(&o, 1, first);
    bytes_num(&o, 4, version);
    bytes_num(&o, 1, 8);
    bytes_fill(&o, 0x11, 8);
    bytes_num(&o, 1, 0);
    bytes_fill(&o, 0x22, 1150);
}

static void test_quic_versions(void **state)
{
    static const struct {
        uint32_t version;
        const char *name;
    } rows[] = {{1, "QUICv1"},
                {0x6b3343cf, "QUICv2"},
                {0xff00001d, "QUIC-draft-29"},
                {0x51303530, "gQUIC-Q050"},
                {0x54303531, "gQUIC-T051"},
                {0x1a2a3a4a, ""}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quic(0xc3, rows[i].version);
        struct pf_dgram d = read_copy(o.b, o.n);
        assert_int_equal(d.kind, PF_DGRAM_QUIC);
        assert_string_equal(d.version, rows[i].name);
        assert_int_equal(d.settled, rows[i].name[0] != '\0');
        for (size_t n = 0; n < 16; n++) {
            assert_int_equal(read_copy(o.b, n).kind, PF_DGRAM_OTHER);
        }
        quic(0x83, rows[i].version); /* the fixed bit is not set */
        assert_int_equal(read_copy(o.b, o.n).kind, PF_DGRAM_OTHER);
        o.b[0] = 0xc3;
        o.b[5] = 21; /* a connection id longer than any */
        assert_int_equal(read_copy(o.b, o.n).kind, PF_DGRAM_OTHER);
    }
}

static void test_quic_version_negotiation(void **state)
{
    (void)state;
    quic(0x80, 0);
    o.n = 15;
    bytes_num(&o, 4, 0x1a2a3a4a);
    assert_int_equal(read_copy(o.b, o.n).kind, PF_DGRAM_OTHER);
    bytes_num(&o, 4, 1);
    struct pf_dgram d = read_copy(o.b, o.n);
    assert_int_equal(d.kind, PF_DGRAM_QUIC);
    assert_int_equal(d.from, PF_DGRAM_SERVER);
    assert_false(d.settled);
    assert_int_equal(read_copy(o.b, o.n - 1).kind, PF_DGRAM_OTHER);
}

static void test_gquic(void **state)
{
    (void)state;
    static const char packet[] = "\x0d\x01\x02\x03\x04\x05\x06\x07\x08Q043\x01\xa0\x01\x02";
    struct pf_dgram d = read_copy(packet, sizeof packet - 1);
    assert_int_equal(d.kind, PF_DGRAM_QUIC);
    assert_string_equal(d.version, "gQUIC-Q043");
}

/* A handshake message in a record of its own. */
static void dtls(uint16_t record_version, uint8_t type, const struct bytes *body)
{
    o.n = 0;
    bytes_num(&o, 1, 22);
    bytes_num(&o, 2, record_version);
    bytes_num(&o, 8, 0);
    size_t record = bytes_open(&o, 2);
    bytes_num(&o, 1, type);
    bytes_num(&o, 3, body->n);
    bytes_num(&o, 2, 0);
    bytes_num(&o, 3, 0);
    bytes_num(&o, 3, body->n);
    bytes_raw(&o, body->b, body->n);
    bytes_close(&o, 2, record);
}

static void client_hello(struct bytes *b, size_t cookie)
{
    b->n = 0;
    bytes_num(b, 2, 0xfefd);
    bytes_fill(b, 0xab, 32);
    bytes_num(b, 1, 0);
    bytes_num(b, 1, cookie);
    bytes_fill(b, 0xcc, cookie);
    bytes_num(b, 2, 2);
    bytes_num(b, 2, 0xc02f);
    bytes_num(b, 2, 0x0100);
    size_t all = bytes_open(b, 2);
    bytes_num(b, 2, 0);
    size_t ext = bytes_open(b, 2);
    size_t list = bytes_open(b, 2);
    bytes_num(b, 1, 0);
    size_t name = bytes_open(b, 2);
    bytes_raw(b, "host.example", 12);
    bytes_close(b, 2, name);
    bytes_close(b, 2, list);
    bytes_close(b, 2, ext);
    bytes_close(b, 2, all);
}

static void test_dtls_client_hello(void **state)
{
    static struct bytes body;
    (void)state;
    for (size_t cookie = 0; cookie <= 255; cookie += 15) {
        client_hello(&body, cookie);
        dtls(0xfeff, 1, &body);
        struct pf_dgram d;
        pf_dgram_read(bytes_span(&o), &d);
        assert_int_equal(d.kind, PF_DGRAM_DTLS);
        assert_int_equal(d.from, PF_DGRAM_CLIENT);
        assert_string_equal(d.version, "DTLSv10");
        assert_false(d.settled);
        assert_true(d.has_random);
        assert_int_equal(d.random[31], 0xab);
        assert_int_equal(d.server_name.len, 12);
        assert_memory_equal(d.server_name.ptr, "host.example", 12);
        assert_true(d.server_name.ptr > o.b && d.server_name.ptr + 12 == o.b + o.n);
        for (size_t n = 0; n < o.n; n++) {
            assert_int_equal(read_copy(o.b, n).kind, PF_DGRAM_OTHER);
        }
    }
}

static void test_dtls_server_hello(void **state)
{
    static const struct {
        uint16_t version;
        uint16_t selected; /* supported_versions; 0: none */
        const char *name;
    } rows[] = {{0xfeff, 0, "DTLSv10"}, {0xfefd, 0, "DTLSv12"}, {0xfefd, 0xfefc, "DTLSv13"}};
    static struct bytes body;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body.n = 0;
        bytes_num(&body, 2, rows[i].version);
        bytes_fill(&body, 0xcd, 32);
        bytes_num(&body, 1, 0);
        bytes_num(&body, 2, 0xc02f);
        bytes_num(&body, 1, 0);
        if (rows[i].selected != 0) {
            bytes_num(&body, 2, 6);
            bytes_num(&body, 2, 43);
            bytes_num(&body, 2, 2);
            bytes_num(&body, 2, rows[i].selected);
        }
        dtls(0xfefd, 2, &body);
        struct pf_dgram d = read_copy(o.b, o.n);
        assert_int_equal(d.from, PF_DGRAM_SERVER);
        assert_string_equal(d.version, rows[i].name);
        assert_true(d.settled);
        assert_int_equal(d.suite, 0xc02f);
    }
}

/* Data in mid-connection; what follows a record must be one, too. */
static void test_dtls_records(void **state)
{
    (void)state;
    static const char data[] = "\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x07\x00\x02zz";
    assert_int_equal(read_copy(data, sizeof data - 1).kind, PF_DGRAM_DTLS);
    assert_true(read_copy(data, sizeof data - 1).settled);
    assert_int_equal(read_copy(data, sizeof data).kind, PF_DGRAM_OTHER);
    o.n = 0;
    bytes_raw(&o, data, sizeof data - 1);
    bytes_raw(&o, "\x2c\x00\x00\x01", 4); /* DTLS 1.3's short header */
    assert_int_equal(read_copy(o.b, o.n).kind, PF_DGRAM_DTLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_quic_versions),
        cmocka_unit_test(test_quic_version_negotiation),
        cmocka_unit_test(test_gquic),
        cmocka_unit_test(test_dtls_client_hello),
        cmocka_unit_test(test_dtls_server_hello),
        cmocka_unit_test(test_dtls_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
