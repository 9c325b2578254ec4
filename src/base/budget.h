// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a ceiling on bytes: everything that grows asks it first.
 * Owns:    nothing; it only counts.
 * Threads: one thread each (every worker has its own share of --memory); no atomics.
 * Errors:  pf_budget_take returns false at the ceiling and changes nothing.
 * Limits:  -
 */
#ifndef PF_BASE_BUDGET_H
#define PF_BASE_BUDGET_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct pf_heap;

struct pf_budget {
    size_t limit;         /* bytes; set once */
    size_t used;          /* bytes taken now */
    size_t peak;          /* the highest that used has been */
    struct pf_heap *heap; /* where base/heap.h has its blocks from; NULL: malloc */
};

PF_MUST_USE static inline bool pf_budget_take(struct pf_budget *b, size_t n)
{
    if (n > b->limit - b->used) {
        return false;
    }
    b->used += n;
    if (b->used > b->peak) {
        b->peak = b->used;
    }
    return true;
}

static inline void pf_budget_give(struct pf_budget *b, size_t n)
{
    b->used -= n;
}

#endif
