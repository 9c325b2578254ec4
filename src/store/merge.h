// SPDX-License-Identifier: Apache-2.0
/*
 * What:    merges the workers' closed spools into flows.jsonl and data/flows.idx.
 * Owns:    nothing beyond the call.
 * Threads: the run's, when the workers are done, and those of the function it is given.
 * Errors:  PF_ERR_IO, PF_ERR_NOMEM; the files then stay .part and as long as they came.
 * Limits:  -
 */
#ifndef PF_STORE_MERGE_H
#define PF_STORE_MERGE_H

#include "base/status.h"
#include "store/file.h"
#include "store/flows.h"

enum {
    PF_MERGE_PARTS = 8,           /* at most, */
    PF_MERGE_PART_FLOWS = 1 << 11 /* and none for fewer flows */
};

/* Runs body(ctx, k) for every k below n, at the same time if it can. */
typedef void pf_abreast_fn(void (*body)(void *ctx, unsigned k), void *ctx, unsigned n);

/* Flows are numbered 1, 2, 3 ... by first packet, whichever worker they come from. lines and rows
 * were opened, and are empty; with a digest, or abreast NULL, they are written in order. */
PF_MUST_USE enum pf_status pf_merge_flows(struct pf_flows *const *spools, unsigned n,
                                          struct pf_file *lines, struct pf_file *rows,
                                          pf_abreast_fn *abreast, struct pf_error *err);

#endif
