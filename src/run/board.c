// SPDX-License-Identifier: Apache-2.0
#include "run/board.h"

#include <stdlib.h>
#include <string.h>

enum pf_status pf_board_init(struct pf_board *b, unsigned workers)
{
    b->lines = aligned_alloc(PF_BOARD_LINE, workers * sizeof *b->lines);
    if (b->lines == NULL) {
        return PF_ERR_NOMEM;
    }
    memset(b->lines, 0, workers * sizeof *b->lines);
    b->workers = workers;
    atomic_init(&b->packets, 0);
    atomic_init(&b->stop, 0);
    return PF_OK;
}

void pf_board_fini(struct pf_board *b)
{
    free(b->lines);
    b->lines = NULL;
}

/* What a worker has published, or what another wants everybody to have published at least. */
struct mark {
    uint64_t position;
    uint64_t parked;
};

static bool is_met(const struct mark *published, const struct mark *wanted)
{
    return published->position >= wanted->position && published->parked >= wanted->parked;
}

/* Whether this worker was what i waits for, and nobody is any more. relaxed: see the fences. */
static bool is_to_wake(const struct pf_board *b, unsigned i, const struct mark *before,
                       const struct mark *now)
{
    const struct pf_board_line *line = &b->lines[i];
    if (!atomic_load_explicit(&line->waits, memory_order_relaxed)) {
        return false;
    }
    const struct mark wanted = {
        .position = atomic_load_explicit(&line->wait_position, memory_order_relaxed),
        .parked = atomic_load_explicit(&line->wait_parked, memory_order_relaxed)};
    return !is_met(before, &wanted) && is_met(now, &wanted) &&
           pf_board_is_settled(b, wanted.position, wanted.parked);
}

void pf_board_publish(struct pf_board *b, unsigned worker, uint64_t position, uint64_t parked)
{
    struct pf_board_line *own = &b->lines[worker];
    const struct mark before = {atomic_load_explicit(&own->position, memory_order_relaxed),
                                atomic_load_explicit(&own->parked, memory_order_relaxed)};
    const struct mark now = {position, parked};
    /* release: both pair with the acquires in pf_board_is_settled; sessions that were published
     * before are seen by whoever sees the position */
    atomic_store_explicit(&own->parked, parked, memory_order_release);
    atomic_store_explicit(&own->position, position, memory_order_release);
    /* seq_cst: with the one in pf_board_wait, either we find all of what somebody waits for, or
     * they find what was published; and of two that publish the last things somebody waits for, at
     * least one finds both */
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < b->workers; i++) {
        if (i != worker && is_to_wake(b, i, &before, &now)) {
            pf_gate_open(b->lines[i].gate);
        }
    }
}

void pf_board_tell_sessions(struct pf_board *b, unsigned worker, uint64_t sessions)
{
    struct pf_board_line *own = &b->lines[worker];
    if (atomic_load_explicit(&own->sessions, memory_order_relaxed) == sessions) {
        return;
    }
    /* relaxed: the sessions themselves are found under their mutexes */
    atomic_store_explicit(&own->sessions, sessions, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* with the one in pf_board_wait, as above */
    for (unsigned i = 0; i < b->workers; i++) {
        if (i != worker && atomic_load_explicit(&b->lines[i].waits, memory_order_relaxed)) {
            pf_gate_open(b->lines[i].gate);
        }
    }
}

uint64_t pf_board_sessions(const struct pf_board *b)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < b->workers; i++) {
        sum += atomic_load_explicit(&b->lines[i].sessions, memory_order_relaxed); /* as above */
    }
    return sum;
}

void pf_board_wait(struct pf_board *b, unsigned worker, uint64_t target, uint64_t first_packet)
{
    struct pf_board_line *own = &b->lines[worker];
    atomic_store_explicit(&own->wait_position, target, memory_order_relaxed);
    atomic_store_explicit(&own->wait_parked, first_packet, memory_order_relaxed);
    atomic_store_explicit(&own->waits, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* see above */
}

void pf_board_wait_over(struct pf_board *b, unsigned worker)
{
    /* relaxed: who still finds true wakes for nothing */
    atomic_store_explicit(&b->lines[worker].waits, false, memory_order_relaxed);
}

bool pf_board_is_settled(const struct pf_board *b, uint64_t target, uint64_t first_packet)
{
    for (unsigned i = 0; i < b->workers; i++) {
        /* acquire: pair with the releases in pf_board_publish; position first, see there */
        if (atomic_load_explicit(&b->lines[i].position, memory_order_acquire) < target) {
            return false;
        }
        if (atomic_load_explicit(&b->lines[i].parked, memory_order_acquire) < first_packet) {
            return false;
        }
    }
    return true;
}
