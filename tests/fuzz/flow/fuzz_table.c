// SPDX-License-Identifier: Apache-2.0
/*
 * src/flow/table.c against an array of 256 flows with hashes that collide, wrap and cluster.
 * Targets pf_table_get, _find, _remove, _set_stream, _oldest_idle.
 */
#include "base/cursor.h"
#include "flow/table.h"

#include <stdlib.h>

enum { KEYS = 256 };

struct model {
    struct pf_flow *flow[KEYS];
    size_t count;
    size_t streams;
};

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static struct pf_flow_key key_of(uint8_t n)
{
    return (struct pf_flow_key){.port = {n, 443}, .family = 4, .proto = 6};
}

static uint64_t hash_of(uint8_t n)
{
    return (n & 1) != 0 ? 250U + n % 16U : (uint64_t)n * 0x9e3779b97f4a7c15U;
}

static size_t walk(const struct pf_table *t, enum pf_table_list which)
{
    size_t n = 0;
    for (struct pf_flow *f = pf_table_oldest(t, which); f != NULL; f = f->newer) {
        check((f->stream != NULL) == (which == PF_TABLE_STREAMS));
        check(f->newer == NULL || f->newer->older == f);
        n++;
    }
    return n;
}

static void get_op(struct pf_table *t, struct model *m, uint8_t n, int64_t clock_ns)
{
    struct pf_flow_key key = key_of(n);
    struct pf_flow *flow = NULL;
    enum pf_status st = pf_table_get(t, &key, hash_of(n), clock_ns, &flow);
    if (st != PF_OK) {
        check(st == PF_ERR_LIMIT && m->flow[n] == NULL);
        return;
    }
    check(m->flow[n] == NULL || m->flow[n] == flow);
    check(m->flow[n] != NULL || flow->packets == 0);
    m->count += m->flow[n] == NULL;
    m->flow[n] = flow;
    flow->packets++;
    flow->last_clock_ns = clock_ns;
}

static void remove_op(struct pf_table *t, struct model *m, struct pf_flow *flow)
{
    uint8_t n = (uint8_t)flow->key.port[0];
    check(m->flow[n] == flow);
    m->streams -= flow->stream != NULL;
    pf_table_remove(t, flow);
    m->flow[n] = NULL;
    m->count--;
}

static void stream_op(struct pf_table *t, struct model *m, struct pf_flow *flow)
{
    bool set = flow->stream == NULL;
    pf_table_set_stream(t, flow, set ? m : NULL);
    m->streams = set ? m->streams + 1 : m->streams - 1;
}

static void check_all(const struct pf_table *t, const struct model *m)
{
    for (unsigned i = 0; i < KEYS; i++) {
        struct pf_flow_key key = key_of((uint8_t)i);
        check(pf_table_find(t, &key, hash_of((uint8_t)i)) == m->flow[i]);
    }
    check(t->count == m->count);
    check(walk(t, PF_TABLE_STREAMS) == m->streams);
    check(walk(t, PF_TABLE_STUBS) == m->count - m->streams);
    struct pf_flow *idle = pf_table_oldest_idle(t);
    check((idle == NULL) == (m->count == 0));
    check(idle == NULL || idle->stream == NULL || m->streams == m->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_cur c = pf_cur_over(data, size);
    struct pf_budget budget = {.limit = 1 << 20};
    struct pf_table t;
    struct model m = {.count = 0};
    uint8_t kind;
    uint8_t n;
    int64_t clock_ns = 0;
    pf_table_init(&t, &budget);
    while (pf_cur_u8(&c, &kind) && pf_cur_u8(&c, &n)) {
        clock_ns += (int64_t)(kind >> 4) << 28;
        budget.limit = (kind & 15) == 15 ? 0 : 1 << 20;
        struct pf_flow *idle = pf_table_oldest_idle(&t);
        if ((kind & 3) == 0 && m.flow[n] != NULL) {
            remove_op(&t, &m, m.flow[n]);
        } else if ((kind & 15) == 1 && idle != NULL) {
            remove_op(&t, &m, idle);
        } else if ((kind & 3) == 2 && m.flow[n] != NULL) {
            stream_op(&t, &m, m.flow[n]);
        } else {
            get_op(&t, &m, n, clock_ns);
        }
        if (pf_cur_at_end(&c) || (kind & 31) == 31) {
            check_all(&t, &m);
        }
    }
    check_all(&t, &m);
    pf_table_fini(&t);
    check(budget.used == 0);
    return 0;
}
