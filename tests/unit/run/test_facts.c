// SPDX-License-Identifier: Apache-2.0
#include "run/facts.h"

#include "run/codes.h"
#include "tls/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pf_buf out;

static int setup(void **state)
{
    (void)state;
    pf_buf_init(&out, 1 << 16, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pf_buf_fini(&out);
    return 0;
}

static struct pf_span span(const char *text)
{
    return (struct pf_span){(const uint8_t *)text, strlen(text)};
}

static void expect(const char *text)
{
    assert_int_equal(pf_buf_append(&out, "", 1), PF_OK);
    assert_string_equal((const char *)out.ptr, text);
}

static void first_error_stays(void **state)
{
    (void)state;
    struct pf_facts f;
    struct pf_buf small;
    pf_buf_init(&small, 16, NULL);
    pf_facts_init(&f, &small, true);
    pf_facts_open(&f, NULL, NULL);
    pf_facts_name(&f, "a", "0123456789");
    assert_int_equal(f.st, PF_ERR_LIMIT);
    size_t len = small.len;
    pf_facts_close(&f);
    assert_int_equal(f.st, PF_ERR_LIMIT);
    assert_int_equal(small.len, len);
    pf_buf_fini(&small);
}

/* Whatever was captured: one line of JSON, no control characters, quotes and backslashes escaped.
 */
static void captured_text_is_harmless(void **state)
{
    (void)state;
    struct pf_facts f;
    pf_facts_init(&f, &out, true);
    pf_facts_open(&f, NULL, NULL);
    pf_facts_text(&f, "t", span("a\"b\\c\n\x01\x02\x1b[2J\xff\xc3\xa9"));
    pf_facts_close(&f);
    pf_facts_end_line(&f);
    expect("{\"t\":\"a\\\"b\\\\c\\\\x0a\\\\x01\\\\x02\\\\x1b[2J\\\\xff\xc3\xa9\"}\n");
}

static void tell(struct pf_facts *f)
{
    const uint8_t bytes[] = {0x00, 0xab};
    pf_facts_open(f, NULL, NULL);
    pf_facts_number(f, "n", UINT64_MAX);
    pf_facts_flag(f, "is");
    pf_facts_flag_if(f, "is_not", false);
    pf_facts_number_if(f, "zero", 0);
    pf_facts_name(f, "null", NULL);
    pf_facts_hex(f, "hex", (struct pf_span){bytes, 2});
    pf_facts_hex_if(f, "empty", (struct pf_span){bytes, 0});
    pf_facts_time(f, "time", 0);
    pf_facts_list(f, "list");
    pf_facts_item(f, "one");
    pf_facts_captured_item(f, span("t\two"));
    pf_facts_list_end(f);
    pf_facts_objects(f, "objects");
    for (int i = 0; i < 2; i++) {
        pf_facts_open(f, NULL, "thing");
        pf_facts_flow(f, "flow", 7);
        pf_facts_close(f);
    }
    pf_facts_objects_end(f);
    pf_facts_name(f, "last", "x");
    pf_facts_close(f);
}

static void everything_as_json(void **state)
{
    (void)state;
    struct pf_facts f;
    pf_facts_init(&f, &out, true);
    pf_facts_print(&f, "only in text %d", 1);
    tell(&f);
    pf_facts_end_line(&f);
    assert_int_equal(f.st, PF_OK);
    expect("{\"n\":18446744073709551615,\"is\":true,\"hex\":\"00ab\","
           "\"time\":\"1970-01-01T00:00:00.000000000Z\",\"list\":[\"one\",\"t\\\\x09wo\"],"
           "\"objects\":[{\"flow\":\x01"
           "7\x02},{\"flow\":\x01"
           "7\x02}],\"last\":\"x\"}\n");
}

static void everything_as_text(void **state)
{
    (void)state;
    struct pf_facts f;
    pf_facts_init(&f, &out, false);
    f.depth = 0;
    pf_facts_print(&f, "head %d\n", 1);
    pf_facts_name(&f, "name", "x");
    pf_facts_open(&f, NULL, "thing");
    pf_facts_number(&f, "n", 3);
    pf_facts_close(&f);
    pf_facts_flag(&f, "is");
    expect("head 1\n"
           "                              name                   x\n"
           "                              thing\n"
           "                                n                    3\n"
           "                              is                     yes\n");
}

/* Wrapped below where it began, every item once. */
static void long_lists_are_wrapped(void **state)
{
    (void)state;
    struct pf_facts f;
    char item[16];
    pf_facts_init(&f, &out, false);
    pf_facts_list(&f, "list");
    for (int i = 0; i < 40; i++) {
        (void)snprintf(item, sizeof item, "item%02d", i);
        pf_facts_item(&f, item);
    }
    pf_facts_list_end(&f);
    assert_int_equal(pf_buf_append(&out, "", 1), PF_OK);
    int items = 0;
    for (char *line = strtok((char *)out.ptr, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 112);
        const char *at = strstr(line, "item");
        assert_int_equal(at - line, 53);
        for (; at != NULL; at = strstr(at + 1, "item")) {
            items++;
        }
    }
    assert_int_equal(items, 40);
}

static void code_points(void **state)
{
    (void)state;
    const uint8_t suites[] = {0x1a, 0x1a, 0x00, 0x2f, 0x00, 0xff, 0xfe, 0x00};
    struct pf_facts f;
    pf_facts_init(&f, &out, true);
    pf_code_list(&f, "s", (struct pf_span){suites, 8}, pf_code_suite_name, 2);
    expect("\"s\":[\"GREASE (0x1a1a)\",\"TLS_RSA_WITH_AES_128_CBC_SHA\","
           "\"TLS_EMPTY_RENEGOTIATION_INFO_SCSV\",\"0xfe00\"]");
    assert_true(pf_is_grease(0xfafa));
    assert_false(pf_is_grease(0x0a1a));
    assert_false(pf_is_grease(0x1301));
    assert_string_equal(pf_group_name(29), "x25519");
    assert_null(pf_group_name(0x7777));
    assert_string_equal(pf_signature_name(0x0804), "rsa_pss_rsae_sha256");
    assert_string_equal(pf_extension_name(0xff01), "renegotiation_info");
}

static void code_points_of_sslv2_hellos(void **state)
{
    (void)state;
    const uint8_t suites[] = {0x01, 0x00, 0x80, 0x00, 0x00, 0x2f};
    struct pf_facts f;
    pf_facts_init(&f, &out, true);
    pf_code_list(&f, "s", (struct pf_span){suites, 6}, pf_code_suite_name, 3);
    expect("\"s\":[\"SSL2 0x010080\",\"TLS_RSA_WITH_AES_128_CBC_SHA\"]");
}

static void endless_lists_are_counted(void **state)
{
    (void)state;
    static uint8_t suites[2 * (PF_LIST_MAX + 5)];
    struct pf_facts f;
    pf_facts_init(&f, &out, true);
    pf_code_list(&f, "s", (struct pf_span){suites, sizeof suites}, pf_code_suite_name, 2);
    assert_int_equal(pf_buf_append(&out, "", 1), PF_OK);
    assert_non_null(strstr((const char *)out.ptr, ",\"5 more\"]"));
}

static void versions(void **state)
{
    (void)state;
    char text[PF_CODE_TEXT];
    assert_string_equal(pf_code_version(0x0303, text), "TLSv12");
    assert_string_equal(pf_code_version(0x0002, text), "SSLv2");
    assert_string_equal(pf_code_version(0x7f17, text), "TLSv13 (draft 23)");
    assert_string_equal(pf_code_version(0xfb1a, text), "TLSv13 (draft 26)");
    assert_string_equal(pf_code_version(0x9a9a, text), "GREASE (0x9a9a)");
    assert_string_equal(pf_code_version(0x0305, text), "0x0305");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(first_error_stays),         T(captured_text_is_harmless),   T(everything_as_json),
        T(everything_as_text),        T(long_lists_are_wrapped),      T(code_points),
        T(endless_lists_are_counted), T(code_points_of_sslv2_hellos), T(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
