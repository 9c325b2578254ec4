// SPDX-License-Identifier: Apache-2.0
#include "capture/batch.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

enum pf_status pf_batch_new(struct pf_batch **out)
{
    struct pf_batch *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return PF_ERR_NOMEM;
    }
    b->bytes = aligned_alloc(PAGE, PF_BATCH_BYTES);
    if (b->bytes == NULL) {
        free(b);
        return PF_ERR_NOMEM;
    }
    *out = b;
    return PF_OK;
}

void pf_batch_free(struct pf_batch *b)
{
    if (b != NULL) {
        free(b->bytes);
        free(b);
    }
}

bool pf_batch_add(struct pf_batch *b, const struct pf_pkt *pkt)
{
    if (b->count == PF_BATCH_PACKETS || pkt->len > PF_BATCH_BYTES - b->used) {
        return false;
    }
    struct pf_pkt *p = &b->packets[b->count++];
    *p = *pkt;
    p->data = b->bytes + b->used;
    if (pkt->len > 0) {
        memcpy(b->bytes + b->used, pkt->data, pkt->len);
        b->used += pkt->len;
    }
    return true;
}

void pf_batch_clear(struct pf_batch *b)
{
    b->count = 0;
    b->used = 0;
    b->last = false;
}
