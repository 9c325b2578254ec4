// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what threads tell each other while they run: how far each worker is, whether to stop,
 *          and how much was done.
 * Owns:    a cache line per worker.
 * Threads: each worker writes its own line; everybody reads.
 * Errors:  PF_ERR_NOMEM at birth.
 * Limits:  -
 *
 * A worker's position is a packet number: it has worked through all packets of its flows up to it.
 * A flow that waits for a session is parked. Its wait is over, and its answer final, when every
 * worker has passed the packet up to which it may look, and no flow that began before it is parked
 * anywhere: so chains of waiting resolve in the order of the capture, whatever the number of
 * workers. Most need not wait for so long: whenever there are new sessions, it may ask again.
 */
#ifndef PF_RUN_BOARD_H
#define PF_RUN_BOARD_H

#include "base/status.h"
#include "run/gate.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PF_POSITION_END UINT64_MAX

enum { PF_BOARD_LINE = 128 };

struct pf_board_line {
    _Atomic uint64_t position;
    _Atomic uint64_t parked; /* the first packet of the earliest parked flow, or PF_POSITION_END */
    _Atomic uint64_t flows;  /* TLS flows begun */
    _Atomic uint64_t plain;  /* bytes of plaintext written */
    _Atomic uint64_t sessions; /* that others can find since */
    struct pf_gate *gate;      /* where the worker sleeps; set before the workers begin */
    _Atomic bool waits;        /* for what others publish: */
    _Atomic uint64_t wait_position;
    _Atomic uint64_t wait_parked;
    char apart[PF_BOARD_LINE - 8 * sizeof(_Atomic uint64_t) - sizeof(struct pf_gate *)];
};

struct pf_board {
    unsigned workers;
    _Atomic uint64_t packets; /* read so far */
    _Atomic int stop;         /* 0: go on; a signal number, or -1 after an error */
    struct pf_board_line *lines;
};

PF_MUST_USE enum pf_status pf_board_init(struct pf_board *b, unsigned workers);
void pf_board_fini(struct pf_board *b);

/* parked is published before position, so that who sees the position sees what is parked as well.
 * Wakes those whose wait is over by it. */
void pf_board_publish(struct pf_board *b, unsigned worker, uint64_t position, uint64_t parked);

/* The worker is about to wait until pf_board_is_settled(b, target, first_packet); it must ask once
 * more before it sleeps. */
void pf_board_wait(struct pf_board *b, unsigned worker, uint64_t target, uint64_t first_packet);

/* It does not wait any more. */
void pf_board_wait_over(struct pf_board *b, unsigned worker);

/* The worker's sessions so far. If there are new ones, those wake that wait. */
void pf_board_tell_sessions(struct pf_board *b, unsigned worker, uint64_t sessions);

/* All workers'. */
uint64_t pf_board_sessions(const struct pf_board *b);

/* Every worker has passed `target`, and nothing that began before `first_packet` is parked. */
bool pf_board_is_settled(const struct pf_board *b, uint64_t target, uint64_t first_packet);

/* One writer each; readers may be a little behind. */
static inline void pf_board_add(_Atomic uint64_t *counter, uint64_t n)
{
    /* relaxed: a sample for people, it orders nothing */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t pf_board_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed); /* as above */
}

#endif
