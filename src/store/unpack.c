// SPDX-License-Identifier: Apache-2.0
#include "store/unpack.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pf_unpacker {
    LZ4F_dctx *ctx;
};

enum pf_status pf_unpacker_new(struct pf_unpacker **out)
{
    *out = NULL;
    struct pf_unpacker *u = calloc(1, sizeof(*u));
    if (u == NULL || LZ4F_isError(LZ4F_createDecompressionContext(&u->ctx, LZ4F_VERSION))) {
        free(u);
        return PF_ERR_NOMEM;
    }
    *out = u;
    return PF_OK;
}

void pf_unpacker_free(struct pf_unpacker *u)
{
    if (u != NULL) {
        (void)LZ4F_freeDecompressionContext(u->ctx);
        free(u);
    }
}

static enum pf_status failed(size_t code)
{
    bool memory = strcmp(LZ4F_getErrorName(code), "ERROR_allocation_failed") == 0;
    return memory ? PF_ERR_NOMEM : PF_ERR_MALFORMED;
}

/* The frame says how long its content is: that must be what the index says, before any is made. */
static enum pf_status lz4(LZ4F_dctx *ctx, struct pf_span packed, uint8_t *plain, size_t plain_len)
{
    LZ4F_resetDecompressionContext(ctx);
    LZ4F_frameInfo_t info = LZ4F_INIT_FRAMEINFO;
    size_t head = packed.len;
    size_t hint = LZ4F_getFrameInfo(ctx, &info, packed.ptr, &head);
    if (LZ4F_isError(hint)) {
        return failed(hint);
    }
    if (info.frameType != LZ4F_frame || info.contentSize != plain_len) {
        return PF_ERR_MALFORMED;
    }
    size_t in = head;
    size_t out = 0;
    while (hint != 0) {
        size_t src = packed.len - in;
        size_t dst = plain_len - out;
        hint = LZ4F_decompress(ctx, plain + out, &dst, packed.ptr + in, &src, NULL);
        if (LZ4F_isError(hint)) {
            return failed(hint);
        }
        if (src == 0 && dst == 0 && hint != 0) {
            return PF_ERR_MALFORMED;
        }
        in += src;
        out += dst;
    }
    return in == packed.len && out == plain_len ? PF_OK : PF_ERR_MALFORMED;
}

enum pf_status pf_unpack(struct pf_unpacker *u, enum pf_store_codec codec, struct pf_span packed,
                         uint8_t *plain, size_t plain_len)
{
    if (codec == PF_CODEC_LZ4) {
        return lz4(u->ctx, packed, plain, plain_len);
    }
    if (packed.len != plain_len) {
        return PF_ERR_MALFORMED;
    }
    memcpy(plain, packed.ptr, plain_len);
    return PF_OK;
}
