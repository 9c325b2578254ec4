// SPDX-License-Identifier: Apache-2.0
#include "run/decide.h"

#include "run/starttls.h"
#include "tls/hsmsg.h"

enum { LOOK_BYTES = 64 };

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

/*
 * Where the other side's TLS begins when it was the hello on this side that told: at its start, or,
 * where something came before (STARTTLS), it is looked for behind what the hello acknowledges.
 */
static void anchor_other(struct pf_tls_flow *t, const struct pf_flow *flow, int side,
                         const struct lowest *l, const struct pf_pkt *hello)
{
    bool hello_like = l->looks == PF_LOOKS_SERVER_HELLO || l->looks == PF_LOOKS_CLIENT_HELLO;
    bool spoke = t->late && (flow->side[side].seen & PF_SIDE_DATA) != 0;
    if (l->held && hello_like) {
        pf_reasm_anchor(&t->reasm[side], l->seq);
    } else if (syn_seen(flow, side) && !spoke) {
        pf_reasm_anchor(&t->reasm[side], flow->side[side].isn + 1);
    } else if (hello != NULL && (hello->flags & PF_TCP_ACK) != 0) {
        t->seek = true;
        t->seek_from = hello->ack;
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

static void by_hello(struct pf_tls_flow *t, const struct pf_flow *flow, const struct lowest l[2],
                     const struct pf_pkt *pkt)
{
    for (int s = 0; s < 2 && t->is == PF_FLOW_UNDECIDED; s++) {
        bool client = l[s].looks == PF_LOOKS_CLIENT_HELLO;
        if (!l[s].held || (!client && l[s].looks != PF_LOOKS_SERVER_HELLO)) {
            continue;
        }
        is_tls(t, client ? s : 1 - s);
        pf_reasm_anchor(&t->reasm[s], l[s].seq);
        /* What a ServerHello acknowledges lies behind the client's hello, not before it. */
        bool own = client && pkt != NULL && pkt->side == s && pkt->seq == l[s].seq;
        anchor_other(t, flow, 1 - s, &l[1 - s], own ? pkt : NULL);
    }
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
        if (l[s].looks == PF_LOOKS_RECORD && force) {
            is_tls(t, guess_client(t)); /* the middle of a connection, or its beginning is lost */
            return;
        }
        if (l[s].looks == PF_LOOKS_OTHER && l[s].at_start && l[s].clear != PF_BEGINS_MORE) {
            t->is = l[s].clear == PF_BEGINS_YES ? PF_FLOW_CLEAR : PF_FLOW_OTHER;
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
    by_hello(t, flow, l, pkt);
    if (t->is == PF_FLOW_UNDECIDED) {
        by_rest(t, l, force);
    }
    for (int s = 0; s < 2 && t->is == PF_FLOW_TLS; s++) {
        if (l[s].held && !(t->seek && s != t->client)) {
            pf_reasm_anchor(&t->reasm[s], l[s].seq); /* does nothing where by_hello has anchored */
        }
    }
}
