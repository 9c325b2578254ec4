// SPDX-License-Identifier: Apache-2.0
/*
 * The kernels over a result directory: its plaintext and its record table say which bytes, in
 * records of which lengths, under which suites. Every thread walks the index and takes its share of
 * the chunks; nothing but the kernels is timed.
 */
#include "ceiling.h"

#include "store/index.h"
#include "store/pack.h"
#include "store/result.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shared {
    const char *result;
    const char *dir;
    unsigned threads;
    uint64_t stride; /* every how many chunks are measured */
    int codec;
    int level;
    pthread_mutex_t lock;
    struct bench_data sum; /* of what was measured */
};

enum { RATES_MAX = 1 << 16 };

struct worker {
    double *rates; /* of writing: seconds a byte, batch by batch */
    size_t n_rates;
    struct shared *shared;
    unsigned index;
    uint64_t chunk; /* number of the next, over all flows */
    struct bench_opener *opener;
    struct bench_packer *packer;
    struct bench_batch batch;
    struct bench_data sum;
};

static void flush(struct worker *w)
{
    if (w->batch.n == 0) {
        return;
    }
    bench_seal(w->opener, &w->batch);
    bench_pack_rewind(w->packer);
    double t0 = bench_cpu();
    bench_open(w->opener, &w->batch);
    double t1 = bench_cpu();
    bench_pack_store(w->packer, &w->batch);
    double t2 = bench_cpu();
    bench_pack_lz4(w->packer, &w->batch);
    double t3 = bench_cpu();
    size_t written = bench_pack_write(w->packer);
    double t4 = bench_cpu();
    if (w->n_rates < RATES_MAX && written > 0) {
        w->rates[w->n_rates++] = (t4 - t3) / (double)written;
    }
    w->sum.packed_bytes += written;
    w->sum.open_s += t1 - t0;
    w->sum.pack_s += t2 - t1;
    w->sum.lz4_s += t3 - t2;
    w->sum.plain_bytes += w->batch.len;
    w->sum.records += w->batch.records;
    bench_batch_clear(&w->batch);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The first quartile's rate: pages that the kernel has to find first, and in a virtual machine
 * perhaps the host as well, cost several times as much and come in spells. */
static double write_seconds(struct worker *w)
{
    if (w->n_rates == 0) {
        return 0;
    }
    qsort(w->rates, w->n_rates, sizeof *w->rates, by_size);
    return w->rates[w->n_rates / 4] * (double)w->sum.packed_bytes;
}

static const struct pf_suite *suite_named(const char *name)
{
    for (unsigned id = 0; name != NULL && id <= UINT16_MAX; id++) {
        const struct pf_suite *s = pf_suite_find((uint16_t)id);
        if (s != NULL && strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

static uint16_t version_named(const char *name)
{
    static const struct {
        const char *name;
        uint16_t version;
    } NAMES[] = {{"SSLv3", 0x0300}, {"TLSv10", 0x0301}, {"TLSv11", 0x0302}, {"TLSv13", 0x0304}};
    for (size_t i = 0; name != NULL && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(NAMES[i].name, name) == 0) {
            return NAMES[i].version;
        }
    }
    return 0x0303;
}

static void take(struct worker *w, const struct pf_index_entry *e, struct pf_span plain,
                 const struct pf_suite *suite, uint16_t version, bool rekey)
{
    struct pf_cur bytes = e->chunk.bytes;
    struct pf_record_entry before = {0};
    struct pf_record_entry record;
    if (!bench_opener_can(w->opener, suite)) {
        w->sum.left_out += plain.len;
        suite = NULL;
    }
    bench_batch_chunk(&w->batch, suite, version, rekey, plain);
    for (uint32_t i = 0; i < e->chunk.records; i++) {
        if (!pf_index_record(&bytes, i == 0, &before, &record)) {
            bench_die("the result's index is damaged");
        }
        bench_batch_record(&w->batch, record.len);
        before = record;
    }
    if (bench_batch_is_full(&w->batch)) {
        flush(w);
    }
}

static bool is_mine(struct worker *w)
{
    uint64_t k = w->chunk++;
    return k % w->shared->stride == 0 && k / w->shared->stride % w->shared->threads == w->index;
}

static void direction(struct worker *w, struct pf_stored *s, struct pf_walkback *chain,
                      const struct pf_flows_row *row, enum pf_dir dir, const struct pf_suite *suite,
                      uint16_t version)
{
    struct pf_error err = {0};
    const struct pf_index_entry *e = NULL;
    struct pf_span plain;
    bool rekey = true;
    bench_must(pf_stored_chain(s, row, dir, chain, &err), &err);
    for (;;) {
        enum pf_status st = pf_walkback_next(chain, &e, &err);
        if (st == PF_END) {
            return;
        }
        bench_must(st, &err);
        if (e->kind == PF_INDEX_CHUNK && is_mine(w)) {
            bench_must(pf_walkback_plain(chain, &plain, &err), &err);
            take(w, e, plain, suite, version, rekey);
            rekey = false;
        }
    }
}

static void walk(struct worker *w, struct pf_stored *s)
{
    struct pf_error err = {0};
    struct pf_walkback *chain = NULL;
    const struct pf_suite *suite = NULL;
    bench_must(pf_walkback_new(&chain), NULL);
    for (uint64_t i = 1; i <= pf_stored_flows(s); i++) {
        struct pf_stored_flow flow;
        bench_must(pf_stored_flow(s, i, &flow, &err), &err);
        if (suite == NULL || flow.cipher == NULL || strcmp(suite->name, flow.cipher) != 0) {
            suite = suite_named(flow.cipher);
        }
        uint16_t version = version_named(flow.version);
        const struct pf_flows_row row = flow.row;
        direction(w, s, chain, &row, PF_C2S, suite, version);
        direction(w, s, chain, &row, PF_S2C, suite, version);
    }
    pf_walkback_free(chain);
}

static void add(struct bench_data *to, const struct bench_data *d)
{
    to->records += d->records;
    to->plain_bytes += d->plain_bytes;
    to->packed_bytes += d->packed_bytes;
    to->left_out += d->left_out;
    to->open_s += d->open_s;
    to->lz4_s += d->lz4_s;
    to->pack_s += d->pack_s;
    to->write_s += d->write_s;
}

static void one_thread(void *arg, unsigned index)
{
    struct shared *sh = arg;
    struct pf_error err = {0};
    struct pf_stored *s = NULL;
    struct worker w = {.shared = sh, .index = index, .opener = bench_opener_new()};
    w.packer = bench_packer_new(sh->codec, sh->level, sh->dir);
    w.rates = bench_alloc(RATES_MAX * sizeof *w.rates);
    bench_batch_init(&w.batch);
    bench_must(pf_stored_open(sh->result, &s, &err), &err);
    walk(&w, s);
    flush(&w);
    w.sum.write_s = write_seconds(&w);
    pf_stored_close(s);
    bench_batch_fini(&w.batch);
    free(w.rates);
    bench_packer_free(w.packer);
    bench_opener_free(w.opener);
    pthread_mutex_lock(&sh->lock);
    add(&sh->sum, &w.sum);
    pthread_mutex_unlock(&sh->lock);
}

/* Quotation marks inside the line's strings are escaped: these words are the line's own. */
static bool was_unwrapped(const struct pf_stored_flow *f)
{
    return strstr((const char *)f->line.ptr, "\"opened_by\":\"rsa_key\"") != NULL;
}

static void survey(struct shared *sh, struct bench_data *out)
{
    struct pf_error err = {0};
    struct pf_stored *s = NULL;
    bench_must(pf_stored_open(sh->result, &s, &err), &err);
    const json_t *options = json_object_get(pf_stored_manifest(s), "options");
    const char *compress = json_string_value(json_object_get(options, "compress"));
    sh->codec = compress != NULL && strcmp(compress, "none") == 0 ? PF_CODEC_RAW : PF_CODEC_LZ4;
    sh->level = (int)json_integer_value(json_object_get(options, "level"));
    *out = (struct bench_data){.flows = pf_stored_flows(s)};
    for (uint64_t i = 1; i <= out->flows; i++) {
        struct pf_stored_flow flow;
        bench_must(pf_stored_flow(s, i, &flow, &err), &err);
        out->unwraps += was_unwrapped(&flow);
        out->plain_bytes += flow.row.ref.dir[0].bytes + flow.row.ref.dir[1].bytes;
        out->records += flow.row.ref.dir[0].records + flow.row.ref.dir[1].records;
    }
    pf_stored_close(s);
}

void bench_result(const char *result, const char *dir, unsigned threads, uint64_t sample,
                  struct bench_data *out)
{
    struct shared sh = {
        .result = result, .dir = dir, .threads = threads, .lock = PTHREAD_MUTEX_INITIALIZER};
    survey(&sh, out);
    sh.stride = sample > 0 ? (out->plain_bytes + sample - 1) / sample : 1;
    sh.stride += sh.stride == 0;
    bench_parallel(threads, one_thread, &sh);
    pthread_mutex_destroy(&sh.lock);
    double scale =
        sh.sum.plain_bytes > 0 ? (double)out->plain_bytes / (double)sh.sum.plain_bytes : 0;
    out->packed_bytes = (uint64_t)((double)sh.sum.packed_bytes * scale);
    out->left_out = (uint64_t)((double)sh.sum.left_out * scale);
    out->open_s = sh.sum.open_s * scale;
    out->write_s = sh.sum.write_s * scale;
    /* Uncompressed, there is nothing to do but to write. */
    out->lz4_s = sh.codec == PF_CODEC_RAW ? 0 : sh.sum.lz4_s * scale;
    out->pack_s = sh.codec == PF_CODEC_RAW ? 0 : sh.sum.pack_s * scale;
}
