// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a batch of packets with their bytes: the unit of hand-over from reader to worker.
 * Owns:    its packets' bytes, or a hold on the slabs that they lie in. Pushing a batch through
 *          a ring moves it; the worker returns it empty.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_NOMEM at birth; pf_batch_add says when there is no more room.
 * Limits:  PF_BATCH_PACKETS packets, PF_BATCH_BYTES of payload that is copied.
 */
#ifndef PF_CAPTURE_BATCH_H
#define PF_CAPTURE_BATCH_H

#include "base/pkt.h"
#include "base/status.h"
#include "capture/item.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_BATCH_PACKETS = 256, PF_BATCH_BYTES = PF_FRAME_MAX + 128 * 1024, PF_BATCH_SLABS = 64 };

struct pf_batch {
    uint32_t count;
    uint32_t used; /* bytes of payload that were copied */
    uint32_t slabs_count;
    uint64_t upto;    /* the worker has now got every packet of its flows up to this number */
    int64_t clock_ns; /* the run's clock when the batch was closed */
    bool last;        /* no batch comes after it */
    uint8_t *bytes;
    struct pf_slab *slabs[PF_BATCH_SLABS]; /* held: the payload that was not copied lies in them */
    struct pf_pkt packets[PF_BATCH_PACKETS];
};

PF_MUST_USE enum pf_status pf_batch_new(struct pf_batch **out);
void pf_batch_free(struct pf_batch *b);

/* Copies the packet in, and its payload unless it lies in this slab (NULL: it does not), which is
 * held then until the batch is cleared. False: no room, nothing changed. An empty batch has room
 * for any packet. */
PF_MUST_USE bool pf_batch_add(struct pf_batch *b, const struct pf_pkt *pkt, struct pf_slab *slab);

void pf_batch_clear(struct pf_batch *b);

#endif
