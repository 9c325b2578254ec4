// SPDX-License-Identifier: Apache-2.0
/*
 * What:    segments that came too early, in blocks of memory and in the order of the stream.
 * Owns:    see flow/reasm.h: they belong to a direction, their blocks to its env.
 * Threads: see flow/reasm.h.
 * Errors:  NULL: no block, at a limit.
 * Limits:  env->max_held bytes per direction, and env's budget.
 */
#ifndef PF_FLOW_HELD_H
#define PF_FLOW_HELD_H

#include "flow/reasm.h"

/* A copy of bytes of a packet. left and right are the tree's; of one in a list right is the next.
 */
struct pf_seg {
    struct pf_seg *left;
    struct pf_seg *right;
    uint64_t off;
    uint64_t packet;
    int64_t ts_ns;
    uint32_t len;
    uint16_t block; /* size class */
    uint8_t doubt;
    uint8_t data[];
};

enum { PF_SEG_BLOCK_MAX = 9216, PF_SEG_MAX = PF_SEG_BLOCK_MAX - sizeof(struct pf_seg) };

static inline uint64_t pf_seg_end(const struct pf_seg *s)
{
    return s->off + s->len;
}

/* The bytes of the packet that are not dealt with. */
static inline const uint8_t *pf_pkt_rest(const struct pf_reasm *r)
{
    return r->pkt->data + (r->pkt->len - r->left);
}

/* A copy of the next n bytes of the packet, n <= PF_SEG_MAX. The caller's, until it is inserted or
 * released. */
PF_MUST_USE struct pf_seg *pf_seg_new(struct pf_reasm *r, uint32_t n);
void pf_seg_release(struct pf_reasm *r, struct pf_seg *s);

/* The bytes that a segment's block takes. */
uint32_t pf_seg_cost(const struct pf_seg *s);

/* The held segments at or below and above off, or NULL. Amortised O(log n). */
void pf_held_neighbours(struct pf_reasm *r, uint64_t off, struct pf_seg **below,
                        struct pf_seg **above);

/* Holds s, which overlaps no other; pf_held_neighbours(r, s->off) was called just before. */
void pf_held_insert(struct pf_reasm *r, struct pf_seg *s);

/* The lowest held segment, which is the caller's now. There is one. */
PF_MUST_USE struct pf_seg *pf_held_take_low(struct pf_reasm *r);

#endif
