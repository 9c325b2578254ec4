// SPDX-License-Identifier: Apache-2.0
#include "tls/seqfilter.h"

#include <string.h>

enum { BLOCK = 16, CHACHA_BLOCK = 64, LANES = 8, KEY_WORDS = 8, DOUBLE_ROUNDS = 10 };

/* One word of the state for several numbers. */
typedef uint32_t words __attribute__((vector_size(4 * LANES)));

bool pf_seqfilter_has(const struct pf_keys *keys)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    return keys->version == PF_VERSION_TLS13 &&
           (bulk->mode == PF_MODE_CHACHA || bulk->mode == PF_MODE_CCM);
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* RFC 8439 section 2.3; the text begins with block 1. */
static void chacha_start(struct pf_seqfilter *f)
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(f->start, constants, sizeof constants);
    for (size_t i = 0; i < KEY_WORDS; i++) {
        f->start[4 + i] = load32(f->keys->key + 4 * i);
    }
    f->start[12] = (uint32_t)(1 + f->at / CHACHA_BLOCK);
    for (size_t i = 0; i < 3; i++) {
        f->start[13 + i] = load32(f->keys->iv + 4 * i);
    }
}

bool pf_seqfilter_init(struct pf_seqfilter *f, struct pf_crypt *crypt, const struct pf_keys *keys,
                       struct pf_span body)
{
    size_t tag = keys->suite->bulk->tag_len;
    if (!pf_seqfilter_has(keys) || body.len <= tag) {
        return false;
    }
    *f = (struct pf_seqfilter){.keys = keys, .at = body.len - tag - 1};
    f->last = body.ptr[f->at];
    if (keys->suite->bulk->mode == PF_MODE_CHACHA) {
        chacha_start(f);
        return true;
    }
    f->block = pf_cipher_block(crypt, keys, true);
    return f->block != NULL;
}

static bool can_be_last(uint8_t byte)
{
    return byte == 0 || (byte >= PF_CT_ALERT && byte <= PF_CT_HEARTBEAT);
}

/* By address: vectors are not passed the same way with AVX as without. */
static inline __attribute__((always_inline)) void mix(words *x, const words *y, int n)
{
    words sum = *x ^ *y;
    *x = sum << n | sum >> (32 - n);
}

static inline __attribute__((always_inline)) void quarter(words *a, words *b, words *c, words *d)
{
    *a += *b;
    mix(d, a, 16);
    *c += *d;
    mix(b, c, 12);
    *a += *b;
    mix(d, a, 8);
    *c += *d;
    mix(b, c, 7);
}

static inline __attribute__((always_inline)) void rounds(words x[PF_FILTER_WORDS])
{
    for (int i = 0; i < DOUBLE_ROUNDS; i++) {
        quarter(&x[0], &x[4], &x[8], &x[12]);
        quarter(&x[1], &x[5], &x[9], &x[13]);
        quarter(&x[2], &x[6], &x[10], &x[14]);
        quarter(&x[3], &x[7], &x[11], &x[15]);
        quarter(&x[0], &x[5], &x[10], &x[15]);
        quarter(&x[1], &x[6], &x[11], &x[12]);
        quarter(&x[2], &x[7], &x[8], &x[13]);
        quarter(&x[3], &x[4], &x[9], &x[14]);
    }
}

static void rounds_anywhere(words x[PF_FILTER_WORDS])
{
    rounds(x);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void rounds_avx2(words x[PF_FILTER_WORDS])
{
    rounds(x);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static void rounds_avx2(words x[PF_FILTER_WORDS])
{
    rounds(x);
}

static bool has_avx2(void)
{
    return false;
}
#endif

/* The keystream's byte at f->at under LANES numbers. */
static void chacha_bytes(const struct pf_seqfilter *f, const uint64_t seq[LANES],
                         uint8_t out[LANES])
{
    words x[PF_FILTER_WORDS];
    size_t byte = f->at % CHACHA_BLOCK;
    size_t word = byte / 4;
    for (size_t i = 0; i < PF_FILTER_WORDS; i++) {
        x[i] = (words){0} + f->start[i];
    }
    for (unsigned lane = 0; lane < LANES; lane++) { /* the nonce's last 8 bytes, big-endian */
        x[14][lane] ^= __builtin_bswap32((uint32_t)(seq[lane] >> 32));
        x[15][lane] ^= __builtin_bswap32((uint32_t)seq[lane]);
    }
    words start = x[word];
    (has_avx2() ? rounds_avx2 : rounds_anywhere)(x);
    start += x[word];
    for (unsigned lane = 0; lane < LANES; lane++) {
        out[lane] = (uint8_t)(start[lane] >> (8 * (byte % 4)));
    }
    pf_wipe(x, sizeof x);
}

static void chacha_all(const struct pf_seqfilter *f, const uint64_t *seq, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        uint64_t lane[LANES];
        for (size_t k = 0; k < LANES; k++) {
            lane[k] = seq[i + k < n ? i + k : n - 1];
        }
        chacha_bytes(f, lane, out + i);
    }
}

/* NIST SP 800-38C appendix A.3, with a counter of three bytes; the text begins with block 1. */
static bool ccm_all(const struct pf_seqfilter *f, const uint64_t *seq, size_t n, uint8_t *out)
{
    uint8_t blocks[PF_FILTER_LANES * BLOCK] = {0};
    uint64_t counter = 1 + f->at / BLOCK;
    int len = 0;
    for (size_t i = 0; i < n; i++) {
        const struct pf_sealed rec = {.seq = seq[i]};
        uint8_t *b = blocks + i * BLOCK;
        b[0] = 3 - 1;
        pf_aead_nonce(f->keys, &rec, b + 1);
        b[13] = (uint8_t)(counter >> 16);
        b[14] = (uint8_t)(counter >> 8);
        b[15] = (uint8_t)counter;
    }
    if (EVP_CipherUpdate(f->block, blocks, &len, blocks, (int)(n * BLOCK)) != 1) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = blocks[i * BLOCK + f->at % BLOCK];
    }
    pf_wipe(blocks, sizeof blocks);
    return true;
}

uint32_t pf_seqfilter_run(const struct pf_seqfilter *f, const uint64_t *seq, size_t n)
{
    uint8_t stream[PF_FILTER_LANES];
    uint32_t possible = 0;
    if (f->block == NULL) {
        chacha_all(f, seq, n, stream);
    } else if (!ccm_all(f, seq, n, stream)) {
        return UINT32_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        possible |= can_be_last(stream[i] ^ f->last) ? (uint32_t)1 << i : 0;
    }
    return possible;
}
