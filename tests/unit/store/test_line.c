// SPDX-License-Identifier: Apache-2.0
/* A flow's line is JSON as jansson writes it, whatever was captured. */
#include "store/line.h"
#include "store/text.h"
#include "support/fake_result.h"

#include <jansson.h>
#include <time.h>

static struct pf_buf text;
static struct pf_json *json;

static int setup(void **state)
{
    (void)state;
    pf_buf_init(&text, PF_LINE_MAX, NULL);
    json = pf_json_new();
    return json != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_buf_fini(&text);
    pf_json_free(json);
    return 0;
}

static json_t *parse(const struct pf_flow_info *info)
{
    const struct pf_flow_ref ref = {.dir[PF_C2S] = {.records = 3, .bytes = UINT64_C(1) << 60}};
    assert_int_equal(pf_line_format(json, info, &ref, NULL, &text), PF_OK);
    json_error_t error;
    json_t *o = json_loadb((const char *)text.ptr, text.len,
                           JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    assert_non_null(o);
    return o;
}

/* jansson, given the same object, would have written the same bytes. */
static void same_as_jansson(const struct pf_flow_info *info)
{
    json_t *o = parse(info);
    char *again = json_dumps(o, JSON_COMPACT);
    assert_non_null(again);
    assert_int_equal(strlen(again), text.len);
    assert_memory_equal(again, text.ptr, text.len);
    free(again);
    json_decref(o);
}

static struct pf_flow_info plain_info(void)
{
    return (struct pf_flow_info){
        .key = {.family = 4, .addr = {{10, 0, 0, 1}, {192, 168, 255, 100}}, .port = {443, 65535}},
        .status = PF_FLOW_LOCKED,
        .reason = PF_REASON_HANDSHAKE_CUT,
    };
}

static void every_captured_byte_is_made_safe(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const uint8_t name[] = {'a', (uint8_t)first, (uint8_t)second, 0x80, 'z'};
            struct pf_flow_info info = plain_info();
            info.server_name = (struct pf_span){name, sizeof name};
            info.cert_subject = (struct pf_span){name + 1, 2};
            same_as_jansson(&info);
        }
    }
}

static void quotes_and_backslashes_come_back(void **state)
{
    (void)state;
    static const char name[] = "\"\\\"q\\\\\"";
    struct pf_flow_info info = plain_info();
    info.server_name = (struct pf_span){(const uint8_t *)name, sizeof name - 1};
    same_as_jansson(&info);
    json_t *o = parse(&info);
    assert_string_equal(json_string_value(json_object_get(o, "server_name")), name);
    json_decref(o);
}

static void lists_hold_what_they_were_given(void **state)
{
    (void)state;
    static const struct pf_flow_gap gaps[] = {
        {.offset = 1, .records = PF_UNKNOWN, .bytes = 7, .packet = 0, .packet_before = 8},
        {.offset = UINT64_C(1) << 62,
         .records = 2,
         .bytes = PF_UNKNOWN,
         .packet = 9,
         .cipher_bytes = 1448}};
    static const struct pf_flow_conflict conflicts[] = {{.packet = 4, .offset = 5},
                                                        {.packet = 6, .true_packet = 3}};
    struct pf_flow_info info = plain_info();
    info.dir[PF_S2C] = (struct pf_flow_dir_info){.missing_records = PF_UNKNOWN,
                                                 .missing_bytes = PF_UNKNOWN,
                                                 .gaps = gaps,
                                                 .gap_count = 2,
                                                 .conflicts = 40,
                                                 .conflict = conflicts,
                                                 .conflict_count = 2,
                                                 .clear_bytes = 11};
    same_as_jansson(&info);
    static const char expected[] =
        "\"s2c\":{\"records\":0,\"bytes\":0,\"missing_records\":null,\"missing_bytes\":null,"
        "\"gaps\":[{\"offset\":1,\"records\":null,\"bytes\":7,\"packet\":null,"
        "\"packet_before\":8,\"cipher_bytes\":0},"
        "{\"offset\":4611686018427387904,\"records\":2,\"bytes\":null,\"packet\":9,"
        "\"packet_before\":null,\"cipher_bytes\":1448}],"
        "\"conflicts\":40,\"conflict_list\":[{\"packet\":4,\"true_packet\":null,\"offset\":5},"
        "{\"packet\":6,\"true_packet\":3,\"offset\":0}],\"clear_bytes\":11}}";
    assert_true(text.len > sizeof expected);
    assert_memory_equal(text.ptr + text.len - (sizeof expected - 1), expected, sizeof expected - 1);
}

/* How many numbers were tried for it is only said where any were. */
static void trials_are_told_where_there_were_any(void **state)
{
    (void)state;
    struct pf_flow_info info = plain_info();
    json_t *o = parse(&info);
    assert_null(json_object_get(o, "search_trials"));
    json_decref(o);
    info.search_trials = 8388608;
    same_as_jansson(&info);
    o = parse(&info);
    assert_int_equal(json_integer_value(json_object_get(o, "search_trials")), 8388608);
    json_decref(o);
}

static void addresses_are_as_inet_ntop_writes_them(void **state)
{
    (void)state;
    char got[PF_TEXT_ADDRESS];
    struct pf_flow_key key = {.family = 4, .addr = {{0, 9, 99, 255}, {255, 10, 100, 0}}};
    pf_text_address(&key, 0, got);
    assert_string_equal(got, "0.9.99.255");
    pf_text_address(&key, 1, got);
    assert_string_equal(got, "255.10.100.0");
    key = (struct pf_flow_key){.family = 6, .addr[1] = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    pf_text_address(&key, 1, got);
    assert_string_equal(got, "2001:db8::1");
}

/* All of 64 bits of nanoseconds, a day and a bit at a time. */
static void days_are_as_gmtime_has_them(void **state)
{
    (void)state;
    for (int64_t sec = INT64_MIN / 1000000000 + 1; sec < INT64_MAX / 1000000000; sec += 98765) {
        time_t t = (time_t)sec;
        struct tm tm;
        char expected[PF_TEXT_TIME];
        char got[PF_TEXT_TIME];
        assert_non_null(gmtime_r(&t, &tm));
        assert_true(strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000007Z", &tm) > 0);
        pf_text_time(sec * 1000000000 + 7, got);
        assert_string_equal(got, expected);
    }
    char last[PF_TEXT_TIME];
    pf_text_time(INT64_MAX, last);
    assert_string_equal(last, "2262-04-11T23:47:16.854775807Z");
    pf_text_time(INT64_MIN, last);
    assert_string_equal(last, "1677-09-21T00:12:43.145224192Z");
    pf_text_time(-1, last);
    assert_string_equal(last, "1969-12-31T23:59:59.999999999Z");
}

static void a_line_beyond_its_limit_is_told(void **state)
{
    (void)state;
    struct pf_flow_info info = plain_info();
    const struct pf_flow_ref ref = {.dir[PF_C2S] = {.records = 0}};
    struct pf_buf small;
    pf_buf_init(&small, 300, NULL);
    assert_int_equal(pf_line_format(json, &info, &ref, NULL, &small), PF_ERR_LIMIT);
    pf_buf_fini(&small);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_captured_byte_is_made_safe),       T(quotes_and_backslashes_come_back),
        T(trials_are_told_where_there_were_any),   T(lists_hold_what_they_were_given),
        T(addresses_are_as_inet_ntop_writes_them), T(days_are_as_gmtime_has_them),
        T(a_line_beyond_its_limit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
