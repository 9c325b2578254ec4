// SPDX-License-Identifier: Apache-2.0
#include "run/worker.h"

#include "run/elsewhere.h"
#include "run/workflows.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S ((int64_t)1000000000)

enum {
    RUN_BYTES = 64 * 1024, /* ciphertext that is opened, packed and written in one go */
    PLAIN_BYTES = RUN_BYTES + 4 * PF_RECORD_MAX,
    SWEEP_S = 30,     /* capture time between looks at all flows */
    ASK_AGAIN = 64,   /* flows at a time that may find their session now */
    PARKED_MAX = 256, /* flows that have only to wait for their turn: then no batch is begun */
    WAIT_MS = 20,     /* at most, for what others publish: they wake us */
    AHEAD_SLOTS = 6,  /* trains of packets whose table slots are fetched early, */
    AHEAD_FLOWS = 4,  /* whose flows are, */
    AHEAD_STREAMS = 3,
    AHEAD_CONNS = 2,
    AHEAD_BYTES = 1
};

struct pf_worker {
    struct pf_worker_setup setup;
    struct pf_workflows flows;
    struct pf_elsewhere elsewhere;
    uint64_t position;
    int64_t clock_ns;
    int64_t swept_ns;
    uint64_t sessions; /* published */
    uint64_t asked;    /* pf_board_sessions when all that wait had asked for theirs */
    struct pf_error err;
};

void pf_worker_free(struct pf_worker *w)
{
    if (w == NULL) {
        return;
    }
    pf_workflows_fini(&w->flows);
    pf_elsewhere_fini(&w->elsewhere);
    pf_reasm_env_fini(&w->flows.env.reasm);
    pf_heap_fini(&w->flows.env.heap);
    pf_kdf_free(w->flows.env.conn.kdf);
    pf_crypt_free(w->flows.env.conn.crypt);
    pf_cert_cache_free(w->flows.env.conn.certs);
    pf_unwrapper_free(w->flows.env.unwrapper);
    pf_packer_free(w->flows.env.packer);
    free(w->flows.env.plain);
    free(w->flows.env.key_flows);
    free(w);
}

static enum pf_status make_engines(struct pf_worker *w, struct pf_error *err)
{
    struct pf_tls_flow_env *env = &w->flows.env;
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
    w->flows.config = config;
    w->clock_ns = INT64_MIN;
    w->swept_ns = INT64_MIN;
    struct pf_tls_flow_env *env = &w->flows.env;
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
    env->conn.held_max = pf_config_held_max(config);
    env->conn.secrets = (struct pf_secret_sources){
        .keylog = config->keylog,
        .dsb = config->dsb,
        .keyring = config->keyring,
        .psks = config->psks,
        .psk_count = config->psk_count,
        .sessions = setup->sessions,
        .known = config->task == PF_TASK_LEARN ? NULL : setup->known,
        .learn = config->task == PF_TASK_LEARN ? setup->known : NULL,
        .published = &w->sessions,
    };
    env->conn.keep_secrets = config->task == PF_TASK_SECRETS || config->task == PF_TASK_LEARN;
    pf_table_init(&w->flows.table, &env->budget);
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
    return (struct pf_worker_counts){.limit_flows = w->flows.env.limits,
                                     .limit_stubs = w->flows.limit_stubs,
                                     .trials = w->flows.env.trials,
                                     .memory_peak = w->flows.env.budget.peak,
                                     .key_flows = w->flows.env.key_flows,
                                     .totals = &w->flows.env.totals};
}

/* ---- waiting for other flows' sessions ---- */

static void publish(struct pf_worker *w)
{
    const struct pf_tls_flow *t = w->flows.parked.first;
    pf_board_tell_sessions(w->setup.board, w->setup.index, w->sessions);
    pf_board_publish(w->setup.board, w->setup.index, w->position,
                     t != NULL ? t->client_packet : PF_POSITION_END);
}

/* None behind the first can be settled: it began before them, also when what it waits for is an
 * unwrapping. */
static struct pf_tls_flow *next_settled(struct pf_worker *w)
{
    struct pf_tls_flow *t = w->flows.parked.first;
    bool settled = t != NULL && t->unwrap == NULL &&
                   pf_board_is_settled(w->setup.board, t->wait_packet, t->client_packet);
    return settled ? t : NULL;
}

static bool is_stopped_by_error(const struct pf_worker *w)
{
    /* relaxed: a moment later is soon enough */
    return atomic_load_explicit(&w->setup.board->stop, memory_order_relaxed) < 0;
}

static struct pf_tls_flow *next_ready(struct pf_worker *w)
{
    struct pf_tls_flow *t = pf_elsewhere_unwrapped(&w->elsewhere);
    return t != NULL ? t : next_settled(w);
}

/* The flow has gone on, as far as it can. */
static enum pf_status was_resumed(struct pf_worker *w, struct pf_tls_flow *t)
{
    enum pf_status st = PF_OK;
    pf_parked_note(&w->flows.parked, t);
    if (t->ending && !t->parked) {
        st = pf_workflows_end_parked(&w->flows, t);
    }
    publish(w);
    return st;
}

static bool may_ask_again(const struct pf_worker *w)
{
    return w->flows.parked.first != NULL && pf_board_sessions(w->setup.board) != w->asked;
}

/* There are new sessions: who waits for one need not wait until it can be said that there is none.
 * The first of them only, who wait for the earliest; the others when these are gone. */
static enum pf_status ask_again(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_tls_flow *t = w->flows.parked.first;
    uint64_t sessions = pf_board_sessions(w->setup.board);
    bool found = false;
    for (unsigned i = 0; i < ASK_AGAIN && t != NULL && st == PF_OK; i++) {
        struct pf_tls_flow *next = t->parked_after;
        uint64_t client_packet = t->client_packet;
        if (t->unwrap == NULL) {
            st = pf_tls_flow_resume(&w->flows.env, t, false);
            bool went_on = !t->parked || t->client_packet != client_packet;
            found |= went_on;
            st = st == PF_OK && went_on ? was_resumed(w, t) : st;
        }
        t = next;
    }
    w->asked = found ? w->asked : sessions;
    return st;
}

/* Lets every flow go on whose wait is over. */
static enum pf_status resume_ready(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_tls_flow *t;
    while (st == PF_OK && (t = next_ready(w)) != NULL) {
        st = pf_tls_flow_resume(&w->flows.env, t, true);
        st = st == PF_OK ? was_resumed(w, t) : st;
    }
    return st == PF_OK && may_ask_again(w) ? ask_again(w) : st;
}

/* Takes in the runs of own flows that others have opened. */
static enum pf_status collect(struct pf_worker *w)
{
    struct pf_tls_flow *t;
    enum pf_status st;
    while ((st = pf_elsewhere_collect(&w->flows.env, &t)) == PF_OK && t != NULL) {
        pf_parked_note(&w->flows.parked, t);
    }
    return st;
}

/* Packets of a flow come in trains: the first ones find the flow's memory cold. What they will
 * touch is fetched a few trains early, one pointer further with each. heads[0] is the train that
 * begins now. */
static void look_ahead(const struct pf_worker *w, const struct pf_batch *b, const uint16_t *heads)
{
    const struct pf_table *table = &w->flows.table;
    const struct pf_pkt *p = b->packets;
    const struct pf_tls_flow *t;
    pf_table_prefetch(table, p[heads[AHEAD_SLOTS]].hash);
    pf_table_prefetch_flow(table, p[heads[AHEAD_FLOWS]].hash);
    t = pf_table_likely_stream(table, p[heads[AHEAD_STREAMS]].hash);
    if (t != NULL) {
        pf_tls_flow_prefetch(t, p[heads[AHEAD_STREAMS]].side);
    }
    t = pf_table_likely_stream(table, p[heads[AHEAD_CONNS]].hash);
    if (t != NULL) {
        pf_tls_flow_prefetch_conn(t, p[heads[AHEAD_CONNS]].side);
    }
    t = pf_table_likely_stream(table, p[heads[AHEAD_BYTES]].hash);
    if (t != NULL) {
        pf_tls_flow_prefetch_bytes(t, p[heads[AHEAD_BYTES]].side);
    }
}

/* Where the batch's trains begin; behind the last one it is named again, for who looks ahead. */
static void find_trains(const struct pf_batch *b, uint16_t heads[PF_BATCH_PACKETS + AHEAD_SLOTS])
{
    uint32_t n = 0;
    heads[0] = 0;
    for (uint32_t i = 1; i < b->count; i++) {
        heads[n + 1] = (uint16_t)i;
        n += b->packets[i].hash != b->packets[i - 1].hash ? 1 : 0;
    }
    for (uint32_t i = 1; i <= AHEAD_SLOTS; i++) {
        heads[n + i] = heads[n];
    }
}

static enum pf_status on_batch(struct pf_worker *w, const struct pf_batch *b)
{
    uint16_t heads[PF_BATCH_PACKETS + AHEAD_SLOTS];
    const uint16_t *next = heads;
    enum pf_status st = PF_OK;
    find_trains(b, heads);
    for (uint32_t i = 0; i < b->count && st == PF_OK; i++) {
        if (i == *next) {
            look_ahead(w, b, next++);
        }
        st = pf_workflows_packet(&w->flows, &b->packets[i]);
    }
    w->clock_ns = b->clock_ns;
    if (st == PF_OK && w->clock_ns / NS_PER_S / SWEEP_S != w->swept_ns) {
        w->swept_ns = w->clock_ns / NS_PER_S / SWEEP_S;
        st = pf_workflows_sweep(&w->flows, w->clock_ns);
    }
    st = st == PF_OK ? pf_workflows_relieve(&w->flows) : st;
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

static bool has_batch(const struct pf_worker *w)
{
    return pf_ring_count(&w->setup.lane->full) > 0;
}

/* Sleeps until a parked flow can go on, or may be able to, or a job has come, or a batch if those
 * are wanted. */
static void wait_parked(struct pf_worker *w, bool batches)
{
    struct pf_gate *gate = &w->setup.lane->worker;
    const struct pf_tls_flow *first = w->flows.parked.first;
    pf_board_wait(w->setup.board, w->setup.index, first->wait_packet, first->client_packet);
    pf_gate_prepare(gate);
    bool help = w->elsewhere.jobs != NULL && pf_jobs_any(w->elsewhere.jobs, w->setup.index);
    if (next_ready(w) != NULL || may_ask_again(w) || help || (batches && has_batch(w))) {
        pf_gate_cancel(gate);
    } else {
        pf_gate_sleep(gate, WAIT_MS);
    }
    pf_board_wait_over(w->setup.board, w->setup.index);
}

static enum pf_status drain(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_flow *f;
    publish(w);
    while (st == PF_OK && (f = pf_table_oldest(&w->flows.table, PF_TABLE_STREAMS)) != NULL) {
        st = pf_workflows_end(&w->flows, f);
        publish(w);
    }
    while (st == PF_OK && w->flows.parked.first != NULL && !is_stopped_by_error(w)) {
        st = resume_ready(w);
        if (w->flows.parked.first != NULL && !pf_elsewhere_help(&w->elsewhere)) {
            set_idle(w, true);
            wait_parked(w, false);
            set_idle(w, false);
        }
    }
    return st;
}

/* While there is no batch, or none is wanted: works on other workers' jobs, takes in own ones.
 * Comes back when there is a batch, or a parked flow may go on. */
static enum pf_status be_idle(struct pf_worker *w, bool batches)
{
    struct pf_lane *lane = w->setup.lane;
    struct pf_jobs *jobs = w->elsewhere.jobs;
    enum pf_status st = PF_OK;
    while (st == PF_OK && !(batches && has_batch(w)) && next_ready(w) == NULL &&
           !may_ask_again(w)) {
        if (pf_elsewhere_is_ready(&w->elsewhere)) {
            st = collect(w);
            continue;
        }
        if (jobs != NULL && pf_elsewhere_help(&w->elsewhere)) {
            continue;
        }
        if (w->flows.parked.first != NULL) {
            wait_parked(w, batches);
            continue;
        }
        pf_gate_prepare(&lane->worker);
        bool work = (jobs != NULL && pf_jobs_any(jobs, w->setup.index)) ||
                    pf_elsewhere_is_ready(&w->elsewhere) || has_batch(w);
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
    enum pf_status st = be_idle(w, true);
    set_idle(w, false);
    *out = pf_lane_poll(w->setup.lane);
    return st;
}

/* Everybody has passed what the first flow waits for, but one that began earlier is parked with
 * another worker. That worker can go on: it has passed as much. */
static bool is_out_of_turn(const struct pf_worker *w)
{
    const struct pf_tls_flow *first = w->flows.parked.first;
    return w->flows.parked.count > PARKED_MAX &&
           pf_board_is_settled(w->setup.board, first->wait_packet, 0);
}

/*
 * Misses become final in the order of the capture, one here, one there. Were each worker to take a
 * batch in between, more flows would come than go, and hold their bytes.
 */
static enum pf_status wait_for_turn(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    while (st == PF_OK && is_out_of_turn(w) && !is_stopped_by_error(w)) {
        set_idle(w, true);
        st = be_idle(w, false);
        set_idle(w, false);
        st = st == PF_OK ? collect(w) : st;
        st = st == PF_OK ? resume_ready(w) : st;
    }
    return st;
}

/* After an error: takes every batch and returns it, so that the reader never hangs. */
static void refuse_batches(struct pf_worker *w, bool last)
{
    while (!last) {
        struct pf_batch *b = pf_lane_receive(w->setup.lane);
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
            pf_elsewhere_hurry(&w->elsewhere);
        }
        st = st == PF_OK ? collect(w) : st;
        publish(w);
        st = st == PF_OK ? resume_ready(w) : st;
        st = st == PF_OK ? wait_for_turn(w) : st;
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
