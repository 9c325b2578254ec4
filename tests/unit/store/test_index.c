// SPDX-License-Identifier: Apache-2.0
#include "store/index.h"
#include "store/pack.h"
#include "store/text.h"
#include "store/unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t space[PF_INDEX_ENTRY_HEADER + PF_INDEX_BODY_MAX];

static struct pf_span body_of(size_t len)
{
    return (struct pf_span){.ptr = space + PF_INDEX_ENTRY_HEADER,
                            .len = len - PF_INDEX_ENTRY_HEADER};
}

static const struct pf_record_entry extremes[] = {
    {.packet = UINT64_MAX, .ts_ns = INT64_MIN, .seq = UINT64_MAX, .len = 0, .type = 255},
    {.packet = 0, .ts_ns = INT64_MAX, .seq = 0, .len = PF_CHUNK_MAX, .type = 0},
    {.packet = 1, .ts_ns = -1, .seq = 1, .len = 1, .type = 23},
};

static size_t write_extremes(void)
{
    struct pf_index_entry e = {
        .kind = PF_INDEX_CHUNK, .dir = PF_S2C, .back = UINT64_MAX, .offset = UINT64_MAX};
    e.chunk.plain_len = PF_CHUNK_MAX;
    e.chunk.packed_len = PF_CHUNK_MAX + PF_PACK_OVERHEAD;
    e.chunk.pos = UINT64_MAX;
    e.chunk.records = 3;
    return pf_index_write(space, &e, extremes);
}

static void a_cut_entry_is_no_entry(void **state)
{
    (void)state;
    size_t len = write_extremes();
    struct pf_index_entry e;
    for (size_t n = 0; n < len - PF_INDEX_ENTRY_HEADER; n++) {
        struct pf_span body = {.ptr = space + PF_INDEX_ENTRY_HEADER, .len = n};
        struct pf_record_entry r = {.packet = 0};
        bool ok = pf_index_parse(body, &e);
        for (uint32_t i = 0; ok && i < e.chunk.records; i++) {
            ok = pf_index_record(&e.chunk.bytes, i == 0, &r, &r);
        }
        assert_false(ok);
    }
}

static void lengths_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    struct pf_index_entry e = {.kind = PF_INDEX_CHUNK};
    struct pf_index_entry out;
    e.chunk.plain_len = PF_CHUNK_MAX + 1;
    assert_false(pf_index_parse(body_of(pf_index_write(space, &e, NULL)), &out));
    e.chunk.plain_len = 0;
    e.chunk.packed_len = PF_CHUNK_MAX + PF_PACK_OVERHEAD + 1;
    assert_false(pf_index_parse(body_of(pf_index_write(space, &e, NULL)), &out));
    e.chunk.packed_len = 0;
    assert_true(pf_index_parse(body_of(pf_index_write(space, &e, NULL)), &out));
    space[PF_INDEX_ENTRY_HEADER] = 4; /* no such kind */
    assert_false(pf_index_parse(body_of(16), &out));
    static const uint8_t long_varint[] = {2,    0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 2};
    struct pf_index_front front;
    assert_false(pf_index_parse_front(
        (struct pf_span){.ptr = long_varint, .len = sizeof(long_varint)}, &front));
    uint8_t head[PF_INDEX_ENTRY_HEADER] = {0xff, 0xff, 0xff, 0xff};
    uint32_t len;
    uint32_t check;
    assert_false(pf_index_parse_header((struct pf_span){.ptr = head, .len = 8}, &len, &check));
}

static void extremes_survive(void **state)
{
    (void)state;
    size_t len = write_extremes();
    struct pf_index_entry e;
    uint32_t body_len;
    uint32_t check;
    assert_true(pf_index_parse_header((struct pf_span){.ptr = space, .len = 8}, &body_len, &check));
    assert_int_equal(body_len, len - PF_INDEX_ENTRY_HEADER);
    assert_int_equal(check, pf_index_check(body_of(len)));
    assert_true(pf_index_parse(body_of(len), &e));
    assert_int_equal(e.dir, PF_S2C);
    assert_true(e.back == UINT64_MAX && e.offset == UINT64_MAX && e.chunk.pos == UINT64_MAX);
    struct pf_record_entry r = {.packet = 0};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pf_index_record(&e.chunk.bytes, i == 0, &r, &r));
        assert_true(r.packet == extremes[i].packet && r.ts_ns == extremes[i].ts_ns);
        assert_true(r.seq == extremes[i].seq && r.len == extremes[i].len);
        assert_int_equal(r.type, extremes[i].type);
    }
    assert_true(pf_cur_at_end(&e.chunk.bytes));
}

static void the_largest_entry_has_room(void **state)
{
    (void)state;
    static struct pf_record_entry records[PF_CHUNK_RECORDS];
    for (unsigned i = 0; i < PF_CHUNK_RECORDS; i++) {
        records[i] = extremes[i % 2];
    }
    struct pf_index_entry e = {
        .kind = PF_INDEX_CHUNK, .back = UINT64_MAX, .offset = UINT64_MAX, .chunk.pos = UINT64_MAX};
    e.chunk.records = PF_CHUNK_RECORDS;
    assert_true(pf_index_write(space, &e, records) <= sizeof(space));
}

static void gaps_survive(void **state)
{
    (void)state;
    struct pf_index_entry e = {.kind = PF_INDEX_GAP, .offset = 5};
    e.gap = (struct pf_gap_entry){.records = PF_UNKNOWN,
                                  .bytes = 0,
                                  .cipher_bytes = UINT64_MAX,
                                  .packet_before = 1,
                                  .packet_after = 2};
    struct pf_index_entry out;
    assert_true(pf_index_parse(body_of(pf_index_write(space, &e, NULL)), &out));
    assert_int_equal(out.gap.offset, 5);
    assert_true(out.gap.records == PF_UNKNOWN && out.gap.bytes == 0);
    assert_true(out.gap.cipher_bytes == UINT64_MAX);
    assert_true(out.gap.packet_before == 1 && out.gap.packet_after == 2);
}

static void packing_and_unpacking(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 4096, 65536, 65537, 262144, 300000, PF_CHUNK_MAX};
    static uint8_t plain[PF_CHUNK_MAX];
    static uint8_t back[PF_CHUNK_MAX];
    struct pf_unpacker *u = NULL;
    assert_int_equal(pf_unpacker_new(&u), PF_OK);
    for (unsigned noise = 0; noise < 2; noise++) {
        for (size_t i = 0; i < sizeof(plain); i++) {
            plain[i] = (uint8_t)(noise ? rand() >> 8 : "some words "[i % 11]);
        }
        for (unsigned k = 0; k < 3 * sizeof(sizes) / sizeof(sizes[0]); k++) {
            size_t n = sizes[k / 3];
            enum pf_store_codec codec = k % 3 == 0 ? PF_CODEC_RAW : PF_CODEC_LZ4;
            struct pf_packer *p = NULL;
            struct pf_span out;
            assert_int_equal(pf_packer_new(codec, k % 3 == 2 ? 9 : 0, &p), PF_OK);
            assert_int_equal(pf_pack(p, (struct pf_span){.ptr = plain, .len = n}, &out), PF_OK);
            assert_true(out.len <= n + PF_PACK_OVERHEAD);
            assert_int_equal(pf_unpack(u, codec, out, back, n), PF_OK);
            assert_memory_equal(plain, back, n);
            if (n > 0) {
                assert_int_equal(pf_unpack(u, codec, out, back, n - 1), PF_ERR_MALFORMED);
                out.len--;
                assert_int_equal(pf_unpack(u, codec, out, back, n), PF_ERR_MALFORMED);
            }
            pf_packer_free(p);
        }
    }
    struct pf_packer *p = NULL;
    struct pf_span out;
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
    assert_int_equal(pf_pack(p, (struct pf_span){.ptr = plain, .len = PF_CHUNK_MAX + 1}, &out),
                     PF_ERR_INTERNAL);
    pf_packer_free(p);
    pf_unpacker_free(u);
}

static void check_safe(const char *in, size_t len, const char *expected)
{
    char out[PF_TEXT_SAFE];
    struct pf_span s = {.ptr = (const uint8_t *)in, .len = len};
    assert_int_equal(pf_text_safe(s, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void captured_text_becomes_utf8(void **state)
{
    (void)state;
    check_safe("plain", 5, "plain");
    check_safe("a\0b", 3, "a\\x00b");
    check_safe("\033[2J\x7f", 5, "\\x1b[2J\\x7f");
    check_safe("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    check_safe("\xc2\x9b", 2, "\\xc2\\x9b");                   /* C1: CSI */
    check_safe("\xc0\x80", 2, "\\xc0\\x80");                   /* overlong */
    check_safe("\xe0\x80\x80", 3, "\\xe0\\x80\\x80");          /* overlong */
    check_safe("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* surrogate */
    check_safe("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    check_safe("\xff\xe2\x82", 3, "\\xff\\xe2\\x82");          /* cut */
    char out[PF_TEXT_SAFE];
    char zeroes[PF_TEXT_MAX + 10] = {0};
    struct pf_span s = {.ptr = (const uint8_t *)zeroes, .len = sizeof(zeroes)};
    assert_int_equal(pf_text_safe(s, out), 4 * PF_TEXT_MAX);
}

static void times(void **state)
{
    (void)state;
    char out[PF_TEXT_TIME];
    pf_text_time(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000000000Z");
    pf_text_time(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999999Z");
    pf_text_time(1700000000123456789, out);
    assert_string_equal(out, "2023-11-14T22:13:20.123456789Z");
    pf_text_time(INT64_MAX, out);
    assert_string_equal(out, "2262-04-11T23:47:16.854775807Z");
}

/* From the community-id-spec repository's baseline. */
static void community_ids(void **state)
{
    (void)state;
    char out[PF_TEXT_COMMUNITY];
    struct pf_flow_key v4 = {.addr = {{66, 35, 250, 204}, {128, 232, 110, 120}},
                             .port = {80, 34855},
                             .family = 4,
                             .proto = 6};
    struct pf_text_sha1 *sha1 = pf_text_sha1_new();
    assert_non_null(sha1);
    for (int i = 0; i < 3; i++) {
        memset(out, 0, sizeof out);
        assert_true(pf_text_community_id(i < 2 ? sha1 : NULL, &v4, out));
        assert_string_equal(out, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    }
    pf_text_sha1_free(sha1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_entry_is_no_entry),
        cmocka_unit_test(lengths_beyond_the_limits_are_refused),
        cmocka_unit_test(extremes_survive),
        cmocka_unit_test(the_largest_entry_has_room),
        cmocka_unit_test(gaps_survive),
        cmocka_unit_test(packing_and_unpacking),
        cmocka_unit_test(captured_text_becomes_utf8),
        cmocka_unit_test(times),
        cmocka_unit_test(community_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
