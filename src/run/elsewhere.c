// SPDX-License-Identifier: Apache-2.0
#include "run/elsewhere.h"

#include <stdlib.h>
#include <string.h>

enum { NAP_MS = 1, WORTH_BYTES = 16 * 1024 /* below it, handing over costs more than it saves */ };

void pf_elsewhere_fini(struct pf_elsewhere *e)
{
    for (unsigned i = 0; i < e->used; i++) {
        pf_detached_run_fini(&e->pool[i]->run);
        free(e->pool[i]->packed);
        free(e->pool[i]);
    }
    e->used = 0;
}

static int state_of(struct pf_job *job)
{
    return pf_job_is_done(job) ? PF_JOB_DONE
                               : atomic_load_explicit(&job->state, memory_order_relaxed);
}

static void set_state(struct pf_job *job, enum pf_job_state state)
{
    /* relaxed: the job is the owner's at this moment; the queue's mutex hands it over */
    atomic_store_explicit(&job->state, (int)state, memory_order_relaxed);
}

static struct pf_job *free_job(struct pf_tls_flow_env *env)
{
    struct pf_elsewhere *e = env->elsewhere;
    for (unsigned i = 0; i < e->used; i++) {
        if (state_of(e->pool[i]) == PF_JOB_FREE) {
            return e->pool[i];
        }
    }
    if (e->used == PF_JOBS_PER_WORKER) {
        return NULL;
    }
    struct pf_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        pf_detached_run_init(&job->run, &env->conn);
        job->owner = e->worker;
        e->pool[e->used++] = job;
    }
    return job;
}

static void release(struct pf_elsewhere *e, struct pf_job *job)
{
    set_state(job, PF_JOB_FREE);
    job->flow = NULL;
    e->out--;
}

/* Takes the direction's oldest job out of its order. */
static struct pf_job *unlink_head(struct pf_tls_flow *t, enum pf_dir dir)
{
    struct pf_job *job = t->jobs[dir].head;
    t->jobs[dir].head = job->next;
    if (job->next == NULL) {
        t->jobs[dir].tail = NULL;
    }
    return job;
}

static enum pf_status write_result(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                   const struct pf_job *job)
{
    struct pf_span packed = {job->packed, job->packed_len};
    if (job->status != PF_OK || job->result.opened_count == 0) {
        return job->status;
    }
    return pf_tls_flow_write(env, t, job->dir, packed, job->opened, &job->result);
}

/* Waits until a job is done, working on this worker's own jobs meanwhile. */
static void wait_for(struct pf_elsewhere *e, struct pf_job *job)
{
    struct pf_gate *gate = pf_jobs_gate(e->jobs, e->worker);
    while (!pf_job_is_done(job)) {
        struct pf_job *own = pf_jobs_take(e->jobs, e->worker);
        if (own != NULL) {
            pf_job_do(e->jobs, own, &e->tools);
            continue;
        }
        pf_gate_prepare(gate);
        if (pf_job_is_done(job)) {
            pf_gate_cancel(gate);
        } else {
            pf_gate_sleep(gate, NAP_MS);
        }
    }
}

/* The oldest run did not open to its end: what is behind it comes back, to be opened in place. */
static enum pf_status take_back(struct pf_tls_flow_env *env, struct pf_tls_flow *t, enum pf_dir dir)
{
    struct pf_elsewhere *e = env->elsewhere;
    struct pf_job *jobs[PF_JOBS_PER_WORKER] = {NULL};
    struct pf_detached_run *runs[PF_JOBS_PER_WORKER] = {NULL};
    size_t consumed = t->jobs[dir].head->result.consumed;
    size_t n = 0;
    while (t->jobs[dir].head != NULL) {
        wait_for(e, t->jobs[dir].head);
        jobs[n] = unlink_head(t, dir);
        runs[n] = &jobs[n]->run;
        n++;
    }
    enum pf_status st = pf_conn_take_back(t->conn, dir, runs, n, consumed);
    for (size_t i = 0; i < n; i++) {
        release(e, jobs[i]);
    }
    return st;
}

/* Commits the direction's jobs that are done, in order. */
static enum pf_status commit(struct pf_tls_flow_env *env, struct pf_tls_flow *t, enum pf_dir dir)
{
    struct pf_job *job;
    enum pf_status st = PF_OK;
    while (st == PF_OK && (job = t->jobs[dir].head) != NULL && pf_job_is_done(job)) {
        st = write_result(env, t, job);
        if (st == PF_OK && job->result.consumed < job->run.count) {
            return take_back(env, t, dir);
        }
        pf_conn_attach(t->conn, dir, &job->result);
        release(env->elsewhere, unlink_head(t, dir));
    }
    return st;
}

static enum pf_status commit_both(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    enum pf_status st = commit(env, t, PF_C2S);
    return st == PF_OK ? commit(env, t, PF_S2C) : st;
}

/* A run that comes next in its direction, and is done. */
static bool is_next_run(struct pf_job *job)
{
    return pf_job_is_done(job) && job->kind == PF_JOB_RUN && job->flow->jobs[job->dir].head == job;
}

bool pf_elsewhere_is_ready(const struct pf_elsewhere *e)
{
    for (unsigned i = 0; i < e->used && e->out > 0; i++) {
        struct pf_job *job = e->pool[i];
        if (is_next_run(job) || (pf_job_is_done(job) && job->kind == PF_JOB_UNWRAP)) {
            return true;
        }
    }
    return false;
}

enum pf_status pf_elsewhere_collect(struct pf_tls_flow_env *env, struct pf_tls_flow **flow)
{
    struct pf_elsewhere *e = env->elsewhere;
    *flow = NULL;
    for (unsigned i = 0; i < e->used && e->out > 0; i++) {
        if (is_next_run(e->pool[i])) {
            *flow = e->pool[i]->flow;
            enum pf_status st = commit_both(env, *flow);
            return st == PF_OK ? pf_tls_flow_drive(env, *flow) : st;
        }
    }
    return PF_OK;
}

static enum pf_status settle_jobs(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    enum pf_status st = PF_OK;
    for (int d = 0; d < 2; d++) {
        while (st == PF_OK && t->jobs[d].head != NULL) {
            wait_for(env->elsewhere, t->jobs[d].head);
            st = commit(env, t, (enum pf_dir)d);
        }
    }
    return st;
}

enum pf_status pf_elsewhere_settle(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    enum pf_status st = PF_OK;
    while (st == PF_OK && (t->jobs[0].head != NULL || t->jobs[1].head != NULL)) {
        st = settle_jobs(env, t);
        st = st == PF_OK ? pf_tls_flow_drive(env, t) : st;
    }
    return st;
}

enum pf_status pf_elsewhere_catch_up(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                     enum pf_dir dir)
{
    bool waits = t->jobs[dir].head != NULL && pf_conn_is_held_up(t->conn, dir);
    return waits ? pf_elsewhere_settle(env, t) : PF_OK;
}

static void append(struct pf_tls_flow *t, enum pf_dir dir, struct pf_job *job)
{
    job->flow = t;
    job->dir = dir;
    job->next = NULL;
    if (t->jobs[dir].tail != NULL) {
        t->jobs[dir].tail->next = job;
    } else {
        t->jobs[dir].head = job;
    }
    t->jobs[dir].tail = job;
}

enum pf_status pf_elsewhere_run(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                const struct pf_work *work)
{
    struct pf_elsewhere *e = env->elsewhere;
    bool behind_others = t->jobs[work->dir].head != NULL;
    const struct pf_run_record *last = &work->run.records[work->run.count - 1];
    bool worth_it = e->jobs != NULL && e->runs && last->offset >= WORTH_BYTES &&
                    pf_jobs_wanted(e->jobs, e->worker);
    if (!behind_others && !worth_it) {
        return PF_AGAIN;
    }
    struct pf_job *job = free_job(env);
    enum pf_status st = job == NULL ? PF_AGAIN : pf_conn_detach(t->conn, work, &job->run);
    if (st != PF_OK) {
        /* In place, then, but not before what precedes it: it is handed out once more. */
        return st == PF_AGAIN && behind_others ? settle_jobs(env, t) : st;
    }
    append(t, work->dir, job);
    job->kind = PF_JOB_RUN;
    e->out++;
    set_state(job, PF_JOB_WAITING);
    if (pf_jobs_wanted(e->jobs, e->worker)) {
        pf_jobs_post(e->jobs, job);
        return commit(env, t, work->dir);
    }
    pf_job_do(e->jobs, job, &e->tools);
    return commit(env, t, work->dir);
}

enum pf_status pf_elsewhere_unwrap(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                   const struct pf_work *work)
{
    struct pf_elsewhere *e = env->elsewhere;
    const struct pf_span encrypted = work->unwrap.encrypted;
    if (e->jobs == NULL || encrypted.len > PF_RSA_BYTES_MAX ||
        !pf_jobs_wanted(e->jobs, e->worker)) {
        return PF_AGAIN;
    }
    struct pf_job *job = free_job(env);
    if (job == NULL) {
        return PF_AGAIN;
    }
    job->kind = PF_JOB_UNWRAP;
    job->flow = t;
    job->key = work->unwrap.key;
    job->encrypted_len = encrypted.len;
    if (encrypted.len > 0) {
        memcpy(job->encrypted, encrypted.ptr, encrypted.len);
    }
    t->unwrap = job;
    t->parked = true;
    t->client_packet = work->client_packet;
    pf_conn_wait(t->conn);
    e->out++;
    set_state(job, PF_JOB_WAITING);
    pf_jobs_post(e->jobs, job);
    return PF_OK;
}

static bool is_unwrapping(const struct pf_elsewhere *e)
{
    for (unsigned i = 0; i < e->used && e->out > 0; i++) {
        struct pf_job *job = e->pool[i];
        if (job->kind == PF_JOB_UNWRAP && state_of(job) == PF_JOB_WAITING) {
            return true;
        }
    }
    return false;
}

void pf_elsewhere_hurry(struct pf_elsewhere *e)
{
    struct pf_job *job;
    while (is_unwrapping(e) && (job = pf_jobs_take(e->jobs, e->worker)) != NULL) {
        pf_job_do(e->jobs, job, &e->tools);
    }
}

struct pf_tls_flow *pf_elsewhere_unwrapped(const struct pf_elsewhere *e)
{
    for (unsigned i = 0; i < e->used && e->out > 0; i++) {
        struct pf_job *job = e->pool[i];
        if (pf_job_is_done(job) && job->kind == PF_JOB_UNWRAP) {
            return job->flow;
        }
    }
    return NULL;
}

enum pf_status pf_elsewhere_take_unwrapped(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    struct pf_job *job = t->unwrap;
    wait_for(env->elsewhere, job);
    t->unwrap = NULL;
    t->parked = false;
    enum pf_status st = job->status;
    if (st == PF_OK || st == PF_ERR_NOKEY) {
        st = pf_conn_unwrapped(t->conn, st == PF_OK ? job->pre_master : NULL);
    }
    pf_wipe(job->pre_master, sizeof job->pre_master);
    release(env->elsewhere, job);
    return st == PF_OK ? pf_tls_flow_drive(env, t) : st;
}

bool pf_elsewhere_help(struct pf_elsewhere *e)
{
    if (e->jobs == NULL) {
        return false;
    }
    struct pf_job *job = pf_jobs_take(e->jobs, e->worker);
    job = job != NULL ? job : pf_jobs_steal(e->jobs, e->worker);
    if (job != NULL) {
        pf_job_do(e->jobs, job, &e->tools);
    }
    return job != NULL;
}
