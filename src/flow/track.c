// SPDX-License-Identifier: Apache-2.0
#include "flow/track.h"

/*
 * NEAR: how far behind a SYN its first data, or an acknowledgement of it, is believed to be; 1 MiB
 * is more than an initial window and 1/4096 of the number space, so chance agrees rarely.
 * FAR: how far ahead of next a packet may be after losses and still move next.
 * BACK: the window never reaches farther back than this, so that it stays below 2^31.
 */
enum { NEAR = 1 << 20, FAR = 1 << 26, BACK = 1 << 30 };

bool pf_track_expired(const struct pf_flow *flow, int64_t clock_ns, int64_t idle_ns)
{
    return clock_ns > flow->last_clock_ns &&
           (uint64_t)clock_ns - (uint64_t)flow->last_clock_ns > (uint64_t)idle_ns;
}

static bool has(const struct pf_flow_side *s, unsigned seen)
{
    return (s->seen & seen) == seen;
}

static void set(struct pf_flow_side *s, unsigned seen)
{
    s->seen = (uint8_t)(s->seen | seen);
}

static void clear(struct pf_flow_side *s, unsigned seen)
{
    s->seen = (uint8_t)(s->seen & ~seen);
}

static bool in_window(const struct pf_flow_side *s, uint32_t seq, uint32_t ahead)
{
    if (!has(s, PF_SIDE_NEXT)) {
        return false;
    }
    uint32_t back = NEAR;
    if (has(s, PF_SIDE_SYN)) {
        back = s->next - s->isn < BACK ? s->next - s->isn : BACK;
    }
    return seq - (s->next - back) <= back + ahead;
}

static bool is_closed(const struct pf_flow *f)
{
    return ((f->side[0].seen | f->side[1].seen) & PF_SIDE_RST) != 0 ||
           (has(&f->side[0], PF_SIDE_FIN) && has(&f->side[1], PF_SIDE_FIN));
}

bool pf_track_is_ended(const struct pf_flow *f)
{
    return has(&f->side[0], PF_SIDE_FIN_ACKED) && has(&f->side[1], PF_SIDE_FIN_ACKED);
}

static bool is_blank(const struct pf_flow *f)
{
    return ((f->side[0].seen | f->side[1].seen) & (PF_SIDE_SYN | PF_SIDE_DATA)) == 0;
}

static uint32_t first_seq(const struct pf_pkt *p)
{
    return p->seq + ((p->flags & PF_TCP_SYN) != 0 ? 1 : 0);
}

static void set_isn(struct pf_flow_side *s, uint32_t isn)
{
    s->isn = isn;
    if (!has(s, PF_SIDE_NEXT)) {
        s->next = isn + 1;
    }
    set(s, PF_SIDE_SYN | PF_SIDE_NEXT);
}

static bool has_payload(const struct pf_pkt *p)
{
    return p->len > 0 || p->missing > 0;
}

/* Data and FIN move next; what goes on beyond a FIN or RST takes it back. */
static void note_data(struct pf_flow *f, const struct pf_pkt *p)
{
    struct pf_flow_side *s = &f->side[p->side];
    uint32_t seq = first_seq(p);
    bool fin = (p->flags & PF_TCP_FIN) != 0;
    if (!has(s, PF_SIDE_NEXT)) {
        s->next = seq;
        set(s, PF_SIDE_NEXT);
    } else if (!in_window(s, seq, FAR)) {
        return;
    }
    if (has_payload(p)) {
        set(s, PF_SIDE_DATA);
    }
    uint32_t end = seq + p->len + p->missing;
    if (has_payload(p) && (int32_t)(end - s->next) > 0) {
        clear(s, PF_SIDE_FIN | PF_SIDE_FIN_ACKED);
        clear(&f->side[0], PF_SIDE_RST);
        clear(&f->side[1], PF_SIDE_RST);
    }
    if (fin && (int32_t)(end - s->next) >= 0) {
        set(s, PF_SIDE_FIN);
    }
    bool behind_fin = has(s, PF_SIDE_FIN) && !has_payload(p) && end == s->next + 1;
    if ((int32_t)(end - s->next) > 0 && !behind_fin) {
        s->next = end; /* the FIN has a number, which is no byte */
    }
}

static void note(struct pf_flow *f, const struct pf_pkt *p)
{
    struct pf_flow_side *s = &f->side[p->side];
    struct pf_flow_side *o = &f->side[1 - p->side];
    if ((p->flags & PF_TCP_RST) != 0) {
        if (!has(s, PF_SIDE_NEXT) || in_window(s, p->seq, NEAR)) {
            set(s, PF_SIDE_RST);
        }
        return;
    }
    note_data(f, p);
    if ((p->flags & PF_TCP_ACK) != 0 && has(o, PF_SIDE_FIN) && p->ack == o->next + 1) {
        set(o, PF_SIDE_FIN_ACKED);
    }
    /* in the window: a late packet of the connection before acknowledges what is not ours */
    if ((p->flags & PF_TCP_ACK) != 0 && !has(o, PF_SIDE_NEXT) && in_window(s, first_seq(p), NEAR)) {
        o->next = p->ack;
        set(o, PF_SIDE_NEXT);
    }
}

static void begin_side(struct pf_flow_side *s)
{
    struct pf_flow_side old = *s;
    *s = (struct pf_flow_side){.other = old.next};
    if (has(&old, PF_SIDE_NEXT)) {
        set(s, PF_SIDE_BEFORE);
    }
}

/* Everything of the connection starts with this packet; a SYN's ISN is taken as it is. */
static void begin(struct pf_flow *f, const struct pf_pkt *p)
{
    begin_side(&f->side[0]);
    begin_side(&f->side[1]);
    f->first_packet = p->number;
    f->packets = 0;
    f->first_ts_ns = p->ts_ns;
    f->last_ts_ns = p->ts_ns;
    f->tag = 0;
    if ((p->flags & PF_TCP_SYN) != 0) {
        set_isn(&f->side[p->side], p->seq);
    }
    note(f, p);
}

static bool own_candidate_agrees(const struct pf_flow_side *s, const struct pf_pkt *p)
{
    return has(s, PF_SIDE_CANDIDATE) && first_seq(p) - (s->other + 1) < NEAR;
}

static bool acked_candidate_agrees(const struct pf_flow_side *o, const struct pf_pkt *p)
{
    return has(o, PF_SIDE_CANDIDATE) && (p->flags & PF_TCP_ACK) != 0 &&
           p->ack - (o->other + 1) < NEAR;
}

/* Data where a candidate of its side would have it. */
static bool is_of_candidate(const struct pf_flow_side *s, const struct pf_pkt *p)
{
    return has_payload(p) && own_candidate_agrees(s, p) && !in_window(s, p->seq, NEAR);
}

/* Rule 4. */
static bool commits_candidate(const struct pf_flow *f, const struct pf_pkt *p)
{
    const struct pf_flow_side *s = &f->side[p->side];
    const struct pf_flow_side *o = &f->side[1 - p->side];
    bool syn = (p->flags & PF_TCP_SYN) != 0;
    if (acked_candidate_agrees(o, p) && (syn || !in_window(o, p->ack, NEAR))) {
        return true;
    }
    bool one_sided = !has(o, PF_SIDE_DATA);
    return one_sided && !syn && is_of_candidate(s, p);
}

static void begin_from_candidate(struct pf_flow *f, const struct pf_pkt *p)
{
    struct pf_flow_side s = f->side[p->side];
    struct pf_flow_side o = f->side[1 - p->side];
    bool syn = (p->flags & PF_TCP_SYN) != 0;
    bool own = !syn && own_candidate_agrees(&s, p);
    bool acked = acked_candidate_agrees(&o, p);
    begin(f, p);
    if (own) {
        set_isn(&f->side[p->side], s.other);
    }
    if (acked) {
        set_isn(&f->side[1 - p->side], o.other);
    }
}

/* Rule 2: this SYN is, or may become, the one of the present connection. */
static bool syn_fits(const struct pf_flow *f, const struct pf_pkt *p)
{
    const struct pf_flow_side *s = &f->side[p->side];
    const struct pf_flow_side *o = &f->side[1 - p->side];
    if (has(s, PF_SIDE_SYN)) {
        return s->isn == p->seq;
    }
    if (has(s, PF_SIDE_NEXT) && s->next - (p->seq + 1) >= NEAR) {
        return false;
    }
    bool acks = (p->flags & PF_TCP_ACK) != 0;
    return !acks || !has(o, PF_SIDE_NEXT) || in_window(o, p->ack, NEAR);
}

static enum pf_track on_syn(struct pf_flow *f, const struct pf_pkt *p)
{
    struct pf_flow_side *s = &f->side[p->side];
    if (syn_fits(f, p)) {
        set_isn(s, p->seq);
        note(f, p);
        return PF_TRACK_SAME;
    }
    if (is_closed(f) || is_blank(f)) {
        begin(f, p);
        return PF_TRACK_NEW_INCARNATION;
    }
    s->other = p->seq;
    clear(s, PF_SIDE_BEFORE);
    set(s, PF_SIDE_CANDIDATE);
    return PF_TRACK_IGNORE;
}

/* Rule 5. The last acknowledgement comes from one behind next: the FIN has a number too. */
static bool is_from_before(const struct pf_flow_side *s, const struct pf_pkt *p)
{
    return has(s, PF_SIDE_BEFORE) && s->other + 1 - p->seq < NEAR && !in_window(s, p->seq, NEAR);
}

static enum pf_track judge(struct pf_flow *f, const struct pf_pkt *p)
{
    const struct pf_flow_side *s = &f->side[p->side];
    if (commits_candidate(f, p)) {
        begin_from_candidate(f, p);
        return PF_TRACK_NEW_INCARNATION;
    }
    if ((p->flags & PF_TCP_SYN) != 0) {
        return on_syn(f, p);
    }
    if (is_from_before(s, p) || is_of_candidate(s, p)) {
        return PF_TRACK_IGNORE;
    }
    if (is_closed(f) && has_payload(p) && has(s, PF_SIDE_NEXT) && !in_window(s, p->seq, FAR)) {
        begin(f, p);
        return PF_TRACK_NEW_INCARNATION;
    }
    note(f, p);
    return PF_TRACK_SAME;
}

enum pf_track pf_track(struct pf_flow *flow, const struct pf_pkt *pkt, int64_t idle_ns)
{
    enum pf_track result = PF_TRACK_NEW_INCARNATION;
    if (flow->packets == 0 || pf_track_expired(flow, pkt->clock_ns, idle_ns)) {
        flow->side[0] = (struct pf_flow_side){0}; /* nothing of before: as a sweep would leave it */
        flow->side[1] = (struct pf_flow_side){0};
        begin(flow, pkt);
    } else {
        result = judge(flow, pkt);
    }
    flow->last_clock_ns = pkt->clock_ns;
    if (result != PF_TRACK_IGNORE) {
        flow->packets++;
        flow->last_ts_ns = pkt->ts_ns > flow->last_ts_ns ? pkt->ts_ns : flow->last_ts_ns;
    }
    flow->state = is_closed(flow) ? PF_FLOW_CLOSED : is_blank(flow) ? PF_FLOW_NEW : PF_FLOW_OPEN;
    return result;
}
