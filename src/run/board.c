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

void pf_board_publish(struct pf_board *b, unsigned worker, uint64_t position, uint64_t parked)
{
    /* release: both pair with the acquires in pf_board_is_settled; sessions that were published
     * before are seen by whoever sees the position */
    atomic_store_explicit(&b->lines[worker].parked, parked, memory_order_release);
    atomic_store_explicit(&b->lines[worker].position, position, memory_order_release);
    /* seq_cst: with the one in pf_board_set_waits, either we find that somebody waits, or they find
     * what was published */
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < b->workers; i++) {
        if (i != worker && atomic_load_explicit(&b->lines[i].waits, memory_order_relaxed)) {
            pf_gate_open(b->lines[i].gate);
        }
    }
}

void pf_board_set_waits(struct pf_board *b, unsigned worker, bool waits)
{
    atomic_store_explicit(&b->lines[worker].waits, waits, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* see above */
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
