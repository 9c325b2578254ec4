// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "support/nomem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_max_refuses_and_keeps(void **state)
{
    (void)state;
    struct pf_buf b;
    pf_buf_init(&b, 10, NULL);
    assert_int_equal(pf_buf_append(&b, "12345678901", 11), PF_ERR_LIMIT);
    assert_null(b.ptr);
    assert_int_equal(pf_buf_append(&b, "12345678", 8), PF_OK);
    assert_int_equal(pf_buf_append(&b, "abc", 3), PF_ERR_LIMIT);
    assert_int_equal(pf_buf_reserve(&b, SIZE_MAX), PF_ERR_LIMIT);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.ptr, "12345678", 8);
    assert_int_equal(pf_buf_append(&b, "ab", 2), PF_OK);
    assert_int_equal(b.cap, 10);
    pf_buf_fini(&b);
}

static void test_budget_refuses_and_keeps(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = 600};
    struct pf_buf b;
    uint8_t block[512] = {1, 2, 3};
    pf_buf_init(&b, 1 << 20, &budget);
    assert_int_equal(pf_buf_append(&b, block, 512), PF_OK);
    assert_int_equal(budget.used, 512);
    assert_int_equal(pf_buf_append(&b, block, 1), PF_ERR_LIMIT); /* 640 is more than 600 */
    assert_int_equal(b.len, 512);
    assert_int_equal(budget.used, 512);
    assert_memory_equal(b.ptr, block, 512);
    pf_buf_fini(&b);
    assert_int_equal(budget.used, 0);
}

static void test_never_beyond_32_bits(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = SIZE_MAX};
    struct pf_buf b;
    pf_buf_init(&b, SIZE_MAX, &budget);
    assert_int_equal(pf_buf_append(&b, "x", 1), PF_OK);
    assert_int_equal(pf_buf_reserve(&b, SIZE_MAX / 2), PF_ERR_LIMIT);
    assert_int_equal(pf_buf_reserve(&b, UINT32_MAX), PF_ERR_LIMIT);
    assert_int_equal(budget.used, b.cap);
    assert_int_equal(b.len, 1);
    assert_int_equal(b.ptr[0], 'x');
    pf_buf_fini(&b);
}

static void test_growth_keeps_contents(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = SIZE_MAX};
    struct pf_buf b;
    pf_buf_init(&b, 100000, &budget);
    for (uint32_t i = 0; i < 50000; i++) {
        uint8_t pair[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        assert_int_equal(pf_buf_append(&b, pair, 2), PF_OK);
        assert_int_equal(budget.used, b.cap);
    }
    for (uint32_t i = 0; i < 50000; i++) {
        assert_int_equal(b.ptr[i * 2] | b.ptr[i * 2 + 1] << 8, i & 0xffff);
    }
    assert_int_equal(b.cap, 100000);
    pf_buf_fini(&b);
    assert_int_equal(budget.used, 0);
}

static void test_append_nothing(void **state)
{
    (void)state;
    struct pf_buf b;
    pf_buf_init(&b, 0, NULL);
    assert_int_equal(pf_buf_append(&b, NULL, 0), PF_OK);
    assert_int_equal(pf_buf_reserve(&b, 0), PF_OK);
    assert_null(b.ptr);
    pf_buf_consume(&b, 0);
    assert_int_equal(pf_buf_append(&b, "x", 1), PF_ERR_LIMIT);
    pf_buf_fini(&b);
}

static void test_consume(void **state)
{
    (void)state;
    struct pf_buf b;
    pf_buf_init(&b, 100, NULL);
    assert_int_equal(pf_buf_append(&b, "abcdef", 6), PF_OK);
    pf_buf_consume(&b, 0);
    pf_buf_consume(&b, 2);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.ptr, "cdef", 4);
    pf_buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
    assert_int_equal(pf_buf_append(&b, "g", 1), PF_OK);
    assert_memory_equal(b.ptr, "g", 1);
    pf_buf_fini(&b);
}

static void test_usable_after_fini(void **state)
{
    (void)state;
    struct pf_budget budget = {.limit = 4096};
    struct pf_buf b;
    pf_buf_init(&b, 100, &budget);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_buf_append(&b, "again", 5), PF_OK);
        assert_true(b.cap >= 5 && b.cap <= 100);
        assert_int_equal(budget.used, b.cap);
        pf_buf_fini(&b);
        assert_int_equal(budget.used, 0);
        assert_null(b.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_refuses_and_keeps),
        cmocka_unit_test(test_budget_refuses_and_keeps),
        cmocka_unit_test(test_never_beyond_32_bits),
        cmocka_unit_test(test_growth_keeps_contents),
        cmocka_unit_test(test_append_nothing),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_usable_after_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
