// SPDX-License-Identifier: Apache-2.0
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t bytes[] = {0x81, 0x02, 0x03, 0x04, 0x85, 0x06, 0x07, 0x08, 0x09};

static void assert_untouched(const struct pf_cur *c, size_t left)
{
    assert_ptr_equal(c->ptr, bytes);
    assert_int_equal(c->left, left);
}

static void test_reads_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    uint8_t u8 = 77;
    uint16_t u16 = 77;
    uint32_t u32 = 77;
    uint64_t u64 = 77;
    struct pf_cur c = pf_cur_over(bytes, 0);
    assert_false(pf_cur_u8(&c, &u8));
    assert_untouched(&c, 0);
    c = pf_cur_over(bytes, 1);
    assert_false(pf_cur_u16(&c, &u16));
    assert_untouched(&c, 1);
    c = pf_cur_over(bytes, 2);
    assert_false(pf_cur_u24(&c, &u32));
    assert_untouched(&c, 2);
    c = pf_cur_over(bytes, 3);
    assert_false(pf_cur_u32(&c, &u32));
    assert_untouched(&c, 3);
    c = pf_cur_over(bytes, 7);
    assert_false(pf_cur_u64(&c, &u64));
    assert_untouched(&c, 7);
    assert_true(u8 == 77 && u16 == 77 && u32 == 77 && u64 == 77);
}

static void test_takes_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    struct pf_cur c = pf_cur_over(bytes, 4);
    struct pf_cur sub = {.left = 77};
    struct pf_span span = {.len = 77};
    const uint8_t *p = NULL;
    uint8_t copy[8] = {77};
    static const size_t over[] = {5, 6, SIZE_MAX, SIZE_MAX - 3};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        assert_false(pf_cur_take(&c, over[i], &p));
        assert_false(pf_cur_skip(&c, over[i]));
        assert_false(pf_cur_span(&c, over[i], &span));
        assert_false(pf_cur_sub(&c, over[i], &sub));
        assert_false(pf_cur_copy(&c, copy, over[i]));
        assert_untouched(&c, 4);
    }
    assert_null(p);
    assert_int_equal(span.len, 77);
    assert_int_equal(sub.left, 77);
    assert_int_equal(copy[0], 77);
}

/* A prefix that is there but promises more than there is: the cursor stands before it again. */
static void test_vectors_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    struct pf_cur sub = {.left = 77};
    struct pf_cur c = pf_cur_over(bytes, sizeof bytes); /* 0x81, 0x8102, 0x810203 bytes */
    assert_false(pf_cur_vec8(&c, &sub));
    assert_false(pf_cur_vec16(&c, &sub));
    assert_false(pf_cur_vec24(&c, &sub));
    assert_untouched(&c, sizeof bytes);
    for (size_t n = 0; n < 3; n++) {
        c = pf_cur_over(bytes, n);
        assert_false(n < 1 && pf_cur_vec8(&c, &sub));
        assert_false(n < 2 && pf_cur_vec16(&c, &sub));
        assert_false(pf_cur_vec24(&c, &sub));
        assert_untouched(&c, n);
    }
    assert_int_equal(sub.left, 77);
}

static void test_integers_are_big_endian(void **state)
{
    (void)state;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct pf_cur c = pf_cur_over(bytes, 9);
    assert_true(pf_cur_u8(&c, &u8) && pf_cur_u16(&c, &u16) && pf_cur_u24(&c, &u32));
    assert_int_equal(u8, 0x81);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(u32, 0x048506);
    assert_int_equal(c.left, 3);
    c = pf_cur_over(bytes, 8);
    assert_true(pf_cur_u32(&c, &u32) && pf_cur_u32(&c, &u32) && pf_cur_at_end(&c));
    assert_int_equal(u32, 0x85060708);
    c = pf_cur_over(bytes, 9);
    assert_true(pf_cur_u64(&c, &u64));
    assert_true(u64 == 0x8102030485060708U);
    assert_int_equal(c.left, 1);
}

static void test_vectors(void **state)
{
    (void)state;
    static const uint8_t v[] = {1, 'a', 0, 2, 'b', 'c', 0, 0, 0, 0};
    struct pf_cur c = pf_cur_over(v, sizeof v);
    struct pf_cur sub;
    assert_true(pf_cur_vec8(&c, &sub));
    assert_int_equal(sub.left, 1);
    assert_memory_equal(sub.ptr, "a", 1);
    assert_true(pf_cur_vec16(&c, &sub));
    assert_int_equal(sub.left, 2);
    assert_memory_equal(sub.ptr, "bc", 2);
    assert_true(pf_cur_vec24(&c, &sub));
    assert_true(pf_cur_at_end(&sub));
    assert_true(pf_cur_vec8(&c, &sub));
    assert_true(pf_cur_at_end(&c));
}

static void test_pieces(void **state)
{
    (void)state;
    struct pf_cur c = pf_cur_of((struct pf_span){.ptr = bytes, .len = 9});
    struct pf_cur sub;
    struct pf_span span;
    uint8_t copy[3];
    assert_true(pf_cur_skip(&c, 1) && pf_cur_copy(&c, copy, 3));
    assert_memory_equal(copy, bytes + 1, 3);
    assert_true(pf_cur_span(&c, 2, &span));
    assert_ptr_equal(span.ptr, bytes + 4);
    assert_int_equal(span.len, 2);
    assert_true(pf_cur_sub(&c, 1, &sub));
    assert_ptr_equal(sub.ptr, bytes + 6);
    span = pf_cur_rest(&c);
    assert_ptr_equal(span.ptr, bytes + 7);
    assert_int_equal(span.len, 2);
    assert_int_equal(c.left, 2);
    assert_true(pf_cur_skip(&c, 2));
    assert_true(pf_cur_at_end(&c));
}

static void test_nothing_over_null(void **state)
{
    (void)state;
    struct pf_cur c = pf_cur_over(NULL, 0);
    struct pf_span span;
    uint8_t copy[1];
    assert_true(pf_cur_at_end(&c));
    assert_true(pf_cur_skip(&c, 0) && pf_cur_span(&c, 0, &span) && pf_cur_copy(&c, copy, 0));
    assert_int_equal(span.len, 0);
    assert_false(pf_cur_skip(&c, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_that_do_not_fit_change_nothing),
        cmocka_unit_test(test_takes_that_do_not_fit_change_nothing),
        cmocka_unit_test(test_vectors_that_do_not_fit_change_nothing),
        cmocka_unit_test(test_integers_are_big_endian),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nothing_over_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
