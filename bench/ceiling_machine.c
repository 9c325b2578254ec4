// SPDX-License-Identifier: Apache-2.0
/*
 * What this machine can do, without a capture: made-up bytes through the same kernels. Every number
 * is of one processor while all the others do the same; the last column is all of them together.
 */
#include "ceiling.h"

#include "forge/content.h"
#include "store/pack.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCHES = 8, CAPTURE_BYTES = 64 << 20, FRAME = 1514, HEADERS = 54 };

static const double SECONDS = 0.25; /* per kernel and thread */

struct kernel {
    struct bench_batch batch;
    const char *dir;
    int what; /* 0 open, 1 LZ4, 2 write */
    pthread_mutex_t lock;
    double seconds;
    double bytes;
    double packed;
    bool left_out;
};

static void fill(struct bench_batch *b, const uint8_t *from, const struct pf_suite *suite,
                 uint16_t version, uint32_t record)
{
    size_t n = BENCH_BATCH / record < PF_CHUNK_RECORDS ? BENCH_BATCH / record : PF_CHUNK_RECORDS;
    bench_batch_init(b);
    bench_batch_chunk(b, suite, version, true, (struct pf_span){from, n * record});
    for (size_t i = 0; i < n; i++) {
        bench_batch_record(b, record);
    }
}

static void one_thread(void *arg, unsigned index)
{
    (void)index;
    struct kernel *k = arg;
    struct bench_opener *o = bench_opener_new();
    struct bench_packer *p = bench_packer_new(PF_CODEC_LZ4, 0, k->dir);
    double spent = 0;
    uint64_t rounds = 0;
    size_t packed = 0;
    bool can = k->what != 0 || bench_opener_can(o, k->batch.runs[0].suite);
    if (can && k->what == 0) {
        bench_seal(o, &k->batch);
        bench_open(o, &k->batch); /* once for the caches */
    }
    bench_pack_lz4(p, &k->batch);
    for (; can && spent < SECONDS; rounds++) {
        bench_pack_rewind(p);
        double start = bench_cpu();
        if (k->what == 0) {
            bench_open(o, &k->batch);
        } else if (k->what == 1) {
            bench_pack_lz4(p, &k->batch);
        } else {
            packed = bench_pack_write(p);
        }
        spent += bench_cpu() - start;
    }
    packed = packed > 0 ? packed : bench_pack_size(p);
    bench_packer_free(p);
    bench_opener_free(o);
    pthread_mutex_lock(&k->lock);
    k->left_out = !can;
    k->seconds += spent;
    k->bytes += (double)rounds * (double)(k->what == 2 ? packed : k->batch.len);
    k->packed = (double)packed;
    pthread_mutex_unlock(&k->lock);
}

static void run(struct kernel *k, unsigned threads, const char *name, const char *more)
{
    k->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    bench_parallel(threads, one_thread, k);
    pthread_mutex_destroy(&k->lock);
    if (k->left_out) {
        printf("%-34s not in this libcrypto\n", name);
    } else {
        double rate = k->bytes / 1e6 / k->seconds;
        printf("%-34s %8.0f MB/s %9.0f MB/s%s\n", name, rate, rate * threads, more);
    }
    (void)fflush(stdout);
}

static void open_kernels(unsigned threads, const char *dir, const uint8_t *bytes)
{
    static const struct {
        uint16_t id;
        uint16_t version;
        const char *name;
    } SUITES[] = {{0x009c, 0x0303, "AES-128-GCM"},        {0x009d, 0x0303, "AES-256-GCM"},
                  {0xcca8, 0x0303, "ChaCha20-Poly1305"},  {0x002f, 0x0303, "AES-128-CBC, SHA-1"},
                  {0x0035, 0x0303, "AES-256-CBC, SHA-1"}, {0x003c, 0x0303, "AES-128-CBC, SHA-256"}};
    static const uint32_t SIZES[] = {16384, 1400, 200};
    for (size_t i = 0; i < sizeof SUITES / sizeof SUITES[0]; i++) {
        for (size_t j = 0; j < sizeof SIZES / sizeof SIZES[0]; j++) {
            struct kernel k = {.dir = dir};
            char name[64];
            fill(&k.batch, bytes, pf_suite_find(SUITES[i].id), SUITES[i].version, SIZES[j]);
            (void)snprintf(name, sizeof name, "open %s, %u B", SUITES[i].name, SIZES[j]);
            run(&k, threads, name, "");
            bench_batch_fini(&k.batch);
        }
    }
}

void bench_content(int kind, uint8_t *out)
{
    struct forge_options o = {.seed = 1, .content = kind};
    struct forge_content c;
    forge_content_init(&c, &o);
    struct forge_stream s;
    forge_stream_answer(&s, &c, BENCH_BATCH);
    size_t done = 0;
    for (const uint8_t *p = NULL; done < BENCH_BATCH;) {
        size_t n = forge_stream_read(&s, FORGE_READ_MAX, &p);
        n = n < BENCH_BATCH - done ? n : BENCH_BATCH - done;
        if (n == 0) {
            break;
        }
        memcpy(out + done, p, n);
        done += n;
    }
    forge_stream_fini(&s);
    forge_content_fini(&c);
}

static void pack_kernels(unsigned threads, const char *dir, uint8_t *bytes)
{
    static const char *const KINDS[] = {"text", "binary", "random"};
    for (int i = 0; i < 3; i++) {
        struct kernel k = {.dir = dir, .what = 1};
        char name[64];
        char more[64] = "";
        bench_content(i, bytes);
        fill(&k.batch, bytes, NULL, 0, 16384);
        struct bench_packer *p = bench_packer_new(PF_CODEC_LZ4, 0, dir);
        bench_pack_lz4(p, &k.batch);
        (void)snprintf(more, sizeof more, "   %.2f : 1",
                       (double)k.batch.len / (double)bench_pack_size(p));
        bench_packer_free(p);
        (void)snprintf(name, sizeof name, "LZ4, %s, 1 MiB chunks", KINDS[i]);
        run(&k, threads, name, more);
        k = (struct kernel){.dir = dir, .what = 2, .batch = k.batch};
        if (i == 2) {
            run(&k, threads, "write, into the page cache", "");
        }
        bench_batch_fini(&k.batch);
    }
}

static void put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

/* A pcap of full-sized TCP segments. */
static void make_capture(const char *path)
{
    static const uint8_t ETHERNET_IP[] = {2,  0,    0, 0, 0,   1, 2, 0,    0,  0,   0,   2,  8,
                                          0,  0x45, 0, 5, 220, 0, 0, 0,    0,  64,  6,   0,  0,
                                          10, 0,    0, 1, 10,  0, 0, 2,    1,  187, 195, 80, 0,
                                          0,  0,    1, 0, 0,   0, 1, 0x50, 16, 255, 255};
    uint8_t head[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0};
    uint8_t packet[16 + FRAME] = {0};
    FILE *f = fopen(path, "we");
    put_u32(head + 16, 262144);
    put_u32(head + 20, 1);
    put_u32(packet + 8, FRAME);
    put_u32(packet + 12, FRAME);
    memcpy(packet + 16, ETHERNET_IP, sizeof ETHERNET_IP);
    bool ok = f != NULL && fwrite(head, sizeof head, 1, f) == 1;
    for (uint32_t i = 0; ok && i < CAPTURE_BYTES / sizeof packet; i++) {
        put_u32(packet, i / 1000);
        ok = fwrite(packet, sizeof packet, 1, f) == 1;
    }
    if (f == NULL || fclose(f) != 0 || !ok) {
        bench_die("%s: cannot be written", path);
    }
}

static void read_kernels(unsigned threads, const char *dir)
{
    char path[4096];
    struct bench_read r;
    int n = snprintf(path, sizeof path, "%s/plainflow-bench.%d.pcap", dir, (int)getpid());
    if (n >= (int)sizeof path) {
        bench_die("%s: the name is too long", dir);
    }
    make_capture(path);
    const char *const paths[] = {path};
    bench_read(paths, 1, threads, 0, &r);
    (void)unlink(path);
    double mb = (double)r.bytes / 1e6;
    const struct {
        const char *name;
        double seconds;
    } rows[] = {{"read pcap, libpcap alone", r.libpcap_s},
                {"read pcap, plainflow's reader", r.reader_s},
                {"walk headers, 1514-byte frames", r.walk_s}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double rate = mb / rows[i].seconds;
        printf("%-34s %8.0f MB/s %9.0f MB/s   %.0f ns a packet\n", rows[i].name, rate,
               rate * threads, rows[i].seconds * 1e9 / (double)r.packets);
    }
}

void bench_machine(unsigned threads, const char *dir)
{
    uint8_t *bytes = bench_alloc(BENCH_BATCH);
    printf("%-34s %13s %14s\n", "", "one processor", "all together");
    read_kernels(threads, dir);
    bench_content(0, bytes);
    open_kernels(threads, dir, bytes);
    static const unsigned BITS[] = {2048, 4096};
    for (size_t i = 0; i < 2; i++) {
        unsigned bits = 0;
        double each = bench_rsa(NULL, BITS[i], threads, &bits);
        printf("RSA-%u private operations %8s %8.0f /s   %9.0f /s\n", bits, "", 1 / each,
               threads / each);
    }
    pack_kernels(threads, dir, bytes);
    free(bytes);
}
