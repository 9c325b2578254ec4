// SPDX-License-Identifier: Apache-2.0
#include "run/gate.h"

#include <time.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

enum pf_status pf_gate_init(struct pf_gate *g)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = PF_ERR_NOMEM;
    atomic_init(&g->sleeping, false);
    if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
        pthread_cond_init(&g->cond, &attr) == 0) {
        if (pthread_mutex_init(&g->mutex, NULL) == 0) {
            st = PF_OK;
        } else {
            pthread_cond_destroy(&g->cond);
        }
    }
    pthread_condattr_destroy(&attr);
    return st;
}

void pf_gate_fini(struct pf_gate *g)
{
    pthread_mutex_destroy(&g->mutex);
    pthread_cond_destroy(&g->cond);
}

void pf_gate_prepare(struct pf_gate *g)
{
    /* acq_rel: pairs with the exchange in pf_gate_open. One of the two comes first: either the
     * waker's finds that we sleep, or ours finds what it wrote, and all that it made before. */
    atomic_exchange_explicit(&g->sleeping, true, memory_order_acq_rel);
}

void pf_gate_cancel(struct pf_gate *g)
{
    /* relaxed: a waker that still finds true only takes the mutex for nothing */
    atomic_store_explicit(&g->sleeping, false, memory_order_relaxed);
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * NS_PER_MS;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_nsec -= NS_PER_S;
        t.tv_sec++;
    }
    return t;
}

void pf_gate_sleep(struct pf_gate *g, int timeout_ms)
{
    struct timespec deadline = {0, 0};
    if (timeout_ms >= 0) {
        deadline = deadline_after(timeout_ms);
    }
    pthread_mutex_lock(&g->mutex);
    /* relaxed: a waker that has found true takes the mutex next, and signals */
    while (atomic_load_explicit(&g->sleeping, memory_order_relaxed)) {
        int r = timeout_ms < 0 ? pthread_cond_wait(&g->cond, &g->mutex)
                               : pthread_cond_timedwait(&g->cond, &g->mutex, &deadline);
        if (r != 0) {
            break;
        }
    }
    atomic_store_explicit(&g->sleeping, false, memory_order_relaxed);
    pthread_mutex_unlock(&g->mutex);
}

void pf_gate_open(struct pf_gate *g)
{
    /* acq_rel: pairs with the exchange in pf_gate_prepare */
    if (!atomic_exchange_explicit(&g->sleeping, false, memory_order_acq_rel)) {
        return;
    }
    pthread_mutex_lock(&g->mutex);
    pthread_cond_signal(&g->cond);
    pthread_mutex_unlock(&g->mutex);
}
