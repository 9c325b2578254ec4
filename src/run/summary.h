// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what is told of a finished run: the summary for the caller, the manifest for the store.
 * Owns:    the arrays that both point to.
 * Threads: one.
 * Errors:  PF_ERR_NOMEM.
 * Limits:  -
 */
#ifndef PF_RUN_SUMMARY_H
#define PF_RUN_SUMMARY_H

#include "base/status.h"
#include "plainflow.h"
#include "run/config.h"
#include "run/reader.h"
#include "store/flows.h"
#include "store/manifest.h"

enum { PF_LIMIT_KINDS = 4 };

/* What the run counted. */
struct pf_run_counts {
    uint64_t limit_flows;
    uint64_t limit_stubs;
    uint64_t limit_sessions;
    uint64_t limit_keylog;
    uint64_t trials; /* of searches behind gaps */
    const uint64_t *key_flows; /* per key of the ring */
    int64_t started_ns;
    uint64_t elapsed_ns;
};

struct pf_summary_store {
    struct pf_summary summary;
    struct pf_manifest manifest;
    struct pf_input *inputs;
    struct pf_manifest_input *manifest_inputs;
    struct pf_manifest_key *keys;
    struct pf_count dropped[PF_DROP_COUNT + 2];
    struct pf_manifest_count manifest_dropped[PF_DROP_COUNT + 2];
    struct pf_count by_status[PF_FLOW_STATUS_COUNT];
    struct pf_count by_reason[PF_REASON_COUNT];
    struct pf_count limits[PF_LIMIT_KINDS];
    struct pf_manifest_count manifest_limits[PF_LIMIT_KINDS];
};

/* The manifest's part, before the store is finished. All is borrowed from its sources. */
PF_MUST_USE enum pf_status pf_summary_collect(struct pf_summary_store *s,
                                              const struct pf_options *o,
                                              const struct pf_config *config,
                                              const struct pf_reader *reader,
                                              const struct pf_run_counts *counts);

/* The flows' part. */
void pf_summary_flows(struct pf_summary_store *s, const struct pf_flow_totals *totals);

void pf_summary_fini(struct pf_summary_store *s);

#endif
