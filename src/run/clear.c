// SPDX-License-Identifier: Apache-2.0
#include "run/clear.h"

#include "run/starttls.h"
#include "run/tlsflow.h"

#include <stdlib.h>

/* One packet's bytes, as far as they were in the clear. */
struct part {
    size_t end; /* in the side's bytes */
    uint64_t packet;
    int64_t ts_ns;
};

static enum pf_status make(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    if (!pf_budget_take(&env->budget, sizeof(struct pf_clear))) {
        return PF_ERR_LIMIT;
    }
    t->clear = calloc(1, sizeof *t->clear);
    if (t->clear == NULL) {
        pf_budget_give(&env->budget, sizeof(struct pf_clear));
        return PF_ERR_NOMEM;
    }
    for (int s = 0; s < 2; s++) {
        pf_buf_init(&t->clear->side[s].bytes, PF_CLEAR_BYTES, &env->budget);
        pf_buf_init(&t->clear->side[s].pieces, PF_CLEAR_PIECES * sizeof(struct part), &env->budget);
    }
    return PF_OK;
}

static void anchor(struct pf_tls_flow *t, int side, uint32_t seq)
{
    t->clear->side[side].seq = seq;
    pf_reasm_anchor(&t->reasm[side], seq);
}

enum pf_status pf_clear_begin(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                              const struct pf_flow *flow)
{
    enum pf_status st = make(env, t);
    for (int s = 0; s < 2 && st == PF_OK; s++) {
        uint32_t seq;
        struct pf_span span;
        t->clear->side[s].on = true;
        if ((flow->side[s].seen & PF_SIDE_SYN) != 0) {
            anchor(t, s, flow->side[s].isn + 1);
        } else if (pf_reasm_peek_lowest(&t->reasm[s], &seq, &span)) {
            anchor(t, s, seq);
        }
    }
    return st;
}

enum pf_status pf_clear_begin_side(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                   uint32_t from)
{
    enum pf_status st = make(env, t);
    if (st == PF_OK) {
        t->clear->side[side].on = true;
        t->clear->ack_known = true;
        t->clear->ack = from;
        anchor(t, side, from);
    }
    return st;
}

void pf_clear_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    if (t->clear == NULL) {
        return;
    }
    for (int s = 0; s < 2; s++) {
        pf_buf_fini(&t->clear->side[s].bytes);
        pf_buf_fini(&t->clear->side[s].pieces);
    }
    pf_budget_give(&env->budget, sizeof *t->clear);
    free(t->clear);
    t->clear = NULL;
}

void pf_clear_anchor(struct pf_tls_flow *t, const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    int s = pkt->side;
    bool syn = (flow->side[s].seen & PF_SIDE_SYN) != 0;
    if (!t->reasm[s].anchored && (syn || pkt->len > 0)) {
        anchor(t, s, syn ? flow->side[s].isn + 1 : pkt->seq);
    }
}

static struct pf_span bytes_of(const struct pf_clear_side *side)
{
    return (struct pf_span){side->bytes.ptr, side->bytes.len};
}

static const struct part *parts_of(const struct pf_clear_side *side, size_t *count)
{
    *count = side->pieces.len / sizeof(struct part);
    return (const struct part *)(const void *)side->pieces.ptr;
}

/* What the first `len` bytes were, as records of type 0: one for each packet. */
static enum pf_status write_clear(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                  size_t len)
{
    struct pf_clear_side *c = &t->clear->side[side];
    enum pf_dir dir = side == t->client ? PF_C2S : PF_S2C;
    struct pf_record_entry records[PF_CLEAR_PIECES];
    struct pf_span packed;
    size_t count;
    size_t n = 0;
    const struct part *parts = parts_of(c, &count);
    if (len == 0 || env->task != PF_TASK_DECRYPT) {
        return PF_OK;
    }
    for (size_t from = 0; n < count && from < len; n++) {
        size_t end = parts[n].end < len ? parts[n].end : len;
        records[n] = (struct pf_record_entry){
            .packet = parts[n].packet, .ts_ns = parts[n].ts_ns, .len = (uint32_t)(end - from)};
        from = end;
    }
    enum pf_status st = pf_pack(env->packer, (struct pf_span){c->bytes.ptr, len}, &packed);
    if (st == PF_OK) {
        st = pf_chunks_clear(env->chunks, &t->ref, dir, packed, len, records, n, env->err);
    }
    t->clear_bytes[dir] = (uint32_t)len;
    return st;
}

/* Gives the bytes behind `at` to the connection, packet by packet. */
static enum pf_status feed_rest(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                size_t at)
{
    const struct pf_clear_side *c = &t->clear->side[side];
    size_t count;
    const struct part *parts = parts_of(c, &count);
    enum pf_status st = PF_OK;
    for (size_t i = 0; i < count && st == PF_OK; i++) {
        if (parts[i].end <= at) {
            continue;
        }
        const struct pf_piece p = {.kind = PF_PIECE_DATA,
                                   .data = c->bytes.ptr + at,
                                   .len = parts[i].end - at,
                                   .packet = parts[i].packet,
                                   .ts_ns = parts[i].ts_ns};
        st = pf_tls_flow_feed(env, t, side, &p);
        at = parts[i].end;
    }
    return st;
}

static void note_protocol(struct pf_tls_flow *t)
{
    const struct pf_clear_side *sides = t->clear->side;
    enum pf_starttls p =
        pf_starttls_protocol(bytes_of(&sides[t->client]), bytes_of(&sides[1 - t->client]));
    if (t->starttls == PF_STARTTLS_NONE) {
        t->starttls = (uint8_t)p;
    }
}

static void note_hello(struct pf_clear *clear, const struct pf_tls_flow *t, int side, size_t at)
{
    size_t count;
    const struct part *parts = parts_of(&clear->side[side], &count);
    for (size_t i = 0; i < count && side == t->client && clear->hello_packet == 0; i++) {
        clear->hello_packet = parts[i].end > at ? parts[i].packet : 0;
    }
}

/* From byte `at` on this side is TLS. */
static enum pf_status begin_tls(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                size_t at)
{
    struct pf_clear_side *c = &t->clear->side[side];
    enum pf_status st = PF_OK;
    if (t->is != PF_FLOW_TLS) {
        t->is = PF_FLOW_TLS;
        st = pf_tls_flow_connect(env, t);
    }
    note_protocol(t);
    note_hello(t->clear, t, side, at);
    st = st == PF_OK ? write_clear(env, t, side, at) : st;
    c->on = false;
    if (st == PF_OK && c->hole && at == c->bytes.len) {
        st = pf_tls_flow_feed(env, t, side, &c->lost);
    }
    st = st == PF_OK ? feed_rest(env, t, side, at) : st;
    pf_buf_fini(&c->bytes);
    pf_buf_fini(&c->pieces);
    return st;
}

/* Where in the held bytes the one stands that the client's hello acknowledges as next; false: not
 * there (yet). */
static bool acknowledged(const struct pf_clear *c, int side, size_t *at)
{
    const struct pf_clear_side *s = &c->side[side];
    uint64_t off = (uint32_t)(c->ack - s->seq);
    if (!c->ack_known || off > s->off || s->off - off > s->bytes.len) {
        return false;
    }
    *at = s->bytes.len - (size_t)(s->off - off);
    return true;
}

/*
 * TLS was found on the other side. Does it begin here with something else than a hello: where the
 * other side's hello says, or with a segment behind that?
 */
static bool begins_as_told(const struct pf_tls_flow *t, int side, size_t *at)
{
    const struct pf_clear_side *c = &t->clear->side[side];
    size_t count;
    const struct part *parts = parts_of(c, &count);
    if (t->is != PF_FLOW_TLS || !acknowledged(t->clear, side, at)) {
        return false;
    }
    struct pf_span rest = {c->bytes.ptr + *at, c->bytes.len - *at};
    size_t last = count > 1 ? parts[count - 2].end : 0;
    if (rest.len > 0 && pf_hs_looks_like(rest) != PF_LOOKS_RECORD && last > *at) {
        *at = last;
        rest = (struct pf_span){c->bytes.ptr + last, c->bytes.len - last};
    }
    return rest.len > 0 && pf_hs_looks_like(rest) == PF_LOOKS_RECORD;
}

static enum pf_status look(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side)
{
    struct pf_clear_side *c = &t->clear->side[side];
    enum pf_looks looks;
    size_t at;
    if (begins_as_told(t, side, &at)) {
        return begin_tls(env, t, side, at);
    }
    if (!pf_starttls_find(bytes_of(c), &c->looked, &looks)) {
        return PF_OK;
    }
    if (t->is != PF_FLOW_TLS) {
        t->client = (uint8_t)(looks == PF_LOOKS_CLIENT_HELLO ? side : 1 - side);
    }
    return begin_tls(env, t, side, c->looked);
}

/* A hole in the clear is of no matter; one that TLS begins in, or behind, is told to TLS. */
static enum pf_status take_hole(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                const struct pf_piece *p)
{
    struct pf_clear_side *c = &t->clear->side[side];
    uint64_t off = (uint32_t)(t->clear->ack - c->seq);
    uint64_t end = c->off + p->len;
    c->hole = t->is == PF_FLOW_TLS;
    c->lost = *p;
    if (c->hole && t->clear->ack_known && side != t->client) {
        c->hole = off <= end;
        c->lost.len = off > c->off && off <= end ? end - off : p->len;
    }
    c->off = end;
    bool at_end = p->packet == 0;
    c->hole = c->hole && c->lost.len > 0;
    return c->hole && at_end ? begin_tls(env, t, side, c->bytes.len) : PF_OK;
}

/* There is no room for more in the clear. */
static enum pf_status give_up(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                              const struct pf_piece *p)
{
    if (t->is != PF_FLOW_TLS) {
        t->is = PF_FLOW_OTHER;
        return PF_OK;
    }
    enum pf_status st = begin_tls(env, t, side, t->clear->side[side].bytes.len);
    return st == PF_OK ? pf_tls_flow_feed(env, t, side, p) : st;
}

static enum pf_status take_data(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                const struct pf_piece *p)
{
    struct pf_clear_side *c = &t->clear->side[side];
    const struct part part = {
        .end = c->bytes.len + (size_t)p->len, .packet = p->packet, .ts_ns = p->ts_ns};
    if (part.end > PF_CLEAR_BYTES || c->pieces.len / sizeof part == PF_CLEAR_PIECES) {
        return give_up(env, t, side, p);
    }
    bool behind_hole = c->hole;
    size_t before = c->bytes.len;
    enum pf_status st = pf_buf_append(&c->bytes, p->data, (size_t)p->len);
    st = st == PF_OK ? pf_buf_append(&c->pieces, &part, sizeof part) : st;
    c->off += p->len;
    if (st != PF_OK || !behind_hole) {
        return st == PF_OK ? look(env, t, side) : st;
    }
    /* TLS may have begun in the hole: unless it does here, it has. */
    c->looked = before;
    st = look(env, t, side);
    if (st == PF_OK && c->on) {
        c->bytes.len = before;
        c->pieces.len -= sizeof part;
        st = begin_tls(env, t, side, before);
        st = st == PF_OK ? pf_tls_flow_feed(env, t, side, p) : st;
    }
    return st;
}

enum pf_status pf_clear_piece(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                              const struct pf_piece *p)
{
    switch (p->kind) {
    case PF_PIECE_DATA:
        return take_data(env, t, side, p);
    case PF_PIECE_GAP:
        return take_hole(env, t, side, p);
    case PF_PIECE_OTHER:
        break;
    }
    return PF_OK;
}

void pf_clear_relieve(struct pf_tls_flow *t)
{
    for (int s = 0; s < 2 && t->clear != NULL; s++) {
        struct pf_clear_side *c = &t->clear->side[s];
        pf_buf_fini(&c->bytes);
        pf_buf_fini(&c->pieces);
        c->looked = 0;
    }
}

bool pf_clear_is_stuck(const struct pf_tls_flow *t, int side)
{
    const struct pf_reasm *r = &t->reasm[side];
    return pf_clear_takes(t->clear, side) &&
           (r->segs >= PF_REASM_HOLD_SEGS || r->held >= PF_REASM_HOLD_BYTES);
}

enum pf_status pf_clear_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                               const struct pf_pkt *pkt)
{
    struct pf_clear *c = t->clear;
    if (t->is != PF_FLOW_TLS) {
        bool over = pf_reasm_is_complete(&t->reasm[0]) && pf_reasm_is_complete(&t->reasm[1]);
        t->is = over ? PF_FLOW_OTHER : t->is;
        return PF_OK;
    }
    int server = 1 - t->client;
    if (!c->ack_known && c->hello_packet == pkt->number && (pkt->flags & PF_TCP_ACK) != 0) {
        c->ack_known = true;
        c->ack = pkt->ack;
    }
    enum pf_status st = c->side[server].on ? look(env, t, server) : PF_OK;
    if (st == PF_OK && !c->side[0].on && !c->side[1].on) {
        pf_clear_free(env, t);
    }
    return st;
}

enum pf_status pf_clear_end(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    enum pf_status st = PF_OK;
    for (int s = 0; s < 2 && st == PF_OK && t->is == PF_FLOW_TLS; s++) {
        if (pf_clear_takes(t->clear, s)) {
            st = begin_tls(env, t, s, t->clear->side[s].bytes.len);
        }
    }
    return st;
}
