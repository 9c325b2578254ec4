// SPDX-License-Identifier: Apache-2.0
#include "store/pack.h"

#include <lz4frame.h>
#include <stdint.h>
#include <stdlib.h>

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

enum pf_status pf_pack(struct pf_packer *p, struct pf_span plain, struct pf_span *out)
{
    if (plain.len > PF_CHUNK_MAX) {
        return PF_ERR_INTERNAL;
    }
    if (p->codec == PF_CODEC_RAW) {
        *out = plain;
        return PF_OK;
    }
    p->prefs.frameInfo.contentSize = plain.len;
    p->prefs.frameInfo.blockSizeID = plain.len > 1 << 16 ? LZ4F_max256KB : LZ4F_max64KB;
    size_t head = LZ4F_compressBegin(p->ctx, p->out, p->cap, &p->prefs);
    if (LZ4F_isError(head)) {
        return PF_ERR_INTERNAL;
    }
    size_t body = 0;
    if (plain.len > 0) {
        body =
            LZ4F_compressUpdate(p->ctx, p->out + head, p->cap - head, plain.ptr, plain.len, NULL);
        if (LZ4F_isError(body)) {
            return PF_ERR_INTERNAL;
        }
    }
    size_t tail = LZ4F_compressEnd(p->ctx, p->out + head + body, p->cap - head - body, NULL);
    if (LZ4F_isError(tail)) {
        return PF_ERR_INTERNAL;
    }
    *out = (struct pf_span){.ptr = p->out, .len = head + body + tail};
    return PF_OK;
}
