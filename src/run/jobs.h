// SPDX-License-Identifier: Apache-2.0
/*
 * What:    work that any idle worker may do for the worker whose flow it is of: runs of records to
 *          open and pack, pre-master secrets to unwrap. So one large flow, or many handshakes that
 *          fell to one worker, do not leave the others without work.
 * Owns:    a queue per worker; jobs belong to their owner, who gets them back when they are done.
 * Threads: _post, _take and _wanted by the owner of the queue; _steal by the others; pf_job_do by
 *          whoever holds the job.
 * Errors:  PF_ERR_NOMEM at birth.
 * Limits:  PF_JOB_QUEUE jobs wait in a queue: more would only be memory.
 *
 *     owner:  detach ─ post ─▶ queue ─ steal ─▶ open, pack ─ DONE ─▶ owner commits in order
 *             park   ─ post ─▶ queue ─ steal ─▶ unwrap     ─ DONE ─▶ owner goes on with the flow
 *
 * While nobody is idle nothing is posted and the owner pays two loads for each.
 */
#ifndef PF_RUN_JOBS_H
#define PF_RUN_JOBS_H

#include "base/status.h"
#include "run/lane.h"
#include "store/pack.h"
#include "tls/conn.h"
#include "tls/keyfile.h"
#include "tls/unwrap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { PF_JOB_QUEUE = 4 };

enum pf_job_state { PF_JOB_FREE, PF_JOB_WAITING, PF_JOB_DONE };

enum pf_job_kind { PF_JOB_RUN, PF_JOB_UNWRAP };

struct pf_tls_flow;

struct pf_job {
    /* the owner fills it, whoever holds the job reads it */
    enum pf_job_kind kind;
    struct pf_detached_run run;
    size_t key; /* PF_JOB_UNWRAP: of the ring */
    size_t encrypted_len;
    uint8_t encrypted[PF_RSA_BYTES_MAX];
    unsigned owner;
    /* whoever holds the job fills them, the owner reads them once it is done */
    struct pf_run_result result;
    struct pf_opened opened[PF_RUN_RECORDS];
    uint8_t *packed;
    size_t packed_cap;
    size_t packed_len;
    uint8_t pre_master[PF_MASTER_LEN]; /* PF_JOB_UNWRAP */
    enum pf_status status;             /* of packing, or of unwrapping */
    _Atomic int state;                 /* enum pf_job_state */
    /* the owner's alone */
    struct pf_tls_flow *flow;
    enum pf_dir dir;
    struct pf_job *next; /* of the same direction, later in the stream */
};

/* What a thread opens and packs with. Borrowed. */
struct pf_job_tools {
    struct pf_crypt *crypt;
    struct pf_packer *packer;
    struct pf_unwrapper *unwrapper;
    uint8_t *plain;
    size_t plain_cap;
};

struct pf_jobs;

PF_MUST_USE enum pf_status pf_jobs_new(struct pf_lane *const *lanes, unsigned workers,
                                       struct pf_jobs **out);
void pf_jobs_free(struct pf_jobs *jobs);

/* Where the worker sleeps. */
struct pf_gate *pf_jobs_gate(struct pf_jobs *jobs, unsigned worker);

/* The worker has no batch to work on (and steals), or has. */
void pf_jobs_set_idle(struct pf_jobs *jobs, unsigned worker, bool idle);

/* Somebody else is idle, and the worker's own queue is not full: a post is welcome. */
bool pf_jobs_wanted(struct pf_jobs *jobs, unsigned worker);

/* Something can be stolen by this worker. */
bool pf_jobs_any(struct pf_jobs *jobs, unsigned worker);

void pf_jobs_post(struct pf_jobs *jobs, struct pf_job *job);

/* The owner's own oldest job, or NULL. */
struct pf_job *pf_jobs_take(struct pf_jobs *jobs, unsigned worker);

/* The oldest job of another worker, or NULL. */
struct pf_job *pf_jobs_steal(struct pf_jobs *jobs, unsigned thief);

/* Does it, marks it done and wakes its owner. */
void pf_job_do(struct pf_jobs *jobs, struct pf_job *job, const struct pf_job_tools *tools);

static inline bool pf_job_is_done(struct pf_job *job)
{
    /* acquire: pairs with the release in pf_job_do; the result is seen with it */
    return atomic_load_explicit(&job->state, memory_order_acquire) == PF_JOB_DONE;
}

#endif
