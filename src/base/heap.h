// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a worker's small memory: blocks of a few sizes, out of pools, paid for from a budget.
 * Owns:    the slabs; a block belongs to whoever got it until it is put back.
 * Threads: one owner at a time, together with its budget.
 * Errors:  PF_ERR_LIMIT (budget), PF_ERR_NOMEM; everything stays as it was.
 * Limits:  the budget, which is charged for blocks; slabs may be a quarter more than its limit.
 *
 * There are hundreds of thousands of flows at once, each with a dozen blocks that come and go with
 * the stage it is at: a block that comes back is the next one given out, still warm, without a
 * lock, and nobody's neighbour is merged with it. Sizes are an eighth of an octave apart, so little
 * is left unused. What is larger than PF_HEAP_LARGEST comes from malloc.
 *
 * Blocks are paid for, and not slabs, so that giving up a flow gives its bytes back at once,
 * whatever else lies in the same slabs.
 *
 * Under AddressSanitizer every block comes from malloc, where it is watched from both sides.
 */
#ifndef PF_BASE_HEAP_H
#define PF_BASE_HEAP_H

#include "base/budget.h"
#include "base/pool.h"
#include "base/status.h"

#include <stddef.h>

enum { PF_HEAP_SMALLEST = 64, PF_HEAP_LARGEST = 8192, PF_HEAP_CLASSES = 57 };

struct pf_heap {
    struct pf_budget slabs; /* what the pools hold */
    size_t in_use;          /* of that, blocks that were given out */
    struct pf_pool pools[PF_HEAP_CLASSES];
};

/* From now on the budget's memory comes from this heap. */
void pf_heap_init(struct pf_heap *heap, struct pf_budget *budget);

/* All blocks are gone, or are forgotten now. */
void pf_heap_fini(struct pf_heap *heap);

/* How large a block for this many bytes is. */
size_t pf_heap_room(size_t size);

/*
 * At least size bytes (> 0), aligned for anything, paid for from budget: pf_heap_room(size) where
 * it has a heap, else size, from malloc. Contents are whatever they are. budget may be NULL.
 */
PF_MUST_USE enum pf_status pf_heap_get(struct pf_budget *budget, size_t size, void **out);

/* The same, all zero. */
PF_MUST_USE enum pf_status pf_heap_zeroed(struct pf_budget *budget, size_t size, void **out);

/* block came from there, for this size; NULL does nothing. */
void pf_heap_put(struct pf_budget *budget, void *block, size_t size);

/* A little before that: fetches what it will touch. A slab's head is seldom warm. */
void pf_heap_prefetch_put(const struct pf_budget *budget, const void *block, size_t size);

/*
 * *block (or NULL, of size 0) becomes one of `size` bytes, larger than before; the first `used`
 * bytes stay. On error it is as it was.
 */
PF_MUST_USE enum pf_status pf_heap_grow(struct pf_budget *budget, void **block, size_t old_size,
                                        size_t used, size_t size);

#endif
