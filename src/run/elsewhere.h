// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a worker's side of jobs: hands runs and unwrapping out when somebody is idle, brings
 *          runs' results back in the order of the stream.
 * Owns:    the worker's jobs.
 * Threads: the worker's.
 * Errors:  run-scoped ones.
 * Limits:  PF_JOBS_PER_WORKER jobs at a time.
 */
#ifndef PF_RUN_ELSEWHERE_H
#define PF_RUN_ELSEWHERE_H

#include "run/jobs.h"
#include "run/tlsflow.h"

enum { PF_JOBS_PER_WORKER = 12 };

struct pf_elsewhere {
    struct pf_jobs *jobs; /* NULL: everything is done in place */
    bool runs;            /* runs may be opened elsewhere; else only unwrapping is */
    unsigned worker;
    struct pf_job_tools tools;
    struct pf_job *pool[PF_JOBS_PER_WORKER]; /* made when first needed */
    unsigned used;                           /* of them */
    unsigned out;                            /* of those, not free */
};

void pf_elsewhere_fini(struct pf_elsewhere *e);

/* PF_OK: the run is taken care of. PF_AGAIN: open it in place. */
PF_MUST_USE enum pf_status pf_elsewhere_run(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                            const struct pf_work *work);

/* PF_OK: the flow is parked until pf_elsewhere_unwrapped says that it may go on. PF_AGAIN: unwrap
 * in place. */
PF_MUST_USE enum pf_status pf_elsewhere_unwrap(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                               const struct pf_work *work);

/* Does now what was given away for unwrapping and nobody has begun: flows wait for it, and hold
 * their bytes meanwhile. */
void pf_elsewhere_hurry(struct pf_elsewhere *e);

/* A flow whose pre-master secret was unwrapped, or NULL. */
struct pf_tls_flow *pf_elsewhere_unwrapped(const struct pf_elsewhere *e);

/* Gives the flow what was unwrapped, waiting for it if need be. */
PF_MUST_USE enum pf_status pf_elsewhere_take_unwrapped(struct pf_tls_flow_env *env,
                                                       struct pf_tls_flow *t);

/* Writes what has been done for some flow, and goes on with it: it may be parked afterwards. *flow
 * is NULL when there was none. */
PF_MUST_USE enum pf_status pf_elsewhere_collect(struct pf_tls_flow_env *env,
                                                struct pf_tls_flow **flow);

/* A collect, or pf_elsewhere_unwrapped, would find something. */
bool pf_elsewhere_is_ready(const struct pf_elsewhere *e);

/* To be called when a direction was fed: if it cannot go on before its runs are back, they are
 * brought back now. So a gap is judged by the same bytes behind it for any number of workers, and
 * what is held behind it stays little. */
PF_MUST_USE enum pf_status pf_elsewhere_catch_up(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                                 enum pf_dir dir);

/* Brings everything of this flow back, working on it if need be. */
PF_MUST_USE enum pf_status pf_elsewhere_settle(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Works on one job of this or another worker; false: there is none. */
bool pf_elsewhere_help(struct pf_elsewhere *e);

#endif
