// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what the hardware allows: the kernels of a workload (read, walk, open, RSA, LZ4, write)
 *          run alone over the same bytes, and the processor time each of them takes.
 * Owns:    each kernel its contexts and buffers; nothing outlives a call but what _new gives.
 * Threads: every kernel runs on `threads` threads at once, as the workload would, so that what
 *          busy neighbours cost (clock, caches, memory) is in its time.
 * Errors:  end the program: a benchmark has nothing to save.
 * Limits:  times are of CLOCK_THREAD_CPUTIME_ID, so that other programs disturb little.
 */
#ifndef BENCH_CEILING_H
#define BENCH_CEILING_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/suite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_must(enum pf_status st, const struct pf_error *err);
void *bench_alloc(size_t len); /* page aligned: see PAGE in ceiling_batch.c; never NULL */
double bench_cpu(void);        /* seconds of this thread on a processor */

/* Runs body(arg, i) for i of 0 to threads - 1 on a thread each. */
void bench_parallel(unsigned threads, void (*body)(void *arg, unsigned index), void *arg);

/* ---- a batch: chunks of plaintext and the records they came in (ceiling_batch.c) */

enum { BENCH_BATCH = 1 << 20, BENCH_BATCH_RECORDS = 1 << 15, BENCH_BATCH_RUNS = 4096 };

/* One chunk: records of one direction of one flow. */
struct bench_run {
    const struct pf_suite *suite;
    uint16_t version;
    bool rekey; /* the chunk before is not of this flow and direction */
    size_t plain_off;
    size_t plain_len;
    size_t first; /* of lens */
    size_t records;
};

struct bench_batch {
    uint8_t *plain;
    size_t len;
    uint32_t *lens;
    size_t records;
    struct bench_run *runs;
    size_t n;
};

void bench_batch_init(struct bench_batch *b);
void bench_batch_fini(struct bench_batch *b);
void bench_batch_clear(struct bench_batch *b);
bool bench_batch_is_full(const struct bench_batch *b);
/* Copies plain; then bench_batch_record for each of its records. */
void bench_batch_chunk(struct bench_batch *b, const struct pf_suite *suite, uint16_t version,
                       bool rekey, struct pf_span plain);
void bench_batch_record(struct bench_batch *b, uint32_t len);

/* ---- opening (ceiling_open.c) and packing (ceiling_pack.c): one thread's */

struct bench_opener;
struct bench_opener *bench_opener_new(void);
void bench_opener_free(struct bench_opener *o);
/* False: this libcrypto has no such cipher, and the run is left out of both. */
bool bench_opener_can(struct bench_opener *o, const struct pf_suite *suite);
/* Seals every run under made-up keys, in memory; then opens and verifies them all. */
void bench_seal(struct bench_opener *o, const struct bench_batch *b);
void bench_open(struct bench_opener *o, const struct bench_batch *b);

struct bench_packer;
struct bench_packer *bench_packer_new(int codec, int level, const char *dir);
void bench_packer_free(struct bench_packer *p);
void bench_pack_lz4(struct bench_packer *p, const struct bench_batch *b);   /* LZ4 alone */
void bench_pack_store(struct bench_packer *p, const struct bench_batch *b); /* store/pack.h */
size_t bench_pack_write(struct bench_packer *p); /* the bytes of the last bench_pack_lz4 */
void bench_pack_rewind(struct bench_packer *p);  /* before it, outside of what is timed */
size_t bench_pack_size(const struct bench_packer *p);

/* ---- whole kernels; seconds are processor time for the whole workload */

struct bench_read {
    uint64_t bytes; /* of the files */
    uint64_t packets;
    double libpcap_s; /* libpcap alone, its buffer large and aligned; 0: cannot read it */
    double reader_s;  /* our reader */
    double walk_s;    /* link, IP and TCP headers of every packet */
};
/* sample: bytes of the captures to measure on (0: all); the result is for all of them. */
void bench_read(const char *const *paths, size_t n, unsigned threads, uint64_t sample,
                struct bench_read *out);

struct bench_data {
    uint64_t flows;
    uint64_t unwraps; /* flows whose keys came out of an RSA key exchange */
    uint64_t records;
    uint64_t plain_bytes;
    uint64_t packed_bytes;
    uint64_t left_out; /* plaintext bytes of ciphers that libcrypto alone cannot do */
    double open_s;
    double lz4_s;
    double pack_s;
    double write_s;
};
/* Over the plaintext of a result directory; writes and removes files in `dir`. */
void bench_result(const char *result, const char *dir, unsigned threads, uint64_t sample,
                  struct bench_data *out);

/* A file there whose name is gone at once: nothing is left behind, whatever happens. */
int bench_nameless(const char *dir);

/* Seconds by the clock until so many bytes are safe on the disk of `dir`; the quicker of two tries.
 */
double bench_disk(const char *dir, unsigned threads, uint64_t bytes);

/* Seconds of one private-key operation: with the key of a PEM file, or (NULL) one of `bits`. */
double bench_rsa(const char *key_file, unsigned bits, unsigned threads, unsigned *bits_used);

/* BENCH_BATCH bytes of text (0), binary (1) or random (2), as forge makes them for the workloads.
 */
void bench_content(int kind, uint8_t *out);

/* The table of what this machine can do. */
void bench_machine(unsigned threads, const char *dir);

/* The table of what LZ4 costs and saves, on made-up contents, this program and the first MiB of the
 * files. */
void bench_lz4(unsigned threads, const char *const *files, size_t n_files);

#endif
