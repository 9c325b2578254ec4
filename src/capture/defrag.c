// SPDX-License-Identifier: Apache-2.0
#include "capture/defrag.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    BUCKETS = 1024,
    DATAGRAM_MAX = 65535,
    UNIT = 8, /* RFC 791 section 3.1: offsets count 8 bytes */
    UNITS = (DATAGRAM_MAX + UNIT) / UNIT
};

static const int64_t TIMEOUT_NS = 30 * INT64_C(1000000000); /* Linux: net.ipv4.ipfrag_time */

struct key {
    uint8_t addr[2][16];
    uint32_t id;
    uint8_t family;
    uint8_t proto;
    uint8_t zero[2]; /* no padding: compared as memory */
};

struct datagram {
    struct key key;
    struct datagram *next;  /* in its bucket */
    struct datagram *older; /* in order of arrival */
    struct datagram *newer;
    int64_t born_ns;
    uint32_t total; /* 0: the last fragment has not been seen */
    uint32_t end;   /* highest byte seen */
    uint32_t units; /* units seen */
    uint8_t first_proto;
    struct pf_buf data; /* end bytes; those not seen yet are undefined */
    uint8_t seen[(UNITS + 7) / 8];
};

struct pf_defrag {
    struct pf_budget budget;
    struct datagram *buckets[BUCKETS];
    struct datagram *oldest;
    struct datagram *newest;
    struct pf_buf whole; /* the datagram handed out last */
    int64_t clock_ns;
    uint64_t seed[2];
    uint64_t lost;
};

enum pf_status pf_defrag_new(size_t max_bytes, struct pf_defrag **out)
{
    struct pf_defrag *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return PF_ERR_NOMEM;
    }
    d->budget.limit = max_bytes;
    d->clock_ns = INT64_MIN;
    pf_buf_init(&d->whole, DATAGRAM_MAX + 1, &d->budget);
    /* A seed that a capture cannot know. It decides which bucket is used, never the result. */
    if (getrandom(d->seed, sizeof d->seed, GRND_NONBLOCK) != (ssize_t)sizeof d->seed) {
        d->seed[0] = (uint64_t)(uintptr_t)d;
    }
    *out = d;
    return PF_OK;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static size_t bucket_of(const struct pf_defrag *d, const struct key *k)
{
    uint64_t words[sizeof *k / 8];
    memcpy(words, k, sizeof words);
    uint64_t h = d->seed[0];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        h = mix(h ^ words[i], d->seed[1] | 1);
    }
    return h % BUCKETS;
}

/* Takes g out of its bucket and of the order of arrival. */
static void detach(struct pf_defrag *d, struct datagram *g)
{
    struct datagram **p = &d->buckets[bucket_of(d, &g->key)];
    while (*p != g) {
        p = &(*p)->next;
    }
    *p = g->next;
    *(g->older != NULL ? &g->older->newer : &d->oldest) = g->newer;
    *(g->newer != NULL ? &g->newer->older : &d->newest) = g->older;
}

static void destroy(struct pf_defrag *d, struct datagram *g)
{
    detach(d, g);
    pf_buf_fini(&g->data);
    pf_budget_give(&d->budget, sizeof *g);
    free(g);
}

void pf_defrag_free(struct pf_defrag *d)
{
    if (d == NULL) {
        return;
    }
    while (d->oldest != NULL) {
        destroy(d, d->oldest);
    }
    pf_buf_fini(&d->whole);
    free(d);
}

uint64_t pf_defrag_lost(const struct pf_defrag *d)
{
    return d->lost;
}

static void expire(struct pf_defrag *d, int64_t ts_ns)
{
    if (ts_ns > d->clock_ns) {
        d->clock_ns = ts_ns;
    }
    while (d->oldest != NULL && d->oldest->born_ns < d->clock_ns - TIMEOUT_NS) {
        d->lost++;
        destroy(d, d->oldest);
    }
}

/* Gives up the oldest datagram but keep. False: there is none. */
static bool evict(struct pf_defrag *d, const struct datagram *keep)
{
    struct datagram *g = d->oldest;
    if (g != NULL && g == keep) {
        g = g->newer;
    }
    if (g == NULL) {
        return false;
    }
    d->lost++;
    destroy(d, g);
    return true;
}

static struct datagram *create(struct pf_defrag *d, const struct key *k)
{
    while (!pf_budget_take(&d->budget, sizeof(struct datagram))) {
        if (!evict(d, NULL)) {
            return NULL;
        }
    }
    struct datagram *g = calloc(1, sizeof *g);
    if (g == NULL) {
        pf_budget_give(&d->budget, sizeof *g);
        return NULL;
    }
    g->key = *k;
    g->born_ns = d->clock_ns;
    pf_buf_init(&g->data, DATAGRAM_MAX + 1, &d->budget);
    struct datagram **bucket = &d->buckets[bucket_of(d, k)];
    g->next = *bucket;
    *bucket = g;
    g->older = d->newest;
    *(d->newest != NULL ? &d->newest->newer : &d->oldest) = g;
    d->newest = g;
    return g;
}

static struct datagram *find_or_create(struct pf_defrag *d, const struct pf_fragment *f)
{
    struct key k = {.id = f->id, .family = f->family};
    memcpy(k.addr, f->addr, sizeof k.addr);
    /* RFC 791: the protocol is part of the identity; RFC 8200: it is not, the first one's counts */
    k.proto = f->family == 4 ? f->proto : 0;
    struct datagram *g = d->buckets[bucket_of(d, &k)];
    while (g != NULL && memcmp(&g->key, &k, sizeof k) != 0) {
        g = g->next;
    }
    return g != NULL ? g : create(d, &k);
}

/* Room for end bytes, at the cost of older datagrams. */
static bool reserve(struct pf_defrag *d, struct datagram *g, uint32_t end)
{
    if (end <= g->end) {
        return true;
    }
    enum pf_status st;
    while ((st = pf_buf_reserve(&g->data, end - g->data.len)) == PF_ERR_LIMIT) {
        if (!evict(d, g)) {
            return false;
        }
    }
    if (st != PF_OK) {
        return false;
    }
    g->end = end;
    g->data.len = end;
    return true;
}

static void copy_units(struct datagram *g, const struct pf_fragment *f)
{
    for (size_t at = 0; at < f->data.len; at += UNIT) {
        size_t unit = (f->offset + at) / UNIT;
        uint8_t bit = (uint8_t)(1U << unit % 8);
        if ((g->seen[unit / 8] & bit) == 0) {
            size_t n = f->data.len - at < UNIT ? f->data.len - at : UNIT;
            memcpy(g->data.ptr + f->offset + at, f->data.ptr + at, n);
            g->seen[unit / 8] |= bit;
            g->units++;
        }
    }
}

/* Could f be part of g, by lengths alone? */
static bool agrees(const struct datagram *g, const struct pf_fragment *f, uint32_t end)
{
    if (f->more) {
        return f->data.len % UNIT == 0 && (g->total == 0 || end <= g->total);
    }
    return g->total == 0 ? end >= g->end : end == g->total;
}

static void hand_out(struct pf_defrag *d, struct datagram *g, struct pf_span *out)
{
    pf_buf_fini(&d->whole);
    d->whole = g->data;
    pf_buf_init(&g->data, DATAGRAM_MAX + 1, &d->budget);
    *out = (struct pf_span){.ptr = d->whole.ptr, .len = g->total};
    destroy(d, g);
}

enum pf_defrag_result pf_defrag_add(struct pf_defrag *d, const struct pf_fragment *f, int64_t ts_ns,
                                    struct pf_span *out, uint8_t *proto)
{
    expire(d, ts_ns);
    uint32_t end = (uint32_t)f->offset + (uint32_t)f->data.len;
    if (f->data.len == 0 || f->data.len > DATAGRAM_MAX || end > DATAGRAM_MAX) {
        return PF_DEFRAG_REFUSED;
    }
    struct datagram *g = find_or_create(d, f);
    if (g == NULL || !agrees(g, f, end)) {
        return PF_DEFRAG_REFUSED;
    }
    if (!reserve(d, g, end)) {
        destroy(d, g);
        d->lost++;
        return PF_DEFRAG_REFUSED;
    }
    if (f->offset == 0 && (g->seen[0] & 1) == 0) {
        g->first_proto = f->proto;
    }
    if (!f->more) {
        g->total = end;
    }
    copy_units(g, f);
    if (g->total == 0 || g->units != (g->total + UNIT - 1) / UNIT) {
        return PF_DEFRAG_PENDING;
    }
    *proto = g->first_proto;
    hand_out(d, g, out);
    return PF_DEFRAG_WHOLE;
}
