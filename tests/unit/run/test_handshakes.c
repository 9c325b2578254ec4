// SPDX-License-Identifier: Apache-2.0
#include "run/handshakes.h"

#include "tls/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct pf_keyring *ring;
static struct pf_buf out;
static struct pf_triage_row row;

static const uint8_t spki[PF_SPKI_LEN] = {0xaa, 0xbb};

static int setup(void **state)
{
    (void)state;
    pf_buf_init(&out, 1 << 16, NULL);
    return pf_keyring_new(&ring) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_buf_fini(&out);
    pf_keyring_free(ring);
    return 0;
}

static const char *tell(const struct pf_conn_report *report, bool json)
{
    const struct pf_handshake_story story = {
        .key = {.addr = {{10, 0, 0, 1}, {10, 0, 0, 2}}, .port = {443, 50000}, .family = 4},
        .client = 1,
        .first_packet = 17,
        .first_ts_ns = 1000000000,
        .payload = 12345,
        .report = report,
        .keyring = ring,
    };
    out.len = 0;
    assert_int_equal(pf_handshakes_tell(&story, json, &out, &row), PF_OK);
    assert_int_equal(pf_buf_append(&out, "", 1), PF_OK);
    return (const char *)out.ptr;
}

static void no_room(void **state)
{
    (void)state;
    const struct pf_conn_report r = {.status = PF_FLOW_LOCKED};
    const struct pf_handshake_story story = {.key = {.family = 4}, .report = &r, .keyring = ring};
    struct pf_buf small;
    pf_buf_init(&small, 20, NULL);
    assert_int_equal(pf_handshakes_tell(&story, true, &small, &row), PF_ERR_LIMIT);
    pf_buf_fini(&small);
}

struct verdict {
    enum pf_reason reason;
    uint16_t suite;
    uint64_t origin;
    const char *text;
    enum pf_need need;
};

static const struct verdict verdicts[] = {
    {PF_REASON_NO_PRIVATE_KEY, 0x002f, 0,
     "rsa_key needed: SPKI aabb000000000000000000000000000000000000000000000000000000000000, "
     "subject CN=a\\x1bb",
     PF_NEED_RSA_KEY},
    {PF_REASON_KEY_REJECTED, 0x002f, 0, "rsa_key needed: SPKI aabb", PF_NEED_RSA_KEY},
    {PF_REASON_NO_SESSION_SECRET, 0xc02f, 0, "key log needed", PF_NEED_KEYLOG},
    {PF_REASON_NO_SESSION_SECRET, 0xc02f, 9,
     "resumes session of flow \x01"
     "9\x02; key log needed",
     PF_NEED_KEYLOG},
    {PF_REASON_NO_SESSION_SECRET, 0x008c, 0, "pre-shared key or key log needed", PF_NEED_PSK},
    {PF_REASON_SESSION_NOT_SEEN, 0x002f, 0, "not in this capture: the full handshake",
     PF_NEED_CAPTURE},
    {PF_REASON_NO_HANDSHAKE, 0, 0, "not in this capture: why", PF_NEED_HANDSHAKE},
    {PF_REASON_HANDSHAKE_CUT, 0, 0, "not in this capture: why", PF_NEED_HANDSHAKE},
    {PF_REASON_HANDSHAKE_FAILED, 0, 0, "why", PF_NEED_FAILED},
    {PF_REASON_UNSUPPORTED_PROTOCOL, 0, 0, "why", PF_NEED_UNSUPPORTED},
    {PF_REASON_UNSUPPORTED_SUITE, 0, 0, "why", PF_NEED_UNSUPPORTED},
    {PF_REASON_LIMIT_REACHED, 0, 0, "why", PF_NEED_LIMIT},
};

static void what_is_needed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        const struct verdict *v = &verdicts[i];
        const struct pf_conn_report r = {
            .suite = pf_suite_find(v->suite),
            .cert_spki = spki,
            .cert_subject = "CN=a\x1b"
                            "b",
            .origin_packet = v->origin,
            .status = PF_FLOW_LOCKED,
            .reason = v->reason,
            .detail = "why",
        };
        const char *at = strstr(tell(&r, false), "     verdict  ");
        assert_non_null(at);
        assert_memory_equal(at + 14, v->text, strlen(v->text));
        assert_int_equal(row.need, v->need);
        assert_int_equal(row.bytes, 12345);
        assert_true(row.has_spki);
        assert_non_null(strstr(tell(&r, true), "\"verdict\":{\"need\":\""));
    }
}

static void certificate_not_captured(void **state)
{
    (void)state;
    const struct pf_conn_report r = {.status = PF_FLOW_LOCKED, .reason = PF_REASON_NO_PRIVATE_KEY};
    assert_non_null(strstr(tell(&r, false), "rsa_key needed: the server's certificate was not"));
    assert_false(row.has_spki);
}

static void what_opened_it(void **state)
{
    (void)state;
    const struct {
        enum pf_opened_by by;
        const char *text;
    } rows[] = {
        {PF_OPENED_BY_KEYLOG, "opened by the key log"},
        {PF_OPENED_BY_DSB, "opened by the secrets in the capture"},
        {PF_OPENED_BY_PSK, "opened by the pre-shared key"},
        {PF_OPENED_BY_RSA_KEY, "opened by a private key"},
        {PF_OPENED_BY_SESSION, "resumes session of flow \x01"
                               "3\x02; opened"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pf_conn_report r = {.status = PF_FLOW_DECRYPTED,
                                         .opened_by = rows[i].by,
                                         .origin_packet =
                                             rows[i].by == PF_OPENED_BY_SESSION ? 3 : 0};
        assert_non_null(strstr(tell(&r, false), rows[i].text));
        assert_int_equal(row.need, PF_NEED_NOTHING);
    }
}

/* Each side's steps stay in their order; the sides are merged by packet. */
static void steps_are_in_order(void **state)
{
    (void)state;
    struct pf_watch w;
    const uint8_t alert[] = {2, 40};
    pf_watch_init(&w, NULL);
    const struct pf_watch_event events[] = {
        {.packet = 5, .ts_ns = 1500000000, .kind = PF_WATCH_CCS, .dir = PF_C2S},
        {.packet = 5, .kind = PF_WATCH_SEALED, .dir = PF_C2S, .type = 22},
        {.packet = 4, .kind = PF_WATCH_GAP, .dir = PF_S2C},
        {.packet = 6, .kind = PF_WATCH_ALERT, .dir = PF_S2C, .opened = true},
    };
    pf_watch_note(&w, events[0], (struct pf_span){NULL, 0});
    pf_watch_note(&w, events[1], (struct pf_span){NULL, 40});
    pf_watch_note(&w, events[2], (struct pf_span){NULL, 1448});
    pf_watch_note(&w, events[3], (struct pf_span){alert, 2});
    const struct pf_conn_report r = {.status = PF_FLOW_LOCKED, .watch = &w};
    const char *t = tell(&r, false);
    const char *const steps[] = {
        "4     -1.000000  server Missing: 1448 bytes\n",
        "5      0.500000  client ChangeCipherSpec\n",
        "5     -1.000000  client Finished (encrypted, 40 bytes)\n",
        "6     -1.000000  server Alert (opened): fatal handshake_failure\n"};
    for (size_t i = 0; i < 4; i++) {
        t = strstr(t, steps[i]);
        if (t == NULL) {
            fail_msg("not there, or not in order: %s", steps[i]);
        }
    }
    pf_watch_fini(&w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_room),        T(what_is_needed),     T(certificate_not_captured),
        T(what_opened_it), T(steps_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
