// SPDX-License-Identifier: Apache-2.0
#include "base/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_over_the_limit_changes_nothing(void **state)
{
    (void)state;
    struct pf_budget b = {.limit = 100};
    assert_false(pf_budget_take(&b, 101));
    assert_false(pf_budget_take(&b, SIZE_MAX));
    assert_int_equal(b.used, 0);
    assert_int_equal(b.peak, 0);
    assert_true(pf_budget_take(&b, 60));
    assert_false(pf_budget_take(&b, 41));
    assert_false(pf_budget_take(&b, SIZE_MAX)); /* used + n would wrap */
    assert_int_equal(b.used, 60);
}

static void test_up_to_the_limit_and_back(void **state)
{
    (void)state;
    struct pf_budget b = {.limit = 100};
    assert_true(pf_budget_take(&b, 0));
    assert_true(pf_budget_take(&b, 60));
    assert_true(pf_budget_take(&b, 40));
    assert_true(pf_budget_take(&b, 0));
    assert_false(pf_budget_take(&b, 1));
    pf_budget_give(&b, 70);
    assert_int_equal(b.used, 30);
    assert_int_equal(b.peak, 100);
    assert_true(pf_budget_take(&b, 70));
}

static void test_no_limit(void **state)
{
    (void)state;
    struct pf_budget b = {.limit = SIZE_MAX};
    assert_true(pf_budget_take(&b, SIZE_MAX - 1));
    assert_true(pf_budget_take(&b, 1));
    assert_false(pf_budget_take(&b, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_the_limit_changes_nothing),
        cmocka_unit_test(test_up_to_the_limit_and_back),
        cmocka_unit_test(test_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
