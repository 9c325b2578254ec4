// SPDX-License-Identifier: Apache-2.0
#include "run/worker.h"

#include "flow/table.h"
#include "flow/track.h"
#include "run/dgramflow.h"
#include "run/elsewhere.h"
#include "run/tlsflow.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S ((int64_t)1000000000)

enum {
    RUN_BYTES = 64 * 1024, /* ciphertext that is opened, packed and written in one go */
    PLAIN_BYTES = RUN_BYTES + 4 * PF_RECORD_MAX,
    HELD_MAX = 16 * 1024 * 1024, /* that one direction may hold while it waits */
    LINGER_S = 60,               /* capture time: what a closed flow's late packets get */
    SWEEP_S = 30,                /* capture time between looks at all flows */
    WAIT_MS = 20,                /* at most, for what others publish: they wake us */
    AHEAD_SLOTS = 12,            /* packets of a batch whose table slots are fetched early, */
    AHEAD_FLOWS = 9,             /* whose flows are, */
    AHEAD_STREAMS = 6,
    AHEAD_CONNS = 3
};

/* flow->tag */
enum { TAG_NEW = 0, TAG_OTHER, TAG_DONE };

struct pf_worker {
    struct pf_worker_setup setup;
    struct pf_table table;
    struct pf_tls_flow_env env;
    struct pf_elsewhere elsewhere;
    struct pf_keylog *live; /* secrets that came with the packets; NULL: none can come */
    struct {
        struct pf_tls_flow *first; /* by client_packet: only the first can be settled */
        struct pf_tls_flow *last;
    } parked;
    uint64_t position;
    int64_t clock_ns;
    int64_t swept_ns;
    uint64_t limit_stubs;
    size_t relieved; /* what was still used when that was last seen to */
    struct pf_error err;
};

void pf_worker_free(struct pf_worker *w)
{
    if (w == NULL) {
        return;
    }
    struct pf_tls_flow *next; /* only after an error are there any flows left */
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
    pf_elsewhere_fini(&w->elsewhere);
    pf_table_fini(&w->table);
    pf_reasm_env_fini(&w->env.reasm);
    pf_heap_fini(&w->env.heap);
    pf_kdf_free(w->env.conn.kdf);
    pf_crypt_free(w->env.conn.crypt);
    pf_keylog_free(w->live);
    pf_cert_cache_free(w->env.conn.certs);
    pf_unwrapper_free(w->env.unwrapper);
    pf_packer_free(w->env.packer);
    free(w->env.plain);
    free(w->env.key_flows);
    free(w);
}

static enum pf_status make_engines(struct pf_worker *w, struct pf_error *err)
{
    struct pf_tls_flow_env *env = &w->env;
    const struct pf_config *config = w->setup.config;
    enum pf_status st = pf_kdf_new(&env->conn.kdf);
    st = st == PF_OK ? pf_crypt_new(&env->conn.crypt, err) : st;
    st = st == PF_OK ? pf_cert_cache_new(&env->conn.certs) : st;
    st = st == PF_OK ? pf_unwrapper_new(config->keyring, &env->unwrapper) : st;
    st = st == PF_OK ? pf_packer_new(w->setup.codec, w->setup.level, &env->packer) : st;
    env->plain_cap = PLAIN_BYTES;
    env->plain = malloc(env->plain_cap);
    env->key_flows = calloc(pf_keyring_count(config->keyring) + 1, sizeof *env->key_flows);
    w->elsewhere.tools = (struct pf_job_tools){.crypt = env->conn.crypt,
                                               .packer = env->packer,
                                               .unwrapper = env->unwrapper,
                                               .plain = env->plain,
                                               .plain_cap = env->plain_cap};
    bool memory = env->plain != NULL && env->key_flows != NULL;
    return st == PF_OK && !memory ? PF_ERR_NOMEM : st;
}

enum pf_status pf_worker_new(const struct pf_worker_setup *setup, struct pf_worker **out,
                             struct pf_error *err)
{
    struct pf_worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return PF_ERR_NOMEM;
    }
    const struct pf_config *config = setup->config;
    w->setup = *setup;
    w->clock_ns = INT64_MIN;
    w->swept_ns = INT64_MIN;
    struct pf_tls_flow_env *env = &w->env;
    env->budget.limit = pf_config_worker_share(config);
    pf_heap_init(&env->heap, &env->budget);
    env->chunks = setup->chunks;
    env->flows = setup->flows;
    env->task = config->task;
    env->json = config->json;
    env->lines = setup->lines;
    env->line = &setup->board->lines[setup->index];
    env->sha256 = setup->sha256;
    env->err = &w->err;
    env->elsewhere = &w->elsewhere;
    w->elsewhere.worker = setup->index;
    w->elsewhere.jobs = setup->jobs;
    /* hashes of plaintext run through a flow in order, where it is opened */
    w->elsewhere.runs = !setup->sha256 && config->task == PF_TASK_DECRYPT;
    env->conn.budget = &env->budget;
    env->conn.run_bytes = RUN_BYTES;
    env->conn.held_max = HELD_MAX;
    env->conn.secrets = (struct pf_secret_sources){
        .keylog = config->keylog,
        .dsb = config->dsb,
        .keyring = config->keyring,
        .psks = config->psks,
        .psk_count = config->psk_count,
        .sessions = setup->sessions,
        .known = config->task == PF_TASK_LEARN ? NULL : setup->known,
        .learn = config->task == PF_TASK_LEARN ? setup->known : NULL,
    };
    env->conn.keep_secrets = config->task == PF_TASK_SECRETS || config->task == PF_TASK_LEARN;
    pf_table_init(&w->table, &env->budget);
    pf_reasm_env_init(&env->reasm, &env->budget, PF_REASM_MAX_HELD);
    enum pf_status st = make_engines(w, err);
    if (st != PF_OK) {
        pf_worker_free(w);
        return st;
    }
    *out = w;
    return PF_OK;
}

struct pf_worker_counts pf_worker_counts(const struct pf_worker *w)
{
    return (struct pf_worker_counts){.limit_flows = w->env.limits,
                                     .limit_stubs = w->limit_stubs,
                                     .trials = w->env.trials,
                                     .memory_peak = w->env.budget.peak,
                                     .key_flows = w->env.key_flows,
                                     .totals = &w->env.totals};
}

/* ---- waiting for other flows' sessions ---- */

static void publish(struct pf_worker *w)
{
    const struct pf_tls_flow *t = w->parked.first;
    pf_board_publish(w->setup.board, w->setup.index, w->position,
                     t != NULL ? t->client_packet : PF_POSITION_END);
}

static void unlist_parked(struct pf_worker *w, struct pf_tls_flow *t)
{
    if (t->listed) {
        *(t->parked_before != NULL ? &t->parked_before->parked_after : &w->parked.first) =
            t->parked_after;
        *(t->parked_after != NULL ? &t->parked_after->parked_before : &w->parked.last) =
            t->parked_before;
        t->listed = false;
    }
}

static void note_parked(struct pf_worker *w, struct pf_tls_flow *t)
{
    unlist_parked(w, t);
    if (!t->parked) {
        return;
    }
    struct pf_tls_flow *before = w->parked.last;
    while (before != NULL && before->client_packet > t->client_packet) {
        before = before->parked_before;
    }
    t->parked_before = before;
    t->parked_after = before != NULL ? before->parked_after : w->parked.first;
    *(before != NULL ? &before->parked_after : &w->parked.first) = t;
    *(t->parked_after != NULL ? &t->parked_after->parked_before : &w->parked.last) = t;
    t->listed = true;
}

static void free_flow(struct pf_worker *w, struct pf_tls_flow *t)
{
    unlist_parked(w, t);
    pf_tls_flow_free(&w->env, t);
}

/* None behind the first can be settled: it began before them, also when what it waits for is an
 * unwrapping. */
static struct pf_tls_flow *next_settled(struct pf_worker *w)
{
    struct pf_tls_flow *t = w->parked.first;
    bool settled = t != NULL && t->unwrap == NULL &&
                   pf_board_is_settled(w->setup.board, t->wait_packet, t->client_packet);
    return settled ? t : NULL;
}

static bool is_stopped_by_error(const struct pf_worker *w)
{
    /* relaxed: a moment later is soon enough */
    return atomic_load_explicit(&w->setup.board->stop, memory_order_relaxed) < 0;
}

/* A flow that has no place in the table any more: ends it, unless it has to wait (again). */
static enum pf_status end_detached(struct pf_worker *w, struct pf_tls_flow *t)
{
    enum pf_status st = pf_tls_flow_end(&w->env, t, NULL);
    note_parked(w, t);
    if (st == PF_BLOCKED) {
        return PF_OK;
    }
    free_flow(w, t);
    return st;
}

static struct pf_tls_flow *next_ready(struct pf_worker *w)
{
    struct pf_tls_flow *t = pf_elsewhere_unwrapped(&w->elsewhere);
    return t != NULL ? t : next_settled(w);
}

/* Lets every flow go on whose wait is over. */
static enum pf_status resume_ready(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_tls_flow *t;
    while (st == PF_OK && (t = next_ready(w)) != NULL) {
        st = pf_tls_flow_resume(&w->env, t, true);
        note_parked(w, t);
        if (st == PF_OK && t->ending && !t->parked) {
            st = end_detached(w, t);
        }
        publish(w);
    }
    return st;
}

/* Takes in the runs of own flows that others have opened. */
static enum pf_status collect(struct pf_worker *w)
{
    struct pf_tls_flow *t;
    enum pf_status st;
    while ((st = pf_elsewhere_collect(&w->env, &t)) == PF_OK && t != NULL) {
        note_parked(w, t);
    }
    return st;
}

/* ---- the end of a flow ---- */

/* Takes the flow's TLS out of the table and ends it; the stub stays for late packets. */
static enum pf_status end_stream(struct pf_worker *w, struct pf_flow *flow)
{
    struct pf_tls_flow *t = flow->stream;
    enum pf_status st = pf_tls_flow_end(&w->env, t, flow);
    note_parked(w, t);
    pf_table_set_stream(&w->table, flow, NULL);
    flow->tag = TAG_DONE;
    if (st == PF_BLOCKED) {
        return PF_OK; /* in the list of parked flows now, and ended from there */
    }
    free_flow(w, t);
    return st;
}

/* Ends a flow for want of memory: it does not wait for anything. */
static enum pf_status give_up_stream(struct pf_worker *w, struct pf_flow *flow)
{
    enum pf_status st = pf_tls_flow_give_up(&w->env, flow->stream, flow);
    return st == PF_OK ? end_stream(w, flow) : st;
}

/* A closed flow's late packets, or an idle flow's next ones, find it ended: whether a sweep was
 * there in between makes no difference. */
static bool is_over(const struct pf_flow *flow, int64_t clock_ns)
{
    return pf_track_expired(flow, clock_ns, PF_TRACK_IDLE_NS) ||
           (flow->state == PF_FLOW_CLOSED && clock_ns - flow->last_clock_ns > LINGER_S * NS_PER_S);
}

static enum pf_status sweep_streams(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_flow *next;
    for (struct pf_flow *f = pf_table_oldest(&w->table, PF_TABLE_STREAMS); f != NULL && st == PF_OK;
         f = next) {
        next = f->newer;
        if (is_over(f, w->clock_ns)) {
            st = end_stream(w, f);
        }
    }
    return st;
}

static void sweep_stubs(struct pf_worker *w)
{
    struct pf_flow *f;
    while ((f = pf_table_oldest(&w->table, PF_TABLE_STUBS)) != NULL &&
           pf_track_expired(f, w->clock_ns, PF_TRACK_IDLE_NS)) {
        pf_table_remove(&w->table, f);
    }
}

/* ---- memory ---- */

/* The least useful goes: a stub, or the flow that was quiet for longest, or one that waits. PF_END:
 * there is nothing left. */
static enum pf_status give_up_one(struct pf_worker *w)
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
        st = st == PF_OK ? end_detached(w, t) : st;
    } else {
        st = PF_END;
    }
    return st;
}

/* What a packet may need must be there before it comes. */
static enum pf_status make_room(struct pf_worker *w)
{
    const struct pf_budget *b = &w->env.budget;
    enum pf_status st = PF_OK;
    while (st == PF_OK && b->used > b->limit / 8 * 7) {
        st = give_up_one(w);
    }
    return st == PF_END ? PF_OK : st;
}

/* Frees what the budget needs: plaintext that can be written goes first, then the oldest flows. */
static enum pf_status relieve(struct pf_worker *w)
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

static enum pf_status get_flow(struct pf_worker *w, const struct pf_pkt *pkt, struct pf_flow **out)
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
static enum pf_status maybe_begin(struct pf_worker *w, struct pf_flow *flow,
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

static enum pf_status feed_stream(struct pf_worker *w, struct pf_flow *flow,
                                  const struct pf_pkt *pkt)
{
    struct pf_tls_flow *t = flow->stream;
    enum pf_status st = pf_tls_flow_packet(&w->env, t, flow, pkt);
    if (t->parked) {
        note_parked(w, t);
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
    return ended ? end_stream(w, flow) : PF_OK;
}

/* The batch is the worker's while it has it, and what is in it will be overwritten late. */
static enum pf_status take_secrets(struct pf_worker *w, const struct pf_pkt *pkt)
{
    enum pf_status st = PF_OK;
    if (w->live == NULL) {
        st = pf_keylog_new((size_t)(w->setup.config->memory / 8 / w->setup.config->jobs), &w->live);
        w->env.conn.secrets.live = w->live;
    }
    if (st == PF_OK && pkt->len > 0) {
        st = pf_keylog_add_text(w->live, (struct pf_span){pkt->data, pkt->len});
        pf_wipe((uint8_t *)(uintptr_t)pkt->data, pkt->len);
    }
    return st;
}

static enum pf_status on_packet(struct pf_worker *w, const struct pf_pkt *pkt)
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
        st = end_stream(w, flow);
    }
    enum pf_track is = pf_track(flow, pkt, PF_TRACK_IDLE_NS);
    if (is == PF_TRACK_NEW_INCARNATION && flow->stream != NULL && st == PF_OK) {
        st = end_stream(w, flow);
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
static void look_ahead(const struct pf_worker *w, const struct pf_batch *b, uint32_t i)
{
    const struct pf_tls_flow *t;
    if (i + AHEAD_SLOTS < b->count) {
        pf_table_prefetch(&w->table, b->packets[i + AHEAD_SLOTS].hash);
        pf_table_prefetch_flow(&w->table, b->packets[i + AHEAD_FLOWS].hash);
        t = pf_table_likely_stream(&w->table, b->packets[i + AHEAD_STREAMS].hash);
        if (t != NULL) {
            pf_tls_flow_prefetch(t, b->packets[i + AHEAD_STREAMS].side);
        }
        t = pf_table_likely_stream(&w->table, b->packets[i + AHEAD_CONNS].hash);
        if (t != NULL) {
            pf_tls_flow_prefetch_conn(t, b->packets[i + AHEAD_CONNS].side);
        }
    }
}

static enum pf_status on_batch(struct pf_worker *w, const struct pf_batch *b)
{
    enum pf_status st = PF_OK;
    for (uint32_t i = 0; i < b->count && st == PF_OK; i++) {
        look_ahead(w, b, i);
        st = on_packet(w, &b->packets[i]);
    }
    w->clock_ns = b->clock_ns;
    if (st == PF_OK && w->clock_ns / NS_PER_S / SWEEP_S != w->swept_ns) {
        w->swept_ns = w->clock_ns / NS_PER_S / SWEEP_S;
        st = sweep_streams(w);
        sweep_stubs(w);
    }
    st = st == PF_OK ? relieve(w) : st;
    w->position = b->upto;
    return st;
}

/* ---- the whole run ---- */

static void set_idle(struct pf_worker *w, bool idle)
{
    if (w->elsewhere.jobs != NULL) {
        pf_jobs_set_idle(w->elsewhere.jobs, w->setup.index, idle);
    }
}

/* Sleeps until a parked flow can go on, or may be able to, or a batch or a job has come. */
static void wait_parked(struct pf_worker *w)
{
    struct pf_gate *gate = &w->setup.lane->worker;
    pf_board_set_waits(w->setup.board, w->setup.index, true);
    pf_gate_prepare(gate);
    bool help = w->elsewhere.jobs != NULL && pf_jobs_any(w->elsewhere.jobs, w->setup.index);
    if (next_ready(w) != NULL || help || pf_ring_count(&w->setup.lane->full) > 0) {
        pf_gate_cancel(gate);
    } else {
        pf_gate_sleep(gate, WAIT_MS);
    }
    pf_board_set_waits(w->setup.board, w->setup.index, false);
}

static enum pf_status drain(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_flow *f;
    publish(w);
    while (st == PF_OK && (f = pf_table_oldest(&w->table, PF_TABLE_STREAMS)) != NULL) {
        st = end_stream(w, f);
        publish(w);
    }
    while (st == PF_OK && w->parked.first != NULL && !is_stopped_by_error(w)) {
        st = resume_ready(w);
        if (w->parked.first != NULL && !pf_elsewhere_help(&w->elsewhere)) {
            set_idle(w, true);
            wait_parked(w);
            set_idle(w, false);
        }
    }
    return st;
}

/* While there is no batch: works on other workers' jobs, takes in own ones. Comes back when there
 * is a batch, or a parked flow may go on. */
static enum pf_status be_idle(struct pf_worker *w)
{
    struct pf_lane *lane = w->setup.lane;
    struct pf_jobs *jobs = w->elsewhere.jobs;
    enum pf_status st = PF_OK;
    while (st == PF_OK && pf_ring_count(&lane->full) == 0 && next_ready(w) == NULL) {
        if (pf_elsewhere_is_ready(&w->elsewhere)) {
            st = collect(w);
            continue;
        }
        if (jobs != NULL && pf_elsewhere_help(&w->elsewhere)) {
            continue;
        }
        if (w->parked.first != NULL) {
            wait_parked(w);
            continue;
        }
        pf_gate_prepare(&lane->worker);
        bool work = (jobs != NULL && pf_jobs_any(jobs, w->setup.index)) ||
                    pf_elsewhere_is_ready(&w->elsewhere) || pf_ring_count(&lane->full) > 0;
        if (work) {
            pf_gate_cancel(&lane->worker);
        } else {
            pf_gate_sleep(&lane->worker, -1);
        }
    }
    return st;
}

/* The next batch. NULL: something else wants to be looked at. */
static enum pf_status next_batch(struct pf_worker *w, struct pf_batch **out)
{
    *out = pf_lane_poll(w->setup.lane);
    if (*out != NULL) {
        return PF_OK;
    }
    set_idle(w, true);
    enum pf_status st = be_idle(w);
    set_idle(w, false);
    *out = pf_lane_poll(w->setup.lane);
    return st;
}

/* After an error: takes every batch and returns it, so that the reader never hangs. */
static void refuse_batches(struct pf_worker *w, bool last)
{
    while (!last) {
        struct pf_batch *b = pf_lane_receive(w->setup.lane, -1);
        last = b->last;
        pf_lane_return(w->setup.lane, b);
    }
}

static enum pf_status work_through(struct pf_worker *w, bool *last)
{
    enum pf_status st = PF_OK;
    while (st == PF_OK && !*last && !is_stopped_by_error(w)) {
        struct pf_batch *b;
        st = next_batch(w, &b);
        if (b != NULL) {
            *last = b->last;
            st = st == PF_OK ? on_batch(w, b) : st;
            pf_lane_return(w->setup.lane, b);
        }
        st = st == PF_OK ? collect(w) : st;
        publish(w);
        st = st == PF_OK ? resume_ready(w) : st;
    }
    return st;
}

enum pf_status pf_worker_run(struct pf_worker *w, struct pf_error *err)
{
    bool last = false;
    enum pf_status st = work_through(w, &last);
    if (st != PF_OK) {
        /* relaxed: a moment later is soon enough. Nobody is to go on for nothing. */
        atomic_store_explicit(&w->setup.board->stop, -1, memory_order_relaxed);
    }
    refuse_batches(w, last);
    if (st == PF_OK && !is_stopped_by_error(w)) {
        st = drain(w);
    }
    w->position = PF_POSITION_END; /* nobody waits for a worker that has failed */
    pf_board_publish(w->setup.board, w->setup.index, PF_POSITION_END, PF_POSITION_END);
    if (st != PF_OK) {
        pf_error_set(&w->err, st, "%s", pf_status_text(st));
        *err = w->err;
    }
    return st;
}
