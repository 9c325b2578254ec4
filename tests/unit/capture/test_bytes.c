// SPDX-License-Identifier: Apache-2.0
#include "capture/bytes.h"
#include "capture/decompress.h"
#include "support/capfile.h"

#include <fcntl.h>
#include <lz4frame.h>
#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { SIZE = 3 << 20, PACKED = 4 << 20 };

static uint8_t *plain;
static struct cf c;
static struct pf_bytes *in;
static struct pf_error err;

static int group_setup(void **state)
{
    (void)state;
    plain = malloc(SIZE);
    uint32_t x = 1;
    for (size_t i = 0; plain != NULL && i < SIZE; i++) {
        x = x * 1664525 + 1013904223;
        plain[i] = (uint8_t)(i % 3 == 0 ? x >> 24 : i >> 10); /* compressible, not too well */
    }
    return plain != NULL ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    free(plain);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    cf_init(&c);
    in = NULL;
    err.status = PF_OK;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pf_bytes_close(in);
    cf_fini(&c);
    return 0;
}

static void put_gzip(const uint8_t *data, size_t len, uint8_t *out, size_t *n)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const Bytef *)data;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = PACKED;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *n = PACKED - z.avail_out;
    deflateEnd(&z);
}

/* One member or frame behind what is there. */
static void put_packed(enum pf_codec codec, const uint8_t *data, size_t len)
{
    uint8_t *out = malloc(PACKED);
    size_t n = 0;
    assert_non_null(out);
    if (codec == PF_CODEC_GZIP) {
        put_gzip(data, len, out, &n);
    } else if (codec == PF_CODEC_ZSTD) {
        n = ZSTD_compress(out, PACKED, data, len, 1);
        assert_false(ZSTD_isError(n));
    } else {
        LZ4F_preferences_t prefs = {.frameInfo = {.contentChecksumFlag = 1}};
        n = LZ4F_compressFrame(out, PACKED, data, len, &prefs);
        assert_false(LZ4F_isError(n));
    }
    cf_put(&c, out, n);
    free(out);
}

static void reopen(void)
{
    pf_bytes_close(in);
    in = NULL;
    assert_int_equal(pf_bytes_open(cf_path(&c), NULL, &in, &err), PF_OK);
}

/* Reads all by need and read in turns; the number of bytes, all of them as in plain. */
static size_t drain(enum pf_status *end)
{
    size_t at = 0;
    size_t step = 1;
    static uint8_t copy[70000];
    for (int i = 0;; i++) {
        const uint8_t *p = copy;
        size_t n = step;
        if (i % 2 == 0) {
            *end = pf_bytes_need(in, n, &p);
            if (*end == PF_ERR_TRUNCATED && pf_bytes_buffered(in) > 0) {
                n = pf_bytes_buffered(in);
                *end = pf_bytes_need(in, n, &p);
            }
        } else {
            *end = pf_bytes_read(in, copy, n, &n);
        }
        if (*end != PF_OK) {
            return at;
        }
        assert_true(at + n <= SIZE);
        assert_memory_equal(p, plain + at, n);
        if (i % 2 == 0) {
            pf_bytes_skip(in, n);
        }
        at += n;
        assert_int_equal(pf_bytes_offset(in), at);
        step = step * 5 % 69997 + 1;
    }
}

static void test_open_fails(void **state)
{
    (void)state;
    assert_int_equal(pf_bytes_open("/nonexistent/x", NULL, &in, &err), PF_ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
    err.status = PF_OK;
    assert_int_equal(pf_bytes_open("/", NULL, &in, &err), PF_ERR_FORMAT);
}

static void test_empty_and_short(void **state)
{
    (void)state;
    const uint8_t *p;
    reopen();
    assert_int_equal(pf_bytes_need(in, 1, &p), PF_END);
    assert_int_equal(pf_bytes_error(in)->status, PF_OK);
    cf_put(&c, "\x1f\x8b", 2); /* too short to tell */
    reopen();
    assert_null(pf_bytes_compression(in));
    assert_int_equal(pf_bytes_need(in, 3, &p), PF_ERR_TRUNCATED);
    assert_int_equal(pf_bytes_need(in, 2, &p), PF_OK);
    assert_int_equal(pf_bytes_need(in, PF_BYTES_NEED_MAX + 1, &p), PF_ERR_LIMIT);
}

static void test_plain(void **state)
{
    (void)state;
    enum pf_status end;
    cf_put(&c, plain, SIZE);
    reopen();
    assert_null(pf_bytes_compression(in));
    assert_int_equal(pf_bytes_total(in), SIZE);
    assert_int_equal(drain(&end), SIZE);
    assert_int_equal(end, PF_END);
    assert_int_equal(pf_bytes_raw(in), SIZE);
    const uint8_t *p; /* a need larger than the buffer */
    reopen();
    assert_int_equal(pf_bytes_need(in, 100, &p), PF_OK);
    pf_bytes_skip(in, 77);
    assert_int_equal(pf_bytes_need(in, SIZE - 77, &p), PF_OK);
    assert_memory_equal(p, plain + 77, SIZE - 77);
}

static void test_standard_input_and_pipes(void **state)
{
    (void)state;
    int fds[2];
    int saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], plain, 50000), 50000);
    close(fds[1]);
    assert_true(dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
    close(fds[0]);
    assert_int_equal(pf_bytes_open("-", NULL, &in, &err), PF_OK);
    enum pf_status end;
    assert_int_equal(pf_bytes_total(in), 0);
    assert_int_equal(drain(&end), 50000);
    assert_int_equal(end, PF_END);
    pf_bytes_close(in);
    in = NULL;
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* it is not ours to close */
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static const enum pf_codec codecs[] = {PF_CODEC_GZIP, PF_CODEC_ZSTD, PF_CODEC_LZ4};

static void test_packed_in_several_members(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        enum pf_status end;
        cf_fini(&c);
        put_packed(codecs[i], plain, 1000);
        put_packed(codecs[i], plain + 1000, 0);
        put_packed(codecs[i], plain + 1000, SIZE - 1000);
        reopen();
        assert_string_equal(pf_bytes_compression(in), pf_codec_name(codecs[i]));
        assert_int_equal(drain(&end), SIZE);
        assert_int_equal(end, PF_END);
        assert_int_equal(pf_bytes_raw(in), c.len);
        assert_int_equal(pf_bytes_error(in)->status, PF_OK);
    }
}

/* Cut anywhere: what came before is delivered, then the error, and it stays. */
static void test_packed_and_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        cf_fini(&c);
        put_packed(codecs[i], plain, 600000);
        size_t whole = c.len;
        size_t most = 0;
        for (c.len = whole - 1; c.len > 4; c.len -= c.len > whole - 9 ? 1 : c.len / 4 + 1) {
            enum pf_status end;
            reopen();
            size_t n = drain(&end);
            most = n > most ? n : most;
            assert_int_equal(end, PF_ERR_TRUNCATED);
            assert_int_equal(pf_bytes_error(in)->status, PF_ERR_TRUNCATED);
            assert_non_null(strstr(pf_bytes_error(in)->text, pf_codec_name(codecs[i])));
            assert_int_equal(drain(&end), 0);
            assert_int_equal(end, PF_ERR_TRUNCATED);
        }
        assert_true(most >= 500000);
    }
}

static void test_packed_and_damaged(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        const uint8_t *p;
        enum pf_status st = PF_OK;
        cf_fini(&c);
        put_packed(codecs[i], plain, 100000);
        cf_put(&c, "garbage that is no member", 25);
        reopen();
        for (size_t n = 0; n < 100000; n += 1000) {
            assert_int_equal(pf_bytes_need(in, 1000, &p), PF_OK);
            assert_memory_equal(p, plain + n, 1000);
            pf_bytes_skip(in, 1000);
        }
        st = pf_bytes_need(in, 1, &p);
        assert_int_equal(st, PF_ERR_MALFORMED);
        assert_int_equal(pf_bytes_error(in)->status, PF_ERR_MALFORMED);
    }
}

/* A bomb costs time, not memory: the buffer is all that is ever filled. */
static void test_bomb(void **state)
{
    (void)state;
    uint8_t *zeros = calloc(1, 16 << 20);
    assert_non_null(zeros);
    put_packed(PF_CODEC_ZSTD, zeros, 16 << 20);
    free(zeros);
    assert_true(c.len < 10000);
    reopen();
    const uint8_t *p;
    size_t total = 0;
    while (pf_bytes_need(in, 4096, &p) == PF_OK) {
        assert_true(pf_bytes_buffered(in) <= 512 << 10);
        pf_bytes_skip(in, 4096);
        total += 4096;
    }
    assert_int_equal(total, 16 << 20);
}

/* What is held stays as it was read, however much is read behind it; what is not held is used
 * again, and when all are held bytes still come, to be copied. */
static void test_slabs(void **state)
{
    (void)state;
    enum { PIECE = 1000, MANY = 200 };
    static struct {
        struct pf_slab *slab;
        const uint8_t *data;
        uint64_t at;
    } held[MANY];
    for (int every = 1; every <= 2; every++) { /* all of them are held, or only the last one */
        size_t n = 0;
        size_t copied = 0;
        const uint8_t *p;
        cf_fini(&c);
        cf_init(&c);
        for (int i = 0; i < 12; i++) {
            cf_put(&c, plain, SIZE);
        }
        reopen();
        while (pf_bytes_need(in, PIECE, &p) == PF_OK) {
            struct pf_slab *slab = pf_bytes_slab(in);
            uint64_t at = pf_bytes_offset(in);
            assert_memory_equal(p, plain + at % SIZE, at % SIZE + PIECE > SIZE ? 1 : PIECE);
            copied += slab == NULL;
            if (slab != NULL && (n == 0 || held[n - 1].slab != slab)) {
                assert_true(pf_slab_has(slab, p, PIECE) && !pf_slab_has(slab, plain, 1));
                assert_true(n < MANY);
                if (every == 2 && n > 0) {
                    pf_slab_release(held[--n].slab);
                }
                pf_slab_hold(slab);
                held[n].slab = slab;
                held[n].data = p;
                held[n++].at = at;
            }
            pf_bytes_skip(in, PIECE);
        }
        assert_true(every == 1 ? n > 30 && copied > 0 : n == 1 && copied * PIECE < SIZE);
        pf_bytes_close(in);
        in = NULL;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(held[i].data[0], plain[held[i].at % SIZE]);
            pf_slab_release(held[i].slab);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_open_fails),
        T(test_empty_and_short),
        T(test_plain),
        T(test_standard_input_and_pipes),
        T(test_packed_in_several_members),
        T(test_packed_and_cut),
        T(test_packed_and_damaged),
        T(test_bomb),
        T(test_slabs),
#undef T
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
