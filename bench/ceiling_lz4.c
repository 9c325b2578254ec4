// SPDX-License-Identifier: Apache-2.0
/*
 * LZ4's speed against its ratio: how long the chunks are, how hard it tries, whether the blocks of
 * a chunk refer to those before them; and store/pack.h beside them. A chunk is a frame of its own,
 * as in a result. Speeds are of one processor while all the others do the same.
 */
#include "ceiling.h"

#include "store/pack.h"

#include <errno.h>
#include <lz4frame.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTENTS_MAX = 8, BLOCK = 64 << 10, OWN = 1 << 20 /* a level: store/pack.h does it */ };

static const double SECONDS = 0.06; /* per cell and thread */

struct content {
    const char *name;
    uint8_t *bytes;
    size_t len;
};

struct way {
    size_t chunk;
    int level;
    bool linked;
};

struct cell {
    const struct content *content;
    struct way way;
    pthread_mutex_t lock;
    double seconds;
    double bytes;
    double packed;
};

static size_t must(size_t result)
{
    if (LZ4F_isError(result)) {
        bench_die("LZ4: %s", LZ4F_getErrorName(result));
    }
    return result;
}

struct tools {
    LZ4F_cctx *ctx;
    LZ4F_preferences_t prefs;
    struct pf_packer *own;
    uint8_t *out;
    size_t cap;
};

static size_t pack_chunk(struct tools *t, const struct way *w, struct pf_span plain)
{
    if (w->level == OWN) {
        struct pf_span out;
        bench_must(pf_pack(t->own, plain, &out), NULL);
        return out.len;
    }
    t->prefs.frameInfo.contentSize = plain.len;
    size_t n = must(LZ4F_compressBegin(t->ctx, t->out, t->cap, &t->prefs));
    n += must(LZ4F_compressUpdate(t->ctx, t->out + n, t->cap - n, plain.ptr, plain.len, NULL));
    return n + must(LZ4F_compressEnd(t->ctx, t->out + n, t->cap - n, NULL));
}

static size_t pack_all(struct tools *t, const struct cell *c)
{
    size_t packed = 0;
    for (size_t at = 0; at < c->content->len; at += c->way.chunk) {
        size_t left = c->content->len - at;
        size_t n = left < c->way.chunk ? left : c->way.chunk;
        packed += pack_chunk(t, &c->way, (struct pf_span){c->content->bytes + at, n});
    }
    return packed;
}

static void one_thread(void *arg, unsigned index)
{
    (void)index;
    struct cell *c = arg;
    struct tools t = {.prefs = {.compressionLevel = c->way.level, .autoFlush = 1}};
    t.prefs.frameInfo.blockMode = c->way.linked ? LZ4F_blockLinked : LZ4F_blockIndependent;
    t.prefs.frameInfo.blockSizeID = LZ4F_max64KB;
    t.cap = LZ4F_compressBound(BENCH_BATCH, &t.prefs) + LZ4F_HEADER_SIZE_MAX;
    t.out = bench_alloc(t.cap);
    if (c->way.level == OWN) {
        bench_must(pf_packer_new(PF_CODEC_LZ4, 0, &t.own), NULL);
    }
    (void)must(LZ4F_createCompressionContext(&t.ctx, LZ4F_VERSION));
    size_t packed = pack_all(&t, c); /* once for the caches */
    double spent = 0;
    uint64_t rounds = 0;
    for (double start = bench_cpu(); spent < SECONDS; rounds++) {
        (void)pack_all(&t, c);
        spent = bench_cpu() - start;
    }
    (void)LZ4F_freeCompressionContext(t.ctx);
    pf_packer_free(t.own);
    free(t.out);
    pthread_mutex_lock(&c->lock);
    c->seconds += spent;
    c->bytes += (double)rounds * (double)c->content->len;
    c->packed = (double)packed;
    pthread_mutex_unlock(&c->lock);
}

/* As `plainflow decrypt --level N` names them: below 0 the acceleration is 1 - level. */
static const char *level_name(int level, char out[16])
{
    if (level == OWN) {
        return "plainflow";
    }
    (void)snprintf(out, 16, level > 0 ? "HC %d" : "fast %d", level > 0 ? level : 1 - level);
    return out;
}

static void row(unsigned threads, const struct content *contents, size_t n, struct way way)
{
    char level[16];
    const char *blocks = way.chunk <= BLOCK ? "one" : way.linked ? "linked" : "apart";
    if (way.level == OWN) {
        blocks = "";
    }
    printf("%5zu K  %-6s  %-9s", way.chunk >> 10, blocks, level_name(way.level, level));
    for (size_t i = 0; i < n; i++) {
        struct cell c = {.content = &contents[i], .way = way, .lock = PTHREAD_MUTEX_INITIALIZER};
        bench_parallel(threads, one_thread, &c);
        pthread_mutex_destroy(&c.lock);
        printf("  %6.0f %7.3f", c.bytes / 1e6 / c.seconds, (double)contents[i].len / c.packed);
    }
    putchar('\n');
    (void)fflush(stdout);
}

static void load(const char *path, const char *name, struct content *c)
{
    FILE *f = fopen(path, "re");
    *c = (struct content){.name = name, .bytes = bench_alloc(BENCH_BATCH)};
    if (f == NULL) {
        bench_die("%s: %s", path, strerror(errno));
    }
    c->len = fread(c->bytes, 1, BENCH_BATCH, f);
    (void)fclose(f);
    if (c->len == 0) {
        bench_die("%s: cannot be read, or is empty", path);
    }
}

static void made_up(int kind, const char *name, struct content *c)
{
    *c = (struct content){.name = name, .bytes = bench_alloc(BENCH_BATCH), .len = BENCH_BATCH};
    bench_content(kind, c->bytes);
}

void bench_lz4(unsigned threads, const char *const *files, size_t n_files)
{
    static const size_t CHUNKS[] = {16 << 10, 64 << 10, 256 << 10, 1 << 20};
    static const int LEVELS[] = {0, -1, -3, -7, -15, 3, 9, OWN};
    struct content contents[CONTENTS_MAX];
    size_t n = 3;
    made_up(0, "text", &contents[0]);
    load("/proc/self/exe", "machine code", &contents[1]);
    made_up(2, "random", &contents[2]);
    for (size_t i = 0; i < n_files && n < CONTENTS_MAX; i++) {
        const char *slash = strrchr(files[i], '/');
        load(files[i], slash != NULL ? slash + 1 : files[i], &contents[n++]);
    }
    printf("%-26s", "");
    for (size_t i = 0; i < n; i++) {
        printf("  %14.14s", contents[i].name);
    }
    printf("\n%7s  %-6s  %-9s", "chunk", "blocks", "effort");
    for (size_t i = 0; i < n; i++) {
        printf("  %6s %7s", "MB/s", "ratio");
    }
    putchar('\n');
    for (size_t i = 0; i < sizeof CHUNKS / sizeof CHUNKS[0]; i++) {
        for (size_t j = 0; j < sizeof LEVELS / sizeof LEVELS[0]; j++) {
            struct way way = {.chunk = CHUNKS[i], .level = LEVELS[j]};
            row(threads, contents, n, way);
            if (way.chunk > BLOCK && way.level != OWN) {
                way.linked = true;
                row(threads, contents, n, way);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        free(contents[i].bytes);
    }
}
