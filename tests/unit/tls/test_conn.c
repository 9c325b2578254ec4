// SPDX-License-Identifier: Apache-2.0
/* Connections of TLS 1.0 to 1.2, written by tests/support/tlspeer.h, read in every order. */
#include "support/conntalk.h"

/* ---- what does not open ---- */

static void nothing_was_fed(void **state)
{
    (void)state;
    struct rig *r = rig_with_key(NULL);
    assert_int_equal(reason_of(r, PF_FLOW_LOCKED), PF_REASON_NO_HANDSHAKE);
    rig_free(r);
}

static void no_key_names_what_is_needed(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_new(NULL);
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(report.status, PF_FLOW_LOCKED);
    assert_int_equal(report.reason, PF_REASON_NO_PRIVATE_KEY);
    assert_non_null(strstr(report.detail, "SPKI SHA-256"));
    assert_non_null(strstr(report.detail, "tls.example"));
    assert_null(report.key_spki);
    assert_int_equal(report.opened_by, PF_OPENED_BY_NONE);
    assert_int_equal(r->plain_len[0] + r->plain_len[1], 0);
    done(r, t);
}

static void another_key_does_not_open(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_new(NULL);
    give_key(r, "", "other.pem");
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_int_equal(reason_of(r, PF_FLOW_LOCKED), PF_REASON_NO_PRIVATE_KEY);
    assert_int_equal(r->unwraps, 0); /* the certificate says that it is not the one */
    done(r, t);
}

static void a_tied_key_that_does_not_fit_is_rejected(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_new(NULL);
    give_key(r, "192.0.2.1:443=", "other.pem");
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_int_equal(reason_of(r, PF_FLOW_LOCKED), PF_REASON_KEY_REJECTED);
    assert_int_equal(r->unwraps, 1);
    done(r, t);
}

static void the_right_key_behind_a_tied_one_opens(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_new(NULL);
    give_key(r, "192.0.2.1:443=", "other.pem");
    give_key(r, "", "server.pem");
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_decrypted(r, t);
    done(r, t);
}

static void garbage_is_no_handshake(void **state)
{
    (void)state;
    static uint8_t garbage[5000];
    for (unsigned seed = 1; seed < 40; seed++) {
        struct rig *r = rig_with_key(NULL);
        uint32_t x = seed * 2654435761U;
        for (size_t i = 0; i < sizeof garbage; i++) {
            x = x * 1664525 + 1013904223;
            garbage[i] = (uint8_t)(x >> 24);
        }
        rig_feed(r, seed % 2 == 0 ? PF_C2S : PF_S2C, garbage, sizeof garbage);
        struct pf_conn_report report;
        rig_finish(r, &report);
        assert_int_equal(report.status, PF_FLOW_LOCKED);
        rig_free(r);
    }
}

/* The client gave up: the alert says so. */
static void a_fatal_alert_is_told(void **state)
{
    (void)state;
    struct tp *t = tp_new(tls12, server_key);
    tp_client_hello(t, false);
    tp_alert(t, TP_S, 2, 40);
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, SIZE_MAX);
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(report.reason, PF_REASON_HANDSHAKE_FAILED);
    assert_non_null(strstr(report.detail, "handshake_failure"));
    done(r, t);
}

static void one_side_only_is_a_cut_handshake(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    for (int d = 0; d < 2; d++) {
        struct rig *r = rig_with_key(NULL);
        feed_side(r, t, d);
        assert_int_equal(reason_of(r, PF_FLOW_LOCKED), PF_REASON_HANDSHAKE_CUT);
        rig_free(r);
    }
    tp_free(t);
}

/* A capture that begins in mid-connection says so, however much there is of it, and keeps none. */
static void mid_connection_is_not_held(void **state)
{
    (void)state;
    static uint8_t record[5 + 16384] = {23, 3, 3, 0x40, 0};
    struct rig *r = rig_with_key(NULL);
    for (int i = 0; i < 200; i++) {
        rig_feed(r, i % 3 == 0 ? PF_C2S : PF_S2C, record, sizeof record);
        assert_true(r->budget.used < 200000);
    }
    assert_int_equal(reason_of(r, PF_FLOW_LOCKED), PF_REASON_NO_HANDSHAKE);
    rig_free(r);
}

/* ---- what opens, in every order ---- */

static void every_suite_and_option(void **state)
{
    (void)state;
    static const uint16_t suites[] = {TP_AES128_SHA, TP_AES256_SHA256, TP_AES128_GCM};
    for (unsigned i = 0; i < 48; i++) {
        struct tp_options o = {.version = i % 4 == 3 ? 0x0301 : 0x0303,
                               .suite = i % 4 == 3 ? TP_AES128_SHA : suites[i % 4],
                               .ems = (i / 4) % 2 != 0,
                               .ticket = (i / 16) % 2 != 0};
        o.etm = (i / 8) % 2 != 0 && o.suite != TP_AES128_GCM;
        struct tp *t = talk(o);
        struct rig *r = rig_with_key(NULL);
        feed_all(r, t, i % 3 == 0 ? 100 : SIZE_MAX);
        assert_decrypted(r, t);
        done(r, t);
    }
}

static void what_the_report_says(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, SIZE_MAX);
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_string_equal(report.version, "TLSv12");
    assert_string_equal(report.cipher, "TLS_RSA_WITH_AES_128_GCM_SHA256");
    assert_memory_equal(report.client_random, t->client_random, 32);
    assert_memory_equal(report.server_random, t->server_random, 32);
    assert_int_equal(report.session_id.len, 32);
    assert_memory_equal(report.session_id.ptr, t->session_id, 32);
    assert_true(report.resumed_known);
    assert_false(report.resumed);
    assert_int_equal(report.opened_by, PF_OPENED_BY_RSA_KEY);
    assert_memory_equal(report.key_spki, report.cert_spki, PF_SPKI_LEN);
    assert_non_null(strstr(report.cert_subject, "tls.example"));
    assert_int_equal(report.dir[0].missing_records, 0);
    assert_int_equal(report.dir[1].missing_bytes, 0);
    done(r, t);
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct tp *t = talk((struct tp_options){.version = 0x0301, .suite = TP_AES128_SHA});
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, 1);
    assert_decrypted(r, t);
    done(r, t);
}

static void one_side_and_then_the_other(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    for (int first = 0; first < 2; first++) {
        struct rig *r = rig_with_key(NULL);
        feed_side(r, t, first);
        assert_int_equal(r->plain_len[0] + r->plain_len[1], 0);
        feed_side(r, t, 1 - first);
        assert_decrypted(r, t);
        rig_free(r);
    }
    tp_free(t);
}

static void without_a_certificate_the_key_is_tried(void **state)
{
    (void)state;
    static const struct bytes nothing;
    struct tp *t =
        tp_new((struct tp_options){.version = 0x0303, .suite = TP_AES128_GCM}, server_key);
    tp_client_hello(t, false);
    tp_server_hello(t, false);
    tp_message(t, TP_S, 14, &nothing);
    tp_key_exchange(t);
    tp_master(t);
    tp_change_keys(t, TP_C);
    tp_change_keys(t, TP_S);
    tp_text(t, TP_C, "ping");
    struct rig *r = rig_new(NULL);
    give_key(r, "", "other.pem");
    give_key(r, "", "server.pem");
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_decrypted(r, t);
    assert_int_equal(r->unwraps, 2);
    done(r, t);
}

static void renegotiation(void **state)
{
    (void)state;
    for (int piece = 0; piece < 2; piece++) {
        struct tp *t = talk((struct tp_options){.version = 0x0303, .suite = TP_AES128_SHA});
        for (int i = 0; i < 3; i++) {
            tp_full_handshake(t);
            tp_text(t, TP_S, "again");
            tp_text(t, TP_C, "and again");
        }
        tp_resumed_handshake(t);
        tp_text(t, TP_C, "with the session before");
        struct pf_sessions *sessions;
        assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
        struct rig *r = rig_with_key(sessions);
        feed_all(r, t, piece == 0 ? SIZE_MAX : 17);
        assert_decrypted(r, t);
        done(r, t);
        pf_sessions_free(sessions);
    }
}

/* Refused twice: what follows is still read. */
static void renegotiation_that_is_refused(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    for (int i = 0; i < 3; i++) {
        tp_client_hello(t, false);
        tp_alert(t, TP_S, 1, 100);
        tp_text(t, TP_C, "then not");
        tp_text(t, TP_S, "no");
    }
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, SIZE_MAX);
    assert_int_equal(r->plain_len[TP_C], t->plain[TP_C].n - strlen("then not")); /* not held up */
    assert_decrypted(r, t);
    done(r, t);
}

static void resumption(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct tp_options o = {.version = 0x0303, .suite = TP_AES128_GCM, .ticket = i % 2 != 0};
        struct pf_sessions *sessions;
        assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
        struct tp *full = talk(o);
        struct tp *t = tp_new(o, server_key);
        tp_take_session(t, full);
        tp_resumed_handshake(t);
        tp_text(t, TP_C, "resumed");
        tp_text(t, TP_S, "indeed");
        struct rig *r = rig_with_key(sessions);
        if (i < 2) { /* the full handshake was captured */
            feed_all(r, full, SIZE_MAX);
            assert_decrypted(r, full);
            rig_end(r);
            rig_begin(r);
        }
        feed_all(r, t, SIZE_MAX);
        struct pf_conn_report report;
        rig_finish(r, &report);
        assert_true(report.resumed_known && report.resumed);
        if (i < 2) {
            assert_int_equal(report.status, PF_FLOW_DECRYPTED);
            assert_int_equal(report.opened_by, PF_OPENED_BY_SESSION);
            assert_plain(r, t);
        } else {
            assert_int_equal(report.reason, PF_REASON_SESSION_NOT_SEEN);
        }
        done(r, t);
        tp_free(full);
        pf_sessions_free(sessions);
    }
}

/* A flow that waits for a session and ends meanwhile tells others what it would have told them had
 * it not waited; what is only found because the flow has ended is told to nobody. */
static void what_is_told_does_not_depend_on_waiting(void **state)
{
    (void)state;
    struct tp_options o = {.version = 0x0303, .suite = TP_AES128_GCM, .ticket = true};
    struct tp *full = talk(o);
    struct tp *t = tp_new(o, server_key);
    tp_take_session(t, full);
    tp_client_hello(t, true);
    tp_server_hello(t, true);
    tp_random(t, t->ticket, sizeof t->ticket);
    tp_ticket(t);
    tp_change_keys(t, TP_S);
    tp_change_keys(t, TP_C);
    for (int ends = 0; ends < 2; ends++) {
        struct pf_sessions *sessions;
        assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
        struct rig *r = rig_with_key(sessions);
        struct rig *waits = rig_with_key(sessions);
        waits->hold_sessions = true;
        waits->packet = 100;
        feed_all(waits, t, SIZE_MAX);
        assert_true(pf_conn_is_waiting(waits->conn));
        if (ends == 1) {
            pf_conn_at(waits->conn, UINT64_MAX);
            pf_conn_finish(waits->conn);
        }
        feed_all(r, full, SIZE_MAX);
        assert_int_equal(pf_conn_session_answer(waits->conn, true), PF_OK);
        rig_drive(waits);
        struct pf_session got;
        struct pf_span ticket = {t->ticket, sizeof t->ticket};
        assert_true(pf_sessions_get(sessions, PF_SESSION_TICKET, ticket, 1000, 0, &got));
        assert_true(got.packet >= 100 && got.packet < 110);
        rig_free(waits);
        rig_free(r);
        pf_sessions_free(sessions);
    }
    tp_free(full);
    tp_free(t);
}

/* A hole in the server's flight is filled late: the session is known from then on, not before. */
static void a_session_is_known_when_its_last_byte_has_come(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct pf_sessions *sessions;
    assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
    for (int ended = 0; ended < 2; ended++) {
        struct rig *r = rig_with_key(sessions);
        feed_side(r, t, TP_C);
        pf_conn_at(r->conn, ended ? UINT64_MAX : 9000);
        struct pf_span all = {t->wire[TP_S].b, t->wire[TP_S].n};
        assert_int_equal(pf_conn_feed(r->conn, PF_S2C, all, 7, 7), PF_OK);
        rig_drive(r);
        struct pf_session got;
        struct pf_span id = {t->session_id, 32};
        assert_false(pf_sessions_get(sessions, PF_SESSION_ID, id, 8999, 0, &got));
        assert_int_equal(pf_sessions_get(sessions, PF_SESSION_ID, id, 9000, 0, &got), !ended);
        rig_free(r);
        if (!ended) {
            pf_sessions_free(sessions);
            assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
        }
    }
    pf_sessions_free(sessions);
    tp_free(t);
}

static void logged_secret(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_new(NULL);
    char line[PF_KEYLOG_LINE_MAX];
    struct pf_secret secret = {.len = 48};
    for (int wrong = 1; wrong >= 0; wrong--) { /* a wrong one before the right one */
        memcpy(secret.bytes, t->master, 48);
        secret.bytes[5] = (uint8_t)(secret.bytes[5] ^ wrong);
        size_t n = pf_keylog_format(PF_KEYLOG_MASTER, t->client_random, &secret, line, sizeof line);
        assert_int_equal(pf_keylog_add_text(r->log, (struct pf_span){(uint8_t *)line, n}), PF_OK);
    }
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_decrypted(r, t);
    struct pf_conn_report report;
    pf_conn_report(r->conn, &report);
    assert_int_equal(report.opened_by, PF_OPENED_BY_KEYLOG);
    done(r, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_fed),
        cmocka_unit_test(no_key_names_what_is_needed),
        cmocka_unit_test(another_key_does_not_open),
        cmocka_unit_test(a_tied_key_that_does_not_fit_is_rejected),
        cmocka_unit_test(the_right_key_behind_a_tied_one_opens),
        cmocka_unit_test(garbage_is_no_handshake),
        cmocka_unit_test(a_fatal_alert_is_told),
        cmocka_unit_test(one_side_only_is_a_cut_handshake),
        cmocka_unit_test(mid_connection_is_not_held),
        cmocka_unit_test(every_suite_and_option),
        cmocka_unit_test(what_the_report_says),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(one_side_and_then_the_other),
        cmocka_unit_test(without_a_certificate_the_key_is_tried),
        cmocka_unit_test(renegotiation),
        cmocka_unit_test(renegotiation_that_is_refused),
        cmocka_unit_test(resumption),
        cmocka_unit_test(what_is_told_does_not_depend_on_waiting),
        cmocka_unit_test(a_session_is_known_when_its_last_byte_has_come),
        cmocka_unit_test(logged_secret),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
