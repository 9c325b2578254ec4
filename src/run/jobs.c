// SPDX-License-Identifier: Apache-2.0
#include "run/jobs.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE_LINES = 128 };

/* One worker's queue, on cache lines of its own. */
struct queue {
    _Alignas(CACHE_LINES) pthread_mutex_t mutex; /* protects items, head and count's writes */
    struct pf_job *items[PF_JOB_QUEUE];
    unsigned head;
    _Atomic unsigned count; /* read without the mutex to see whether it is worth taking */
    _Atomic bool idle;      /* written by its worker only */
};

struct pf_jobs {
    struct pf_lane *const *lanes;
    unsigned workers;
    struct queue *queues;
};

enum pf_status pf_jobs_new(struct pf_lane *const *lanes, unsigned workers, struct pf_jobs **out)
{
    struct pf_jobs *jobs = calloc(1, sizeof *jobs);
    struct queue *queues = aligned_alloc(CACHE_LINES, workers * sizeof *queues);
    if (jobs == NULL || queues == NULL) {
        free(jobs);
        free(queues);
        return PF_ERR_NOMEM;
    }
    memset(queues, 0, workers * sizeof *queues);
    for (unsigned i = 0; i < workers; i++) {
        pthread_mutex_init(&queues[i].mutex, NULL);
        atomic_init(&queues[i].count, 0);
        atomic_init(&queues[i].idle, false);
    }
    *jobs = (struct pf_jobs){.lanes = lanes, .workers = workers, .queues = queues};
    *out = jobs;
    return PF_OK;
}

void pf_jobs_free(struct pf_jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    for (unsigned i = 0; i < jobs->workers; i++) {
        pthread_mutex_destroy(&jobs->queues[i].mutex);
    }
    free(jobs->queues);
    free(jobs);
}

struct pf_gate *pf_jobs_gate(struct pf_jobs *jobs, unsigned worker)
{
    return &jobs->lanes[worker]->worker;
}

void pf_jobs_set_idle(struct pf_jobs *jobs, unsigned worker, bool idle)
{
    /* relaxed: a hint; who posts too little or too much loses a little time, nothing else */
    atomic_store_explicit(&jobs->queues[worker].idle, idle, memory_order_relaxed);
}

static bool is_idle(const struct pf_jobs *jobs, unsigned worker)
{
    return atomic_load_explicit(&jobs->queues[worker].idle, memory_order_relaxed); /* as above */
}

/* relaxed by itself; pf_gate_prepare's and pf_gate_open's fences make it safe to sleep on */
static unsigned count_of(const struct pf_jobs *jobs, unsigned worker)
{
    return atomic_load_explicit(&jobs->queues[worker].count, memory_order_relaxed);
}

bool pf_jobs_wanted(struct pf_jobs *jobs, unsigned worker)
{
    if (count_of(jobs, worker) >= PF_JOB_QUEUE) {
        return false;
    }
    for (unsigned i = 0; i < jobs->workers; i++) {
        if (i != worker && is_idle(jobs, i)) {
            return true;
        }
    }
    return false;
}

bool pf_jobs_any(struct pf_jobs *jobs, unsigned worker)
{
    for (unsigned i = 0; i < jobs->workers; i++) {
        if (i != worker && count_of(jobs, i) > 0) {
            return true;
        }
    }
    return false;
}

static void set_count(struct queue *q, unsigned count)
{
    atomic_store_explicit(&q->count, count, memory_order_relaxed); /* under the mutex */
}

void pf_jobs_post(struct pf_jobs *jobs, struct pf_job *job)
{
    struct queue *q = &jobs->queues[job->owner];
    pthread_mutex_lock(&q->mutex);
    unsigned count = atomic_load_explicit(&q->count, memory_order_relaxed); /* under the mutex */
    q->items[(q->head + count) % PF_JOB_QUEUE] = job;
    set_count(q, count + 1);
    pthread_mutex_unlock(&q->mutex);
    for (unsigned i = 0; i < jobs->workers; i++) {
        if (i != job->owner && is_idle(jobs, i)) {
            pf_gate_open(&jobs->lanes[i]->worker);
        }
    }
}

static struct pf_job *pop(struct pf_jobs *jobs, unsigned worker)
{
    struct queue *q = &jobs->queues[worker];
    struct pf_job *job = NULL;
    if (count_of(jobs, worker) == 0) {
        return NULL;
    }
    pthread_mutex_lock(&q->mutex);
    unsigned count = atomic_load_explicit(&q->count, memory_order_relaxed); /* under the mutex */
    if (count > 0) {
        job = q->items[q->head];
        q->head = (q->head + 1) % PF_JOB_QUEUE;
        set_count(q, count - 1);
    }
    pthread_mutex_unlock(&q->mutex);
    return job;
}

struct pf_job *pf_jobs_take(struct pf_jobs *jobs, unsigned worker)
{
    return pop(jobs, worker);
}

struct pf_job *pf_jobs_steal(struct pf_jobs *jobs, unsigned thief)
{
    for (unsigned i = 1; i < jobs->workers; i++) {
        struct pf_job *job = pop(jobs, (thief + i) % jobs->workers);
        if (job != NULL) {
            return job;
        }
    }
    return NULL;
}

static enum pf_status pack(struct pf_job *job, struct pf_packer *packer, struct pf_span plain)
{
    size_t cap = pf_pack_bound(packer, plain.len);
    if (cap > job->packed_cap) {
        uint8_t *p = realloc(job->packed, cap);
        if (p == NULL) {
            return PF_ERR_NOMEM;
        }
        job->packed = p;
        job->packed_cap = cap;
    }
    return pf_pack_to(packer, plain, job->packed, job->packed_cap, &job->packed_len);
}

static void do_run(struct pf_job *job, const struct pf_job_tools *tools)
{
    const struct pf_record_run run = pf_detached_run_view(&job->run);
    pf_run_open(tools->crypt, &run, tools->plain, tools->plain_cap, job->opened, &job->result);
    job->status = PF_OK;
    if (job->result.opened_count > 0) {
        job->status =
            pack(job, tools->packer, (struct pf_span){tools->plain, job->result.plain_len});
    }
}

void pf_job_do(struct pf_jobs *jobs, struct pf_job *job, const struct pf_job_tools *tools)
{
    unsigned owner = job->owner; /* the job may be gone as soon as it is done */
    switch (job->kind) {
    case PF_JOB_RUN:
        do_run(job, tools);
        break;
    case PF_JOB_UNWRAP:
        job->status =
            pf_unwrap(tools->unwrapper, job->key,
                      (struct pf_span){job->encrypted, job->encrypted_len}, job->pre_master);
        break;
    }
    /* release: pairs with the acquire in pf_job_is_done */
    atomic_store_explicit(&job->state, PF_JOB_DONE, memory_order_release);
    pf_gate_open(&jobs->lanes[owner]->worker);
}
