// SPDX-License-Identifier: Apache-2.0
#include "run/decide.h"

#include "run/starttls.h"
#include "tls/hsmsg.h"
#include "tls/stream.h"

enum { LOOK_BYTES = 64, INSIDE_BYTES = 40 * 1024 /* two records */ };

/* The lowest held segment of a side. */
struct lowest {
    bool held;
    bool at_start; /* it is the first of its stream */
    uint32_t seq;
    enum pf_looks looks;
    enum pf_begins clear; /* a protocol that turns to TLS later; only at_start */
};

static bool syn_seen(const struct pf_flow *flow, int side)
{
    return (flow->side[side].seen & PF_SIDE_SYN) != 0;
}

static bool is_hello(enum pf_looks looks)
{
    return looks == PF_LOOKS_CLIENT_HELLO || looks == PF_LOOKS_SERVER_HELLO;
}

static void judge(struct lowest *l, struct pf_span span)
{
    enum pf_starttls protocol;
    l->looks = pf_hs_looks_like(span);
    l->clear = l->at_start ? pf_starttls_begins(span, &protocol) : PF_BEGINS_NO;
}

static struct lowest look(struct pf_tls_flow *t, const struct pf_flow *flow, int side)
{
    struct lowest l = {.looks = PF_LOOKS_MORE, .clear = PF_BEGINS_NO};
    struct pf_span span;
    l.held = pf_reasm_peek_lowest(&t->reasm[side], &l.seq, &span);
    if (l.held) {
        l.at_start = syn_seen(flow, side) && l.seq == flow->side[side].isn + 1;
        judge(&l, span);
    }
    if (l.looks == PF_LOOKS_MORE || l.clear == PF_BEGINS_MORE) {
        uint8_t prefix[LOOK_BYTES]; /* a short segment: with those behind it, then */
        judge(&l, (struct pf_span){prefix,
                                   pf_reasm_peek_prefix(&t->reasm[side], prefix, sizeof prefix)});
    }
    return l;
}

static void seek(struct pf_tls_flow *t, int side, uint32_t from)
{
    t->seek = true;
    t->seek_side = (uint8_t)side;
    t->seek_from = from;
}

/*
 * Where the other side's TLS begins when it was the hello on this side that told: at its start, or,
 * where something came before (STARTTLS), it is looked for behind what the hello acknowledges.
 */
static void anchor_other(struct pf_tls_flow *t, const struct pf_flow *flow, int side,
                         const struct lowest *l, const struct pf_pkt *hello)
{
    const struct pf_flow_side *other = &flow->side[side];
    bool acks = hello != NULL && (hello->flags & PF_TCP_ACK) != 0;
    bool spoke = (t->late && (other->seen & PF_SIDE_DATA) != 0) ||
                 (acks && hello->ack - (other->isn + 1) - 1 < PF_CLEAR_BYTES);
    if (l->held && is_hello(l->looks)) {
        pf_reasm_anchor(&t->reasm[side], l->seq);
    } else if (syn_seen(flow, side) && side == t->client) {
        seek(t, side, spoke ? other->next : other->isn + 1); /* a proxy's header may come first */
    } else if (syn_seen(flow, side) && !spoke) {
        pf_reasm_anchor(&t->reasm[side], other->isn + 1);
    } else if (acks) {
        seek(t, side, hello->ack);
    }
}

static void is_tls(struct pf_tls_flow *t, int client)
{
    t->is = PF_FLOW_TLS;
    t->client = (uint8_t)client;
}

/* Whoever has the lower port is the server, when no hello says it. */
static int guess_client(const struct pf_tls_flow *t)
{
    return t->key.port[0] < t->key.port[1] ? 1 : 0;
}

/* Something stands before this hello that was not seen yet: it may be what TLS began behind. */
static bool lacks_front(const struct pf_tls_flow *t, const struct pf_flow *flow, int side,
                        const struct lowest *l)
{
    return !t->late && syn_seen(flow, side) && !l->at_start;
}

static void by_hello(struct pf_tls_flow *t, const struct pf_flow *flow, const struct lowest l[2],
                     const struct pf_pkt *pkt, bool force)
{
    for (int s = 0; s < 2 && t->is == PF_FLOW_UNDECIDED; s++) {
        bool client = l[s].looks == PF_LOOKS_CLIENT_HELLO;
        if (!l[s].held || !is_hello(l[s].looks) || (!force && lacks_front(t, flow, s, &l[s]))) {
            continue;
        }
        is_tls(t, client ? s : 1 - s);
        pf_reasm_anchor(&t->reasm[s], l[s].seq);
        /* What a ServerHello acknowledges lies behind the client's hello, not before it. */
        bool own = client && pkt != NULL && pkt->side == s && pkt->seq == l[s].seq;
        anchor_other(t, flow, 1 - s, &l[1 - s], own ? pkt : NULL);
    }
}

/* A side begins with what is not TLS. That is all, unless it often turns to TLS, or a hello was
 * seen behind it; or the other side's beginning is still to come. */
static void by_start(struct pf_tls_flow *t, const struct lowest l[2], int side, bool force)
{
    const struct lowest *other = &l[1 - side];
    if (l[side].clear == PF_BEGINS_YES || other->clear == PF_BEGINS_YES || t->front) {
        t->is = PF_FLOW_CLEAR;
    } else if (force || !other->held || other->at_start) {
        t->is = PF_FLOW_OTHER;
    }
}

/* The capture may begin in the middle of a record. */
static bool holds_records(struct pf_tls_flow *t, int side)
{
    uint8_t bytes[INSIDE_BYTES];
    size_t n = pf_reasm_peek_prefix(&t->reasm[side], bytes, sizeof bytes);
    return pf_frame_is_inside((struct pf_span){bytes, n});
}

static void by_rest(struct pf_tls_flow *t, const struct lowest l[2], bool force)
{
    for (int s = 0; s < 2; s++) {
        if (!l[s].held) {
            continue;
        }
        if (l[s].looks == PF_LOOKS_SSL2 && (l[s].at_start || force)) {
            is_tls(t, s);
            t->ssl2 = true;
            return;
        }
        bool inside = force && l[s].looks == PF_LOOKS_OTHER && !l[s].at_start;
        if ((l[s].looks == PF_LOOKS_RECORD && force) || (inside && holds_records(t, s))) {
            is_tls(t, guess_client(t)); /* the middle of a connection, or its beginning is lost */
            return;
        }
        if (l[s].looks == PF_LOOKS_OTHER && l[s].at_start && l[s].clear != PF_BEGINS_MORE) {
            by_start(t, l, s, force);
            return;
        }
    }
    if (force) {
        t->is = PF_FLOW_OTHER;
    }
}

void pf_decide(struct pf_tls_flow *t, const struct pf_flow *flow, const struct pf_pkt *pkt,
               bool force)
{
    const struct lowest l[2] = {look(t, flow, 0), look(t, flow, 1)};
    t->front |= pkt != NULL && is_hello(pf_hs_looks_like((struct pf_span){pkt->data, pkt->len}));
    by_hello(t, flow, l, pkt, force);
    if (t->is == PF_FLOW_UNDECIDED) {
        by_rest(t, l, force);
    }
    for (int s = 0; s < 2 && t->is == PF_FLOW_TLS; s++) {
        if (l[s].held && !(t->seek && s == t->seek_side)) {
            pf_reasm_anchor(&t->reasm[s], l[s].seq); /* does nothing where by_hello has anchored */
        }
    }
}
