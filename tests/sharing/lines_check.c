// SPDX-License-Identifier: Apache-2.0
/*
 * Shares lines in ways that lines.c must tell apart, and says where: threads that count in one
 * atomic, in words of one line, each in a line of its own, and in a block that is freed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 20000, WORDS = 8 };

struct own {
    _Alignas(64) volatile unsigned long count;
};

static _Alignas(64) atomic_ulong shared;
static _Alignas(64) volatile unsigned long neighbours[WORDS];
static struct own apart[THREADS];
static unsigned char *block; /* whole lines that all threads have copied to */
static unsigned char *freed;

static void *work(void *arg)
{
    size_t i = (size_t)(struct own *)arg - (size_t)apart;
    i /= sizeof(struct own);
    for (int n = 0; n < ROUNDS; n++) {
        atomic_fetch_add(&shared, 1);
        neighbours[i % WORDS]++;
        apart[i].count++;
    }
    memcpy(block, (const void *)neighbours, sizeof neighbours);
    memcpy(freed, (const void *)neighbours, sizeof neighbours);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    block = aligned_alloc(64, 128);
    freed = aligned_alloc(64, 128);
    if (block == NULL || freed == NULL) {
        return 1;
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, &apart[i]) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("shared=%p neighbours=%p apart=%p block=%p freed=%p\n", (void *)&shared,
           (void *)(size_t)&neighbours, (void *)apart, (void *)block, (void *)freed);
    free(freed);
    return 0;
}
