// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const enum pf_status all[] = {
#define X(name, value, class, text) PF_##name,
    PF_STATUS_LIST(X)
#undef X
};

enum { COUNT = sizeof all / sizeof all[0] };

static void test_unknown_status(void **state)
{
    (void)state;
    enum pf_status none = (enum pf_status)(-100);
    assert_int_equal(pf_status_class(none), PF_CLASS_INTERNAL);
    assert_string_equal(pf_status_text(none), "unknown status");
}

static void test_every_status_has_its_own_value_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(strlen(pf_status_text(all[i])) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(pf_status_text(all[i]), pf_status_text(all[j]));
        }
    }
}

static void test_the_sign_says_whether_it_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(pf_status_class(all[i]) != PF_CLASS_NONE, all[i] < 0);
    }
    assert_int_equal(PF_OK, 0);
    assert_int_equal(pf_status_class(PF_ERR_LIMIT), PF_CLASS_LIMIT);
    assert_int_equal(pf_status_class(PF_ERR_NOMEM), PF_CLASS_SYSTEM);
}

static void test_error_without_a_place_for_it(void **state)
{
    (void)state;
    assert_int_equal(pf_error_set(NULL, PF_ERR_IO, "%s", "lost"), PF_ERR_IO);
}

static void test_first_error_wins(void **state)
{
    (void)state;
    struct pf_error err = {0};
    assert_int_equal(pf_error_set(&err, PF_ERR_IO, "%s: %d", "file", 5), PF_ERR_IO);
    assert_int_equal(pf_error_set(&err, PF_ERR_USAGE, "second"), PF_ERR_USAGE);
    assert_int_equal(err.status, PF_ERR_IO);
    assert_string_equal(err.text, "file: 5");
}

static void test_control_characters_are_replaced(void **state)
{
    (void)state;
    struct pf_error err = {0};
    (void)pf_error_set(&err, PF_ERR_IO, "%s", "a\x1b[2J\n\x7f\tz \xc3\xa9");
    assert_string_equal(err.text, "a?[2J???z \xc3\xa9");
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    struct pf_error err = {0};
    char name[2 * PF_ERROR_TEXT];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    (void)pf_error_set(&err, PF_ERR_IO, "%s", name);
    assert_int_equal(strlen(err.text), PF_ERROR_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_status),
        cmocka_unit_test(test_every_status_has_its_own_value_and_text),
        cmocka_unit_test(test_the_sign_says_whether_it_is_an_error),
        cmocka_unit_test(test_error_without_a_place_for_it),
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_control_characters_are_replaced),
        cmocka_unit_test(test_long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
