// SPDX-License-Identifier: Apache-2.0
#include "capture/source.h"
#include "support/capfile.h"
#include "support/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cmocka.h>

enum { MICRO = 0xa1b2c3d4, NANO = 0xa1b23c4d, KUZNETZOV = 0xa1b2cd34 };

static struct cf c[4];
static struct fr f;
static struct pf_source *source;
static struct pf_item item;
static struct pf_error err;

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        cf_init(&c[i]);
    }
    return 0;
}

static void close_source(void)
{
    pf_source_free(source);
    source = NULL;
    err.status = PF_OK;
}

static int teardown(void **state)
{
    (void)state;
    close_source();
    for (int i = 0; i < 4; i++) {
        cf_fini(&c[i]);
    }
    return 0;
}

static void open_files(size_t n, const char *filter)
{
    const char *paths[4];
    for (size_t i = 0; i < n; i++) {
        paths[i] = cf_path(&c[i]);
    }
    close_source();
    assert_int_equal(pf_source_new(paths, n, filter, &source, &err), PF_OK);
}

/* Reads to the end; the number of items. */
static size_t drain(void)
{
    size_t n = 0;
    while (pf_source_next(source, &item) == PF_OK) {
        n++;
    }
    assert_int_equal(pf_source_next(source, &item), PF_END);
    return n;
}

/* The first file alone: so many items, then this status, with a message that names the file. */
static const char *read_one(size_t items, enum pf_status st)
{
    open_files(1, NULL);
    assert_int_equal(drain(), items);
    const struct pf_source_input *in = pf_source_input(source, 0);
    assert_int_equal(in->status, st);
    assert_int_equal(in->packets, items);
    if (st == PF_OK) {
        assert_string_equal(in->message, "");
    } else {
        assert_int_equal(strncmp(in->message, c[0].path, strlen(c[0].path)), 0);
    }
    return in->message;
}

static void assert_says(const char *message, const char *part)
{
    if (strstr(message, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", message, part);
    }
}

static void test_not_captures(void **state)
{
    (void)state;
    assert_says(read_one(0, PF_ERR_FORMAT), "is empty");
    cf_put(&c[0], "hello", 5);
    assert_says(read_one(0, PF_ERR_FORMAT), "neither a pcap nor a pcapng");
    cf_fini(&c[0]);
    cf_put(&c[0], "snoop\0\0\0\0\0\0\2\0\0\0\4", 16);
    assert_says(read_one(0, PF_ERR_FORMAT), "a snoop capture");
    cf_fini(&c[0]);
    cf_put(&c[0], "\x1f\x8b\x08\x00garbage", 11);
    assert_int_equal(strncmp(read_one(0, PF_ERR_TRUNCATED), c[0].path, 8), 0);
}

static void test_unreadable_paths_do_not_stop_the_rest(void **state)
{
    (void)state;
    cf_pcap_header(&c[0], MICRO, 65535, 1);
    cf_pcap_packet(&c[0], 1, 2, "abc", 3, 3);
    const char *paths[] = {"/nonexistent/a.pcap", cf_path(&c[0]), "/", cf_path(&c[0])};
    assert_int_equal(pf_source_new(paths, 4, NULL, &source, &err), PF_OK);
    assert_int_equal(pf_source_input(source, 0)->status, PF_ERR_IO); /* said before it is reached */
    assert_int_equal(drain(), 2);
    assert_says(pf_source_input(source, 0)->message, "/nonexistent/a.pcap: No such file");
    assert_says(pf_source_input(source, 2)->message, "/: is a directory");
    assert_int_equal(pf_source_input(source, 3)->status, PF_OK);
    assert_int_equal(pf_source_packets(source), 2);
}

static void test_pcap_cut_at_every_byte(void **state)
{
    (void)state;
    cf_pcap_header(&c[0], MICRO, 65535, 1);
    cf_pcap_packet(&c[0], 1, 2, "abc", 3, 3);
    cf_pcap_packet(&c[0], 1, 2, "defg", 4, 4);
    size_t whole = c[0].len;
    for (c[0].len = 4; c[0].len <= whole; c[0].len++) {
        size_t n = c[0].len < 43 ? 0 : c[0].len < 63 ? 1 : 2;
        bool good = c[0].len == 24 || c[0].len == 43 || c[0].len == 63;
        const char *message = read_one(n, good ? PF_OK : PF_ERR_TRUNCATED);
        if (n == 1 && !good) {
            assert_says(message, "cut short in packet 2");
        }
    }
}

static void test_pcap_damage(void **state)
{
    (void)state;
    static const uint32_t caplens[] = {262145, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < 4; i++) {
        cf_fini(&c[0]);
        cf_pcap_header(&c[0], MICRO, 65535, 1);
        cf_pcap_packet(&c[0], 1, 2, "abc", 3, 3);
        cf_put64(&c[0], 1);
        cf_put32(&c[0], caplens[i]);
        cf_put32(&c[0], caplens[i]);
        cf_put(&c[0], "abcdefgh", 8);
        assert_says(read_one(1, PF_ERR_MALFORMED), "damaged after packet 1");
    }
}

static void assert_frame(const char *data, uint32_t len, int64_t ts, uint64_t number)
{
    assert_int_equal(pf_source_next(source, &item), PF_OK);
    assert_int_equal(item.kind, PF_ITEM_FRAME);
    assert_int_equal(item.caplen, strlen(data));
    assert_memory_equal(item.data, data, strlen(data));
    assert_int_equal(item.len, len);
    assert_true(item.ts_ns == ts);
    assert_int_equal(item.number, number);
}

/* Frames longer than the header's snapshot length, caplen over len, no bytes at all, odd times. */
static void test_pcap_oddities(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        cf_fini(&c[0]);
        c[0].big = big;
        cf_pcap_header(&c[0], MICRO, 3, 101);
        cf_pcap_packet(&c[0], 1, 999999, "longer than three", 17, 100);
        cf_pcap_packet(&c[0], 2, 0xffffffff, "abc", 3, 1);
        cf_pcap_packet(&c[0], 0xffffffff, 0, "", 0, 60);
        open_files(1, NULL);
        assert_frame("longer than three", 100, 1999999000, 1);
        assert_int_equal(item.linktype, 101);
        assert_frame("abc", 3, 2000000000, 2);
        assert_frame("", 60, 0xffffffff * INT64_C(1000000000), 3);
        assert_int_equal(drain(), 0);
        assert_int_equal(pf_source_input(source, 0)->status, PF_OK);
    }
}

static void test_pcap_variants(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        cf_fini(&c[0]);
        c[0].big = big;
        cf_pcap_header(&c[0], NANO, 65535, 1);
        cf_pcap_packet(&c[0], 7, 123456789, "abc", 3, 3);
        open_files(1, NULL);
        assert_frame("abc", 3, 7123456789, 1);
        cf_fini(&c[0]);
        c[0].big = big;
        cf_pcap_header(&c[0], KUZNETZOV, 65535, 1);
        cf_pcap_packet(&c[0], 7, 5, "", 0, 3);
        c[0].len -= 8;
        cf_put32(&c[0], 3);
        cf_put32(&c[0], 3);
        cf_put64(&c[0], 0); /* interface, protocol, packet type */
        cf_put(&c[0], "abc", 3);
        open_files(1, NULL);
        assert_frame("abc", 3, 7000005000, 1);
        assert_int_equal(drain(), 0);
        assert_int_equal(pf_source_input(source, 0)->status, PF_OK);
    }
}

static void make_frame(uint32_t i)
{
    fr_segment(&f, "10.0.0.1", (uint16_t)(1000 + i % 7), "10.0.0.2", 443, i, NULL, i * 37 % 9000);
}

/* Both readers hand over the same packets. */
static void test_pcap_and_pcapng_agree(void **state)
{
    (void)state;
    enum { PACKETS = 500 };
    c[1].big = true;
    cf_pcap_header(&c[0], NANO, 262144, 1);
    cf_ng_section(&c[1]);
    cf_ng_interface(&c[1], 1, 0, 9, 0);
    for (uint32_t i = 0; i < PACKETS; i++) {
        make_frame(i);
        uint32_t caplen = i % 5 == 0 ? fr_len(&f) / 2 : fr_len(&f);
        uint64_t ns = UINT64_C(1700000000000000000) + i * UINT64_C(1234567891);
        cf_pcap_packet(&c[0], (uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000), fr_ptr(&f),
                       caplen, fr_len(&f));
        cf_ng_packet(&c[1], 0, ns, fr_ptr(&f), caplen, fr_len(&f));
    }
    static const char *const filters[] = {NULL, "tcp port 1003"};
    for (int i = 0; i < 2; i++) {
        const char *ng[] = {cf_path(&c[1])};
        struct pf_source *other;
        struct pf_item a;
        open_files(1, filters[i]);
        assert_int_equal(pf_source_new(ng, 1, filters[i], &other, &err), PF_OK);
        size_t n = 0;
        while (pf_source_next(source, &item) == PF_OK) {
            assert_int_equal(pf_source_next(other, &a), PF_OK);
            assert_int_equal(a.caplen, item.caplen);
            assert_memory_equal(a.data, item.data, a.caplen);
            assert_int_equal(a.len, item.len);
            assert_true(a.ts_ns == item.ts_ns && a.number == item.number);
            assert_int_equal(a.linktype, item.linktype);
            n++;
        }
        assert_int_equal(pf_source_next(other, &a), PF_END);
        assert_int_equal(n, i == 0 ? PACKETS : 71);
        pf_source_free(other);
    }
}

static void test_several_captures_are_one(void **state)
{
    (void)state;
    cf_pcap_header(&c[0], MICRO, 65535, 1);
    cf_pcap_packet(&c[0], 1, 0, "abc", 3, 3);
    cf_pcap_packet(&c[0], 2, 0, "def", 3, 3);
    cf_put(&c[0], "cut", 3);
    cf_ng_section(&c[1]);
    cf_ng_interface(&c[1], 113, 0, 6, 0);
    cf_ng_interface(&c[1], 1, 0, 6, 0);
    cf_ng_secrets(&c[1], 0x544c534b, "secret", 6);
    cf_ng_packet(&c[1], 1, 3000000, "ghi", 3, 3);
    cf_ng_packet(&c[1], 0, 4000000, "jkl", 3, 3);
    cf_pcap_header(&c[2], MICRO, 65535, 101);
    open_files(3, NULL);
    uint64_t done;
    uint64_t total;
    pf_source_bytes(source, &done, &total);
    assert_int_equal(done, 0);
    assert_int_equal(total, c[0].len + c[1].len + c[2].len);
    assert_frame("abc", 3, 1000000000, 1);
    assert_frame("def", 3, 2000000000, 2);
    assert_int_equal(pf_source_next(source, &item), PF_OK);
    assert_int_equal(item.kind, PF_ITEM_SECRETS);
    assert_int_equal(item.input, 1);
    assert_memory_equal(item.secrets.ptr, "secret", 6);
    assert_frame("ghi", 3, 3000000000, 3);
    assert_frame("jkl", 3, 4000000000, 4);
    assert_int_equal(item.input, 1);
    assert_int_equal(drain(), 0);
    pf_source_bytes(source, &done, &total);
    assert_int_equal(done, total);
    assert_int_equal(pf_source_inputs(source), 3);
    assert_says(pf_source_input(source, 0)->message, "cut short in packet 3");
    const struct pf_source_input *ng = pf_source_input(source, 1);
    assert_string_equal(ng->format, "pcapng");
    assert_null(ng->compression);
    assert_int_equal(ng->packets, 2);
    assert_int_equal(ng->secrets, 1);
    assert_int_equal(ng->n_linktypes, 2);
    assert_int_equal(ng->linktypes[0], 1);
    assert_int_equal(ng->bytes, c[1].len);
    assert_int_equal(pf_source_input(source, 2)->status, PF_OK);
}

static void test_compressed_and_cut(void **state)
{
    (void)state;
    cf_pcap_header(&c[1], MICRO, 65535, 1);
    for (uint32_t i = 0; i < 100; i++) {
        make_frame(i);
        cf_pcap_packet(&c[1], i, 0, fr_ptr(&f), fr_len(&f), fr_len(&f));
    }
    uLongf n = compressBound(c[1].len) + 64;
    uint8_t *packed = malloc(n);
    assert_non_null(packed);
    z_stream z = {.next_in = c[1].ptr, .avail_in = (uInt)c[1].len, .next_out = packed};
    z.avail_out = (uInt)n;
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    cf_put(&c[0], packed, z.total_out);
    deflateEnd(&z);
    free(packed);
    assert_string_equal(read_one(100, PF_OK), "");
    assert_string_equal(pf_source_input(source, 0)->compression, "gzip");
    c[0].len -= 1000;
    open_files(1, NULL);
    size_t kept = drain();
    assert_true(kept > 50 && kept < 100);
    assert_int_equal(pf_source_input(source, 0)->status, PF_ERR_TRUNCATED);
    assert_says(pf_source_input(source, 0)->message, "gzip data ends early");
}

static void test_bad_filter(void **state)
{
    (void)state;
    const char *path = "/nonexistent";
    assert_int_equal(pf_source_new(&path, 1, "tcp prot 443", &source, &err), PF_ERR_USAGE);
    assert_says(err.text, "tcp prot 443");
    assert_null(source);
}

static void test_filtered_packets_are_counted(void **state)
{
    (void)state;
    cf_pcap_header(&c[0], MICRO, 65535, 1);
    for (uint32_t i = 0; i < 14; i++) {
        make_frame(i);
        cf_pcap_packet(&c[0], i, 0, fr_ptr(&f), fr_len(&f), fr_len(&f));
    }
    open_files(1, "src port 1003");
    assert_int_equal(pf_source_next(source, &item), PF_OK);
    assert_int_equal(item.number, 4);
    assert_int_equal(pf_source_next(source, &item), PF_OK);
    assert_int_equal(item.number, 11);
    assert_int_equal(drain(), 0);
    assert_int_equal(pf_source_input(source, 0)->packets, 14);
    assert_int_equal(pf_source_input(source, 0)->filtered, 12);
}

/* A filter that makes sense for one of two link types. */
static void test_filter_by_link_type(void **state)
{
    (void)state;
    cf_ng_section(&c[0]);
    cf_ng_interface(&c[0], 1, 0, 6, 0);
    cf_ng_interface(&c[0], 101, 0, 6, 0);
    fr_segment(&f, "10.0.0.1", 1, "10.0.0.2", 2, 3, "abc", 3);
    cf_ng_packet(&c[0], 0, 0, fr_ptr(&f), fr_len(&f), fr_len(&f));
    cf_ng_packet(&c[0], 1, 0, fr_ptr(&f) + 14, fr_len(&f) - 14, fr_len(&f) - 14);
    open_files(1, "tcp");
    assert_int_equal(drain(), 2);
    open_files(1, "ether host 02:00:00:00:00:01");
    assert_int_equal(drain(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_not_captures),
        T(test_unreadable_paths_do_not_stop_the_rest),
        T(test_pcap_cut_at_every_byte),
        T(test_pcap_damage),
        T(test_pcap_oddities),
        T(test_pcap_variants),
        T(test_pcap_and_pcapng_agree),
        T(test_several_captures_are_one),
        T(test_compressed_and_cut),
        T(test_bad_filter),
        T(test_filtered_packets_are_counted),
        T(test_filter_by_link_type),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
