// SPDX-License-Identifier: Apache-2.0
#include "tls/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_unknown_values_have_no_name(void **state)
{
    (void)state;
    assert_null(pf_version_name(0));
    assert_null(pf_version_name(PF_VERSION_SSL2));
    assert_null(pf_version_name(0x0305));
    assert_null(pf_version_name(0xfeff));
    assert_string_equal(pf_alert_name(255), "unknown");
    assert_string_equal(pf_hs_name(200), "unknown");
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(pf_version_name(0x0300), "SSLv3");
    assert_string_equal(pf_version_name(0x0301), "TLSv10");
    assert_string_equal(pf_version_name(0x0302), "TLSv11");
    assert_string_equal(pf_version_name(0x0303), "TLSv12");
    assert_string_equal(pf_version_name(0x0304), "TLSv13");
    assert_string_equal(pf_version_name(0x7f12), "TLSv13");
    assert_string_equal(pf_alert_name(0), "close_notify");
    assert_string_equal(pf_alert_name(40), "handshake_failure");
    assert_string_equal(pf_alert_name(121), "ech_required");
    assert_string_equal(pf_hs_name(0), "hello_request");
    assert_string_equal(pf_hs_name(1), "client_hello");
    assert_string_equal(pf_hs_name(67), "next_protocol");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_values_have_no_name),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
