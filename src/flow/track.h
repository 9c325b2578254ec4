// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what a packet means for its flow: more of the same connection, a new one, or nothing.
 * Owns:    nothing; reads a packet and updates a struct pf_flow, all but its key, hash_low, stream
 *          and links.
 * Threads: whoever owns the flow.
 * Errors:  none.
 * Limits:  the present connection (incarnation) of a 5-tuple is known, nothing older.
 *
 * Time is pkt->clock_ns. A flow without a packet for longer than idle_ns starts anew at the next
 * one; the same predicate lets a sweep free such flows at any time before without changing the
 * result.
 *
 * Of each end the ISN and `next` (behind the highest byte believed) are kept: what lies between
 * them, and a little ahead of next, is the window. Rules, first match wins:
 *
 *  1. No packet yet, or idle: NEW_INCARNATION.
 *  2. SYN with the ISN that is known: a retransmission. SYN with no ISN known for its side, just
 *     in front of what was seen from there: that is the ISN (data may precede it in a shuffled
 *     capture). SYN+ACK likewise, if it acknowledges what the other side sent. SAME.
 *  3. Another SYN: at a closed connection, or where nothing but packets without data were seen,
 *     NEW_INCARNATION. Otherwise it may be forged, or left over: its ISN becomes the side's
 *     candidate, IGNORE.
 *  4. A packet that agrees with a candidate (the other side acknowledges it; or its side's data
 *     begins there, and the other side never sent any: who forges a SYN can forge data) and cannot
 *     belong to the present window commits it: NEW_INCARNATION with the candidate's ISN. A SYN+ACK
 *     that acknowledges it is enough whatever the window is. Data that agrees and is not enough is
 *     the candidate's: IGNORE.
 *  5. A packet from just below where the incarnation before had ended, outside of the window:
 *     late or duplicated, IGNORE.
 *  6. Data far outside of a closed connection's window: its SYN was lost, NEW_INCARNATION.
 *  7. All else: SAME. FIN and RST inside the window are marked; data that goes on beyond them
 *     takes the mark back.
 *
 * A closed flow stays, so that late retransmissions find it. The SYN of a committed candidate has
 * passed already: its ISN is in flow->side, its data (rare: RFC 7413 on a reused 5-tuple that was
 * not closed) comes only if it is sent again. Packets of the new connection that precede its SYN
 * while the old one is open go to the old one.
 */
#ifndef PF_FLOW_TRACK_H
#define PF_FLOW_TRACK_H

#include "flow/table.h"

#define PF_TRACK_IDLE_NS ((int64_t)3600 * 1000000000) /* the default of idle_ns */

enum pf_track {
    PF_TRACK_SAME,
    PF_TRACK_NEW_INCARNATION, /* also for the first packet. The caller ends flow->stream if it is
                                 set; everything else in flow is of the new connection already */
    PF_TRACK_IGNORE           /* not to be reassembled */
};

/* pkt is TCP and of this flow; flow is as pf_table_get returned it. */
PF_MUST_USE enum pf_track pf_track(struct pf_flow *flow, const struct pf_pkt *pkt, int64_t idle_ns);

/* Each end has acknowledged the other's FIN: a FIN alone may be forged, or meant for the reader of
 * a capture. */
bool pf_track_is_ended(const struct pf_flow *flow);

/* No packet for longer than idle_ns at clock_ns. */
bool pf_track_expired(const struct pf_flow *flow, int64_t clock_ns, int64_t idle_ns);

#endif
