// SPDX-License-Identifier: Apache-2.0
#include "capture/pcapng.h"
#include "support/capfile.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TLS_KEY_LOG = 0x544c534b };

static struct cf c;
static struct pf_bytes *in;
static struct pf_pcapng *reader;
static struct pf_item item;
static struct pf_error err;

static int setup(void **state)
{
    (void)state;
    cf_init(&c);
    return 0;
}

static void close_reader(void)
{
    pf_pcapng_free(reader);
    pf_bytes_close(in);
    reader = NULL;
    in = NULL;
    err.status = PF_OK;
}

static int teardown(void **state)
{
    (void)state;
    close_reader();
    cf_fini(&c);
    return 0;
}

static void open_reader(void)
{
    close_reader();
    assert_int_equal(pf_bytes_open(cf_path(&c), NULL, &in, &err), PF_OK);
    assert_int_equal(pf_pcapng_new(in, &reader, &err), PF_OK);
}

static enum pf_status next(void)
{
    return pf_pcapng_next(reader, &item, &err);
}

/* Forgets the file made so far. */
static void again(bool big)
{
    cf_fini(&c);
    c.big = big;
    cf_ng_section(&c);
}

static void assert_first(enum pf_status st)
{
    open_reader();
    assert_int_equal(next(), st);
    assert_int_equal(err.status, st < 0 ? st : PF_OK);
    assert_true(st >= 0 || err.text[0] != '\0');
}

static void assert_frame(const char *data, uint32_t len, uint32_t linktype, int64_t ts)
{
    assert_int_equal(next(), PF_OK);
    assert_int_equal(item.kind, PF_ITEM_FRAME);
    assert_int_equal(item.caplen, strlen(data));
    assert_memory_equal(item.data, data, strlen(data));
    assert_int_equal(item.len, len);
    assert_int_equal(item.linktype, linktype);
    assert_true(item.ts_ns == ts);
}

static void test_block_lengths(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0,        3,         4, 8, 11, 13, 14, 15, (16 << 20) + 4,
                                   1U << 28, 0xffffffff};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        again(i % 2 == 0);
        cf_put32(&c, 5);
        cf_put32(&c, bad[i]);
        for (int k = 0; k < 16; k++) {
            cf_put32(&c, bad[i]);
        }
        assert_first(PF_ERR_MALFORMED);
    }
    again(false);
    size_t at = cf_ng_begin(&c, 77);
    cf_ng_end(&c, at);
    c.ptr[c.len - 1] ^= 1; /* the trailing length */
    assert_first(PF_ERR_MALFORMED);
}

static void test_every_cut(void **state)
{
    (void)state;
    again(false);
    size_t section = c.len;
    cf_ng_interface(&c, 1, 0, 9, 0);
    size_t interface = c.len;
    cf_ng_packet(&c, 0, 1, "abcde", 5, 5);
    size_t len = c.len;
    for (c.len = 1; c.len < len; c.len++) {
        assert_first(c.len == section || c.len == interface ? PF_END : PF_ERR_TRUNCATED);
    }
    assert_first(PF_OK);
    assert_int_equal(next(), PF_END);
    assert_int_equal(next(), PF_END);
}

static void test_bad_section_headers(void **state)
{
    (void)state;
    again(false);
    c.ptr[8] ^= 1; /* byte-order magic */
    assert_first(PF_ERR_MALFORMED);
    again(true);
    c.ptr[13] = 2; /* major version */
    assert_first(PF_ERR_UNSUPPORTED);
    cf_fini(&c);
    size_t at = cf_ng_begin(&c, 0x0a0d0d0a); /* too short for a version */
    cf_put32(&c, 0x1a2b3c4d);
    cf_ng_end(&c, at);
    assert_first(PF_ERR_MALFORMED);
}

static void test_bad_packets(void **state)
{
    (void)state;
    again(false);
    cf_ng_packet(&c, 0, 1, "abc", 3, 3); /* no interface yet */
    assert_first(PF_ERR_MALFORMED);
    again(false);
    cf_ng_simple(&c, "abc", 3, 3);
    assert_first(PF_ERR_MALFORMED);
    again(false);
    cf_ng_interface(&c, 1, 0, 6, 0);
    cf_ng_packet(&c, 1, 1, "abc", 3, 3); /* interface 1 of 1 */
    assert_first(PF_ERR_MALFORMED);
    static const uint32_t caplens[] = {5, 1000, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < 4; i++) {
        again(false);
        cf_ng_interface(&c, 1, 0, 6, 0);
        size_t at = c.len;
        cf_ng_packet(&c, 0, 1, "abc", 3, 3);
        size_t end = c.len;
        c.len = at + 20;
        cf_put32(&c, caplens[i]);
        c.len = end;
        assert_first(PF_ERR_MALFORMED);
    }
    again(false);
    cf_ng_interface(&c, 1, 0, 6, 0);
    size_t at = cf_ng_begin(&c, 6);
    cf_put64(&c, 0); /* half of its fields */
    cf_ng_end(&c, at);
    assert_first(PF_ERR_MALFORMED);
}

static void test_sections_of_both_byte_orders(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        c.big = i % 2 == 1;
        cf_ng_section(&c);
        cf_ng_interface(&c, 113, 0, 9, i);
        cf_ng_interface(&c, 1, 0, 6, 0);
        cf_ng_packet(&c, 1, 0x0102030405060708 >> 12, "one", 3, 1000);
        cf_ng_old_packet(&c, 0, 7, "two22", 5, 5);
    }
    open_reader();
    for (int i = 0; i < 4; i++) {
        assert_frame("one", 1000, 1, (0x0102030405060708 >> 12) * INT64_C(1000));
        assert_frame("two22", 5, 113, i * INT64_C(1000000000) + 7);
    }
    assert_int_equal(next(), PF_END);
}

static void test_simple_packets(void **state)
{
    (void)state;
    again(true);
    cf_ng_interface(&c, 1, 4, 6, 0);
    cf_ng_simple(&c, "abc", 3, 3);
    cf_ng_packet(&c, 0, 9, "x", 1, 1);
    cf_ng_simple(&c, "abcdefgh", 8, 100); /* the snapshot length is 4 */
    open_reader();
    assert_frame("abc", 3, 1, 0);
    assert_frame("x", 1, 1, 9000);
    assert_frame("abcd", 100, 1, 9000);
    assert_int_equal(next(), PF_END);
}

static void test_secrets(void **state)
{
    (void)state;
    again(false);
    cf_ng_secrets(&c, TLS_KEY_LOG, "CLIENT_RANDOM 1 2", 17);
    cf_ng_secrets(&c, 0x57474b4c, "wireguard", 9);
    cf_ng_secrets(&c, TLS_KEY_LOG, "", 0);
    open_reader();
    assert_int_equal(next(), PF_OK);
    assert_int_equal(item.kind, PF_ITEM_SECRETS);
    assert_int_equal(item.secrets.len, 17);
    assert_memory_equal(item.secrets.ptr, "CLIENT_RANDOM 1 2", 17);
    assert_int_equal(next(), PF_OK);
    assert_int_equal(item.secrets.len, 0);
    assert_int_equal(next(), PF_END);
    assert_int_equal(pf_pcapng_other_secrets(reader), 1);

    again(false);
    cf_ng_secrets(&c, TLS_KEY_LOG, "abcd", 4);
    c.ptr[28 + 12] = 5; /* one byte more than the block has */
    assert_first(PF_ERR_MALFORMED);
}

/* Overrunning or odd options lose the option, not the capture. */
static void test_interface_options(void **state)
{
    (void)state;
    static const uint8_t options[][12] = {
        {9, 0, 200, 0, 9, 0, 0, 0},           /* overruns the block */
        {9, 0, 4, 0, 9, 0, 0, 0},             /* a resolution of 4 bytes */
        {0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0}, /* behind the end of options */
        {2, 0, 3, 0, 'e', 't', 'h', 0, 9, 0}, /* ends in a header */
        {14, 0, 4, 0, 1, 0, 0, 0},            /* an offset of 4 bytes */
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        again(false);
        size_t at = cf_ng_begin(&c, 1);
        cf_put32(&c, 1);
        cf_put32(&c, 0);
        cf_put(&c, options[i], sizeof options[i]);
        cf_ng_end(&c, at);
        cf_ng_packet(&c, 0, 3, "x", 1, 1);
        open_reader();
        assert_frame("x", 1, 1, 3000);
    }
}

static void test_unknown_and_large_blocks(void **state)
{
    (void)state;
    enum { LARGE = (16 << 20) - 12 };
    uint8_t *large = calloc(1, LARGE);
    assert_non_null(large);
    again(false);
    cf_ng_interface(&c, 1, 0, 6, 0);
    size_t at = cf_ng_begin(&c, 0x0bad);
    cf_put(&c, large, LARGE);
    cf_ng_end(&c, at);
    cf_ng_packet(&c, 0, 3, "x", 1, 1);
    cf_ng_packet(&c, 0, 3, large, 300000, 300000);
    cf_ng_packet(&c, 0, 4, "y", 1, 1);
    open_reader();
    assert_frame("x", 1, 1, 3000);
    assert_int_equal(next(), PF_OK); /* what is longer than a frame may be counts as not captured */
    assert_int_equal(item.caplen, PF_FRAME_MAX);
    assert_int_equal(item.len, 300000);
    assert_frame("y", 1, 1, 4000);
    assert_int_equal(next(), PF_END);
    free(large);
}

static void test_interface_cap(void **state)
{
    (void)state;
    again(false);
    for (int i = 0; i < 65536; i++) {
        cf_ng_interface(&c, 1, 0, 6, 0);
    }
    cf_ng_packet(&c, 65535, 3, "x", 1, 1);
    open_reader();
    assert_frame("x", 1, 1, 3000);
    cf_ng_interface(&c, 1, 0, 6, 0);
    open_reader();
    assert_frame("x", 1, 1, 3000);
    assert_int_equal(next(), PF_ERR_MALFORMED);
}

static void test_packets_across_the_buffer(void **state)
{
    (void)state;
    static uint8_t data[3001];
    again(false);
    cf_ng_interface(&c, 1, 0, 6, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        memset(data, (int)i, sizeof data);
        cf_ng_packet(&c, 0, i, data, i % 3001, 3001);
    }
    open_reader();
    for (uint32_t i = 0; i < 2000; i++) {
        assert_int_equal(next(), PF_OK);
        assert_int_equal(item.caplen, i % 3001);
        assert_int_equal(item.ts_ns, i * INT64_C(1000));
        for (uint32_t k = 0; k < item.caplen; k += 97) {
            assert_int_equal(item.data[k], (uint8_t)i);
        }
    }
    assert_int_equal(next(), PF_END);
}

static void scan(size_t max, enum pf_status st, const char *text)
{
    struct pf_buf out;
    pf_buf_init(&out, max, NULL);
    assert_int_equal(pf_pcapng_scan_secrets(cf_path(&c), &out, &err), st);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.len > 0 ? out.ptr : (const uint8_t *)"", text, out.len);
    pf_buf_fini(&out);
    err.status = PF_OK;
}

static void test_scan(void **state)
{
    (void)state;
    cf_put(&c, "no pcapng", 9);
    scan(100, PF_OK, "");
    again(true);
    cf_ng_secrets(&c, TLS_KEY_LOG, "one", 3);
    cf_ng_interface(&c, 1, 0, 6, 0);
    cf_ng_packet(&c, 0, 1, "abc", 3, 3);
    cf_ng_packet(&c, 99, 1, "abc", 3, 3); /* damage that a scan does not look at */
    c.big = false;
    cf_ng_section(&c);
    cf_ng_secrets(&c, 1, "other", 5);
    cf_ng_secrets(&c, TLS_KEY_LOG, "", 0);
    cf_ng_secrets(&c, TLS_KEY_LOG, "two\n", 4);
    cf_put32(&c, 10); /* cut short */
    scan(100, PF_OK, "one\ntwo\n");
    scan(4, PF_ERR_LIMIT, "one\n");
    struct pf_buf out;
    pf_buf_init(&out, 100, NULL);
    assert_int_equal(pf_pcapng_scan_secrets("/nonexistent", &out, &err), PF_OK);
    assert_int_equal(pf_pcapng_scan_secrets("-", &out, &err), PF_OK);
    assert_int_equal(pf_pcapng_scan_secrets("/", &out, &err), PF_OK);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_block_lengths),
        T(test_every_cut),
        T(test_bad_section_headers),
        T(test_bad_packets),
        T(test_sections_of_both_byte_orders),
        T(test_simple_packets),
        T(test_secrets),
        T(test_interface_options),
        T(test_unknown_and_large_blocks),
        T(test_interface_cap),
        T(test_packets_across_the_buffer),
        T(test_scan),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
