// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include "base/heap.h"

#include <string.h>

void pf_buf_init(struct pf_buf *b, size_t max, struct pf_budget *budget)
{
    *b = (struct pf_buf){.max = max < UINT32_MAX ? (uint32_t)max : UINT32_MAX, .budget = budget};
}

void pf_buf_fini(struct pf_buf *b)
{
    pf_heap_put(b->budget, b->ptr, b->cap);
    pf_buf_init(b, b->max, b->budget);
}

void pf_buf_prefetch_fini(const struct pf_buf *b)
{
    pf_heap_prefetch_put(b->budget, b->ptr, b->cap);
}

/* Tiny ones by doubling, others by a quarter, to the next block size; large ones by doubling. */
static size_t grown_cap(const struct pf_buf *b, size_t need)
{
    enum { TINY = 256 };
    size_t cap = (size_t)b->cap + (b->cap < TINY ? b->cap : b->cap / 4);
    if (need <= PF_HEAP_LARGEST) {
        cap = pf_heap_room(need > cap ? need : cap);
    } else {
        cap = b->cap <= PF_HEAP_LARGEST ? PF_HEAP_LARGEST : b->cap;
        while (cap < need && cap <= b->max / 2) {
            cap *= 2;
        }
    }
    return cap < need || cap > b->max ? b->max : cap;
}

enum pf_status pf_buf_reserve(struct pf_buf *b, size_t n)
{
    if (n <= b->cap - b->len) {
        return PF_OK;
    }
    if (n > b->max - b->len) {
        return PF_ERR_LIMIT;
    }
    size_t cap = grown_cap(b, b->len + n);
    void *block = b->ptr;
    enum pf_status st = pf_heap_grow(b->budget, &block, b->cap, b->len, cap);
    if (st == PF_OK) {
        b->ptr = block;
        b->cap = (uint32_t)cap;
    }
    return st;
}

enum pf_status pf_buf_append(struct pf_buf *b, const void *src, size_t n)
{
    enum pf_status st = pf_buf_reserve(b, n);
    if (st != PF_OK) {
        return st;
    }
    if (n > 0) {
        memcpy(b->ptr + b->len, src, n);
        b->len += n;
    }
    return PF_OK;
}

void pf_buf_consume(struct pf_buf *b, size_t n)
{
    if (n == 0) {
        return;
    }
    b->len -= n;
    if (b->len > 0) {
        memmove(b->ptr, b->ptr + n, b->len);
    }
}
