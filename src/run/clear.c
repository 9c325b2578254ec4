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

enum pf_status pf_clear_begin(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                              const struct pf_flow *flow)
{
    enum pf_status st = make(env, t);
    for (int s = 0; s < 2 && st == PF_OK; s++) {
        uint32_t seq;
        struct pf_span span;
        bool held = pf_reasm_peek_lowest(&t->reasm[s], &seq, &span);
        uint8_t seen = flow->side[s].seen;
        t->clear->side[s].on = true;
        if (t->late && !held && (seen & PF_SIDE_DATA) != 0) {
            pf_reasm_anchor(&t->reasm[s], flow->side[s].next); /* what came before was not kept */
        } else if ((seen & PF_SIDE_SYN) != 0) {
            pf_reasm_anchor(&t->reasm[s], flow->side[s].isn + 1);
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
        t->clear->ack_known = side != t->client;
        t->clear->ack = from;
        pf_reasm_anchor(&t->reasm[side], from);
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

void pf_clear_note(struct pf_tls_flow *t, const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    struct pf_clear *c = t->clear;
    if ((flow->side[pkt->side].seen & PF_SIDE_SYN) != 0) {
        pf_reasm_anchor(&t->reasm[pkt->side], flow->side[pkt->side].isn + 1);
    }
    if (pkt->len > 0 && (pkt->flags & PF_TCP_ACK) != 0) {
        unsigned i = c->ack_count++ % PF_CLEAR_ACKS;
        c->acks[i].packet = pkt->number;
        c->acks[i].ack = pkt->ack;
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

/* What the packet acknowledged that the client's hello begins in. */
static void note_ack(struct pf_clear *clear, int side, size_t at)
{
    size_t count;
    uint64_t packet = 0;
    const struct part *parts = parts_of(&clear->side[side], &count);
    for (size_t i = 0; i < count && packet == 0; i++) {
        packet = parts[i].end > at ? parts[i].packet : 0;
    }
    for (unsigned i = 0; i < PF_CLEAR_ACKS && packet != 0 && !clear->ack_known; i++) {
        clear->ack_known = clear->acks[i].packet == packet;
        clear->ack = clear->acks[i].ack;
    }
}

/* From byte `at` on this side is TLS. whole: that is known to be its beginning. */
static enum pf_status begin_tls(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                size_t at, bool whole)
{
    struct pf_clear_side *c = &t->clear->side[side];
    enum pf_status st = PF_OK;
    if (t->is != PF_FLOW_TLS) {
        t->is = PF_FLOW_TLS;
        st = pf_tls_flow_connect(env, t);
    }
    note_protocol(t);
    if (side == t->client) {
        note_ack(t->clear, side, at);
    }
    st = st == PF_OK ? write_clear(env, t, side, at) : st;
    c->on = false;
    if (st == PF_OK && c->hole && !whole && at >= c->hole_at) {
        st = pf_tls_flow_feed(env, t, side, &c->lost);
    }
    st = st == PF_OK ? feed_rest(env, t, side, at) : st;
    pf_buf_fini(&c->bytes);
    pf_buf_fini(&c->pieces);
    return st;
}

/* The same where nothing shows it: in the last hole, or else behind all that there is. */
static enum pf_status begin_blindly(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side)
{
    const struct pf_clear_side *c = &t->clear->side[side];
    return begin_tls(env, t, side, c->hole ? c->hole_at : c->bytes.len, false);
}

/* The stream offset that the client's hello acknowledges. */
static uint64_t ack_offset(const struct pf_tls_flow *t, int side)
{
    return t->clear->ack - (uint32_t)t->reasm[side].origin;
}

/* Where in the held bytes the one stands that the client's hello acknowledges as next; false: not
 * there (yet). */
static bool acknowledged(const struct pf_tls_flow *t, int side, size_t *at)
{
    const struct pf_clear_side *s = &t->clear->side[side];
    uint64_t off = ack_offset(t, side);
    if (!t->clear->ack_known || off > s->off || s->off - off > s->bytes.len) {
        return false;
    }
    *at = s->bytes.len - (size_t)(s->off - off);
    return true;
}

static bool looks_like_record(const struct pf_clear_side *c, size_t at)
{
    return at < c->bytes.len &&
           pf_hs_looks_like((struct pf_span){c->bytes.ptr + at, c->bytes.len - at}) ==
               PF_LOOKS_RECORD;
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
    if (t->is != PF_FLOW_TLS) {
        return false;
    }
    size_t from = 0;
    if (acknowledged(t, side, &from) && looks_like_record(c, from)) {
        *at = from;
        return true;
    }
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        if (start >= from && looks_like_record(c, start)) {
            *at = start;
            return true;
        }
        start = parts[i].end;
    }
    return false;
}

static enum pf_status look(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side)
{
    struct pf_clear_side *c = &t->clear->side[side];
    enum pf_looks looks;
    size_t at;
    if (pf_starttls_find(bytes_of(c), &c->looked, &looks)) {
        if (t->is != PF_FLOW_TLS) {
            t->client = (uint8_t)(looks == PF_LOOKS_CLIENT_HELLO ? side : 1 - side);
        }
        return begin_tls(env, t, side, c->looked, true);
    }
    return begins_as_told(t, side, &at) ? begin_tls(env, t, side, at, false) : PF_OK;
}

/* A hole in the clear is of no matter; one that TLS begins in is told to TLS. */
static enum pf_status take_hole(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                const struct pf_piece *p)
{
    struct pf_clear_side *c = &t->clear->side[side];
    uint64_t end = c->off + p->len;
    c->hole = true;
    c->hole_at = c->bytes.len;
    c->lost = *p;
    if (t->clear->ack_known && side != t->client) {
        uint64_t off = ack_offset(t, side);
        c->hole = off < end;
        c->lost.len = end - (off > c->off && off < end ? off : c->off);
    }
    c->off = end;
    bool at_end = p->packet == 0 && t->is == PF_FLOW_TLS;
    return c->hole && at_end ? begin_blindly(env, t, side) : PF_OK;
}

static enum pf_status take_data(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                const struct pf_piece *p)
{
    struct pf_clear_side *c = &t->clear->side[side];
    const struct part part = {
        .end = c->bytes.len + (size_t)p->len, .packet = p->packet, .ts_ns = p->ts_ns};
    bool full = part.end > PF_CLEAR_BYTES || c->pieces.len / sizeof part == PF_CLEAR_PIECES;
    if (full && t->is != PF_FLOW_TLS) {
        t->is = PF_FLOW_OTHER;
        return PF_OK;
    }
    if (full) {
        enum pf_status st = begin_blindly(env, t, side);
        return st == PF_OK ? pf_tls_flow_feed(env, t, side, p) : st;
    }
    enum pf_status st = pf_buf_append(&c->bytes, p->data, (size_t)p->len);
    st = st == PF_OK ? pf_buf_append(&c->pieces, &part, sizeof part) : st;
    c->off += p->len;
    return st == PF_OK ? look(env, t, side) : st;
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
        c->hole_at = 0;
    }
}

bool pf_clear_is_stuck(const struct pf_tls_flow *t, int side)
{
    const struct pf_reasm *r = &t->reasm[side];
    return t->is == PF_FLOW_CLEAR && pf_clear_keeps(t->clear, side) &&
           (r->segs >= PF_REASM_HOLD_SEGS || r->held >= PF_REASM_HOLD_BYTES);
}

enum pf_status pf_clear_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    struct pf_clear *c = t->clear;
    if (t->is != PF_FLOW_TLS) {
        bool over = pf_reasm_is_complete(&t->reasm[0]) && pf_reasm_is_complete(&t->reasm[1]);
        t->is = over ? PF_FLOW_OTHER : t->is;
        return PF_OK;
    }
    int server = 1 - t->client;
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
        if (pf_clear_keeps(t->clear, s)) {
            st = begin_blindly(env, t, s);
        }
    }
    return st;
}
