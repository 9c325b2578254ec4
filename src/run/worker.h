// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a worker thread's work: batches in, its flows tracked, their plaintext written.
 * Owns:    its flow table and its flows, crypto contexts, scratch buffers; for life.
 * Threads: made by the main thread, run by its own, freed by the main thread after the join.
 * Errors:  pf_worker_run returns the first run-scoped one; err has its text.
 * Limits:  its share of --memory.
 */
#ifndef PF_RUN_WORKER_H
#define PF_RUN_WORKER_H

#include "base/status.h"
#include "run/board.h"
#include "run/config.h"
#include "run/lane.h"
#include "run/lines.h"
#include "store/chunks.h"
#include "store/flows.h"
#include "store/pack.h"
#include "tls/session.h"

struct pf_worker;
struct pf_jobs;

/* What a worker is given. All borrowed. */
struct pf_worker_setup {
    unsigned index;
    const struct pf_config *config;
    struct pf_sessions *sessions;
    struct pf_sessions *known; /* two passes: the first learns them, the second knows them */
    struct pf_lane *lane;
    struct pf_board *board;
    struct pf_jobs *jobs;
    struct pf_chunks *chunks;
    struct pf_flows *flows;
    struct pf_lines *lines; /* in the modes without a result; then chunks and flows are NULL */
    enum pf_store_codec codec;
    int level;
    bool sha256;
};

struct pf_worker_counts {
    uint64_t limit_flows;                /* TLS flows given up for memory */
    uint64_t limit_stubs;                /* flows forgotten before they looked like TLS */
    uint64_t trials;                     /* of searches behind gaps */
    size_t memory_peak;                  /* bytes of its budget */
    const uint64_t *key_flows;           /* flows that each key of the ring opened; borrowed */
    const struct pf_flow_totals *totals; /* of a run without a result; borrowed */
};

PF_MUST_USE enum pf_status pf_worker_new(const struct pf_worker_setup *setup,
                                         struct pf_worker **out, struct pf_error *err);
void pf_worker_free(struct pf_worker *w);

/*
 * Works until the last batch, then ends all its flows. After an error, and when the board says stop
 * after one, it still takes every batch and returns it, so that the reader never hangs.
 */
PF_MUST_USE enum pf_status pf_worker_run(struct pf_worker *w, struct pf_error *err);

struct pf_worker_counts pf_worker_counts(const struct pf_worker *w);

#endif
