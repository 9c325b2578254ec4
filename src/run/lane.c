// SPDX-License-Identifier: Apache-2.0
#include "run/lane.h"

#include <stdlib.h>

enum { WAKE_AT = PF_LANE_BATCHES / 2 };

void pf_lane_free(struct pf_lane *l)
{
    if (l == NULL) {
        return;
    }
    for (int i = 0; i < PF_LANE_BATCHES; i++) {
        pf_batch_free(l->batches[i]);
    }
    pf_ring_fini(&l->full);
    pf_ring_fini(&l->empty);
    pf_gate_fini(&l->reader);
    pf_gate_fini(&l->worker);
    free(l);
}

static enum pf_status fill(struct pf_lane *l)
{
    enum pf_status st = pf_ring_init(&l->full, PF_LANE_BATCHES);
    if (st == PF_OK) {
        st = pf_ring_init(&l->empty, PF_LANE_BATCHES);
    }
    for (int i = 0; i < PF_LANE_BATCHES && st == PF_OK; i++) {
        st = pf_batch_new(&l->batches[i]);
        if (st == PF_OK && !pf_ring_push(&l->empty, l->batches[i])) {
            st = PF_ERR_INTERNAL;
        }
    }
    return st;
}

enum pf_status pf_lane_new(struct pf_lane **out)
{
    struct pf_lane *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return PF_ERR_NOMEM;
    }
    if (pf_gate_init(&l->reader) != PF_OK) {
        free(l);
        return PF_ERR_NOMEM;
    }
    if (pf_gate_init(&l->worker) != PF_OK) {
        pf_gate_fini(&l->reader);
        free(l);
        return PF_ERR_NOMEM;
    }
    enum pf_status st = fill(l);
    if (st != PF_OK) {
        pf_lane_free(l);
        return st;
    }
    *out = l;
    return PF_OK;
}

static struct pf_batch *pop_or_sleep(struct pf_ring *ring, struct pf_gate *gate)
{
    struct pf_batch *b = pf_ring_pop(ring);
    /* A loop: whoever opens the gate for a batch may be late, when that batch was taken before. */
    while (b == NULL) {
        pf_gate_prepare(gate);
        b = pf_ring_pop(ring);
        if (b != NULL) {
            pf_gate_cancel(gate);
            break;
        }
        pf_gate_sleep(gate, -1);
        b = pf_ring_pop(ring);
    }
    return b;
}

struct pf_batch *pf_lane_take(struct pf_lane *l)
{
    return pop_or_sleep(&l->empty, &l->reader);
}

struct pf_batch *pf_lane_poll(struct pf_lane *l)
{
    return pf_ring_pop(&l->full);
}

struct pf_batch *pf_lane_receive(struct pf_lane *l)
{
    return pop_or_sleep(&l->full, &l->worker);
}

/* There are as many slots as batches: a push cannot fail. */
static void push(struct pf_ring *ring, struct pf_batch *b)
{
    if (!pf_ring_push(ring, b)) {
        abort();
    }
}

void pf_lane_send(struct pf_lane *l, struct pf_batch *b)
{
    push(&l->full, b);
    pf_gate_open(&l->worker);
}

void pf_lane_return(struct pf_lane *l, struct pf_batch *b)
{
    pf_batch_clear(b);
    push(&l->empty, b);
    /* Waking the reader for each batch would have it fill that one and sleep again. */
    if (pf_ring_count(&l->empty) >= WAKE_AT) {
        pf_gate_open(&l->reader);
    }
}
