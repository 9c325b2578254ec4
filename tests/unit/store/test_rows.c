// SPDX-License-Identifier: Apache-2.0
#include "store/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 1000 };

static void nothing_to_sort(void **state)
{
    (void)state;
    pf_rows_sort(NULL, 0);
    assert_int_equal(pf_rows_from(NULL, 0, 7), 0);
}

/* By packet, then by key, then as they came. */
static void all_in_order(void **state)
{
    (void)state;
    static struct pf_row rows[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        unsigned k = i * 7 % MANY;
        rows[i] = (struct pf_row){.first_packet = k / 8, .tie = k / 2 % 4, .pos = i};
    }
    pf_rows_sort(rows, MANY);
    for (unsigned i = 1; i < MANY; i++) {
        assert_false(pf_row_before(&rows[i], &rows[i - 1]));
        assert_true(pf_row_before(&rows[i - 1], &rows[i]) || rows[i - 1].pos < rows[i].pos);
    }
    for (unsigned packet = 0; packet <= MANY / 8; packet++) {
        assert_int_equal(pf_rows_from(rows, MANY, packet), 8 * packet);
    }
    assert_int_equal(pf_rows_from(rows, MANY, UINT64_MAX), MANY);
}

static void keys_are_told_apart(void **state)
{
    (void)state;
    struct pf_flow_key key = {.port = {1, 2}};
    uint32_t tie = pf_row_tie(&key);
    assert_int_equal(pf_row_tie(&key), tie);
    key.port[0] = 3;
    assert_int_not_equal(pf_row_tie(&key), tie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_sort),
        cmocka_unit_test(all_in_order),
        cmocka_unit_test(keys_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
