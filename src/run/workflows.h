// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a worker's flows: found by their packets, fed, ended, and given up when memory is short.
 * Owns:    the flow table, the flows in it and those that are parked, what all of them share (env).
 * Threads: the worker's.
 * Errors:  run-scoped ones only; a flow's own troubles stay with it.
 * Limits:  env.budget.
 */
#ifndef PF_RUN_WORKFLOWS_H
#define PF_RUN_WORKFLOWS_H

#include "flow/table.h"
#include "run/config.h"
#include "run/parked.h"
#include "run/tlsflow.h"

struct pf_workflows {
    const struct pf_config *config;
    struct pf_table table;
    struct pf_tls_flow_env env;
    struct pf_keylog *live;  /* secrets that came with the packets; NULL: none can come */
    struct pf_parked parked; /* only the first can be settled */
    uint64_t limit_stubs;
    size_t relieved; /* what was still used when that was last seen to */
};

/* Frees the flows that are left (after an error), the table and live; not what env points to. */
void pf_workflows_fini(struct pf_workflows *w);

/* One packet, or a text of secrets. */
PF_MUST_USE enum pf_status pf_workflows_packet(struct pf_workflows *w, const struct pf_pkt *pkt);

/* Takes the flow's TLS out of the table and ends it, or parks it; the stub stays for late packets.
 */
PF_MUST_USE enum pf_status pf_workflows_end(struct pf_workflows *w, struct pf_flow *flow);

/* A flow that has no place in the table any more: ends it, unless it has to wait (again). */
PF_MUST_USE enum pf_status pf_workflows_end_parked(struct pf_workflows *w, struct pf_tls_flow *t);

/* Ends what has been idle for too long. */
PF_MUST_USE enum pf_status pf_workflows_sweep(struct pf_workflows *w, int64_t clock_ns);

/* Frees what the budget needs: plaintext that can be written goes first, then the oldest flows. */
PF_MUST_USE enum pf_status pf_workflows_relieve(struct pf_workflows *w);

#endif
