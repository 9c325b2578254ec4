// SPDX-License-Identifier: Apache-2.0
#include "ceiling.h"

#include "store/pack.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Buffers begin on a page: the kernel's copies are several times slower to a page's offset 16,
 * which is where malloc puts large blocks. */
enum { PAGE = 4096 };

noreturn void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("plainflow-bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void bench_must(enum pf_status st, const struct pf_error *err)
{
    if (st != PF_OK) {
        bench_die("%s", err != NULL && err->status != PF_OK ? err->text : pf_status_text(st));
    }
}

void *bench_alloc(size_t len)
{
    size_t whole = (len / PAGE + 1) * PAGE;
    void *p = aligned_alloc(PAGE, whole);
    if (p == NULL) {
        bench_die("out of memory");
    }
    memset(p, 0, whole); /* the pages are there before the clock runs */
    return p;
}

double bench_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct job {
    void (*body)(void *arg, unsigned index);
    void *arg;
    unsigned index;
    pthread_t thread;
};

static void *run_job(void *p)
{
    struct job *j = p;
    j->body(j->arg, j->index);
    return NULL;
}

void bench_parallel(unsigned threads, void (*body)(void *arg, unsigned index), void *arg)
{
    struct job *jobs = bench_alloc(threads * sizeof *jobs);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){.body = body, .arg = arg, .index = i};
        if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0) {
            bench_die("cannot start a thread");
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
    free(jobs);
}

void bench_batch_init(struct bench_batch *b)
{
    *b = (struct bench_batch){0};
    b->plain = bench_alloc(BENCH_BATCH + PF_CHUNK_MAX);
    b->lens = bench_alloc((BENCH_BATCH_RECORDS + PF_CHUNK_RECORDS) * sizeof *b->lens);
    b->runs = bench_alloc(BENCH_BATCH_RUNS * sizeof *b->runs);
}

void bench_batch_fini(struct bench_batch *b)
{
    free(b->plain);
    free(b->lens);
    free(b->runs);
}

void bench_batch_clear(struct bench_batch *b)
{
    b->len = b->records = b->n = 0;
}

bool bench_batch_is_full(const struct bench_batch *b)
{
    return b->len >= BENCH_BATCH || b->records >= BENCH_BATCH_RECORDS || b->n == BENCH_BATCH_RUNS;
}

void bench_batch_chunk(struct bench_batch *b, const struct pf_suite *suite, uint16_t version,
                       bool rekey, struct pf_span plain)
{
    b->runs[b->n++] = (struct bench_run){.suite = suite,
                                         .version = version,
                                         .rekey = rekey,
                                         .plain_off = b->len,
                                         .plain_len = plain.len,
                                         .first = b->records};
    if (plain.len > 0) {
        memcpy(b->plain + b->len, plain.ptr, plain.len);
    }
    b->len += plain.len;
}

void bench_batch_record(struct bench_batch *b, uint32_t len)
{
    b->lens[b->records++] = len;
    b->runs[b->n - 1].records++;
}
