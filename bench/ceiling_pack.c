// SPDX-License-Identifier: Apache-2.0
/* LZ4 frames of the chunks, and their way to the disk's cache. */
#include "ceiling.h"

#include "store/pack.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench_packer {
    enum pf_store_codec codec;
    LZ4F_cctx *ctx;
    LZ4F_preferences_t prefs;
    struct pf_packer *own;
    uint8_t *out; /* the frames of a batch, one after the other */
    size_t cap;
    size_t len;
    int fd;
    size_t in_file;
};

/* The file is cut to nothing after so many bytes: its pages are then used again, as those of an
 * earlier result are. Memory that a virtual machine never touched costs several times as much, and
 * says nothing of writing. */
enum { FILE_MAX = 64 << 20 };

int bench_nameless(const char *dir)
{
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/plainflow-bench.XXXXXX", dir);
    int fd = n < (int)sizeof name ? mkstemp(name) : -1;
    if (fd < 0 || unlink(name) != 0) {
        bench_die("%s: %s", dir, strerror(errno));
    }
    return fd;
}

static void warm_file(struct bench_packer *p)
{
    while (p->in_file < FILE_MAX) {
        p->len = p->cap;
        (void)bench_pack_write(p);
    }
    p->len = 0;
    bench_pack_rewind(p);
}

struct bench_packer *bench_packer_new(int codec, int level, const char *dir)
{
    struct bench_packer *p = bench_alloc(sizeof *p);
    p->codec = (enum pf_store_codec)codec;
    p->prefs.compressionLevel = level;
    p->prefs.autoFlush = 1;
    p->prefs.frameInfo.blockMode = LZ4F_blockIndependent;
    if (LZ4F_isError(LZ4F_createCompressionContext(&p->ctx, LZ4F_VERSION))) {
        bench_die("out of memory");
    }
    bench_must(pf_packer_new(p->codec, level, &p->own), NULL);
    p->cap = 3 * (size_t)PF_CHUNK_MAX + (size_t)BENCH_BATCH_RUNS * (PF_PACK_OVERHEAD + 4096);
    p->out = bench_alloc(p->cap);
    p->fd = bench_nameless(dir);
    warm_file(p);
    return p;
}

void bench_packer_free(struct bench_packer *p)
{
    (void)LZ4F_freeCompressionContext(p->ctx);
    pf_packer_free(p->own);
    (void)close(p->fd);
    free(p->out);
    free(p);
}

static size_t lz4(size_t result)
{
    if (LZ4F_isError(result)) {
        bench_die("LZ4: %s", LZ4F_getErrorName(result));
    }
    return result;
}

static void pack_one(struct bench_packer *p, const uint8_t *plain, size_t len)
{
    uint8_t *to = p->out + p->len;
    size_t left = p->cap - p->len;
    if (p->codec == PF_CODEC_RAW) {
        memcpy(to, plain, len);
        p->len += len;
        return;
    }
    p->prefs.frameInfo.contentSize = len;
    p->prefs.frameInfo.blockSizeID = len > 1 << 16 ? LZ4F_max256KB : LZ4F_max64KB;
    size_t n = lz4(LZ4F_compressBegin(p->ctx, to, left, &p->prefs));
    n += lz4(LZ4F_compressUpdate(p->ctx, to + n, left - n, plain, len, NULL));
    n += lz4(LZ4F_compressEnd(p->ctx, to + n, left - n, NULL));
    p->len += n;
}

void bench_pack_lz4(struct bench_packer *p, const struct bench_batch *b)
{
    p->len = 0;
    for (size_t i = 0; i < b->n; i++) {
        pack_one(p, b->plain + b->runs[i].plain_off, b->runs[i].plain_len);
    }
}

void bench_pack_store(struct bench_packer *p, const struct bench_batch *b)
{
    struct pf_span out;
    for (size_t i = 0; i < b->n; i++) {
        const struct bench_run *r = &b->runs[i];
        const struct pf_span plain = {b->plain + r->plain_off, r->plain_len};
        bench_must(pf_pack(p->own, plain, &out), NULL);
    }
}

void bench_pack_rewind(struct bench_packer *p)
{
    if (p->in_file < FILE_MAX) {
        return;
    }
    if (ftruncate(p->fd, 0) != 0 || lseek(p->fd, 0, SEEK_SET) != 0) {
        bench_die("writing: %s", strerror(errno));
    }
    p->in_file = 0;
}

size_t bench_pack_write(struct bench_packer *p)
{
    for (size_t done = 0; done < p->len;) {
        ssize_t n = write(p->fd, p->out + done, p->len - done);
        if (n < 0) {
            bench_die("writing: %s", strerror(errno));
        }
        done += (size_t)n;
    }
    p->in_file += p->len;
    return p->len;
}

size_t bench_pack_size(const struct bench_packer *p)
{
    return p->len;
}
