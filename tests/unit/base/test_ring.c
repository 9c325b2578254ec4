// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"
#include "support/nomem.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_capacity_must_be_a_power_of_two(void **state)
{
    (void)state;
    struct pf_ring r;
    static const size_t wrong[] = {0, 3, 6, 100, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(pf_ring_init(&r, wrong[i]), PF_ERR_INTERNAL);
        pf_ring_fini(&r);
    }
    volatile size_t huge = (SIZE_MAX >> 1) + 1; /* volatile: compilers warn about such a calloc */
    assert_int_equal(pf_ring_init(&r, huge), PF_ERR_NOMEM);
    pf_ring_fini(&r);
}

static void test_full_and_empty(void **state)
{
    (void)state;
    struct pf_ring r;
    int items[5];
    assert_int_equal(pf_ring_init(&r, 4), PF_OK);
    assert_null(pf_ring_pop(&r));
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(pf_ring_count(&r), i);
            assert_true(pf_ring_push(&r, &items[i]));
        }
        assert_false(pf_ring_push(&r, &items[4]));
        assert_ptr_equal(pf_ring_pop(&r), &items[0]);
        assert_true(pf_ring_push(&r, &items[4]));
        assert_false(pf_ring_push(&r, &items[0]));
        for (size_t i = 1; i < 5; i++) {
            assert_ptr_equal(pf_ring_pop(&r), &items[i]);
        }
        assert_null(pf_ring_pop(&r));
        assert_int_equal(pf_ring_count(&r), 0);
    }
    pf_ring_fini(&r);
}

static void test_one_slot(void **state)
{
    (void)state;
    struct pf_ring r;
    int item;
    assert_int_equal(pf_ring_init(&r, 1), PF_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(pf_ring_push(&r, &item));
        assert_false(pf_ring_push(&r, &item));
        assert_ptr_equal(pf_ring_pop(&r), &item);
        assert_null(pf_ring_pop(&r));
    }
    pf_ring_fini(&r);
}

static void test_indices_may_wrap(void **state)
{
    (void)state;
    struct pf_ring r;
    int items[2];
    assert_int_equal(pf_ring_init(&r, 2), PF_OK);
    atomic_store(&r.head, SIZE_MAX);
    atomic_store(&r.tail, SIZE_MAX);
    r.tail_seen = SIZE_MAX;
    r.head_seen = SIZE_MAX;
    assert_true(pf_ring_push(&r, &items[0]));
    assert_true(pf_ring_push(&r, &items[1]));
    assert_false(pf_ring_push(&r, &items[1]));
    assert_int_equal(pf_ring_count(&r), 2);
    assert_ptr_equal(pf_ring_pop(&r), &items[0]);
    assert_ptr_equal(pf_ring_pop(&r), &items[1]);
    assert_null(pf_ring_pop(&r));
    pf_ring_fini(&r);
}

static void test_sides_are_apart(void **state)
{
    (void)state;
    assert_true(offsetof(struct pf_ring, head) - offsetof(struct pf_ring, mask) >= 128);
    assert_true(offsetof(struct pf_ring, tail) - offsetof(struct pf_ring, head) >= 128);
    assert_true(sizeof(struct pf_ring) - offsetof(struct pf_ring, tail) >= 128);
}

enum { ITEMS = 200000, BATCHES = 8 };

struct batch {
    uint64_t value; /* plain memory: what the ring's orders have to make visible */
};

struct pair {
    struct pf_ring full;
    struct pf_ring empty;
};

/* Batches circulate as between reader and worker: filled here, checked there, sent back. */
static void *produce(void *arg)
{
    struct pair *p = arg;
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct batch *b;
        while ((b = pf_ring_pop(&p->empty)) == NULL) {
            sched_yield();
        }
        b->value = i;
        while (!pf_ring_push(&p->full, b)) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    struct pair p;
    struct batch batches[BATCHES];
    pthread_t thread;
    assert_int_equal(pf_ring_init(&p.full, BATCHES), PF_OK);
    assert_int_equal(pf_ring_init(&p.empty, BATCHES), PF_OK);
    for (size_t i = 0; i < BATCHES; i++) {
        assert_true(pf_ring_push(&p.empty, &batches[i]));
    }
    assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct batch *b;
        while ((b = pf_ring_pop(&p.full)) == NULL) {
            sched_yield();
        }
        wrong += b->value != i || pf_ring_count(&p.full) > BATCHES;
        b->value = UINT64_MAX;
        while (!pf_ring_push(&p.empty, b)) {
            sched_yield();
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wrong, 0);
    pf_ring_fini(&p.full);
    pf_ring_fini(&p.empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity_must_be_a_power_of_two),
        cmocka_unit_test(test_full_and_empty),
        cmocka_unit_test(test_one_slot),
        cmocka_unit_test(test_indices_may_wrap),
        cmocka_unit_test(test_sides_are_apart),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
