// SPDX-License-Identifier: Apache-2.0
#include "tls/inflate.h"

#include "tls/wire.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

struct pf_inflate {
    z_stream z;
    bool lost;
    uint8_t text[PF_PLAINTEXT_MAX];
};

struct pf_inflate *pf_inflate_new(void)
{
    struct pf_inflate *d = calloc(1, sizeof *d);
    if (d != NULL && inflateInit(&d->z) != Z_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void pf_inflate_free(struct pf_inflate *d)
{
    if (d != NULL) {
        inflateEnd(&d->z);
    }
    free(d);
}

void pf_inflate_lose(struct pf_inflate *d)
{
    d->lost = true;
    inflateReset2(&d->z, -MAX_WBITS); /* the stream's header is behind us */
}

enum pf_status pf_inflate_run(struct pf_inflate *d, struct pf_span in, struct pf_span *out)
{
    z_stream *z = &d->z;
    z->next_in = (Bytef *)(uintptr_t)in.ptr;
    z->avail_in = (uInt)in.len;
    z->next_out = d->text;
    z->avail_out = sizeof d->text;
    int rc = in.len > 0 ? inflate(z, Z_SYNC_FLUSH) : Z_OK;
    enum pf_status st = PF_OK;
    if (z->avail_in > 0 && z->avail_out == 0) {
        st = PF_ERR_LIMIT;
    } else if (z->avail_in > 0 || (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)) {
        st = d->lost ? PF_ERR_UNSUPPORTED : PF_ERR_MALFORMED;
    }
    if (st != PF_OK) {
        pf_inflate_lose(d);
        return st;
    }
    *out = (struct pf_span){d->text, sizeof d->text - z->avail_out};
    return PF_OK;
}
