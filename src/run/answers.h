// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the runs that write no result directory: what their flows' lines say, the workers'
 *          spools, and all lines in the order of the flows at the end.
 * Owns:    one spool per worker.
 * Threads: pf_answers_flow is the worker's, on its own spool; the rest is the run's.
 * Errors:  run-scoped ones. A flow whose text is beyond the limit is counted.
 * Limits:  see run/lines.h.
 */
#ifndef PF_RUN_ANSWERS_H
#define PF_RUN_ANSWERS_H

#include "run/config.h"
#include "run/lines.h"
#include "tls/conn.h"

struct pf_answers;
struct pf_tls_flow;
struct pf_tls_flow_env;

PF_MUST_USE enum pf_status pf_answers_new(const struct pf_config *config, struct pf_answers **out,
                                          struct pf_error *err);
void pf_answers_free(struct pf_answers *a);

/* A worker's spool. */
struct pf_lines *pf_answers_lines(struct pf_answers *a, unsigned worker);

/* A TLS flow is over: its text goes to env->lines. */
PF_MUST_USE enum pf_status pf_answers_flow(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                                           const struct pf_conn_report *report);

/* All workers are done. */
PF_MUST_USE enum pf_status pf_answers_close(struct pf_answers *a, struct pf_error *err);

/* The next text, borrowed until the next call; PF_END behind the last. */
PF_MUST_USE enum pf_status pf_answers_next(struct pf_answers *a, struct pf_span *text,
                                           struct pf_error *err);

/* The next text is the first again. */
void pf_answers_rewind(struct pf_answers *a);

#endif
