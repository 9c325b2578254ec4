// SPDX-License-Identifier: Apache-2.0
#include "run/abreast.h"

#include <pthread.h>
#include <stdbool.h>

struct piece {
    void (*body)(void *ctx, unsigned k);
    void *ctx;
    unsigned k;
    bool started;
    pthread_t thread;
};

static void *piece_main(void *arg)
{
    const struct piece *p = arg;
    p->body(p->ctx, p->k);
    return NULL;
}

void pf_abreast(void (*body)(void *ctx, unsigned k), void *ctx, unsigned n)
{
    struct piece pieces[PF_ABREAST_MAX];
    for (unsigned k = 0; k < n && k < PF_ABREAST_MAX; k++) {
        struct piece *p = &pieces[k];
        *p = (struct piece){.body = body, .ctx = ctx, .k = k};
        p->started = k > 0 && pthread_create(&p->thread, NULL, piece_main, p) == 0;
    }
    for (unsigned k = 0; k < n; k++) {
        if (k < PF_ABREAST_MAX && pieces[k].started) {
            (void)pthread_join(pieces[k].thread, NULL);
        } else {
            body(ctx, k);
        }
    }
}
