// SPDX-License-Identifier: Apache-2.0
/*
 * Reading captures and walking their packets' headers. Every thread reads all of the sample, so
 * that a neighbour is as busy as in a run; the time is the mean.
 */
#include "ceiling.h"

#include "capture/packet.h"
#include "capture/source.h"

#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STDIO_BUFFER = 256 << 10, SLAB = 1 << 20, SLAB_FRAMES = 8192, FRAGMENTS = 16 << 20 };

struct reading {
    const char *const *paths;
    size_t n;
    uint64_t limit; /* bytes of frames */
    pthread_mutex_t lock;
    double libpcap_s;
    double reader_s;
    double walk_s;
    uint64_t libpcap_bytes; /* of frames, over all threads, as the next two */
    uint64_t reader_bytes;
    uint64_t walk_bytes;
    uint64_t sum; /* of what was decoded, so that nothing is optimised away */
};

static uint64_t libpcap_file(const char *path, uint64_t limit)
{
    char error[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const u_char *data;
    uint64_t bytes = 0;
    FILE *f = fopen(path, "re");
    char *buffer = bench_alloc(STDIO_BUFFER);
    if (f == NULL || setvbuf(f, buffer, _IOFBF, STDIO_BUFFER) != 0) {
        bench_die("%s: cannot be read", path);
    }
    pcap_t *p = pcap_fopen_offline(f, error);
    if (p == NULL) {
        (void)fclose(f);
    } else {
        while (bytes < limit && pcap_next_ex(p, &header, &data) == 1) {
            bytes += header->caplen;
        }
        pcap_close(p);
    }
    free(buffer);
    return bytes;
}

static void read_libpcap(struct reading *r)
{
    uint64_t bytes = 0;
    double start = bench_cpu();
    for (size_t i = 0; i < r->n && bytes < r->limit; i++) {
        bytes += libpcap_file(r->paths[i], r->limit - bytes);
    }
    double spent = bench_cpu() - start;
    pthread_mutex_lock(&r->lock);
    r->libpcap_s += spent;
    r->libpcap_bytes += bytes;
    pthread_mutex_unlock(&r->lock);
}

static void read_ours(struct reading *r)
{
    struct pf_source *s = NULL;
    struct pf_error err = {0};
    struct pf_item item;
    uint64_t bytes = 0;
    double start = bench_cpu();
    bench_must(pf_source_new(r->paths, r->n, NULL, &s, &err), &err);
    while (bytes < r->limit && pf_source_next(s, &item) == PF_OK) {
        bytes += item.kind == PF_ITEM_FRAME ? item.caplen : 0;
    }
    double spent = bench_cpu() - start;
    pf_source_free(s);
    pthread_mutex_lock(&r->lock);
    r->reader_s += spent;
    r->reader_bytes += bytes;
    pthread_mutex_unlock(&r->lock);
}

/* Frames are gathered in a slab and walked there: a clock between two frames would cost as much as
 * the walk. */
struct slab {
    uint8_t *bytes;
    size_t len;
    struct pf_item *frames;
    size_t n;
};

static double walk_slab(struct slab *s, struct pf_decoder *d, uint64_t *sum)
{
    struct pf_pkt pkt;
    double start = bench_cpu();
    for (size_t i = 0; i < s->n; i++) {
        const struct pf_item *f = &s->frames[i];
        if (pf_decoder_packet(d, f->linktype, f->data, f->caplen, f->len, f->ts_ns, &pkt) ==
            PF_DROP_NONE) {
            *sum += pkt.len + pkt.seq;
        }
    }
    double spent = bench_cpu() - start;
    s->len = s->n = 0;
    return spent;
}

static void walk(struct reading *r)
{
    struct pf_source *s = NULL;
    struct pf_decoder *d = NULL;
    struct pf_error err = {0};
    struct pf_item item;
    struct slab slab = {.bytes = bench_alloc(SLAB + PF_FRAME_MAX),
                        .frames = bench_alloc(SLAB_FRAMES * sizeof *slab.frames)};
    uint64_t bytes = 0;
    uint64_t sum = 0;
    double spent = 0;
    bench_must(pf_source_new(r->paths, r->n, NULL, &s, &err), &err);
    bench_must(pf_decoder_new(FRAGMENTS, &d), NULL);
    while (bytes < r->limit && pf_source_next(s, &item) == PF_OK) {
        if (item.kind != PF_ITEM_FRAME) {
            continue;
        }
        memcpy(slab.bytes + slab.len, item.data, item.caplen);
        item.data = slab.bytes + slab.len;
        slab.frames[slab.n++] = item;
        slab.len += item.caplen;
        bytes += item.caplen;
        if (slab.len >= SLAB || slab.n == SLAB_FRAMES) {
            spent += walk_slab(&slab, d, &sum);
        }
    }
    spent += walk_slab(&slab, d, &sum);
    pf_decoder_free(d);
    pf_source_free(s);
    free(slab.bytes);
    free(slab.frames);
    pthread_mutex_lock(&r->lock);
    r->walk_s += spent;
    r->walk_bytes += bytes;
    r->sum += sum;
    pthread_mutex_unlock(&r->lock);
}

static void one_thread(void *arg, unsigned index)
{
    (void)index;
    struct reading *r = arg;
    read_libpcap(r);
    read_ours(r);
    walk(r);
}

/* All of it once, for the numbers of packets and bytes; it also warms the cache. */
static uint64_t survey(const char *const *paths, size_t n, struct bench_read *out)
{
    struct pf_source *s = NULL;
    struct pf_error err = {0};
    struct pf_item item;
    uint64_t frames = 0;
    bench_must(pf_source_new(paths, n, NULL, &s, &err), &err);
    while (pf_source_next(s, &item) == PF_OK) {
        frames += item.kind == PF_ITEM_FRAME ? item.caplen : 0;
    }
    *out = (struct bench_read){.packets = pf_source_packets(s)};
    for (size_t i = 0; i < n; i++) {
        if (pf_source_input(s, i)->status != PF_OK) {
            bench_die("%s", pf_source_input(s, i)->message);
        }
        out->bytes += pf_source_input(s, i)->bytes;
    }
    pf_source_free(s);
    return frames;
}

static double for_all(double seconds, uint64_t measured, uint64_t all)
{
    return measured > 0 ? seconds * (double)all / (double)measured : 0;
}

void bench_read(const char *const *paths, size_t n, unsigned threads, uint64_t sample,
                struct bench_read *out)
{
    uint64_t frames = survey(paths, n, out);
    struct reading r = {.paths = paths,
                        .n = n,
                        .limit = sample > 0 ? sample : UINT64_MAX,
                        .lock = PTHREAD_MUTEX_INITIALIZER};
    bench_parallel(threads, one_thread, &r);
    bool whole = r.libpcap_bytes == r.reader_bytes; /* else it cannot read some of them */
    out->libpcap_s = whole ? for_all(r.libpcap_s, r.libpcap_bytes, frames) : 0;
    out->reader_s = for_all(r.reader_s, r.reader_bytes, frames);
    out->walk_s = for_all(r.walk_s, r.walk_bytes, frames);
    pthread_mutex_destroy(&r.lock);
}
