// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one worker's flows: found by key, kept in order of last use.
 * Owns:    the flow stubs; never what flow->stream points to: the caller frees that first.
 * Threads: one owner.
 * Errors:  PF_ERR_LIMIT (budget; the caller removes pf_table_oldest_idle and tries again),
 *          PF_ERR_NOMEM; the table stays as it was.
 * Limits:  the budget: stubs by the slab and 16 bytes per slot.
 *
 * Open addressing with linear probing; a slot holds the whole hash, so a key is compared only where
 * 64 bits agree. The slot comes from the low bits of the hash: the high ones chose the worker.
 * Removing shifts what follows back, so there are no tombstone slots and probes stay short.
 *
 * A flow is a stub until it looks like TLS; 10 million SYNs cost 10 million stubs and no more.
 * Stubs and flows with a stream are two lists, oldest to newest by last_clock_ns; a flow moves to
 * the new end at most once in 2^30 ns (1.07 s), so the order is exact to that and a busy flow does
 * not touch its neighbours' memory for every packet.
 */
#ifndef PF_FLOW_TABLE_H
#define PF_FLOW_TABLE_H

#include "base/pool.h"
#include "flow/key.h"

enum pf_flow_state {
    PF_FLOW_NEW,   /* no SYN and no payload yet */
    PF_FLOW_OPEN,  /* some */
    PF_FLOW_CLOSED /* FIN from both sides or RST, and nothing newer */
};

/* What was seen from one end; kept by flow/track.c. */
struct pf_flow_side {
    uint32_t isn;   /* valid with PF_SIDE_SYN */
    uint32_t next;  /* valid with PF_SIDE_NEXT: behind the highest byte believed so far */
    uint32_t other; /* PF_SIDE_CANDIDATE: the candidate's ISN; PF_SIDE_BEFORE: the last next of the
                       incarnation before */
    uint8_t seen;   /* PF_SIDE_* */
};

enum {
    PF_SIDE_SYN = 0x01,
    PF_SIDE_NEXT = 0x02,
    PF_SIDE_DATA = 0x04,
    PF_SIDE_FIN = 0x08,
    PF_SIDE_RST = 0x10,
    PF_SIDE_CANDIDATE = 0x20,
    PF_SIDE_BEFORE = 0x40,
    PF_SIDE_FIN_ACKED = 0x80 /* the other end has acknowledged the FIN */
};

struct pf_flow {
    struct pf_flow_key key;
    uint32_t hash_low;     /* of the key's hash: enough to find its slot again */
    uint8_t state;         /* enum pf_flow_state */
    uint8_t tag;           /* the caller's; 0 at the start of each incarnation */
    void *stream;          /* the caller's; set with pf_table_set_stream */
    struct pf_flow *newer; /* in the list it is in; NULL at the end */
    struct pf_flow *older;
    uint64_t first_packet; /* of this incarnation; so are all below */
    uint64_t packets;      /* 0: nothing was tracked yet */
    int64_t first_ts_ns;
    int64_t last_ts_ns;    /* the highest ts_ns */
    int64_t last_clock_ns; /* of the last packet, also of one that was ignored */
    struct pf_flow_side side[2];
};

struct pf_flow_list {
    struct pf_flow *oldest;
    struct pf_flow *newest;
};

enum pf_table_list { PF_TABLE_STUBS = 0, PF_TABLE_STREAMS = 1 };

struct pf_table_slot {
    uint64_t hash;
    struct pf_flow *flow; /* NULL: empty */
};

struct pf_table {
    struct pf_table_slot *slots;
    size_t mask;
    size_t count;
    struct pf_budget *budget;
    struct pf_pool pool;
    struct pf_flow_list list[2]; /* by enum pf_table_list */
};

/* Takes no memory before the first flow. */
void pf_table_init(struct pf_table *t, struct pf_budget *budget);

/* Frees every flow; streams must be gone by then. */
void pf_table_fini(struct pf_table *t);

/* NULL: not there. */
struct pf_flow *pf_table_find(const struct pf_table *t, const struct pf_flow_key *key,
                              uint64_t hash);

/*
 * Finds the flow or makes one (all zero but for its key: packets == 0), and makes it the newest.
 * clock_ns: the packet's. Valid until it is removed.
 */
PF_MUST_USE enum pf_status pf_table_get(struct pf_table *t, const struct pf_flow_key *key,
                                        uint64_t hash, int64_t clock_ns, struct pf_flow **out);

/* Sets or clears flow->stream and puts the flow into the list it belongs to, as the newest. */
void pf_table_set_stream(struct pf_table *t, struct pf_flow *flow, void *stream);

/* Frees the flow; its stream must be gone. */
void pf_table_remove(struct pf_table *t, struct pf_flow *flow);

/* The flow to give up at the limit: the oldest stub, or else the oldest with a stream, or NULL. */
struct pf_flow *pf_table_oldest_idle(const struct pf_table *t);

/* Start of a walk along flow->newer; for sweeps (until one is not expired) and for the drain. */
static inline struct pf_flow *pf_table_oldest(const struct pf_table *t, enum pf_table_list which)
{
    return t->list[which].oldest;
}

/* For a batch: first the slots of packets far ahead, then the flows of those nearer. */
static inline void pf_table_prefetch(const struct pf_table *t, uint64_t hash)
{
    if (t->slots != NULL) {
        __builtin_prefetch(&t->slots[hash & t->mask]);
    }
}

/* The flow that is most likely theirs, without a look at its key; or NULL. */
static inline const struct pf_flow *pf_table_likely(const struct pf_table *t, uint64_t hash)
{
    if (t->slots == NULL) {
        return NULL;
    }
    size_t i = hash & t->mask;
    while (t->slots[i].flow != NULL && t->slots[i].hash != hash) {
        i = (i + 1) & t->mask;
    }
    return t->slots[i].flow;
}

static inline void pf_table_prefetch_flow(const struct pf_table *t, uint64_t hash)
{
    const char *flow = (const char *)pf_table_likely(t, hash);
    if (flow != NULL) {
        __builtin_prefetch(flow);
        __builtin_prefetch(flow + 64);
        __builtin_prefetch(flow + 128);
    }
}

/* Of packets nearer still: the flow's stream, or NULL. */
static inline const void *pf_table_likely_stream(const struct pf_table *t, uint64_t hash)
{
    const struct pf_flow *flow = pf_table_likely(t, hash);
    return flow != NULL ? flow->stream : NULL;
}

#endif
