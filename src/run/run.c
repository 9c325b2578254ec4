// SPDX-License-Identifier: Apache-2.0
/* The decrypting half of plainflow.h: starts the threads, waits for them, finishes the result. */
#include "plainflow.h"

#include "run/abreast.h"
#include "run/answers.h"
#include "run/board.h"
#include "run/config.h"
#include "run/deliver.h"
#include "run/jobs.h"
#include "run/lane.h"
#include "run/reader.h"
#include "run/summary.h"
#include "run/worker.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEARN_POLL_MS = 20 };

#define NS_PER_S ((uint64_t)1000000000)

/* A worker and its thread. */
struct crew {
    struct pf_run *run;
    struct pf_worker *worker;
    unsigned index;
    pthread_t thread;
    bool started;
};

struct pf_run {
    /* set once, before the threads start */
    struct pf_options options; /* strings are ours: see copy_options */
    struct pf_config config;
    struct pf_store *store;       /* one of the two: by options.mode */
    struct pf_answers *answers;   /* the other */
    struct pf_delivery *delivery; /* of a run for secrets */
    struct pf_sessions *sessions;
    struct pf_sessions *known;  /* two passes: what the first learns; the outer run's */
    const struct pf_run *outer; /* of a first pass: whose captures, config and known it borrows */
    struct pf_lane **lanes;
    struct pf_jobs *jobs;
    struct crew *crew;
    pthread_t reader_thread;
    bool started;
    uint64_t started_mono_ns;
    int64_t started_wall_ns;
    /* shared while they run; locks itself */
    struct pf_board board;
    /* the reader thread's; read by others once done is set */
    struct pf_reader reader;
    struct pf_summary_store summary;
    /* under mutex */
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    bool done;
    struct pf_error error; /* the first */
    struct pf_run *first;  /* of two passes; NULL when it is over */
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void stop_for(struct pf_run *r, const struct pf_error *err)
{
    pthread_mutex_lock(&r->mutex);
    if (r->error.status == PF_OK) {
        r->error = *err;
    }
    pthread_mutex_unlock(&r->mutex);
    /* relaxed: a moment later is soon enough */
    atomic_store_explicit(&r->board.stop, -1, memory_order_relaxed);
}

static void *worker_main(void *arg)
{
    struct crew *c = arg;
    struct pf_error err = {.status = PF_OK};
    enum pf_status st = pf_worker_run(c->worker, &err);
    if (st == PF_OK && c->run->store != NULL) {
        st = pf_store_close_worker(c->run->store, c->index, &err);
    }
    if (st != PF_OK) {
        stop_for(c->run, &err);
    }
    return NULL;
}

static void join_crew(struct pf_run *r)
{
    for (unsigned i = 0; i < r->config.jobs; i++) {
        if (r->crew[i].started) {
            pthread_join(r->crew[i].thread, NULL);
            r->crew[i].started = false;
        }
    }
}

static enum pf_status sum_up(struct pf_run *r)
{
    uint64_t *key_flows = calloc(pf_keyring_count(r->config.keyring) + 1, sizeof *key_flows);
    if (key_flows == NULL) {
        return PF_ERR_NOMEM;
    }
    struct pf_run_counts counts = {
        .limit_sessions = pf_sessions_evicted(r->sessions),
        .limit_keylog =
            pf_keylog_counts(r->config.keylog).dropped + pf_keylog_counts(r->config.dsb).dropped,
        .key_flows = key_flows,
        .started_ns = r->started_wall_ns,
        .elapsed_ns = now_ns(CLOCK_MONOTONIC) - r->started_mono_ns,
    };
    for (unsigned i = 0; i < r->config.jobs; i++) {
        struct pf_worker_counts c = pf_worker_counts(r->crew[i].worker);
        counts.limit_flows += c.limit_flows;
        counts.limit_stubs += c.limit_stubs;
        counts.trials += c.trials;
        for (size_t k = 0; k < pf_keyring_count(r->config.keyring); k++) {
            key_flows[k] += c.key_flows[k];
        }
    }
    enum pf_status st =
        pf_summary_collect(&r->summary, &r->options, &r->config, &r->reader, &counts);
    free(key_flows);
    return st;
}

/* A text for the manifest of a run that did not come to its end. */
static const char *stopped_by(const struct pf_run *r, int stop)
{
    if (stop > 0) {
        return stop == SIGINT ? "SIGINT" : stop == SIGTERM ? "SIGTERM" : "signal";
    }
    return r->error.text[0] != '\0' ? r->error.text : pf_status_text(r->error.status);
}

static void fail(struct pf_run *r, enum pf_status st, struct pf_error *err)
{
    pf_error_set(err, st, "%s", pf_status_text(st));
    stop_for(r, err);
}

static void finish_answers(struct pf_run *r, struct pf_flow_totals *totals)
{
    struct pf_error err = {.status = PF_OK};
    enum pf_status st = pf_answers_close(r->answers, &err);
    if (st == PF_OK && r->delivery != NULL && r->error.status == PF_OK) {
        st = pf_delivery_write(r->delivery, r->answers, r->reader.source, r->options.filter,
                               &r->board, &err);
    }
    if (st != PF_OK) {
        fail(r, st, &err);
    }
    memset(totals, 0, sizeof *totals);
    for (unsigned i = 0; i < r->config.jobs; i++) {
        const struct pf_flow_totals *t = pf_worker_counts(r->crew[i].worker).totals;
        totals->flows += t->flows;
        for (int k = 0; k < PF_FLOW_STATUS_COUNT; k++) {
            totals->by_status[k] += t->by_status[k];
        }
        for (int k = 0; k < PF_REASON_COUNT; k++) {
            totals->by_reason[k] += t->by_reason[k];
        }
    }
}

static void finish_store(struct pf_run *r, struct pf_flow_totals *totals)
{
    struct pf_error err = {.status = PF_OK};
    int stop = atomic_load(&r->board.stop);
    if (stop == 0) {
        enum pf_status st = pf_store_finish(r->store, &r->summary.manifest, &err);
        if (st != PF_OK) {
            fail(r, st, &err);
            stop = -1;
        }
    }
    if (stop != 0) {
        struct pf_error ignored = {.status = PF_OK}; /* the first error is the one to tell */
        if (pf_store_abandon(r->store, &r->summary.manifest, stopped_by(r, stop), &ignored) !=
                PF_OK &&
            stop > 0) {
            stop_for(r, &ignored);
        }
    }
    pf_store_totals(r->store, totals);
}

static void finish(struct pf_run *r)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_flow_totals totals;
    enum pf_status st = sum_up(r);
    if (st != PF_OK) {
        fail(r, st, &err);
    }
    if (r->answers != NULL) {
        finish_answers(r, &totals);
    } else {
        finish_store(r, &totals);
    }
    int stop = atomic_load(&r->board.stop);
    pf_summary_flows(&r->summary, &totals);
    r->summary.summary.seconds =
        (double)(now_ns(CLOCK_MONOTONIC) - r->started_mono_ns) / (double)NS_PER_S;
    r->summary.summary.stop_signal = stop > 0 ? stop : 0;
    r->summary.summary.status = r->error.status;
    r->summary.summary.message = r->error.status != PF_OK ? r->error.text : NULL;
}

/* The first of two passes, from start to end. What is wrong with a capture is told by the second.
 */
static enum pf_status learn_sessions(struct pf_run *r, struct pf_error *err)
{
    struct pf_run *first = r->first;
    enum pf_status st = pf_run_start(first, err);
    while (st == PF_OK && pf_run_wait(first, LEARN_POLL_MS) == PF_AGAIN) {
        /* relaxed: a moment later is soon enough */
        int stop = atomic_load_explicit(&r->board.stop, memory_order_relaxed);
        if (stop != 0) {
            pf_run_stop(first, SIGTERM);
        }
    }
    if (st == PF_OK && first->error.status != PF_OK) {
        *err = first->error;
        st = err->status;
    }
    pthread_mutex_lock(&r->mutex);
    r->first = NULL; /* its progress may be asked for */
    pthread_mutex_unlock(&r->mutex);
    pf_run_free(first);
    return st;
}

static void *reader_main(void *arg)
{
    struct pf_run *r = arg;
    struct pf_error first = {.status = PF_OK};
    if (r->first != NULL && learn_sessions(r, &first) != PF_OK) {
        stop_for(r, &first);
    }
    enum pf_status st = pf_reader_run(&r->reader);
    if (st != PF_OK) {
        struct pf_error err = {.status = PF_OK};
        pf_error_set(&err, st, "%s", pf_status_text(st));
        stop_for(r, &err);
    }
    join_crew(r);
    finish(r);
    pthread_mutex_lock(&r->mutex);
    r->done = true;
    pthread_cond_broadcast(&r->finished);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- making ---- */

static enum pf_status copy_strings(const struct pf_strings *from, struct pf_strings *to)
{
    char **items = calloc(from->count + 1, sizeof *items);
    if (items == NULL) {
        return PF_ERR_NOMEM;
    }
    to->items = (const char *const *)items;
    for (to->count = 0; to->count < from->count; to->count++) {
        items[to->count] = strdup(from->items[to->count]);
        if (items[to->count] == NULL) {
            return PF_ERR_NOMEM;
        }
    }
    return PF_OK;
}

static void free_strings(struct pf_strings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((char *)(uintptr_t)s->items[i]);
    }
    free((void *)(uintptr_t)s->items);
}

/* What the manifest tells of the options is needed until the end. */
static enum pf_status copy_options(const struct pf_options *from, struct pf_options *to)
{
    *to = *from;
    to->captures = (struct pf_strings){NULL, 0};
    to->keys = (struct pf_strings){NULL, 0};
    to->key_dirs = (struct pf_strings){NULL, 0};
    to->psks = (struct pf_strings){NULL, 0};
    to->keylogs = (struct pf_strings){NULL, 0};
    to->key_password_file = NULL;
    to->output = NULL;
    to->inject = NULL;
    to->filter = NULL;
    if (from->filter != NULL && (to->filter = strdup(from->filter)) == NULL) {
        return PF_ERR_NOMEM;
    }
    return copy_strings(&from->keylogs, &to->keylogs);
}

static enum pf_status make_lanes(struct pf_run *r)
{
    r->lanes = calloc(r->config.jobs, sizeof *r->lanes);
    enum pf_status st = r->lanes == NULL ? PF_ERR_NOMEM : PF_OK;
    for (unsigned i = 0; i < r->config.jobs && st == PF_OK; i++) {
        st = pf_lane_new(&r->lanes[i]);
        r->board.lines[i].gate = st == PF_OK ? &r->lanes[i]->worker : NULL;
    }
    return st == PF_OK && r->config.jobs > 1 ? pf_jobs_new(r->lanes, r->config.jobs, &r->jobs) : st;
}

static enum pf_status make_crew(struct pf_run *r, struct pf_error *err)
{
    r->crew = calloc(r->config.jobs, sizeof *r->crew);
    enum pf_status st = r->crew == NULL ? PF_ERR_NOMEM : PF_OK;
    for (unsigned i = 0; i < r->config.jobs && st == PF_OK; i++) {
        struct pf_worker_setup setup = {
            .index = i,
            .config = &r->config,
            .sessions = r->sessions,
            .known = r->known,
            .lane = r->lanes[i],
            .board = &r->board,
            .jobs = r->jobs,
            .codec = r->options.compress == PF_COMPRESS_NONE ? PF_CODEC_RAW : PF_CODEC_LZ4,
            .level = r->options.level,
            .sha256 = r->options.sha256,
        };
        if (r->answers != NULL) {
            setup.lines = pf_answers_lines(r->answers, i);
        } else {
            setup.chunks = pf_store_chunks(r->store, i);
            setup.flows = pf_store_flows(r->store, i);
        }
        r->crew[i].run = r;
        r->crew[i].index = i;
        st = pf_worker_new(&setup, &r->crew[i].worker, err);
    }
    return st;
}

/* Of two passes, the first uses what was loaded for the second. */
static enum pf_status make_config(struct pf_run *r, const struct pf_options *o,
                                  struct pf_error *err)
{
    if (r->outer == NULL) {
        return pf_config_load(o, &r->config, err);
    }
    r->config = r->outer->config;
    r->config.task = PF_TASK_LEARN;
    r->known = r->outer->known;
    return PF_OK;
}

static enum pf_status new_run(const struct pf_options *o, const struct pf_run *outer,
                              struct pf_run **out, struct pf_error *err);

static enum pf_status make_first(struct pf_run *r, const struct pf_options *o, struct pf_error *err)
{
    struct pf_options first = *o;
    first.two_pass = false;
    first.shards = 0;            /* sessions of all shards serve each */
    first.mode = PF_RUN_SECRETS; /* no store */
    first.output = NULL;
    first.inject = NULL;
    enum pf_status st = pf_sessions_new(pf_config_sessions_share(&r->config), &r->known);
    return st == PF_OK ? new_run(&first, r, &r->first, err) : st;
}

static enum pf_status make(struct pf_run *r, const struct pf_options *o, struct pf_error *err)
{
    enum pf_status st = copy_options(o, &r->options);
    st = st == PF_OK ? make_config(r, o, err) : st;
    st = st == PF_OK ? pf_board_init(&r->board, r->config.jobs) : st;
    st = st == PF_OK ? pf_source_new(o->captures.items, o->captures.count, o->filter,
                                     &r->reader.source, err)
                     : st;
    st = st == PF_OK ? pf_sessions_new(pf_config_sessions_share(&r->config), &r->sessions) : st;
    st = st == PF_OK ? make_lanes(r) : st;
    if (st == PF_OK && o->two_pass) {
        st = make_first(r, o, err);
    }
    if (st != PF_OK) {
        return st;
    }
    if (o->mode == PF_RUN_DECRYPT) {
        return pf_store_create(o->output, o->force, &r->store, err);
    }
    st = pf_answers_new(&r->config, &r->answers, err);
    bool delivers = r->config.task == PF_TASK_SECRETS;
    return st == PF_OK && delivers ? pf_delivery_new(o, &r->delivery, err) : st;
}

static enum pf_status new_run(const struct pf_options *o, const struct pf_run *outer,
                              struct pf_run **out, struct pf_error *err)
{
    struct pf_run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    r->outer = outer;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->finished, &attr);
    pthread_condattr_destroy(&attr);
    enum pf_status st = make(r, o, err);
    if (st != PF_OK) {
        pf_run_free(r);
        return pf_error_set(err, st, "%s", pf_status_text(st));
    }
    *out = r;
    return PF_OK;
}

enum pf_status pf_run_new(const struct pf_options *o, struct pf_run **out, struct pf_error *err)
{
    return new_run(o, NULL, out, err);
}

static enum pf_status start_threads(struct pf_run *r, struct pf_error *err)
{
    for (unsigned i = 0; i < r->config.jobs; i++) {
        struct crew *c = &r->crew[i];
        int e = pthread_create(&c->thread, NULL, worker_main, c);
        if (e != 0) {
            return pf_error_set(err, PF_ERR_NOMEM, "a thread could not be started: %s",
                                strerror(e));
        }
        c->started = true;
    }
    int e = pthread_create(&r->reader_thread, NULL, reader_main, r);
    if (e != 0) {
        return pf_error_set(err, PF_ERR_NOMEM, "a thread could not be started: %s", strerror(e));
    }
    r->started = true;
    return PF_OK;
}

/* Lets workers that were started go home without a reader. */
static void dismiss(struct pf_run *r)
{
    for (unsigned i = 0; i < r->config.jobs; i++) {
        if (r->crew[i].started) {
            struct pf_batch *b = pf_lane_take(r->lanes[i]);
            b->last = true;
            pf_lane_send(r->lanes[i], b);
        }
    }
    join_crew(r);
}

enum pf_status pf_run_start(struct pf_run *r, struct pf_error *err)
{
    const struct pf_store_options store = {
        .workers = r->config.jobs,
        .codec = r->options.compress == PF_COMPRESS_NONE ? PF_CODEC_RAW : PF_CODEC_LZ4,
        .sha256 = r->options.sha256,
        .abreast = pf_abreast,
    };
    r->started_wall_ns = (int64_t)now_ns(CLOCK_REALTIME);
    r->started_mono_ns = now_ns(CLOCK_MONOTONIC);
    r->reader.lanes = r->lanes;
    r->reader.board = &r->board;
    r->reader.shard = r->options.shard;
    r->reader.shards = r->options.shards;
    r->reader.fragment_bytes = pf_config_fragments_share(&r->config);
    enum pf_status st = r->store != NULL ? pf_store_start(r->store, &store, err) : PF_OK;
    st = st == PF_OK ? make_crew(r, err) : st;
    if (st == PF_OK) {
        st = start_threads(r, err);
        if (st != PF_OK) {
            dismiss(r);
        }
    }
    return st == PF_OK ? PF_OK : pf_error_set(err, st, "%s", pf_status_text(st));
}

/* ---- while it runs ---- */

enum pf_status pf_run_wait(struct pf_run *r, int timeout_ms)
{
    struct timespec until = {0};
    if (timeout_ms >= 0) {
        uint64_t t = now_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * 1000000;
        until.tv_sec = (time_t)(t / NS_PER_S);
        until.tv_nsec = (long)(t % NS_PER_S);
    }
    pthread_mutex_lock(&r->mutex);
    int e = 0;
    while (!r->done && e != ETIMEDOUT) {
        e = timeout_ms < 0 ? pthread_cond_wait(&r->finished, &r->mutex)
                           : pthread_cond_timedwait(&r->finished, &r->mutex, &until);
    }
    bool done = r->done;
    pthread_mutex_unlock(&r->mutex);
    return done ? PF_END : PF_AGAIN;
}

void pf_run_stop(struct pf_run *r, int signal_number)
{
    int none = 0; /* an error that stopped it first stays the reason */
    atomic_compare_exchange_strong(&r->board.stop, &none, signal_number);
    pf_source_stop(r->reader.source);
}

static void run_progress(const struct pf_run *r, struct pf_progress *out)
{
    *out = (struct pf_progress){.packets = pf_board_read(&r->board.packets)};
    pf_source_bytes(r->reader.source, &out->bytes_done, &out->bytes_total);
    for (unsigned i = 0; i < r->board.workers; i++) {
        out->flows_tls += pf_board_read(&r->board.lines[i].flows);
        out->plaintext_bytes += pf_board_read(&r->board.lines[i].plain);
    }
}

/* Of two passes: of the one that is under way. */
void pf_run_progress(const struct pf_run *r, struct pf_progress *out)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&r->mutex;
    pthread_mutex_lock(mutex);
    run_progress(r->first != NULL ? r->first : r, out);
    pthread_mutex_unlock(mutex);
    out->seconds = (double)(now_ns(CLOCK_MONOTONIC) - r->started_mono_ns) / (double)NS_PER_S;
}

const struct pf_summary *pf_run_summary(const struct pf_run *r)
{
    return &r->summary.summary;
}

enum pf_status pf_run_next_line(struct pf_run *r, const char **text, size_t *len,
                                struct pf_error *err)
{
    struct pf_span s;
    enum pf_status st = r->answers != NULL ? pf_answers_next(r->answers, &s, err) : PF_END;
    if (st == PF_OK) {
        *text = (const char *)s.ptr;
        *len = s.len;
    }
    return st < 0 ? pf_error_set(err, st, "%s", pf_status_text(st)) : st;
}

void pf_run_free(struct pf_run *r)
{
    if (r == NULL) {
        return;
    }
    if (r->started) {
        pf_run_stop(r, SIGTERM);
        pthread_join(r->reader_thread, NULL);
    }
    for (unsigned i = 0; i < r->config.jobs; i++) {
        if (r->crew != NULL) {
            pf_worker_free(r->crew[i].worker);
        }
        if (r->lanes != NULL) {
            pf_lane_free(r->lanes[i]);
        }
    }
    pf_jobs_free(r->jobs);
    free(r->crew);
    free(r->lanes);
    pf_summary_fini(&r->summary);
    pf_store_free(r->store);
    pf_answers_free(r->answers);
    pf_delivery_free(r->delivery);
    pf_run_free(r->first);
    pf_sessions_free(r->sessions);
    pf_source_free(r->reader.source);
    pf_board_fini(&r->board);
    if (r->outer == NULL) {
        pf_sessions_free(r->known);
        pf_config_fini(&r->config);
    }
    free_strings(&r->options.keylogs);
    free((char *)(uintptr_t)r->options.filter);
    pthread_cond_destroy(&r->finished);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}
