// SPDX-License-Identifier: Apache-2.0
#include "flow/table.h"
#include "support/flow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static const uint8_t seed[PF_KEY_SEED_LEN] = {1, 2, 3};

static struct pf_budget budget;
static struct pf_table table;

static int setup(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 256 * MIB};
    pf_table_init(&table, &budget);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pf_table_fini(&table);
    assert_int_equal(budget.used, 0);
    return 0;
}

static uint64_t hash_of(uint32_t n)
{
    struct pf_flow_key key = pf_test_key(n);
    return pf_key_hash(&key, seed);
}

static enum pf_status get(uint32_t n, int64_t clock_ns, struct pf_flow **out)
{
    struct pf_flow_key key = pf_test_key(n);
    enum pf_status st = pf_table_get(&table, &key, hash_of(n), clock_ns, out);
    if (st == PF_OK) {
        (*out)->last_clock_ns = clock_ns;
    }
    return st;
}

static struct pf_flow *must_get(uint32_t n, int64_t clock_ns)
{
    struct pf_flow *flow;
    assert_int_equal(get(n, clock_ns, &flow), PF_OK);
    return flow;
}

static struct pf_flow *find(uint32_t n)
{
    struct pf_flow_key key = pf_test_key(n);
    return pf_table_find(&table, &key, hash_of(n));
}

static size_t list_length(enum pf_table_list which)
{
    size_t n = 0;
    struct pf_flow *older = NULL;
    for (struct pf_flow *f = pf_table_oldest(&table, which); f != NULL; f = f->newer) {
        assert_ptr_equal(f->older, older);
        older = f;
        n++;
    }
    assert_ptr_equal(table.list[which].newest, older);
    return n;
}

static void test_empty_table(void **state)
{
    (void)state;
    assert_null(find(1));
    assert_null(pf_table_oldest_idle(&table));
    pf_table_prefetch(&table, 5);
    pf_table_prefetch_flow(&table, 5);
    assert_int_equal(budget.used, 0);
}

static void test_no_budget(void **state)
{
    (void)state;
    struct pf_flow *flow;
    budget.limit = 100;
    assert_int_equal(get(1, 0, &flow), PF_ERR_LIMIT);
    budget.limit = 256 * 16; /* slots, but no slab */
    assert_int_equal(get(1, 0, &flow), PF_ERR_LIMIT);
    assert_null(find(1));
    assert_int_equal(table.count, 0);
    budget.limit = MIB;
    assert_int_equal(get(1, 0, &flow), PF_OK);
}

/* Slots that cannot grow fill to 7/8, though the slab has room for more flows. */
static void test_no_budget_for_more_slots(void **state)
{
    (void)state;
    struct pf_flow *flow;
    budget.limit = 256 * 16 + 64 * 1024;
    for (uint32_t i = 0; i < 224; i++) {
        (void)must_get(i, 0);
    }
    assert_int_equal(get(224, 0, &flow), PF_ERR_LIMIT);
    assert_int_equal(table.count, 224);
    pf_table_remove(&table, find(0));
    (void)must_get(224, 0);
}

/* At the budget the oldest stub goes, whether or not older flows have a stream. */
static void test_eviction_at_the_budget(void **state)
{
    (void)state;
    struct pf_flow *flow;
    int stream;
    budget.limit = MIB;
    pf_table_set_stream(&table, must_get(0, 0), &stream);
    uint32_t n = 1;
    while (get(n, n, &flow) == PF_OK) {
        n++;
    }
    assert_true(n > 5000);
    for (uint32_t i = n; i < n + 10000; i++) {
        while (get(i, i, &flow) == PF_ERR_LIMIT) {
            struct pf_flow *victim = pf_table_oldest_idle(&table);
            assert_null(victim->stream);
            pf_table_remove(&table, victim);
        }
        assert_null(find(i - n + 1));
    }
    assert_true(budget.peak <= MIB);
    assert_non_null(find(0));
    while ((flow = pf_table_oldest_idle(&table))->stream == NULL) {
        pf_table_remove(&table, flow);
    }
    assert_ptr_equal(flow, find(0));
    pf_table_set_stream(&table, flow, NULL);
}

static void test_lookup_finds_what_was_inserted(void **state)
{
    (void)state;
    struct pf_flow *a = must_get(1, 10);
    assert_int_equal(a->packets, 0);
    struct pf_flow_key key = pf_test_key(1);
    assert_true(pf_key_equal(&a->key, &key));
    assert_ptr_equal(must_get(1, 20), a);
    assert_ptr_equal(find(1), a);
    assert_null(find(2));
    pf_table_prefetch(&table, hash_of(1));
    pf_table_prefetch_flow(&table, hash_of(1));
}

static void test_equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct pf_flow *flow[100];
    for (uint32_t i = 0; i < 100; i++) {
        struct pf_flow_key key = pf_test_key(i);
        assert_int_equal(pf_table_get(&table, &key, 42, 0, &flow[i]), PF_OK);
    }
    for (uint32_t i = 0; i < 100; i += 2) {
        pf_table_remove(&table, flow[i]);
    }
    for (uint32_t i = 0; i < 100; i++) {
        struct pf_flow_key key = pf_test_key(i);
        assert_ptr_equal(pf_table_find(&table, &key, 42), i % 2 == 0 ? NULL : flow[i]);
    }
}

/* Clustered places that wrap around the end of the slots, removed in every rotation. */
static void test_removal_keeps_the_others_reachable(void **state)
{
    (void)state;
    enum { N = 24 };
    for (uint32_t first = 0; first < N; first++) {
        struct pf_flow *flow[N];
        for (uint32_t i = 0; i < N; i++) {
            struct pf_flow_key key = pf_test_key(i);
            assert_int_equal(pf_table_get(&table, &key, 246 + i % 13, 0, &flow[i]), PF_OK);
        }
        for (uint32_t gone = 0; gone < N; gone++) {
            pf_table_remove(&table, flow[(first + gone * 7) % N]);
            for (uint32_t rest = gone + 1; rest < N; rest++) {
                struct pf_flow *f = flow[(first + rest * 7) % N];
                assert_ptr_equal(pf_table_find(&table, &f->key, f->hash_low),
                                 f); /* all are small */
            }
        }
    }
    assert_int_equal(table.count, 0);
}

static void test_growth_keeps_everything(void **state)
{
    (void)state;
    enum { N = 100000 };
    for (uint32_t i = 0; i < N; i++) {
        must_get(i, i)->first_packet = i;
    }
    for (uint32_t i = 0; i < N; i += 3) {
        pf_table_remove(&table, find(i));
    }
    for (uint32_t i = 0; i < N; i++) {
        struct pf_flow *f = find(i);
        if (i % 3 == 0) {
            assert_null(f);
        } else {
            assert_int_equal(f->first_packet, i);
        }
    }
    assert_int_equal(list_length(PF_TABLE_STUBS), table.count);
}

/* Moved to the new end at most once in 2^30 ns. */
static void test_order_of_last_use(void **state)
{
    (void)state;
    int64_t tick = (int64_t)1 << 30;
    struct pf_flow *a = must_get(1, 0);
    struct pf_flow *b = must_get(2, 1);
    struct pf_flow *c = must_get(3, 2);
    must_get(1, 3);
    assert_ptr_equal(pf_table_oldest_idle(&table), a);
    must_get(1, tick);
    assert_ptr_equal(pf_table_oldest_idle(&table), b);
    must_get(3, tick + 5);
    must_get(2, tick + 6);
    assert_ptr_equal(pf_table_oldest_idle(&table), a);
    assert_ptr_equal(a->newer, c);
    assert_ptr_equal(c->newer, b);
    assert_null(b->newer);
    assert_int_equal(list_length(PF_TABLE_STUBS), 3);
}

static void test_stream_changes_the_list(void **state)
{
    (void)state;
    int stream;
    struct pf_flow *a = must_get(1, 0);
    struct pf_flow *b = must_get(2, 0);
    pf_table_set_stream(&table, a, &stream);
    assert_ptr_equal(a->stream, &stream);
    assert_ptr_equal(pf_table_oldest(&table, PF_TABLE_STREAMS), a);
    assert_ptr_equal(pf_table_oldest_idle(&table), b);
    assert_int_equal(list_length(PF_TABLE_STUBS), 1);
    assert_int_equal(list_length(PF_TABLE_STREAMS), 1);
    pf_table_set_stream(&table, a, NULL);
    assert_int_equal(list_length(PF_TABLE_STUBS), 2);
    assert_int_equal(list_length(PF_TABLE_STREAMS), 0);
}

/* A SYN flood: memory stays within the budget and the work per flow does not grow. */
static void test_many_stubs(void **state)
{
    (void)state;
    enum { N = 2000000 };
    budget.limit = 16 * MIB;
    struct pf_flow *flow;
    for (uint32_t i = 0; i < N; i++) {
        while (get(i, i, &flow) == PF_ERR_LIMIT) {
            pf_table_remove(&table, pf_table_oldest_idle(&table));
        }
    }
    assert_true(budget.peak <= 16 * MIB);
    assert_true(table.count > 80000);
    assert_non_null(find(N - 1));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_empty_table),
        T(test_no_budget),
        T(test_no_budget_for_more_slots),
        T(test_eviction_at_the_budget),
        T(test_lookup_finds_what_was_inserted),
        T(test_equal_hashes_are_told_apart),
        T(test_removal_keeps_the_others_reachable),
        T(test_growth_keeps_everything),
        T(test_order_of_last_use),
        T(test_stream_changes_the_list),
        T(test_many_stubs),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
