// SPDX-License-Identifier: Apache-2.0
#include "capture/ngtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    uint8_t resolution;
    int64_t offset;
    uint64_t ticks;
    int64_t ns;
};

static void test_known_values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {6, 0, 1700000000123456, 1700000000123456000},
        {9, 0, 1700000000123456789, 1700000000123456789},
        {0, 0, 1700000000, 1700000000000000000},
        {3, 0, 1700000000123, 1700000000123000000},
        {12, 0, 1700000000123456789, 1700000000123456},
        {28, 0, UINT64_MAX, 1},
        {29, 0, UINT64_MAX, 0},
        {127, 0, UINT64_MAX, 0},
        {0x80, 0, 1700000000, 1700000000000000000},
        {0x80 | 10, 0, 1024 + 512, 1500000000},
        {0x80 | 32, 0, UINT64_C(3) << 31, 1500000000},
        {0x80 | 63, 0, UINT64_C(3) << 62, 1500000000},
        {0x80 | 64, 0, UINT64_C(1) << 63, 500000000},
        {255, 0, UINT64_MAX, 0},
        {6, 100, 5, 100000005000},
        {6, -100, 5, -99999995000},
        {6, INT64_MIN, 0, INT64_MIN},
        {6, INT64_MAX, UINT64_MAX, INT64_MAX},
        {0, 0, UINT64_MAX, INT64_MAX},
        {9, 0, UINT64_MAX, INT64_MAX},
        {9, 0, INT64_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pf_ngtime t;
        pf_ngtime_init(&t, rows[i].resolution, rows[i].offset);
        assert_true(pf_ngtime_ns(&t, rows[i].ticks) == rows[i].ns);
    }
}

/* Every resolution: more ticks are never earlier. */
static void test_every_resolution_is_monotone(void **state)
{
    (void)state;
    for (int r = 0; r < 256; r++) {
        struct pf_ngtime t;
        pf_ngtime_init(&t, (uint8_t)r, 0);
        int64_t last = 0;
        for (int bit = 0; bit < 64; bit++) {
            int64_t ns = pf_ngtime_ns(&t, UINT64_C(1) << bit);
            assert_true(ns >= last);
            last = ns;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_every_resolution_is_monotone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
