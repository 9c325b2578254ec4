// SPDX-License-Identifier: Apache-2.0
/*
 * What:    growable bytes with a hard cap from birth, paid for from a budget.
 * Owns:    its memory, from the first append to pf_buf_fini.
 * Threads: one owner at a time, together with its budget.
 * Errors:  PF_ERR_LIMIT (cap or budget), PF_ERR_NOMEM; the contents stay as they were.
 * Limits:  max, set by pf_buf_init; 4 GiB. Memory is never wiped: secrets live in types of their
 * own.
 */
#ifndef PF_BASE_BUF_H
#define PF_BASE_BUF_H

#include "base/budget.h"
#include "base/pkt.h"
#include "base/status.h"

#include <stdint.h>

struct pf_buf {
    uint8_t *ptr;             /* NULL while nothing was appended */
    size_t len;               /* bytes in use */
    struct pf_budget *budget; /* NULL: only max bounds it */
    uint32_t cap;             /* bytes allocated and taken from the budget */
    uint32_t max;
};

void pf_buf_init(struct pf_buf *b, size_t max, struct pf_budget *budget);

/* Frees the memory and gives it back to the budget; the buffer is empty and can be used again. */
void pf_buf_fini(struct pf_buf *b);

/* A little before that: see pf_heap_prefetch_put. */
void pf_buf_prefetch_fini(const struct pf_buf *b);

/* Room for n more bytes behind len. Capacities are the block sizes of base/heap.h,
 * beyond those powers of two, or max. */
PF_MUST_USE enum pf_status pf_buf_reserve(struct pf_buf *b, size_t n);

PF_MUST_USE enum pf_status pf_buf_append(struct pf_buf *b, const void *src, size_t n);

/* Drops the first n bytes (n <= len); the rest moves to the front. */
void pf_buf_consume(struct pf_buf *b, size_t n);

#endif
