// SPDX-License-Identifier: Apache-2.0
/*
 * What:    objects of one size from slabs, paid for from a budget.
 * Owns:    the slabs; an object belongs to whoever got it until it is put back.
 * Threads: one owner at a time, together with its budget.
 * Errors:  PF_ERR_LIMIT (budget), PF_ERR_NOMEM; the pool stays as it was.
 * Limits:  the budget, which is charged for whole slabs.
 *
 * A slab is aligned to its own size, a power of two, so that an object's address says which slab it
 * is in. A slab whose last object comes back is kept for the next get as long as such slabs are no
 * more than 1/64 of the budget's limit (and one always); beyond that it goes back, so that pools
 * which share a budget do not starve each other with memory they once needed.
 */
#ifndef PF_BASE_POOL_H
#define PF_BASE_POOL_H

#include "base/budget.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { PF_POOL_OVERHEAD = 80 /* bytes of a slab that no object has */ };

struct pf_pool_slab;

struct pf_pool {
    struct pf_budget *budget;
    struct pf_pool_slab *partial; /* slabs with objects and with room */
    struct pf_pool_slab *empty;
    struct pf_pool_slab *newest; /* of all */
    size_t empty_count;
    size_t object_size;
    size_t slab_size;
    size_t per_slab;
    size_t in_use; /* objects given out */
};

/*
 * Objects are aligned to 16 bytes. A slab holds at least objects_per_slab of them and as many more
 * as its rounded size has room for. No memory is taken before the first get.
 */
void pf_pool_init(struct pf_pool *p, size_t object_size, size_t objects_per_slab,
                  struct pf_budget *budget);

/* Frees all slabs, also with objects still given out, and gives their bytes back. */
void pf_pool_fini(struct pf_pool *p);

/* The contents of a new object are whatever they are. */
PF_MUST_USE enum pf_status pf_pool_get(struct pf_pool *p, void **out);

/* object came from this pool; NULL does nothing. */
void pf_pool_put(struct pf_pool *p, void *object);

/* Fetches early what putting the object back will touch besides it. */
static inline void pf_pool_prefetch_put(const struct pf_pool *p, const void *object)
{
    __builtin_prefetch((const void *)((uintptr_t)object & ~(uintptr_t)(p->slab_size - 1)), 1);
}

#endif
