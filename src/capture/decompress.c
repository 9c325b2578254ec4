// SPDX-License-Identifier: Apache-2.0
#include "capture/decompress.h"

#include <limits.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_WINDOW_LOG = 27, GZIP_WINDOW_BITS = 15 + 16 /* 16: gzip header and trailer */ };

struct pf_decompress {
    enum pf_codec codec;
    bool open; /* inside a member or frame */
    z_stream gzip;
    ZSTD_DStream *zstd;
    LZ4F_dctx *lz4;
};

enum pf_codec pf_codec_sniff(const uint8_t *head, size_t len)
{
    if (len < PF_CODEC_SNIFF) {
        return PF_CODEC_NONE;
    }
    if (head[0] == 0x1f && head[1] == 0x8b && head[2] == 8) { /* RFC 1952 section 2.3.1 */
        return PF_CODEC_GZIP;
    }
    uint32_t magic =
        (uint32_t)head[3] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[1] << 8 | head[0];
    if (magic == 0x184d2204) {
        return PF_CODEC_LZ4;
    }
    /* Skippable frames are shared by zstd and lz4; only zstd tools are known to begin with one. */
    if (magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50) { /* RFC 8878 section 3.1 */
        return PF_CODEC_ZSTD;
    }
    return PF_CODEC_NONE;
}

const char *pf_codec_name(enum pf_codec codec)
{
    switch (codec) {
    case PF_CODEC_GZIP:
        return "gzip";
    case PF_CODEC_ZSTD:
        return "zstd";
    case PF_CODEC_LZ4:
        return "lz4";
    case PF_CODEC_NONE:
        break;
    }
    return NULL;
}

static bool start(struct pf_decompress *z)
{
    switch (z->codec) {
    case PF_CODEC_GZIP:
        return inflateInit2(&z->gzip, GZIP_WINDOW_BITS) == Z_OK;
    case PF_CODEC_ZSTD:
        z->zstd = ZSTD_createDStream();
        return z->zstd != NULL &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
    case PF_CODEC_LZ4:
        return !LZ4F_isError(LZ4F_createDecompressionContext(&z->lz4, LZ4F_VERSION));
    case PF_CODEC_NONE:
        break;
    }
    return false;
}

enum pf_status pf_decompress_new(enum pf_codec codec, struct pf_decompress **out)
{
    struct pf_decompress *z = calloc(1, sizeof *z);
    if (z == NULL) {
        return PF_ERR_NOMEM;
    }
    z->codec = codec;
    if (!start(z)) {
        pf_decompress_free(z);
        return PF_ERR_NOMEM;
    }
    *out = z;
    return PF_OK;
}

void pf_decompress_free(struct pf_decompress *z)
{
    if (z == NULL) {
        return;
    }
    if (z->codec == PF_CODEC_GZIP) {
        (void)inflateEnd(&z->gzip);
    }
    (void)ZSTD_freeDStream(z->zstd);
    (void)LZ4F_freeDecompressionContext(z->lz4);
    free(z);
}

bool pf_decompress_at_boundary(const struct pf_decompress *z)
{
    return !z->open;
}

static uInt clamp(size_t n)
{
    return n > UINT_MAX ? UINT_MAX : (uInt)n;
}

static enum pf_status step_gzip(struct pf_decompress *z, const uint8_t *in, size_t *in_len,
                                uint8_t *out, size_t *out_len)
{
    if (*in_len > 0) {
        z->open = true;
    }
    uInt offered = clamp(*in_len);
    uInt room = clamp(*out_len);
    z->gzip.next_in = (z_const Bytef *)in;
    z->gzip.avail_in = offered;
    z->gzip.next_out = out;
    z->gzip.avail_out = room;
    int rc = inflate(&z->gzip, Z_NO_FLUSH);
    *in_len = offered - z->gzip.avail_in;
    *out_len = room - z->gzip.avail_out;
    if (rc == Z_STREAM_END) {
        z->open = false;
        rc = inflateReset(&z->gzip);
    }
    if (rc == Z_OK || rc == Z_BUF_ERROR) {
        return PF_OK;
    }
    return rc == Z_MEM_ERROR ? PF_ERR_NOMEM : PF_ERR_MALFORMED;
}

static enum pf_status step_zstd(struct pf_decompress *z, const uint8_t *in, size_t *in_len,
                                uint8_t *out, size_t *out_len)
{
    ZSTD_inBuffer src = {.src = in, .size = *in_len};
    ZSTD_outBuffer dst = {.dst = out, .size = *out_len};
    size_t rc = ZSTD_decompressStream(z->zstd, &dst, &src);
    *in_len = src.pos;
    *out_len = dst.pos;
    if (ZSTD_isError(rc)) {
        return PF_ERR_MALFORMED;
    }
    if (src.pos > 0 || dst.pos > 0) { /* asked between frames, it wants the next header */
        z->open = rc != 0;
    }
    return PF_OK;
}

static enum pf_status step_lz4(struct pf_decompress *z, const uint8_t *in, size_t *in_len,
                               uint8_t *out, size_t *out_len)
{
    size_t rc = LZ4F_decompress(z->lz4, out, out_len, in, in_len, NULL);
    if (LZ4F_isError(rc)) {
        *in_len = 0;
        *out_len = 0;
        return PF_ERR_MALFORMED;
    }
    if (*in_len > 0 || *out_len > 0) {
        z->open = rc != 0;
    }
    return PF_OK;
}

enum pf_status pf_decompress_step(struct pf_decompress *z, const uint8_t *in, size_t *in_len,
                               uint8_t *out, size_t *out_len)
{
    switch (z->codec) {
    case PF_CODEC_GZIP:
        return step_gzip(z, in, in_len, out, out_len);
    case PF_CODEC_ZSTD:
        return step_zstd(z, in, in_len, out, out_len);
    case PF_CODEC_LZ4:
        return step_lz4(z, in, in_len, out, out_len);
    case PF_CODEC_NONE:
        break;
    }
    return PF_ERR_INTERNAL;
}
