// SPDX-License-Identifier: Apache-2.0
/*
 * What:    where one thread sleeps until another has something for it: no spinning.
 * Owns:    a mutex and a condition.
 * Threads: one sleeper; any number of wakers.
 * Errors:  PF_ERR_NOMEM at birth.
 * Limits:  -
 *
 *     sleeper: while (nothing to do) { pf_gate_prepare; if (still nothing) pf_gate_sleep; }
 *     waker:   make something to do; pf_gate_open
 *
 * The waker takes the mutex only when the sleeper has said that it sleeps: a busy pipeline pays one
 * exchange per batch.
 */
#ifndef PF_RUN_GATE_H
#define PF_RUN_GATE_H

#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pf_gate {
    pthread_mutex_t mutex; /* protects the sleep itself, not data */
    pthread_cond_t cond;
    atomic_bool sleeping;
};

PF_MUST_USE enum pf_status pf_gate_init(struct pf_gate *g);
void pf_gate_fini(struct pf_gate *g);

/* Says that the caller is about to sleep. It must look for work once more before it does. */
void pf_gate_prepare(struct pf_gate *g);

/* The look after pf_gate_prepare found work after all. */
void pf_gate_cancel(struct pf_gate *g);

/* Sleeps until the gate is opened, or for timeout_ms (-1: no limit). */
void pf_gate_sleep(struct pf_gate *g, int timeout_ms);

void pf_gate_open(struct pf_gate *g);

#endif
