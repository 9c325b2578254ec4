// SPDX-License-Identifier: Apache-2.0
/*
 * How fast captures are read, and read and decoded: bench_read CAPTURE... Each pass is made three
 * times, the best is printed, as one CSV line: pass, MB/s, packets/s, ns a packet, packets.
 */
#include "capture/packet.h"
#include "capture/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 3, FRAGMENT_BYTES = 16 << 20 };

struct result {
    double seconds;
    uint64_t bytes;
    uint64_t packets;
    uint64_t sum; /* of what was decoded, so that nothing is optimised away */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_inputs(const struct pf_source *s, const struct pf_decoder *d)
{
    for (size_t i = 0; i < pf_source_inputs(s); i++) {
        const struct pf_source_input *in = pf_source_input(s, i);
        fprintf(stderr, "%s,%s,%s,%" PRIu64 ",%s\n", in->path, in->format ? in->format : "-",
                in->compression ? in->compression : "-", in->packets, in->message);
    }
    for (int i = 0; d != NULL && i < PF_DROP_COUNT; i++) {
        uint64_t n = pf_decoder_counts(d)->by_drop[i];
        if (n > 0) {
            fprintf(stderr, "  %s %" PRIu64 "\n", pf_drop_name((enum pf_drop)i), n);
        }
    }
}

static int pass(const char *const *paths, size_t n, struct pf_decoder *d, struct result *r,
                int show)
{
    struct pf_source *s;
    struct pf_error err = {0};
    if (pf_source_new(paths, n, NULL, &s, &err) != PF_OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    struct pf_item item;
    *r = (struct result){0};
    double start = now();
    while (pf_source_next(s, &item) == PF_OK) {
        struct pf_pkt pkt;
        if (item.kind != PF_ITEM_FRAME) {
            continue;
        }
        if (d != NULL && pf_decoder_packet(d, item.linktype, item.data, item.caplen, item.len,
                                           item.ts_ns, &pkt) == PF_DROP_NONE) {
            r->sum += pkt.len + pkt.seq;
        }
    }
    r->seconds = now() - start;
    r->packets = pf_source_packets(s);
    for (size_t i = 0; i < n; i++) {
        r->bytes += pf_source_input(s, i)->bytes;
    }
    if (show) {
        print_inputs(s, d);
    }
    pf_source_free(s);
    return 0;
}

static int measure(const char *name, const char *const *paths, size_t n, struct pf_decoder *d)
{
    struct result best = {0};
    for (int i = 0; i < ROUNDS; i++) {
        struct result r;
        if (pass(paths, n, d, &r, d != NULL && i == 0) != 0) {
            return 1;
        }
        if (i == 0 || r.seconds < best.seconds) {
            best = r;
        }
    }
    double packets = best.packets > 0 ? (double)best.packets : 1;
    printf("%s,%.0f,%.0f,%.1f,%" PRIu64 "\n", name, (double)best.bytes / 1e6 / best.seconds,
           (double)best.packets / best.seconds, best.seconds * 1e9 / packets, best.packets);
    return 0;
}

int main(int argc, char **argv)
{
    struct pf_decoder *d;
    if (argc < 2) {
        fprintf(stderr, "usage: %s CAPTURE...\n", argv[0]);
        return 1;
    }
    if (pf_decoder_new(FRAGMENT_BYTES, &d) != PF_OK) {
        return 5;
    }
    const char *const *paths = (const char *const *)argv + 1;
    size_t n = (size_t)argc - 1;
    int rc = measure("read", paths, n, NULL) || measure("read+decode", paths, n, d);
    pf_decoder_free(d);
    return rc;
}
