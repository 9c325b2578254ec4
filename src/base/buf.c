// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 512 };

void pf_buf_init(struct pf_buf *b, size_t max, struct pf_budget *budget)
{
    *b = (struct pf_buf){.max = max, .budget = budget};
}

void pf_buf_fini(struct pf_buf *b)
{
    free(b->ptr);
    if (b->budget != NULL) {
        pf_budget_give(b->budget, b->cap);
    }
    pf_buf_init(b, b->max, b->budget);
}

static size_t grown_cap(const struct pf_buf *b, size_t need)
{
    size_t cap = b->cap == 0 ? FIRST_CAP : b->cap;
    while (cap < need && cap <= b->max / 2) {
        cap *= 2;
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
    if (b->budget != NULL && !pf_budget_take(b->budget, cap - b->cap)) {
        return PF_ERR_LIMIT;
    }
    uint8_t *p = realloc(b->ptr, cap);
    if (p == NULL) {
        if (b->budget != NULL) {
            pf_budget_give(b->budget, cap - b->cap);
        }
        return PF_ERR_NOMEM;
    }
    b->ptr = p;
    b->cap = cap;
    return PF_OK;
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
