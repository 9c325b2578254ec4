// SPDX-License-Identifier: Apache-2.0
#include "run/worker.h"

#include "flow/table.h"
#include "flow/track.h"
#include "run/tlsflow.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S ((int64_t)1000000000)

enum {
    RUN_BYTES = 64 * 1024, /* ciphertext that is opened, packed and written in one go */
    PLAIN_BYTES = RUN_BYTES + 4 * PF_RECORD_MAX,
    HELD_MAX = 16 * 1024 * 1024, /* that one direction may hold while it waits */
    LINGER_S = 60,               /* capture time: what a closed flow's late packets get */
    SWEEP_S = 30,                /* capture time between looks at all flows */
    WAIT_MS = 1,                 /* between looks at the board while flows are parked */
    AHEAD_SLOTS = 8,             /* packets of a batch whose table slots are fetched early */
    AHEAD_FLOWS = 4
};

/* flow->tag */
enum { TAG_NEW = 0, TAG_OTHER, TAG_DONE };

struct pf_worker {
    struct pf_worker_setup setup;
    struct pf_table table;
    struct pf_tls_flow_env env;
    struct pf_tls_flow *parked; /* in no order; few */
    uint64_t position;
    int64_t clock_ns;
    int64_t swept_ns;
    uint64_t limit_stubs;
    struct pf_error err;
};

void pf_worker_free(struct pf_worker *w)
{
    if (w == NULL) {
        return;
    }
    struct pf_flow *flow = pf_table_oldest(&w->table, PF_TABLE_STREAMS);
    for (; flow != NULL; flow = flow->newer) {
        pf_tls_flow_free(&w->env, flow->stream); /* only after an error are there any left */
    }
    pf_table_fini(&w->table);
    pf_reasm_env_fini(&w->env.reasm);
    pf_kdf_free(w->env.conn.kdf);
    pf_crypt_free(w->env.conn.crypt);
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
    env->chunks = setup->chunks;
    env->flows = setup->flows;
    env->task = config->task;
    env->json = config->json;
    env->lines = setup->lines;
    env->line = &setup->board->lines[setup->index];
    env->sha256 = setup->sha256;
    env->err = &w->err;
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
    };
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
                                     .memory_peak = w->env.budget.peak,
                                     .key_flows = w->env.key_flows,
                                     .totals = &w->env.totals};
}

/* ---- waiting for other flows' sessions ---- */

static uint64_t earliest_parked(const struct pf_worker *w)
{
    uint64_t first = PF_POSITION_END;
    for (const struct pf_tls_flow *t = w->parked; t != NULL; t = t->next_parked) {
        first = t->client_packet < first ? t->client_packet : first;
    }
    return first;
}

static void publish(struct pf_worker *w)
{
    pf_board_publish(w->setup.board, w->setup.index, w->position, earliest_parked(w));
}

static void unlink_parked(struct pf_worker *w, struct pf_tls_flow *t)
{
    struct pf_tls_flow **at = &w->parked;
    while (*at != NULL && *at != t) {
        at = &(*at)->next_parked;
    }
    if (*at != NULL) {
        *at = t->next_parked;
    }
}

static void note_parked(struct pf_worker *w, struct pf_tls_flow *t)
{
    unlink_parked(w, t);
    if (t->parked) {
        t->next_parked = w->parked;
        w->parked = t;
    }
}

static struct pf_tls_flow *next_settled(struct pf_worker *w)
{
    for (struct pf_tls_flow *t = w->parked; t != NULL; t = t->next_parked) {
        if (pf_board_is_settled(w->setup.board, t->wait_packet, t->client_packet)) {
            return t;
        }
    }
    return NULL;
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
    pf_tls_flow_free(&w->env, t);
    return st;
}

/* Lets every flow go on whose wait is over. */
static enum pf_status resume_settled(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_tls_flow *t;
    while (st == PF_OK && (t = next_settled(w)) != NULL) {
        st = pf_tls_flow_resume(&w->env, t, true);
        note_parked(w, t);
        if (st == PF_OK && t->ending && !t->parked) {
            st = end_detached(w, t);
        }
        publish(w);
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
    pf_tls_flow_free(&w->env, t);
    return st;
}

static enum pf_status give_up_stream(struct pf_worker *w, struct pf_flow *flow)
{
    struct pf_tls_flow *t = flow->stream;
    if (t->conn != NULL) {
        pf_conn_give_up(t->conn);
    } else {
        w->limit_stubs++;
    }
    return end_stream(w, flow);
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

/* Frees what the budget needs: plaintext that can be written goes first, then the oldest flows. */
static enum pf_status relieve(struct pf_worker *w)
{
    struct pf_budget *b = &w->env.budget;
    enum pf_status st = PF_OK;
    if (b->used <= b->limit / 4 * 3) {
        return PF_OK;
    }
    struct pf_flow *f = pf_table_oldest(&w->table, PF_TABLE_STREAMS);
    for (; f != NULL && st == PF_OK && b->used > b->limit / 2; f = f->newer) {
        st = pf_tls_flow_relieve(&w->env, f->stream);
    }
    while (st == PF_OK && b->used > b->limit / 8 * 7) {
        f = pf_table_oldest_idle(&w->table);
        if (f == NULL) {
            break;
        }
        if (f->stream != NULL) {
            st = give_up_stream(w, f);
        } else {
            w->limit_stubs++;
            pf_table_remove(&w->table, f);
        }
    }
    return st;
}

static enum pf_status get_flow(struct pf_worker *w, const struct pf_pkt *pkt, struct pf_flow **out)
{
    enum pf_status st;
    while ((st = pf_table_get(&w->table, &pkt->key, pkt->hash, pkt->clock_ns, out)) ==
           PF_ERR_LIMIT) {
        struct pf_flow *f = pf_table_oldest_idle(&w->table);
        if (f == NULL) {
            return st;
        }
        enum pf_status ended = f->stream != NULL ? give_up_stream(w, f) : PF_OK;
        if (ended != PF_OK) {
            return ended;
        }
        w->limit_stubs++;
        pf_table_remove(&w->table, f);
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
    if (flow->tag == TAG_OTHER && !pf_tls_flow_begins((struct pf_span){pkt->data, pkt->len})) {
        return PF_OK;
    }
    if (flow->tag == TAG_NEW && pf_tls_flow_is_other(flow, pkt)) {
        flow->tag = TAG_OTHER;
        return PF_OK;
    }
    struct pf_tls_flow *t;
    enum pf_status st = pf_tls_flow_new(&w->env, flow, &t);
    if (st == PF_OK) {
        pf_table_set_stream(&w->table, flow, t);
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
        pf_tls_flow_free(&w->env, t);
        flow->tag = TAG_OTHER;
        return PF_OK;
    }
    return pf_tls_flow_is_complete(t, flow) ? end_stream(w, flow) : PF_OK;
}

static enum pf_status on_packet(struct pf_worker *w, const struct pf_pkt *pkt)
{
    struct pf_flow *flow;
    enum pf_status st = get_flow(w, pkt, &flow);
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
    if (st == PF_ERR_LIMIT) {
        return flow->stream != NULL ? give_up_stream(w, flow) : PF_OK;
    }
    return st;
}

static enum pf_status on_batch(struct pf_worker *w, const struct pf_batch *b)
{
    enum pf_status st = PF_OK;
    for (uint32_t i = 0; i < b->count && st == PF_OK; i++) {
        if (i + AHEAD_SLOTS < b->count) {
            pf_table_prefetch(&w->table, b->packets[i + AHEAD_SLOTS].hash);
        }
        if (i + AHEAD_FLOWS < b->count) {
            pf_table_prefetch_flow(&w->table, b->packets[i + AHEAD_FLOWS].hash);
        }
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

static enum pf_status drain(struct pf_worker *w)
{
    enum pf_status st = PF_OK;
    struct pf_flow *f;
    publish(w);
    while (st == PF_OK && (f = pf_table_oldest(&w->table, PF_TABLE_STREAMS)) != NULL) {
        st = end_stream(w, f);
        publish(w);
    }
    const struct timespec moment = {.tv_nsec = WAIT_MS * 1000000};
    while (st == PF_OK && w->parked != NULL && !is_stopped_by_error(w)) {
        st = resume_settled(w);
        if (w->parked != NULL) {
            nanosleep(&moment, NULL);
        }
    }
    return st;
}

enum pf_status pf_worker_run(struct pf_worker *w, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    bool last = false;
    while (!last) {
        int timeout_ms = w->parked != NULL && st == PF_OK ? WAIT_MS : -1;
        struct pf_batch *b = pf_lane_receive(w->setup.lane, timeout_ms);
        if (b != NULL) {
            last = b->last;
            if (st == PF_OK && !is_stopped_by_error(w)) {
                st = on_batch(w, b);
            }
            pf_lane_return(w->setup.lane, b);
        }
        if (st == PF_OK) {
            publish(w);
            st = resume_settled(w);
        }
    }
    if (st == PF_OK) {
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
