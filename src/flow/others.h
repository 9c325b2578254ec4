// SPDX-License-Identifier: Apache-2.0
/*
 * What:    copies of bytes that differ from what came first; what speaks against a packet.
 * Owns:    the copies that wait until what they differ from was delivered.
 * Threads: see flow/reasm.h.
 * Errors:  none: what cannot be kept is counted in forgotten.
 * Limits:  PF_REASM_OTHERS copies in PF_REASM_OTHER_BYTES, within max_held and env's budget.
 */
#ifndef PF_FLOW_OTHERS_H
#define PF_FLOW_OTHERS_H

#include "flow/reasm.h"

/* PF_DOUBT_* of a packet with payload at off; learns from each what is usual in the direction. */
uint8_t pf_doubt_of(struct pf_reasm *r, const struct pf_pkt *pkt, uint64_t off);

/* The next n bytes of the packet differ from what is held: kept until that was delivered. */
void pf_others_keep(struct pf_reasm *r, uint32_t n);

/* The bytes of the packet up to `end`, delivered before, are handed on once more, as far as they
 * are recent and behind the last gap. */
void pf_others_keep_recent(struct pf_reasm *r, uint64_t end);

static inline bool pf_others_any(const struct pf_reasm *r)
{
    return r->old_len > 0 || r->others != NULL;
}

/* A copy whose bytes were all delivered; false: none. */
PF_MUST_USE bool pf_others_pop(struct pf_reasm *r, struct pf_piece *piece);

void pf_others_fini(struct pf_reasm *r);

#endif
