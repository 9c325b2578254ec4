// SPDX-License-Identifier: Apache-2.0
/*
 * What:    lock-free queue of pointers from one producer thread to one consumer thread.
 * Owns:    its slots; never what the pointers point to.
 * Threads: _push by one thread, _pop by one other; _count by either; _init and _fini by one thread
 *          while nobody else uses the ring.
 * Errors:  _init: PF_ERR_NOMEM, PF_ERR_INTERNAL (capacity is not a power of two); _push false when
 *          full, _pop NULL when empty.
 * Limits:  capacity, fixed at _init.
 *
 * Indices only grow and are masked at use. Each side keeps the last value it saw of the other's
 * index next to its own, so that the other's cache line is read only when the ring looks full or
 * empty; the two sides are 128 bytes apart because processors fetch lines in pairs.
 */
#ifndef PF_BASE_RING_H
#define PF_BASE_RING_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { PF_RING_APART = 128 };

struct pf_ring {
    void **slots;
    size_t mask;
    char apart_from_above[PF_RING_APART];
    atomic_size_t head; /* producer's: where the next push goes */
    size_t tail_seen;
    char apart[PF_RING_APART - sizeof(atomic_size_t) - sizeof(size_t)];
    atomic_size_t tail; /* consumer's: where the next pop comes from */
    size_t head_seen;
    char apart_from_below[PF_RING_APART];
};

PF_MUST_USE static inline enum pf_status pf_ring_init(struct pf_ring *r, size_t capacity)
{
    r->slots = NULL;
    if (capacity == 0 || (capacity & (capacity - 1)) != 0) {
        return PF_ERR_INTERNAL;
    }
    r->slots = calloc(capacity, sizeof *r->slots);
    if (r->slots == NULL) {
        return PF_ERR_NOMEM;
    }
    r->mask = capacity - 1;
    r->tail_seen = 0;
    r->head_seen = 0;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    return PF_OK;
}

static inline void pf_ring_fini(struct pf_ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

/* Hands item (never NULL) over: what was written before is visible to whoever pops it. */
PF_MUST_USE static inline bool pf_ring_push(struct pf_ring *r, void *item)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed); /* our own word */
    if (head - r->tail_seen > r->mask) {
        /* acquire: pairs with the release in pf_ring_pop, whose read of the slot came before */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head - r->tail_seen > r->mask) {
            return false;
        }
    }
    r->slots[head & r->mask] = item;
    /* release: pairs with the acquire in pf_ring_pop */
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return true;
}

PF_MUST_USE static inline void *pf_ring_pop(struct pf_ring *r)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed); /* our own word */
    if (tail == r->head_seen) {
        /* acquire: pairs with the release in pf_ring_push, whose write of the slot came before */
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        if (tail == r->head_seen) {
            return NULL;
        }
    }
    void *item = r->slots[tail & r->mask];
    /* release: pairs with the acquire in pf_ring_push */
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return item;
}

/* Items inside; exact only while the other side rests. Tail first: head never falls behind it. */
static inline size_t pf_ring_count(struct pf_ring *r)
{
    /* acquire: pairs with the release in pf_ring_pop, so that the head read next is not older */
    size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    /* acquire: pairs with the release in pf_ring_push */
    return atomic_load_explicit(&r->head, memory_order_acquire) - tail;
}

#endif
