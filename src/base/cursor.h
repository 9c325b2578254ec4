// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the bounded reader through which all untrusted bytes go.
 * Owns:    nothing; borrows the bytes it was made over.
 * Threads: a cursor belongs to its caller.
 * Errors:  a read that does not fit returns false and leaves cursor and result as they were.
 * Limits:  none.
 *
 * Reads are chained with && so that a parser is one schema-like expression:
 *
 *     return pf_cur_u8(c, &m->type) && pf_cur_vec16(c, &exts) && pf_cur_at_end(c);
 */
#ifndef PF_BASE_CURSOR_H
#define PF_BASE_CURSOR_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pf_cur {
    const uint8_t *ptr;
    size_t left;
};

static inline struct pf_cur pf_cur_over(const void *ptr, size_t len)
{
    return (struct pf_cur){.ptr = ptr, .left = len};
}

static inline struct pf_cur pf_cur_of(struct pf_span s)
{
    return (struct pf_cur){.ptr = s.ptr, .left = s.len};
}

static inline bool pf_cur_at_end(const struct pf_cur *c)
{
    return c->left == 0;
}

/* The one place where a cursor moves. */
PF_MUST_USE static inline bool pf_cur_take(struct pf_cur *c, size_t n, const uint8_t **out)
{
    if (n > c->left) {
        return false;
    }
    *out = c->ptr;
    if (n > 0) { /* NULL + 0 is undefined in C */
        c->ptr += n;
        c->left -= n;
    }
    return true;
}

PF_MUST_USE static inline bool pf_cur_skip(struct pf_cur *c, size_t n)
{
    const uint8_t *ignored;
    return pf_cur_take(c, n, &ignored);
}

PF_MUST_USE static inline bool pf_cur_span(struct pf_cur *c, size_t n, struct pf_span *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, n, &p)) {
        return false;
    }
    *out = (struct pf_span){.ptr = p, .len = n};
    return true;
}

PF_MUST_USE static inline bool pf_cur_sub(struct pf_cur *c, size_t n, struct pf_cur *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, n, &p)) {
        return false;
    }
    *out = pf_cur_over(p, n);
    return true;
}

PF_MUST_USE static inline bool pf_cur_copy(struct pf_cur *c, void *dst, size_t n)
{
    const uint8_t *p;
    if (!pf_cur_take(c, n, &p)) {
        return false;
    }
    if (n > 0) {
        memcpy(dst, p, n);
    }
    return true;
}

PF_MUST_USE static inline bool pf_cur_u8(struct pf_cur *c, uint8_t *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, 1, &p)) {
        return false;
    }
    *out = p[0];
    return true;
}

/* Big-endian (network order). */
PF_MUST_USE static inline bool pf_cur_u16(struct pf_cur *c, uint16_t *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, 2, &p)) {
        return false;
    }
    *out = (uint16_t)((unsigned)p[0] << 8 | p[1]);
    return true;
}

PF_MUST_USE static inline bool pf_cur_u24(struct pf_cur *c, uint32_t *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, 3, &p)) {
        return false;
    }
    *out = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return true;
}

PF_MUST_USE static inline bool pf_cur_u32(struct pf_cur *c, uint32_t *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, 4, &p)) {
        return false;
    }
    *out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return true;
}

PF_MUST_USE static inline bool pf_cur_u64(struct pf_cur *c, uint64_t *out)
{
    uint32_t hi = 0;
    uint32_t lo = 0;
    if (c->left < 8 || !pf_cur_u32(c, &hi) || !pf_cur_u32(c, &lo)) {
        return false;
    }
    *out = (uint64_t)hi << 32 | lo;
    return true;
}

/* Vectors with a length in front (RFC 8446 section 3.4): the contents as a cursor of their own. */
PF_MUST_USE static inline bool pf_cur_vec8(struct pf_cur *c, struct pf_cur *out)
{
    struct pf_cur saved = *c;
    uint8_t n;
    if (pf_cur_u8(c, &n) && pf_cur_sub(c, n, out)) {
        return true;
    }
    *c = saved;
    return false;
}

PF_MUST_USE static inline bool pf_cur_vec16(struct pf_cur *c, struct pf_cur *out)
{
    struct pf_cur saved = *c;
    uint16_t n;
    if (pf_cur_u16(c, &n) && pf_cur_sub(c, n, out)) {
        return true;
    }
    *c = saved;
    return false;
}

PF_MUST_USE static inline bool pf_cur_vec24(struct pf_cur *c, struct pf_cur *out)
{
    struct pf_cur saved = *c;
    uint32_t n;
    if (pf_cur_u24(c, &n) && pf_cur_sub(c, n, out)) {
        return true;
    }
    *c = saved;
    return false;
}

/* What is left, as a span; the cursor does not move. */
static inline struct pf_span pf_cur_rest(const struct pf_cur *c)
{
    return (struct pf_span){.ptr = c->ptr, .len = c->left};
}

#endif
