// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct pf_budget budget;
static struct pf_heap heap;

static int setup(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 64 << 20};
    pf_heap_init(&heap, &budget);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(budget.used, 0);
    assert_int_equal(heap.in_use, 0);
    pf_heap_fini(&heap);
    assert_int_equal(heap.slabs.used, 0);
    return 0;
}

static void *must_get(size_t size)
{
    void *block;
    assert_int_equal(pf_heap_get(&budget, size, &block), PF_OK);
    assert_int_equal((uintptr_t)block % 16, 0);
    return block;
}

static void a_room_holds_its_size_and_little_more(void **state)
{
    (void)state;
    size_t last = 0;
    for (size_t size = 1; size <= PF_HEAP_LARGEST + 100; size++) {
        size_t room = pf_heap_room(size);
        assert_true(room >= size && room >= last);
        assert_true(room <= PF_HEAP_SMALLEST || room - size < 16 || room - size <= size / 8);
        assert_int_equal(pf_heap_room(room), room);
        last = room;
    }
}

static void blocks_of_every_size_keep_their_bytes(void **state)
{
    (void)state;
    enum { N = 9000 };
    static uint8_t *block[N];
    size_t sum = 0;
    for (size_t i = 1; i < N; i++) {
        block[i] = must_get(i);
        memset(block[i], (int)(i % 251), i);
        sum += pf_heap_room(i);
        assert_int_equal(budget.used, sum);
    }
    for (size_t i = 1; i < N; i++) {
        assert_int_equal(block[i][0], i % 251);
        assert_int_equal(block[i][i - 1], i % 251);
        pf_heap_put(&budget, block[i], i);
    }
}

static void growing_keeps_the_front(void **state)
{
    (void)state;
    void *block = NULL;
    size_t size = 0;
    for (size_t next = 1; next < 100000; next += next / 3 + 1) {
        size_t used = size;
        assert_int_equal(pf_heap_grow(&budget, &block, size, used, next), PF_OK);
        for (size_t i = 0; i < used; i++) {
            assert_int_equal(((uint8_t *)block)[i], i % 253);
        }
        for (size_t i = 0; i < next; i++) {
            ((uint8_t *)block)[i] = (uint8_t)(i % 253);
        }
        size = next;
        assert_int_equal(budget.used, pf_heap_room(size));
    }
    pf_heap_put(&budget, block, size);
}

static void the_budget_refuses_and_nothing_changes(void **state)
{
    (void)state;
    void *block = must_get(100);
    memset(block, 7, 100);
    budget.limit = 1000;
    void *more = block;
    assert_int_equal(pf_heap_get(&budget, 1000, &more), PF_ERR_LIMIT);
    assert_int_equal(pf_heap_grow(&budget, &block, 100, 100, 2000), PF_ERR_LIMIT);
    assert_int_equal(pf_heap_grow(&budget, &block, 100, 100, 20000), PF_ERR_LIMIT);
    assert_ptr_equal(more, block);
    assert_int_equal(((uint8_t *)block)[99], 7);
    assert_int_equal(budget.used, pf_heap_room(100));
    pf_heap_put(&budget, block, 100);
}

static void zeroed_is_zero_also_the_second_time(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        void *block;
        assert_int_equal(pf_heap_zeroed(&budget, 777, &block), PF_OK);
        for (size_t i = 0; i < 777; i++) {
            assert_int_equal(((uint8_t *)block)[i], 0);
        }
        memset(block, 255, 777);
        pf_heap_put(&budget, block, 777);
    }
}

/* However its blocks come and go, slabs are never more than a quarter beyond the limit. */
static void slabs_have_a_bound_too(void **state)
{
    (void)state;
    enum { N = 40000 };
    static void *block[N];
    static size_t size[N];
    budget.limit = 4 << 20;
    unsigned seed = 1;
    for (int i = 0; i < 400000; i++) {
        seed = seed * 1103515245 + 12345;
        size_t at = (seed >> 8) % N;
        if (block[at] != NULL) {
            pf_heap_put(&budget, block[at], size[at]);
            block[at] = NULL;
            continue;
        }
        size[at] = 1 + (seed >> 4) % (64U << (i / 60000));
        void *got;
        enum pf_status st = pf_heap_get(&budget, size[at], &got);
        block[at] = st == PF_OK ? got : NULL;
        assert_true(st == PF_OK || st == PF_ERR_LIMIT);
        assert_true(budget.used <= budget.limit);
        assert_true(heap.slabs.used <= budget.limit + budget.limit / 4);
    }
    for (size_t i = 0; i < N; i++) {
        if (block[i] != NULL) {
            pf_heap_put(&budget, block[i], size[i]);
        }
    }
}

static void without_a_heap_it_is_malloc(void **state)
{
    (void)state;
    struct pf_budget plain = {.limit = 1000};
    void *block;
    assert_int_equal(pf_heap_get(&plain, 10, &block), PF_OK);
    assert_int_equal(plain.used, 10);
    assert_int_equal(pf_heap_grow(&plain, &block, 10, 10, 1000), PF_OK);
    assert_int_equal(plain.used, 1000);
    pf_heap_put(&plain, block, 1000);
    assert_int_equal(plain.used, 0);
    assert_int_equal(pf_heap_get(NULL, 10, &block), PF_OK);
    pf_heap_put(NULL, block, 10);
    pf_heap_put(NULL, NULL, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_room_holds_its_size_and_little_more),
        T(blocks_of_every_size_keep_their_bytes),
        T(growing_keeps_the_front),
        T(the_budget_refuses_and_nothing_changes),
        T(zeroed_is_zero_also_the_second_time),
        T(slabs_have_a_bound_too),
        T(without_a_heap_it_is_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
