// SPDX-License-Identifier: Apache-2.0
/* What is stored without being tried, and that any reader of LZ4 frames reads it. */
#include "store/pack.h"
#include "store/unpack.h"

#include <lz4frame.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t plain[PF_CHUNK_MAX];
static uint8_t back[PF_CHUNK_MAX];
static uint8_t frame[PF_CHUNK_MAX * 2];

/* xorshift64*: the same bytes on every machine */
static void fill_random(uint8_t *to, size_t len, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        to[i] = (uint8_t)((x * 0x2545f4914f6cdd1du) >> 56);
    }
}

static void fill_text(uint8_t *to, size_t len)
{
    static const char WORDS[] = "<tr><td>Some words</td><td class=\"n\">17</td></tr>\n";
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t)WORDS[(i + i / 977) % (sizeof WORDS - 1)];
    }
}

static struct pf_span pack(struct pf_packer *p, size_t len)
{
    struct pf_span out;
    assert_int_equal(pf_pack(p, (struct pf_span){plain, len}, &out), PF_OK);
    return out;
}

/* What liblz4 makes of the same bytes by itself. */
static size_t by_lz4(size_t len, int level)
{
    LZ4F_preferences_t prefs = {.compressionLevel = level, .autoFlush = 1};
    prefs.frameInfo.blockMode = LZ4F_blockIndependent;
    prefs.frameInfo.contentSize = len;
    prefs.frameInfo.blockSizeID = len > 65536 ? LZ4F_max256KB : LZ4F_max64KB;
    size_t n = LZ4F_compressFrame(frame, sizeof frame, plain, len, &prefs);
    assert_false(LZ4F_isError(n));
    return n;
}

static void check_reads_back(struct pf_span packed, size_t len)
{
    struct pf_unpacker *u = NULL;
    assert_int_equal(pf_unpacker_new(&u), PF_OK);
    memset(back, 0, sizeof back);
    assert_int_equal(pf_unpack(u, PF_CODEC_LZ4, packed, back, len), PF_OK);
    assert_memory_equal(plain, back, len);
    pf_unpacker_free(u);
}

/* Behind the frame header: the first block's size word, whose highest bit says "stored". */
static bool first_block_is_stored(struct pf_span packed)
{
    enum { HEADER = 4 + 1 + 1 + 8 + 1 }; /* magic, FLG, BD, content size, check byte */
    return (packed.ptr[HEADER + 3] & 0x80) != 0;
}

static void packs_to_where_it_is_wanted(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 4096, 65536, 65537, PF_CHUNK_MAX};
    static uint8_t to[PF_CHUNK_MAX * 2];
    for (int k = 0; k < 4; k++) {
        struct pf_packer *p = NULL;
        enum pf_store_codec codec = k < 2 ? PF_CODEC_LZ4 : PF_CODEC_RAW;
        assert_int_equal(pf_packer_new(codec, 0, &p), PF_OK);
        k % 2 == 0 ? fill_text(plain, sizeof plain) : fill_random(plain, sizeof plain, 5);
        for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
            struct pf_span same = pack(p, SIZES[i]);
            size_t cap = pf_pack_bound(p, SIZES[i]);
            size_t len = 0;
            memset(to, 0xa5, sizeof to);
            const struct pf_span from = {plain, SIZES[i]};
            assert_int_equal(pf_pack_to(p, from, to, cap, &len), PF_OK);
            assert_int_equal(len, same.len);
            assert_memory_equal(to, same.ptr, len);
            assert_true(len <= cap && to[cap] == 0xa5);
            if (cap > 0) {
                assert_int_equal(pf_pack_to(p, from, to, cap - 1, &len), PF_ERR_INTERNAL);
            }
        }
        pf_packer_free(p);
    }
}

static void random_bytes_are_stored_as_lz4_itself_would_store_them(void **state)
{
    (void)state;
    static const size_t SIZES[] = {4096, 5000, 65535, 65536, 65537, 262144, 262145, PF_CHUNK_MAX};
    struct pf_packer *p = NULL;
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        fill_random(plain, SIZES[i], i + 1);
        struct pf_span packed = pack(p, SIZES[i]);
        assert_true(first_block_is_stored(packed));
        assert_true(packed.len <= SIZES[i] + PF_PACK_OVERHEAD);
        check_reads_back(packed, SIZES[i]);
        assert_int_equal(packed.len, by_lz4(SIZES[i], 0));
        assert_memory_equal(packed.ptr, frame, packed.len);
    }
    pf_packer_free(p);
}

static void what_shrinks_is_as_small_as_lz4_makes_it(void **state)
{
    (void)state;
    struct pf_packer *p = NULL;
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
    fill_text(plain, sizeof plain);
    for (size_t len = 1; len <= sizeof plain; len *= 2) {
        struct pf_span packed = pack(p, len);
        assert_int_equal(packed.len, by_lz4(len, 0));
        check_reads_back(packed, len);
    }
    pf_packer_free(p);
}

/* An eighth of text, wherever it stands in the run and however it is cut. */
static void a_little_text_among_random_bytes_is_not_given_up(void **state)
{
    (void)state;
    enum { LEN = 65536, PART = LEN / 8, PIECE = 8192 };
    struct pf_packer *p = NULL;
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
    for (size_t at = 0; at + PART <= LEN; at += PIECE) {
        fill_random(plain, LEN, at + 1);
        fill_text(plain + at, PART);
        struct pf_span packed = pack(p, LEN);
        assert_int_equal(packed.len, by_lz4(LEN, 0));
        assert_true(packed.len < LEN - PART / 2);
        check_reads_back(packed, LEN);
    }
    pf_packer_free(p);
}

/* Random bytes that come twice: above level 2 they are looked for, below they are not. */
static void a_high_level_is_always_tried(void **state)
{
    (void)state;
    enum { LEN = 65536 };
    for (int level = -3; level <= 9; level += 3) {
        struct pf_packer *p = NULL;
        assert_int_equal(pf_packer_new(PF_CODEC_LZ4, level, &p), PF_OK);
        fill_random(plain, LEN / 2, 7);
        memcpy(plain + LEN / 2, plain, LEN / 2);
        struct pf_span packed = pack(p, LEN);
        assert_int_equal(first_block_is_stored(packed), level < 3);
        assert_true(level < 3 || packed.len < LEN * 6 / 10);
        check_reads_back(packed, LEN);
        pf_packer_free(p);
    }
}

/* Runs of a flow are packed by whoever is free: what one packer had before must not matter. */
static void the_same_run_gives_the_same_bytes_after_anything(void **state)
{
    (void)state;
    enum { LEN = 65536, KINDS = 3 };
    static uint8_t first[KINDS][LEN + PF_PACK_OVERHEAD];
    size_t lens[KINDS];
    struct pf_packer *p = NULL;
    for (int round = 0; round < 40; round++) {
        int kind = round < KINDS ? round : round * 7 / 3 % KINDS;
        if (round <= KINDS) { /* each kind once by a new packer, then all by one */
            pf_packer_free(p);
            assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
        }
        fill_random(plain, LEN, 3);
        if (kind > 0) {
            fill_text(plain, kind == 1 ? LEN : LEN / 2);
        }
        struct pf_span packed = pack(p, LEN);
        if (round < KINDS) {
            lens[kind] = packed.len;
            memcpy(first[kind], packed.ptr, packed.len);
        }
        assert_int_equal(packed.len, lens[kind]);
        assert_memory_equal(packed.ptr, first[kind], packed.len);
    }
    pf_packer_free(p);
}

static bool is_whole(const char *path, size_t len)
{
    char command[256];
    (void)snprintf(command, sizeof command, "lz4 -dc %s", path);
    FILE *f = popen(command, "re"); /* NOLINT: the point is to ask another program */
    assert_non_null(f);
    size_t n = fread(back, 1, sizeof back, f);
    return pclose(f) == 0 && n == len && memcmp(plain, back, len) == 0;
}

static void the_lz4_program_reads_what_is_stored(void **state)
{
    (void)state;
    if (system("command -v lz4 >/dev/null") != 0) {
        skip();
    }
    char path[] = "/tmp/pf-pack.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct pf_packer *p = NULL;
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &p), PF_OK);
    for (size_t len = 4096; len <= sizeof plain; len *= 4) {
        fill_random(plain, len, len);
        struct pf_span packed = pack(p, len);
        assert_true(first_block_is_stored(packed));
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, packed.ptr, packed.len, 0), packed.len);
        assert_true(is_whole(path, len));
    }
    pf_packer_free(p);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_to_where_it_is_wanted),
        cmocka_unit_test(random_bytes_are_stored_as_lz4_itself_would_store_them),
        cmocka_unit_test(what_shrinks_is_as_small_as_lz4_makes_it),
        cmocka_unit_test(a_little_text_among_random_bytes_is_not_given_up),
        cmocka_unit_test(a_high_level_is_always_tried),
        cmocka_unit_test(the_same_run_gives_the_same_bytes_after_anything),
        cmocka_unit_test(the_lz4_program_reads_what_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
