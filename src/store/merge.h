// SPDX-License-Identifier: Apache-2.0
/*
 * What:    merges the workers' closed spools into flows.jsonl and data/flows.idx.
 * Owns:    nothing beyond the call.
 * Threads: the run's, when the workers are done.
 * Errors:  PF_ERR_IO, PF_ERR_NOMEM; the files then stay .part and as long as they came.
 * Limits:  -
 */
#ifndef PF_STORE_MERGE_H
#define PF_STORE_MERGE_H

#include "base/status.h"
#include "store/file.h"
#include "store/flows.h"

/* Flows are numbered 1, 2, 3 ... by first packet, whichever worker they come from. */
PF_MUST_USE enum pf_status pf_merge_flows(struct pf_flows *const *spools, unsigned n,
                                          struct pf_file *lines, struct pf_file *rows,
                                          struct pf_error *err);

#endif
