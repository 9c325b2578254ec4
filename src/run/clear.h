// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what both ends say in the clear before TLS begins (STARTTLS, proxies): kept, looked
 *          through for the place where it begins, and written beside the plaintext.
 * Owns:    the clear bytes until they are written.
 * Threads: the worker's.
 * Errors:  PF_ERR_LIMIT: no memory in the budget; those of writing.
 * Limits:  PF_CLEAR_BYTES and PF_CLEAR_PIECES per direction. A flow that goes beyond without TLS is
 *          no TLS flow.
 *
 *      | clear ............ | TLS
 *      ^ seq                ^ found: a hello, or what the other side's hello acknowledges
 *
 * Each side is read in order, so that what was lost or came late is no other case than in TLS
 * itself. The client's TLS begins with its hello, wherever in a segment that stands. The server's
 * begins with its hello as well; where it begins otherwise (an alert, or the hello is lost), the
 * client's hello says it: when it was sent, everything before had been received.
 */
#ifndef PF_RUN_CLEAR_H
#define PF_RUN_CLEAR_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"
#include "flow/reasm.h"
#include "flow/table.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_CLEAR_BYTES = 16 * 1024, PF_CLEAR_PIECES = 256, PF_CLEAR_ACKS = 2 * PF_REASM_HOLD_SEGS };

struct pf_tls_flow;
struct pf_tls_flow_env;

struct pf_clear_side {
    bool on;        /* TLS has not begun on this side */
    bool hole;      /* something is missing, and nobody was told */
    size_t hole_at; /* in bytes: the last one */
    uint64_t off;   /* stream offset behind what was taken */
    size_t looked;  /* no hello begins before this byte */
    struct pf_buf bytes;
    struct pf_buf pieces; /* where each packet's bytes end */
    struct pf_piece lost; /* with hole: as much of it as may be of TLS */
};

struct pf_clear {
    struct pf_clear_side side[2];
    struct {
        uint64_t packet;
        uint32_t ack;
    } acks[PF_CLEAR_ACKS]; /* of the last packets: one may bring the hello only when it is whole */
    unsigned ack_count;
    bool ack_known;
    uint32_t ack; /* by the client's hello: the server's TLS does not begin before it */
};

/* TLS is looked for on both sides; _side: it was found on the other one, and is looked for here
 * from sequence number `from` on. */
PF_MUST_USE enum pf_status pf_clear_begin(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                          const struct pf_flow *flow);
PF_MUST_USE enum pf_status pf_clear_begin_side(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                               int side, uint32_t from);
void pf_clear_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Before a packet is pushed. */
void pf_clear_note(struct pf_tls_flow *t, const struct pf_flow *flow, const struct pf_pkt *pkt);

/* Pieces of this side go to pf_clear_piece. */
static inline bool pf_clear_keeps(const struct pf_clear *c, int side)
{
    return c != NULL && c->side[side].on;
}

/* What has come into order. Afterwards t->is may be PF_FLOW_TLS, or PF_FLOW_OTHER. */
PF_MUST_USE enum pf_status pf_clear_piece(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                          int side, const struct pf_piece *p);

/* After a packet and its pieces. */
PF_MUST_USE enum pf_status pf_clear_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Gives back what is kept; TLS is still looked for in what comes. */
void pf_clear_relieve(struct pf_tls_flow *t);

/* Too much is held behind a hole of a flow that may never be TLS: it is not waited for. */
bool pf_clear_is_stuck(const struct pf_tls_flow *t, int side);

/* No more bytes will come: what is left of a TLS flow's clear bytes is written. */
PF_MUST_USE enum pf_status pf_clear_end(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

#endif
