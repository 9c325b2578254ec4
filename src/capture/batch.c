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
        pf_batch_clear(b);
        free(b->bytes);
        free(b);
    }
}

/* Holds the slab. False: no room for another one. */
static bool hold(struct pf_batch *b, struct pf_slab *slab)
{
    if (b->slabs_count > 0 && b->slabs[b->slabs_count - 1] == slab) {
        return true;
    }
    if (b->slabs_count == PF_BATCH_SLABS) {
        return false;
    }
    pf_slab_hold(slab);
    b->slabs[b->slabs_count++] = slab;
    return true;
}

bool pf_batch_add(struct pf_batch *b, const struct pf_pkt *pkt, struct pf_slab *slab)
{
    if (b->count == PF_BATCH_PACKETS) {
        return false;
    }
    bool held = pf_slab_has(slab, pkt->data, pkt->len) && hold(b, slab);
    if (!held && pkt->len > PF_BATCH_BYTES - b->used) {
        return false;
    }
    struct pf_pkt *p = &b->packets[b->count++];
    *p = *pkt;
    if (!held) {
        p->data = b->bytes + b->used;
        b->used += pkt->len;
        if (pkt->len > 0) {
            memcpy(b->bytes + b->used - pkt->len, pkt->data, pkt->len);
        }
    }
    return true;
}

void pf_batch_clear(struct pf_batch *b)
{
    for (uint32_t i = 0; i < b->slabs_count; i++) {
        pf_slab_release(b->slabs[i]);
    }
    b->slabs_count = 0;
    b->count = 0;
    b->used = 0;
    b->last = false;
}
