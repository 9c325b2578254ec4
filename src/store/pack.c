// SPDX-License-Identifier: Apache-2.0
#include "store/pack.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Ciphertext and what is compressed already has every byte equally often: LZ4 would go over it for
 * nothing. SLICES pieces of SLICE bytes, spread over the run, are counted by value; the sum of the
 * counts' squares is about 5,116 (deviation 90) for random bytes, 14,000 and more for machine code,
 * 50,000 and more for text. A run of which an eighth is text is above EVEN.
 */
enum { SLICES = 16, SLICE = 64, EVEN = 5700, WORTH_A_LOOK = 16384 };

enum { LEVEL_HC = 3, BLOCK_SMALL = 1 << 16, BLOCK_LARGE = 1 << 18, BLOCK_HEAD = 4 };

#define BLOCK_STORED ((uint32_t)1 << 31) /* LZ4 frame format, "Block Size" */

struct pf_packer {
    enum pf_store_codec codec;
    LZ4F_cctx *ctx;
    LZ4F_preferences_t prefs;
    uint8_t *out;
    size_t cap;
};

static enum pf_status lz4_init(struct pf_packer *p, int level)
{
    p->prefs.compressionLevel = level;
    p->prefs.autoFlush = 1; /* compress straight from the caller's bytes, buffer nothing */
    p->prefs.frameInfo.blockMode = LZ4F_blockIndependent;
    p->prefs.frameInfo.blockSizeID = LZ4F_max256KB;
    p->cap = LZ4F_compressBound(PF_CHUNK_MAX, &p->prefs) + LZ4F_HEADER_SIZE_MAX;
    p->out = malloc(p->cap);
    if (p->out == NULL || LZ4F_isError(LZ4F_createCompressionContext(&p->ctx, LZ4F_VERSION))) {
        return PF_ERR_NOMEM;
    }
    /* LZ4 makes its tables in the first frame: have that behind us. */
    return LZ4F_isError(LZ4F_compressBegin(p->ctx, p->out, p->cap, &p->prefs)) ? PF_ERR_NOMEM
                                                                               : PF_OK;
}

enum pf_status pf_packer_new(enum pf_store_codec codec, int level, struct pf_packer **out)
{
    *out = NULL;
    struct pf_packer *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return PF_ERR_NOMEM;
    }
    p->codec = codec;
    if (codec == PF_CODEC_LZ4 && lz4_init(p, level) != PF_OK) {
        pf_packer_free(p);
        return PF_ERR_NOMEM;
    }
    *out = p;
    return PF_OK;
}

void pf_packer_free(struct pf_packer *p)
{
    if (p != NULL) {
        (void)LZ4F_freeCompressionContext(p->ctx);
        free(p->out);
        free(p);
    }
}

static bool is_even(struct pf_span plain)
{
    uint16_t counts[2][256] = {{0}}; /* two, so that equal neighbours need not wait */
    const size_t step = (plain.len - SLICE) / (SLICES - 1);
    for (size_t s = 0; s < SLICES; s++) {
        const uint8_t *slice = plain.ptr + s * step;
        for (size_t i = 0; i < SLICE; i += 2) {
            counts[0][slice[i]]++;
            counts[1][slice[i + 1]]++;
        }
    }
    uint32_t squares = 0;
    for (size_t i = 0; i < 256; i++) {
        uint32_t n = (uint32_t)counts[0][i] + counts[1][i];
        squares += n * n;
    }
    return squares <= EVEN;
}

/* Who asks for a high level wants it tried. */
static bool is_stored(const struct pf_packer *p, struct pf_span plain)
{
    return p->prefs.compressionLevel < LEVEL_HC && plain.len >= WORTH_A_LOOK && is_even(plain);
}

static uint8_t *put_le32(uint8_t *to, uint32_t n)
{
    for (unsigned i = 0; i < BLOCK_HEAD; i++) {
        to[i] = (uint8_t)(n >> 8 * i);
    }
    return to + BLOCK_HEAD;
}

/* The rest of a frame whose blocks are stored: the same bytes that LZ4 makes when it has failed to
 * shrink them. */
static size_t store(uint8_t *to, struct pf_span plain, size_t block)
{
    uint8_t *at = to;
    while (plain.len > 0) {
        size_t n = plain.len < block ? plain.len : block;
        at = put_le32(at, (uint32_t)n | BLOCK_STORED);
        memcpy(at, plain.ptr, n);
        at += n;
        plain.ptr += n;
        plain.len -= n;
    }
    return (size_t)(put_le32(at, 0) - to); /* EndMark */
}

static size_t shrink(struct pf_packer *p, uint8_t *to, size_t cap, struct pf_span plain)
{
    size_t body = 0;
    if (plain.len > 0) {
        body = LZ4F_compressUpdate(p->ctx, to, cap, plain.ptr, plain.len, NULL);
    }
    if (LZ4F_isError(body)) {
        return body;
    }
    size_t tail = LZ4F_compressEnd(p->ctx, to + body, cap - body, NULL);
    return LZ4F_isError(tail) ? tail : body + tail;
}

size_t pf_pack_bound(const struct pf_packer *p, size_t plain_len)
{
    return p->codec == PF_CODEC_RAW
               ? plain_len
               : LZ4F_compressBound(plain_len, &p->prefs) + LZ4F_HEADER_SIZE_MAX;
}

enum pf_status pf_pack_to(struct pf_packer *p, struct pf_span plain, uint8_t *to, size_t cap,
                          size_t *len)
{
    if (plain.len > PF_CHUNK_MAX || cap < pf_pack_bound(p, plain.len)) {
        return PF_ERR_INTERNAL;
    }
    if (p->codec == PF_CODEC_RAW) {
        if (plain.len > 0) {
            memcpy(to, plain.ptr, plain.len);
        }
        *len = plain.len;
        return PF_OK;
    }
    bool large = plain.len > BLOCK_SMALL;
    p->prefs.frameInfo.contentSize = plain.len;
    p->prefs.frameInfo.blockSizeID = large ? LZ4F_max256KB : LZ4F_max64KB;
    size_t head = LZ4F_compressBegin(p->ctx, to, cap, &p->prefs);
    if (LZ4F_isError(head)) {
        return PF_ERR_INTERNAL;
    }
    size_t body = is_stored(p, plain) ? store(to + head, plain, large ? BLOCK_LARGE : BLOCK_SMALL)
                                      : shrink(p, to + head, cap - head, plain);
    if (LZ4F_isError(body)) {
        return PF_ERR_INTERNAL;
    }
    *len = head + body;
    return PF_OK;
}

enum pf_status pf_pack(struct pf_packer *p, struct pf_span plain, struct pf_span *out)
{
    if (p->codec == PF_CODEC_RAW && plain.len <= PF_CHUNK_MAX) {
        *out = plain;
        return PF_OK;
    }
    size_t len = 0;
    enum pf_status st = pf_pack_to(p, plain, p->out, p->cap, &len);
    *out = (struct pf_span){.ptr = p->out, .len = len};
    return st;
}
