// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PF_WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PF_WATCHED 1
#endif
#ifndef PF_WATCHED
#define PF_WATCHED 0
#endif

enum {
    STEPS = 8,        /* sizes in an octave, */
    ALIGN = 16,       /* except in the first: they are multiples of this */
    FIRST_OCTAVE = 6, /* of PF_HEAP_SMALLEST */
    SMALL_SLAB = 16 * 1024,
    LARGE_SLAB = 64 * 1024,
    LARGE_FROM = 512 /* blocks that come from large slabs */
};

/* The octave that size - 1 lies in; size > PF_HEAP_SMALLEST. */
static unsigned octave_of(size_t size)
{
    return 63 - (unsigned)__builtin_clzll((unsigned long long)size - 1);
}

size_t pf_heap_room(size_t size)
{
    if (size <= PF_HEAP_SMALLEST) {
        return PF_HEAP_SMALLEST;
    }
    if (size > PF_HEAP_LARGEST) {
        return size;
    }
    size_t step = ((size_t)1 << octave_of(size)) / STEPS;
    step = step < ALIGN ? ALIGN : step;
    return (size + step - 1) / step * step;
}

/* Of a size that is pf_heap_room's. */
static unsigned class_of(size_t room)
{
    if (room <= PF_HEAP_SMALLEST) {
        return 0;
    }
    unsigned octave = octave_of(room);
    size_t step = ((size_t)1 << octave) / STEPS;
    return (octave - FIRST_OCTAVE) * STEPS + (unsigned)(room / step) - STEPS;
}

static size_t room_of_class(unsigned class)
{
    if (class == 0) {
        return PF_HEAP_SMALLEST;
    }
    size_t octave = (size_t)PF_HEAP_SMALLEST << (class - 1) / STEPS;
    return octave + octave / STEPS * ((class - 1) % STEPS + 1);
}

void pf_heap_init(struct pf_heap *heap, struct pf_budget *budget)
{
    *heap = (struct pf_heap){.slabs = {.limit = budget->limit}};
    for (unsigned i = 0; i < PF_HEAP_CLASSES; i++) {
        size_t room = room_of_class(i);
        size_t slab = room < LARGE_FROM ? SMALL_SLAB : LARGE_SLAB;
        pf_pool_init(&heap->pools[i], room, (slab - PF_POOL_OVERHEAD) / room, &heap->slabs);
    }
    budget->heap = heap;
}

void pf_heap_fini(struct pf_heap *heap)
{
    for (unsigned i = 0; i < PF_HEAP_CLASSES; i++) {
        pf_pool_fini(&heap->pools[i]);
    }
    heap->in_use = 0;
}

static bool is_pooled(const struct pf_budget *budget, size_t size)
{
    return !PF_WATCHED && budget != NULL && budget->heap != NULL && size <= PF_HEAP_LARGEST;
}

static size_t price(const struct pf_budget *budget, size_t size)
{
    return budget != NULL && budget->heap != NULL ? pf_heap_room(size) : size;
}

/* Slabs are more than their blocks; together with what came from malloc they may be a quarter more
 * than the budget has. */
static enum pf_status from_pool(struct pf_budget *budget, size_t size, void **out)
{
    struct pf_heap *heap = budget->heap;
    struct pf_budget *slabs = &heap->slabs;
    size_t room = budget->limit / 4 + budget->limit;
    size_t elsewhere = budget->used - heap->in_use;
    slabs->limit = room > elsewhere + slabs->used ? room - elsewhere : slabs->used;
    enum pf_status st = pf_pool_get(&heap->pools[class_of(size)], out);
    heap->in_use += st == PF_OK ? size : 0;
    return st;
}

enum pf_status pf_heap_get(struct pf_budget *budget, size_t size, void **out)
{
    size_t paid = price(budget, size);
    if (budget != NULL && !pf_budget_take(budget, paid)) {
        return PF_ERR_LIMIT;
    }
    enum pf_status st = PF_OK;
    if (is_pooled(budget, size)) {
        st = from_pool(budget, paid, out);
    } else {
        *out = malloc(paid);
        st = *out != NULL ? PF_OK : PF_ERR_NOMEM;
    }
    if (st != PF_OK && budget != NULL) {
        pf_budget_give(budget, paid);
    }
    return st;
}

enum pf_status pf_heap_zeroed(struct pf_budget *budget, size_t size, void **out)
{
    enum pf_status st = pf_heap_get(budget, size, out);
    if (st == PF_OK) {
        memset(*out, 0, size);
    }
    return st;
}

void pf_heap_put(struct pf_budget *budget, void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    size_t paid = price(budget, size);
    if (is_pooled(budget, size)) {
        pf_pool_put(&budget->heap->pools[class_of(paid)], block);
        budget->heap->in_use -= paid;
    } else {
        free(block);
    }
    if (budget != NULL) {
        pf_budget_give(budget, paid);
    }
}

void pf_heap_prefetch_put(const struct pf_budget *budget, const void *block, size_t size)
{
    if (block != NULL && is_pooled(budget, size)) {
        pf_pool_prefetch_put(&budget->heap->pools[class_of(pf_heap_room(size))], block);
    }
}

static enum pf_status grow_malloced(struct pf_budget *budget, void **block, size_t old_size,
                                    size_t size)
{
    size_t more = price(budget, size) - (*block != NULL ? price(budget, old_size) : 0);
    if (budget != NULL && !pf_budget_take(budget, more)) {
        return PF_ERR_LIMIT;
    }
    void *p = realloc(*block, price(budget, size));
    if (p == NULL) {
        if (budget != NULL) {
            pf_budget_give(budget, more);
        }
        return PF_ERR_NOMEM;
    }
    *block = p;
    return PF_OK;
}

enum pf_status pf_heap_grow(struct pf_budget *budget, void **block, size_t old_size, size_t used,
                            size_t size)
{
    bool pooled = is_pooled(budget, size) || (*block != NULL && is_pooled(budget, old_size));
    if (!pooled) {
        return grow_malloced(budget, block, old_size, size);
    }
    void *p;
    pf_heap_prefetch_put(budget, *block, old_size);
    enum pf_status st = pf_heap_get(budget, size, &p);
    if (st != PF_OK) {
        return st;
    }
    if (used > 0) {
        memcpy(p, *block, used);
    }
    pf_heap_put(budget, *block, old_size);
    *block = p;
    return PF_OK;
}
