// SPDX-License-Identifier: Apache-2.0
#include "flow/table.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 256, FLOWS_PER_SLAB = 448 }; /* 448 * 144 bytes: 64 KiB slabs */

_Static_assert(sizeof(struct pf_flow) <= 144, "there may be millions");

void pf_table_init(struct pf_table *t, struct pf_budget *budget)
{
    *t = (struct pf_table){.budget = budget};
    pf_pool_init(&t->pool, sizeof(struct pf_flow), FLOWS_PER_SLAB, budget);
}

static size_t slots_size(const struct pf_table *t)
{
    return t->slots == NULL ? 0 : (t->mask + 1) * sizeof *t->slots;
}

void pf_table_fini(struct pf_table *t)
{
    pf_budget_give(t->budget, slots_size(t));
    free(t->slots);
    pf_pool_fini(&t->pool);
    pf_table_init(t, t->budget);
}

/* The slot of the flow, or the empty one where it would go. The table is never full. */
static struct pf_table_slot *probe(const struct pf_table *t, const struct pf_flow_key *key,
                                   uint64_t hash)
{
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        struct pf_table_slot *s = &t->slots[i];
        if (s->flow == NULL || (s->hash == hash && pf_key_equal(&s->flow->key, key))) {
            return s;
        }
    }
}

static void place(struct pf_table_slot *slots, size_t mask, struct pf_table_slot slot)
{
    size_t i = slot.hash & mask;
    while (slots[i].flow != NULL) {
        i = (i + 1) & mask;
    }
    slots[i] = slot;
}

static enum pf_status grow(struct pf_table *t)
{
    size_t n = t->slots == NULL ? FIRST_SLOTS : (t->mask + 1) * 2;
    if (!pf_budget_take(t->budget, n * sizeof *t->slots)) {
        return PF_ERR_LIMIT;
    }
    struct pf_table_slot *slots = calloc(n, sizeof *slots);
    if (slots == NULL) {
        pf_budget_give(t->budget, n * sizeof *slots);
        return PF_ERR_NOMEM;
    }
    for (size_t i = 0; t->slots != NULL && i <= t->mask; i++) {
        if (t->slots[i].flow != NULL) {
            place(slots, n - 1, t->slots[i]);
        }
    }
    pf_budget_give(t->budget, slots_size(t));
    free(t->slots);
    t->slots = slots;
    t->mask = n - 1;
    return PF_OK;
}

/* Grows at 3/4; when growing is refused the table may fill to 7/8 before that is an error. */
static enum pf_status make_room(struct pf_table *t)
{
    size_t n = t->slots == NULL ? 0 : t->mask + 1;
    if (t->count < n / 4 * 3) {
        return PF_OK;
    }
    enum pf_status st = grow(t);
    return st == PF_OK || t->count < n / 8 * 7 ? PF_OK : st;
}

static enum pf_table_list list_of(const struct pf_flow *flow)
{
    return flow->stream == NULL ? PF_TABLE_STUBS : PF_TABLE_STREAMS;
}

static void list_add(struct pf_table *t, struct pf_flow *flow)
{
    struct pf_flow_list *l = &t->list[list_of(flow)];
    flow->newer = NULL;
    flow->older = l->newest;
    if (l->newest != NULL) {
        l->newest->newer = flow;
    } else {
        l->oldest = flow;
    }
    l->newest = flow;
}

static void list_remove(struct pf_table *t, struct pf_flow *flow)
{
    struct pf_flow_list *l = &t->list[list_of(flow)];
    if (flow->older != NULL) {
        flow->older->newer = flow->newer;
    } else {
        l->oldest = flow->newer;
    }
    if (flow->newer != NULL) {
        flow->newer->older = flow->older;
    } else {
        l->newest = flow->older;
    }
}

struct pf_flow *pf_table_find(const struct pf_table *t, const struct pf_flow_key *key,
                              uint64_t hash)
{
    return t->slots == NULL ? NULL : probe(t, key, hash)->flow;
}

static enum pf_status insert(struct pf_table *t, const struct pf_flow_key *key, uint64_t hash,
                             struct pf_flow **out)
{
    void *object;
    enum pf_status st = make_room(t);
    if (st == PF_OK) {
        st = pf_pool_get(&t->pool, &object);
    }
    if (st != PF_OK) {
        return st;
    }
    struct pf_flow *flow = object;
    *flow = (struct pf_flow){.key = *key, .hash_low = (uint32_t)hash};
    place(t->slots, t->mask, (struct pf_table_slot){.hash = hash, .flow = flow});
    t->count++;
    list_add(t, flow);
    *out = flow;
    return PF_OK;
}

enum pf_status pf_table_get(struct pf_table *t, const struct pf_flow_key *key, uint64_t hash,
                            int64_t clock_ns, struct pf_flow **out)
{
    struct pf_flow *flow = pf_table_find(t, key, hash);
    if (flow == NULL) {
        return insert(t, key, hash, out);
    }
    if (((uint64_t)clock_ns ^ (uint64_t)flow->last_clock_ns) >> 30 != 0 && flow->newer != NULL) {
        list_remove(t, flow);
        list_add(t, flow);
    }
    *out = flow;
    return PF_OK;
}

void pf_table_set_stream(struct pf_table *t, struct pf_flow *flow, void *stream)
{
    list_remove(t, flow);
    flow->stream = stream;
    list_add(t, flow);
}

/* Closes the hole: a later entry of the probe run moves in if its own place is not behind it. */
static void shift_back(struct pf_table *t, size_t hole)
{
    for (size_t i = (hole + 1) & t->mask; t->slots[i].flow != NULL; i = (i + 1) & t->mask) {
        size_t from_home = (i - t->slots[i].hash) & t->mask;
        if (from_home >= ((i - hole) & t->mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole].flow = NULL;
}

void pf_table_remove(struct pf_table *t, struct pf_flow *flow)
{
    size_t i = flow->hash_low & t->mask;
    while (t->slots[i].flow != flow) {
        i = (i + 1) & t->mask;
    }
    list_remove(t, flow);
    shift_back(t, i);
    t->count--;
    pf_pool_put(&t->pool, flow);
}

struct pf_flow *pf_table_oldest_idle(const struct pf_table *t)
{
    struct pf_flow *stub = t->list[PF_TABLE_STUBS].oldest;
    return stub != NULL ? stub : t->list[PF_TABLE_STREAMS].oldest;
}
