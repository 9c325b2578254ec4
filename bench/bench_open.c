// SPDX-License-Identifier: Apache-2.0
/*
 * What opening records costs: one CSV line per suite and record size (suite, version, bytes, ns per
 * record, MB/s of plaintext), then one per search for a sequence number (suite, version, bytes,
 * trials per second; a solved one counts as one trial), then one per gap of 2^20 records of which
 * nothing is guessed (suite, version, bytes, ms until the number behind it is found). Best of five;
 * time is the thread's own on the processor, as `openssl speed` counts it.
 */
#include "unit/tls/seal.h"

#include <stdio.h>
#include <time.h>

enum { RECORDS = 32, RUNS = 5, MEASURE_NS = 30 * 1000 * 1000 };

struct sealed {
    uint8_t body[RECORDS][SEAL_MAX];
    size_t len[RECORDS];
};

static struct sealed records;
static uint8_t text[PF_PLAINTEXT_MAX];
static uint8_t out[PF_RECORD_MAX];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(enum pf_status st)
{
    if (st != PF_OK) {
        fprintf(stderr, "%s\n", pf_status_text(st));
        exit(1);
    }
}

static void seal_all(struct sealer *s, size_t size)
{
    for (size_t i = 0; i < RECORDS; i++) {
        records.len[i] = seal(s, i, 23, text, size, records.body[i]);
    }
}

/* Opens all records once, in order, as a connection would. */
static void open_all(struct pf_crypt *crypt, const struct sealer *s)
{
    struct pf_chain chain;
    struct pf_plain plain;
    must(pf_chain_init(&chain, &s->keys, 0));
    for (size_t i = 0; i < RECORDS; i++) {
        struct pf_record r = seal_wire(s, 23, records.body[i], records.len[i]);
        must(pf_open_record(crypt, &s->keys, &chain, i, &r, out, sizeof out, &plain));
    }
    pf_chain_fini(&chain);
}

static double ns_per_record(struct pf_crypt *crypt, const struct sealer *s)
{
    double best = 0;
    open_all(crypt, s);
    for (int run = 0; run < RUNS; run++) {
        unsigned rounds = 0;
        double start = now_ns();
        double spent = 0;
        for (; spent < MEASURE_NS; spent = now_ns() - start) {
            open_all(crypt, s);
            rounds++;
        }
        double each = spent / rounds / RECORDS;
        best = run == 0 || each < best ? each : best;
    }
    return best;
}

static void bench_opening(struct pf_crypt *crypt, uint16_t id, uint16_t version, bool etm)
{
    static const size_t sizes[] = {64, 1024, 16384};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sealer s;
        sealer_init(&s, id, version, etm);
        seal_all(&s, sizes[i]);
        double ns = ns_per_record(crypt, &s);
        printf("open,%s%s,%04x,%zu,%.0f,%.0f\n", s.keys.suite->name, etm ? "+EtM" : "", version,
               sizes[i], ns, (double)sizes[i] * 1e3 / ns);
        sealer_fini(&s);
    }
}

/* A number that is not there: every trial of the range is made. RC4 walks a gap's keystream. */
static void bench_search(struct pf_crypt *crypt, uint16_t id, uint16_t version, size_t size)
{
    struct sealer s;
    sealer_init(&s, id, version, false);
    seal_all(&s, size);
    struct pf_record r = seal_wire(&s, 23, records.body[0], records.len[0]);
    struct pf_chain chain;
    uint64_t seq = 0;
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        const struct pf_seq_search search = {
            .lo = 100, .hi = 20099, .likely = 100, .gap_bytes = 1 << 20, .max_trials = 1 << 20};
        uint32_t trials = 0;
        double start = now_ns();
        double spent = 0;
        for (; spent < MEASURE_NS; spent = now_ns() - start) {
            must(pf_chain_init(&chain, &s.keys, 0));
            enum pf_status st =
                pf_open_find_seq(crypt, &s.keys, &chain, &r, &search, &seq, &trials);
            must(st == PF_ERR_REJECTED ? PF_OK : PF_ERR_INTERNAL);
            pf_chain_fini(&chain);
        }
        double rate = trials * 1e9 / spent;
        best = rate > best ? rate : best;
    }
    printf("search,%s,%04x,%zu,%.0f\n", s.keys.suite->name, version, size, best);
    sealer_fini(&s);
}

/* The whole range in front of the number, as if nothing were known of the records that were lost.
 */
static void bench_gap(struct pf_crypt *crypt, uint16_t id, uint16_t version, size_t size)
{
    enum { LOST = 1 << 20 };
    struct sealer s;
    sealer_init(&s, id, version, false);
    records.len[0] = seal(&s, LOST, 23, text, size, records.body[0]);
    struct pf_record r = seal_wire(&s, 23, records.body[0], records.len[0]);
    const struct pf_seq_search search = {.hi = 2 * LOST, .max_trials = 2 * LOST};
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        struct pf_chain chain;
        uint64_t seq = 0;
        uint32_t trials = 0;
        must(pf_chain_init(&chain, &s.keys, 0));
        double start = now_ns();
        must(pf_open_find_seq(crypt, &s.keys, &chain, &r, &search, &seq, &trials));
        double spent = now_ns() - start;
        must(seq == LOST ? PF_OK : PF_ERR_INTERNAL);
        pf_chain_fini(&chain);
        best = run == 0 || spent < best ? spent : best;
    }
    printf("gap,%s,%04x,%zu,%.3f\n", s.keys.suite->name, version, size, best / 1e6);
    sealer_fini(&s);
}

static double kdf_ns(struct pf_kdf *kdf, uint16_t id, uint16_t version)
{
    static const uint8_t random[PF_RANDOM_LEN];
    const struct pf_suite *suite = pf_suite_find(id);
    struct pf_master master;
    struct pf_keys keys[2];
    enum { ROUNDS = 20000 };
    double start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        must(pf_kdf_master(kdf, version, suite, (struct pf_span){text, 48}, random, random,
                           &master));
        must(pf_kdf_key_block(kdf, version, suite, false, &master, random, random, keys));
    }
    return (now_ns() - start) / ROUNDS;
}

/* The keys behind a KeyUpdate. */
static double update_ns(struct pf_kdf *kdf, uint16_t id)
{
    const struct pf_suite *suite = pf_suite_find(id);
    struct pf_secret secret = {.len = (uint8_t)pf_hash_len(suite->prf)};
    struct pf_keys keys;
    enum { ROUNDS = 20000 };
    double start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        must(pf_kdf_tls13_update(kdf, suite, 0, &secret, &secret));
        must(pf_kdf_tls13_keys(kdf, suite, 0, &secret, &keys));
    }
    return (now_ns() - start) / ROUNDS;
}

int main(void)
{
    struct pf_crypt *crypt = NULL;
    struct pf_kdf *kdf = NULL;
    must(pf_crypt_new(&crypt, NULL));
    must(pf_kdf_new(&kdf));
    static const uint16_t tls12[] = {0x009c, 0x009d, 0xc09c, 0xc07a, 0xcca8, 0x002f, 0x0035,
                                     0x003c, 0xc028, 0x000a, 0x0005, 0x0002, 0x0041, 0x0096};
    for (size_t i = 0; i < sizeof tls12 / sizeof tls12[0]; i++) {
        bench_opening(crypt, tls12[i], PF_VERSION_TLS12, false);
    }
    bench_opening(crypt, 0x002f, PF_VERSION_TLS12, true);
    bench_opening(crypt, 0x002f, PF_VERSION_TLS10, false);
    bench_opening(crypt, 0x1301, PF_VERSION_TLS13, false);
    bench_opening(crypt, 0x1303, PF_VERSION_TLS13, false);
    static const uint16_t searched[] = {0xcca8, 0xc09c, 0x002f, 0x003c, 0x0005};
    for (size_t i = 0; i < sizeof searched / sizeof searched[0]; i++) {
        bench_search(crypt, searched[i], PF_VERSION_TLS12, 64);
        bench_search(crypt, searched[i], PF_VERSION_TLS12, 1024);
    }
    bench_search(crypt, 0x009c, PF_VERSION_TLS12, 64);
    bench_search(crypt, 0x009c, PF_VERSION_TLS12, 16384);
    bench_search(crypt, 0x1301, PF_VERSION_TLS13, 64);
    bench_search(crypt, 0x1303, PF_VERSION_TLS13, 64);
    bench_search(crypt, 0x1303, PF_VERSION_TLS13, 1024);
    bench_gap(crypt, 0x1301, PF_VERSION_TLS13, 64);
    bench_gap(crypt, 0x009c, PF_VERSION_TLS12, 64);
    bench_gap(crypt, 0x1303, PF_VERSION_TLS13, 64);
    bench_gap(crypt, 0xcca8, PF_VERSION_TLS12, 64);
    printf("keys,TLS 1.0,%.0f ns\nkeys,TLS 1.2,%.0f ns\n", kdf_ns(kdf, 0x002f, PF_VERSION_TLS10),
           kdf_ns(kdf, 0x003c, PF_VERSION_TLS12));
    printf("keys,KeyUpdate SHA-256,%.0f ns\nkeys,KeyUpdate SHA-384,%.0f ns\n",
           update_ns(kdf, 0x1301), update_ns(kdf, 0x1302));
    pf_kdf_free(kdf);
    pf_crypt_free(crypt);
    return 0;
}
