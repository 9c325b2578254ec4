// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs between decode and TLS: table lookup, tracking, reassembly. One CSV line per
 * case: name, flows, packets, ns per packet (median of five).
 */
#include "flow/reasm.h"
#include "flow/table.h"
#include "flow/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PACKETS = 2000000, RUNS = 5, AHEAD = 16, PAYLOAD = 1400 };

static uint8_t payload[65536];
static const uint8_t seed[PF_KEY_SEED_LEN] = {1};

struct worker {
    struct pf_budget budget;
    struct pf_table table;
    struct pf_reasm_env env;
    struct pf_reasm *streams;
    struct pf_flow_key *keys;
    uint64_t *hashes;
    uint32_t flows;
    uint64_t bytes;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *need(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static void open_worker(struct worker *w, uint32_t flows)
{
    *w = (struct worker){.budget = {.limit = (size_t)4 << 30}, .flows = flows};
    pf_table_init(&w->table, &w->budget);
    pf_reasm_env_init(&w->env, &w->budget, PF_REASM_MAX_HELD);
    w->streams = need(calloc(flows, sizeof *w->streams));
    w->keys = need(calloc(flows, sizeof *w->keys));
    w->hashes = need(calloc(flows, sizeof *w->hashes));
    for (uint32_t i = 0; i < flows; i++) {
        w->keys[i] = (struct pf_flow_key){.port = {1024, 443}, .family = 4, .proto = 6};
        memcpy(w->keys[i].addr[0], &i, sizeof i);
        w->hashes[i] = pf_key_hash(&w->keys[i], seed);
        pf_reasm_init(&w->streams[i], &w->env);
        pf_reasm_anchor(&w->streams[i], 1);
    }
}

static void close_worker(struct worker *w)
{
    for (uint32_t i = 0; i < w->flows; i++) {
        pf_reasm_fini(&w->streams[i]);
    }
    pf_table_fini(&w->table);
    pf_reasm_env_fini(&w->env);
    free(w->streams);
    free(w->keys);
    free(w->hashes);
}

static void one_packet(struct worker *w, uint32_t n, struct pf_pkt *p)
{
    struct pf_flow *flow;
    struct pf_piece piece;
    if (pf_table_get(&w->table, &p->key, p->hash, p->clock_ns, &flow) != PF_OK) {
        exit(1);
    }
    if (pf_track(flow, p, PF_TRACK_IDLE_NS) == PF_TRACK_IGNORE) {
        return;
    }
    pf_reasm_push(&w->streams[n], p);
    while (pf_reasm_pop(&w->streams[n], &piece)) {
        w->bytes += piece.kind == PF_PIECE_DATA ? piece.len : 0;
    }
}

/* swap: every pair of a flow's packets arrives in reverse. */
static double run(uint32_t flows, bool swap)
{
    struct worker w;
    open_worker(&w, flows);
    uint32_t rounds = PACKETS / flows;
    double start = now_ns();
    for (uint32_t r = 0; r < rounds; r++) {
        uint32_t place = swap ? r ^ 1 : r;
        for (uint32_t i = 0; i < flows; i++) {
            uint32_t n = (uint32_t)((uint64_t)i * 2654435761U % flows);
            uint32_t soon = (uint32_t)((uint64_t)(i + AHEAD) * 2654435761U % flows);
            pf_table_prefetch(&w.table, w.hashes[soon]);
            soon = (uint32_t)((uint64_t)(i + AHEAD / 2) * 2654435761U % flows);
            pf_table_prefetch_flow(&w.table, w.hashes[soon]);
            struct pf_pkt p = {.key = w.keys[n], .hash = w.hashes[n], .flags = PF_TCP_ACK};
            p.number = (uint64_t)r * flows + i + 1;
            p.clock_ns = (int64_t)p.number * 1000;
            p.ts_ns = p.clock_ns;
            p.data = payload;
            p.len = PAYLOAD;
            p.seq = 1 + place * PAYLOAD;
            one_packet(&w, n, &p);
        }
    }
    double ns = (now_ns() - start) / ((double)rounds * flows);
    if (w.bytes != (uint64_t)rounds * flows * PAYLOAD) {
        fputs("bytes were lost\n", stderr);
        exit(1);
    }
    close_worker(&w);
    return ns;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const uint32_t flows[] = {1, 1000, 50000, 500000};
    puts("case,flows,packets,ns_per_packet");
    for (size_t f = 0; f < 2 * sizeof flows / sizeof flows[0]; f++) {
        double ns[RUNS];
        for (int i = 0; i < RUNS; i++) {
            ns[i] = run(flows[f / 2], f % 2 == 1);
        }
        qsort(ns, RUNS, sizeof ns[0], ascending);
        printf("%s,%u,%d,%.1f\n", f % 2 == 1 ? "swapped" : "in_order", flows[f / 2], PACKETS,
               ns[RUNS / 2]);
    }
    return 0;
}
