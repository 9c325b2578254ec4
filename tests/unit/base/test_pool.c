// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"
#include "support/nomem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void *must_get(struct pf_pool *p)
{
    void *object = NULL;
    assert_int_equal(pf_pool_get(p, &object), PF_OK);
    assert_non_null(object);
    return object;
}

static void test_budget_refuses(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = 4095};
    struct pf_pool p;
    void *object;
    pf_pool_init(&p, 100, 4, &budget);
    assert_int_equal(pf_pool_get(&p, &object), PF_ERR_LIMIT);
    assert_int_equal(budget.used, 0);
    assert_int_equal(p.in_use, 0);
    pf_pool_put(&p, NULL);
    budget.limit = 4096; /* one slab */
    size_t n = 0;
    while (pf_pool_get(&p, &object) == PF_OK) {
        n++;
    }
    assert_int_equal(n, (4096 - PF_POOL_OVERHEAD) / 112);
    pf_pool_put(&p, object);
    assert_ptr_equal(must_get(&p), object);
    pf_pool_fini(&p);
    assert_int_equal(budget.used, 0);
}

static void test_memory_refused(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = SIZE_MAX};
    struct pf_pool p;
    void *object;
    pf_pool_init(&p, SIZE_MAX / 8, 1, &budget);
    assert_int_equal(pf_pool_get(&p, &object), PF_ERR_NOMEM);
    assert_int_equal(budget.used, 0);
    pf_pool_fini(&p);
}

/* Every byte of every object is its own, whatever the size. */
static void test_objects_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 1000 };
    static const size_t sizes[] = {1, 8, 16, 17, 144, 1536, 9216};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct pf_budget budget = {.limit = SIZE_MAX};
        struct pf_pool p;
        uint8_t *object[N];
        pf_pool_init(&p, sizes[s], 7, &budget);
        for (size_t i = 0; i < N; i++) {
            object[i] = must_get(&p);
            assert_int_equal((uintptr_t)object[i] % 16, 0);
            memset(object[i], (int)(i % 251), sizes[s]);
        }
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(object[i][0], i % 251);
            assert_int_equal(object[i][sizes[s] - 1], i % 251);
        }
        assert_int_equal(p.in_use, N);
        assert_true(budget.used >= N * sizes[s]);
        assert_true(p.per_slab >= 7);
        pf_pool_fini(&p); /* with all of them out */
        assert_int_equal(budget.used, 0);
    }
}

static void test_empty_slabs_go_back(void **state)
{
    (void)state;
    enum { N = 8000 };
    static void *object[N];
    struct pf_budget budget = {.limit = 64 * 4096 * 3};
    struct pf_pool p;
    pf_pool_init(&p, 64, 62, &budget);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            object[i] = must_get(&p);
        }
        for (size_t i = 0; i < N; i += 2) { /* holes everywhere: nothing can go back */
            pf_pool_put(&p, object[i]);
        }
        size_t used = budget.used;
        for (size_t i = 0; i < N; i += 2) { /* but all can be had again */
            object[i] = must_get(&p);
        }
        assert_int_equal(budget.used, used);
        for (size_t i = 0; i < N; i++) {
            pf_pool_put(&p, object[(i * 7919) % N]);
        }
        assert_int_equal(p.in_use, 0);
        assert_int_equal(budget.used, 3 * 4096); /* a 64th of the limit stays */
    }
    pf_pool_fini(&p);
    assert_int_equal(budget.used, 0);
}

/* One object to and fro at the edge of a slab does not allocate each time. */
static void test_no_flapping(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = 1 << 16}; /* a 64th is less than a slab: one stays */
    struct pf_pool p;
    pf_pool_init(&p, 2000, 2, &budget);
    for (size_t i = 0; i < 2 * p.per_slab; i++) {
        (void)must_get(&p);
    }
    void *object = must_get(&p);
    pf_pool_put(&p, object);
    size_t used = budget.used;
    assert_int_equal(used, 3 * p.slab_size);
    for (int i = 0; i < 10; i++) {
        object = must_get(&p);
        pf_pool_put(&p, object);
        assert_int_equal(budget.used, used);
    }
    pf_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_refuses),
        cmocka_unit_test(test_memory_refused),
        cmocka_unit_test(test_objects_do_not_overlap),
        cmocka_unit_test(test_empty_slabs_go_back),
        cmocka_unit_test(test_no_flapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
