// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the way between the reader and one worker: full batches there, empty ones back.
 * Owns:    all its batches, wherever they are at the moment.
 * Threads: _take and _send by the reader, _receive and _return by the worker.
 * Errors:  PF_ERR_NOMEM at birth.
 * Limits:  PF_LANE_BATCHES batches: when all are on the way the reader sleeps. That is the
 *          back-pressure.
 */
#ifndef PF_RUN_LANE_H
#define PF_RUN_LANE_H

#include "base/ring.h"
#include "base/status.h"
#include "capture/batch.h"
#include "run/gate.h"

enum { PF_LANE_BATCHES = 8 };

struct pf_lane {
    struct pf_ring full;  /* reader to worker */
    struct pf_ring empty; /* worker to reader */
    struct pf_gate reader;
    struct pf_gate worker;
    struct pf_batch *batches[PF_LANE_BATCHES];
};

PF_MUST_USE enum pf_status pf_lane_new(struct pf_lane **out);
void pf_lane_free(struct pf_lane *l);

/* An empty batch; sleeps until the worker returns one. */
struct pf_batch *pf_lane_take(struct pf_lane *l);

void pf_lane_send(struct pf_lane *l, struct pf_batch *b);

/* The next batch if there is one; else NULL. */
struct pf_batch *pf_lane_poll(struct pf_lane *l);

/* The next batch; sleeps until there is one. */
struct pf_batch *pf_lane_receive(struct pf_lane *l);

void pf_lane_return(struct pf_lane *l, struct pf_batch *b);

#endif
