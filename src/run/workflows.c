// SPDX-License-Identifier: Apache-2.0
#include "run/workflows.h"

#include "flow/track.h"
#include "run/dgramflow.h"

#define NS_PER_S ((int64_t)1000000000)

enum { LINGER_S = 60 /* capture time: what a closed flow's late packets get */ };

/* flow->tag */
enum { TAG_NEW = 0, TAG_OTHER, TAG_DONE };

void pf_workflows_fini(struct pf_workflows *w)
{
    struct pf_tls_flow *next;
    for (struct pf_tls_flow *t = w->parked.first; t != NULL; t = next) {
        next = t->parked_after;
        if (t->ending) { /* not in the table any more */
            pf_tls_flow_free(&w->env, t);
        }
    }
    struct pf_flow *flow = pf_table_oldest(&w->table, PF_TABLE_STREAMS);
    for (; flow != NULL; flow = flow->newer) {
        pf_tls_flow_free(&w->env, flow->stream);
    }
    pf_table_fini(&w->table);
    pf_keylog_free(w->live);
}

static void free_flow(struct pf_workflows *w, struct pf_tls_flow *t)
{
    pf_parked_remove(&w->parked, t);
    pf_tls_flow_free(&w->env, t);
}

enum pf_status pf_workflows_end_parked(struct pf_workflows *w, struct pf_tls_flow *t)
{
    enum pf_status st = pf_tls_flow_end(&w->env, t, NULL);
    pf_parked_note(&w->parked, t);
    if (st == PF_BLOCKED) {
        return PF_OK;
    }
    free_flow(w, t);
    return st;
}

/* ---- the end of a flow ---- */

enum pf_status pf_workflows_end(struct pf_workflows *w, struct pf_flow *flow)
{
    struct pf_tls_flow *t = flow->stream;
    enum pf_status st = pf_tls_flow_end(&w->env, t, flow);
    pf_parked_note(&w->parked, t);
    pf_table_set_stream(&w->table, flow, NULL);
    flow->tag = TAG_DONE;
    if (st == PF_BLOCKED) {
        return PF_OK; /* in the list of parked flows now, and ended from there */
    }
    free_flow(w, t);
    return st;
}

/* Ends a flow for want of memory: it does not wait for anything. */
static enum pf_status give_up_stream(struct pf_workflows *w, struct pf_flow *flow)
{
    enum pf_status st = pf_tls_flow_give_up(&w->env, flow->stream, flow);
    return st == PF_OK ? pf_workflows_end(w, flow) : st;
}

/* A closed flow's late packets, or an idle flow's next ones, find it ended: whether a sweep was
 * there in between makes no difference. */
static bool is_over(const struct pf_flow *flow, int64_t clock_ns)
{
    return pf_track_expired(flow, clock_ns, PF_TRACK_IDLE_NS) ||
           (flow->state == PF_FLOW_CLOSED && clock_ns - flow->last_clock_ns > LINGER_S * NS_PER_S);
}

enum pf_status pf_workflows_sweep(struct pf_workflows *w, int64_t clock_ns)
{
    enum pf_status st = PF_OK;
    struct pf_flow *f = pf_table_oldest(&w->table, PF_TABLE_STREAMS);
    for (struct pf_flow *next; f != NULL && st == PF_OK; f = next) {
        next = f->newer;
        if (is_over(f, clock_ns)) {
            st = pf_workflows_end(w, f);
        }
    }
    while ((f = pf_table_oldest(&w->table, PF_TABLE_STUBS)) != NULL &&
           pf_track_expired(f, clock_ns, PF_TRACK_IDLE_NS)) {
        pf_table_remove(&w->table, f);
    }
    return st;
}

/* ---- memory ---- */

/* The least useful goes: a stub, or the flow that was quiet for longest, or one that waits. PF_END:
 * there is nothing left. */
static enum pf_status give_up_one(struct pf_workflows *w)
{
    struct pf_flow *f = pf_table_oldest_idle(&w->table);
    struct pf_tls_flow *t = w->parked.first;
    enum pf_status st = PF_OK;
    if (f != NULL && f->stream == NULL) {
        w->limit_stubs += f->tag == TAG_DONE ? 0 : 1;
        pf_table_remove(&w->table, f);
    } else if (f != NULL) {
        st = give_up_stream(w, f);
    } else if (t != NULL) {
        st = pf_tls_flow_give_up(&w->env, t, NULL);
        st = st == PF_OK ? pf_workflows_end_parked(w, t) : st;
    } else {
        st = PF_END;
    }
    return st;
}

/* What a packet may need must be there before it comes. */
static enum pf_status make_room(struct pf_workflows *w)
{
    const struct pf_budget *b = &w->env.budget;
    enum pf_status st = PF_OK;
    while (st == PF_OK && b->used > b->limit / 8 * 7) {
        st = give_up_one(w);
    }
    return st == PF_END ? PF_OK : st;
}

enum pf_status pf_workflows_relieve(struct pf_workflows *w)
{
    const struct pf_budget *b = &w->env.budget;
    enum pf_status st = PF_OK;
    if (b->used <= b->limit / 4 * 3) {
        w->relieved = 0;
        return PF_OK;
    }
    if (b->used < w->relieved + b->limit / 64) {
        return PF_OK; /* little has come since all flows were looked at */
    }
    struct pf_flow *f = pf_table_oldest(&w->table, PF_TABLE_STREAMS);
    for (; f != NULL && st == PF_OK && b->used > b->limit / 2; f = f->newer) {
        st = pf_tls_flow_relieve(&w->env, f->stream);
    }
    w->relieved = b->used;
    return st == PF_OK ? make_room(w) : st;
}

static enum pf_status get_flow(struct pf_workflows *w, const struct pf_pkt *pkt,
                               struct pf_flow **out)
{
    enum pf_status st;
    while ((st = pf_table_get(&w->table, &pkt->key, pkt->hash, pkt->clock_ns, out)) ==
           PF_ERR_LIMIT) {
        enum pf_status freed = give_up_one(w);
        if (freed != PF_OK) {
            return freed == PF_END ? PF_ERR_NOMEM : freed;
        }
    }
    return st;
}

/* ---- packets ---- */

/* A flow without a stream: does this packet give it one? */
static enum pf_status maybe_begin(struct pf_workflows *w, struct pf_flow *flow,
                                  const struct pf_pkt *pkt)
{
    if (pkt->len == 0 || flow->tag == TAG_DONE) {
        return PF_OK;
    }
    bool udp = pkt->key.proto == PF_KEY_UDP;
    if (udp && !pf_dgram_flow_begins(pkt)) {
        return PF_OK;
    }
    if (flow->tag == TAG_OTHER && !udp && !pf_tls_flow_begins(flow, pkt)) {
        return PF_OK;
    }
    if (flow->tag == TAG_NEW && !udp && pf_tls_flow_is_other(flow, pkt)) {
        flow->tag = TAG_OTHER;
        return PF_OK;
    }
    struct pf_tls_flow *t;
    enum pf_status st = pf_tls_flow_new(&w->env, flow, &t);
    if (st == PF_OK) {
        t->late = flow->tag == TAG_OTHER;
        pf_table_set_stream(&w->table, flow, t);
    }
    if (st == PF_ERR_LIMIT) {
        w->limit_stubs++;
        flow->tag = TAG_OTHER;
        return PF_OK;
    }
    return st;
}

static enum pf_status feed_stream(struct pf_workflows *w, struct pf_flow *flow,
                                  const struct pf_pkt *pkt)
{
    struct pf_tls_flow *t = flow->stream;
    enum pf_status st = pf_tls_flow_packet(&w->env, t, flow, pkt);
    if (t->parked) {
        pf_parked_note(&w->parked, t);
    }
    if (st != PF_OK) {
        return st;
    }
    if (t->is == PF_FLOW_OTHER) {
        pf_table_set_stream(&w->table, flow, NULL);
        free_flow(w, t);
        flow->tag = TAG_OTHER;
        return PF_OK;
    }
    bool ended = pf_tls_flow_is_complete(t) && pf_track_is_ended(flow);
    return ended ? pf_workflows_end(w, flow) : PF_OK;
}

/* The batch is the worker's while it has it, and what is in it will be overwritten late. */
static enum pf_status take_secrets(struct pf_workflows *w, const struct pf_pkt *pkt)
{
    enum pf_status st = PF_OK;
    if (w->live == NULL) {
        st = pf_keylog_new((size_t)(w->config->memory / 8 / w->config->jobs), &w->live);
        w->env.conn.secrets.live = w->live;
    }
    if (st == PF_OK && pkt->len > 0) {
        st = pf_keylog_add_text(w->live, (struct pf_span){pkt->data, pkt->len});
        pf_wipe((uint8_t *)(uintptr_t)pkt->data, pkt->len);
    }
    return st;
}

enum pf_status pf_workflows_packet(struct pf_workflows *w, const struct pf_pkt *pkt)
{
    if (pkt->key.proto == PF_KEY_SECRETS) {
        return take_secrets(w, pkt);
    }
    struct pf_flow *flow;
    enum pf_status st = make_room(w);
    st = st == PF_OK ? get_flow(w, pkt, &flow) : st;
    if (st != PF_OK) {
        return st;
    }
    if (flow->stream != NULL && is_over(flow, pkt->clock_ns)) {
        st = pf_workflows_end(w, flow);
    }
    enum pf_track is = pf_track(flow, pkt, PF_TRACK_IDLE_NS);
    if (is == PF_TRACK_NEW_INCARNATION && flow->stream != NULL && st == PF_OK) {
        st = pf_workflows_end(w, flow);
    }
    if (is == PF_TRACK_NEW_INCARNATION) {
        flow->tag = TAG_NEW;
    }
    if (is == PF_TRACK_IGNORE || st != PF_OK) {
        return st;
    }
    if (flow->stream == NULL) {
        st = maybe_begin(w, flow, pkt);
    }
    if (flow->stream != NULL && st == PF_OK) {
        st = feed_stream(w, flow, pkt);
    }
    return st;
}

/* What later packets of the batch will touch, one pointer further with each. */
