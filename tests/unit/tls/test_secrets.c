// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/verdict.h"
#include "tls/secrets.h"

#include <stdio.h>
#include <string.h>

static struct pf_budget budget;
static struct pf_handshake hs;
static struct pf_kdf *kdf;
static struct pf_keylog *logs[2]; /* the given files', the capture's own */
static struct pf_sessions *sessions;
static struct pf_secret_sources src;
static const struct pf_server server = {.addr = {192, 0, 2, 1}, .port = 443, .family = 4};
static const uint8_t psk_bytes[2][4] = {"ab", "cd"};
static const struct pf_span psks[2] = {{psk_bytes[0], 4}, {psk_bytes[1], 4}};

enum {
    FULL = PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO | PF_FACT_SERVER_DONE |
           PF_FACT_CLIENT_KEY_EXCHANGE,
    RESUMED = PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO | PF_FACT_SERVER_CCS
};

static int begin(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 1 << 20};
    pf_handshake_init(&hs, &budget);
    assert_int_equal(pf_kdf_new(&kdf), PF_OK);
    assert_int_equal(pf_keylog_new(1 << 16, &logs[0]), PF_OK);
    assert_int_equal(pf_keylog_new(1 << 16, &logs[1]), PF_OK);
    assert_int_equal(pf_sessions_new(1 << 20, &sessions), PF_OK);
    src = (struct pf_secret_sources){.keylog = logs[0], .dsb = logs[1], .sessions = sessions};
    hs.version = PF_VERSION_TLS12;
    hs.suite_id = 0x002f;
    hs.suite = pf_suite_find(hs.suite_id);
    memset(hs.client_random, 0xc1, sizeof hs.client_random);
    memset(hs.server_random, 0x51, sizeof hs.server_random);
    memset(hs.session_id, 0x1d, 32);
    hs.session_id_len = 32;
    static const uint8_t encrypted[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_int_equal(pf_buf_append(&hs.encrypted, encrypted, sizeof encrypted), PF_OK);
    hs.facts = FULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    pf_handshake_fini(&hs);
    pf_kdf_free(kdf);
    pf_keylog_free(logs[0]);
    pf_keylog_free(logs[1]);
    pf_sessions_free(sessions);
    return budget.used == 0 ? 0 : -1;
}

/* A line of a key log: what stands in front, and 48 bytes of `fill`. */
static void add_line(int log, const char *front, unsigned fill)
{
    char line[400];
    int n = snprintf(line, sizeof line, "%s", front);
    for (int i = 0; i < 48; i++) {
        n += snprintf(line + n, sizeof line - (size_t)n, "%02x", fill);
    }
    assert_int_equal(pf_keylog_add_text(logs[log], (struct pf_span){(uint8_t *)line, (size_t)n}),
                     PF_OK);
}

#define X16(s) s s s s s s s s s s s s s s s s
#define RANDOM X16("c1") X16("c1")

static enum pf_status find(bool final)
{
    pf_keylog_freeze(logs[0]);
    pf_keylog_freeze(logs[1]);
    return pf_secret_find(&hs, kdf, &src, &server, final);
}

static void assert_found(enum pf_opened_by by, int fill)
{
    assert_true(hs.search.found);
    assert_int_equal(hs.search.opened_by, by);
    for (int i = 0; i < 48 && fill >= 0; i++) {
        assert_int_equal(hs.master.bytes[i], fill);
    }
}

static void put_session(enum pf_session_kind kind, uint8_t fill, uint64_t packet,
                        enum pf_opened_by by)
{
    struct pf_session s = {.packet = packet, .version = hs.version, .opened_by = (uint8_t)by};
    memset(s.master.bytes, fill, sizeof s.master.bytes);
    struct pf_span id = kind == PF_SESSION_ID
                            ? (struct pf_span){hs.session_id, 32}
                            : (struct pf_span){hs.offered_ticket.ptr, hs.offered_ticket.len};
    assert_int_equal(pf_sessions_put(sessions, kind, id, &s, NULL), PF_OK);
}

/* ---- what is not found ---- */

static void without_both_hellos(void **state)
{
    (void)state;
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    hs.facts = PF_FACT_CLIENT_HELLO;
    assert_int_equal(find(false), PF_BLOCKED);
    assert_int_equal(find(true), PF_ERR_NOKEY);
    hs.facts = PF_FACT_SERVER_HELLO;
    assert_int_equal(find(true), PF_ERR_NOKEY);
}

static void suites_that_are_not_opened(void **state)
{
    (void)state;
    hs.suite = NULL;
    assert_int_equal(find(false), PF_ERR_UNSUPPORTED);
}

static void nothing_is_known(void **state)
{
    (void)state;
    assert_int_equal(find(false), PF_ERR_NOKEY);
    assert_int_equal(hs.search.source, PF_SOURCE_NONE);
    assert_int_equal(find(false), PF_ERR_NOKEY); /* and stays so */
}

/* Beyond a key log the server's flight must be clear first. */
static void facts_are_waited_for(void **state)
{
    (void)state;
    hs.facts = FULL & ~(uint32_t)PF_FACT_SERVER_DONE & ~(uint32_t)PF_FACT_CLIENT_KEY_EXCHANGE;
    assert_int_equal(find(false), PF_BLOCKED);
    hs.facts |= PF_FACT_SERVER_DONE;
    assert_int_equal(find(false), PF_BLOCKED); /* for ClientKeyExchange */
    assert_int_equal(find(true), PF_ERR_NOKEY);
}

static void a_transcript_with_a_hole_derives_nothing(void **state)
{
    (void)state;
    hs.extended_master = true;
    hs.facts |= PF_FACT_TRANSCRIPT_LOST;
    add_line(0, "PMS_CLIENT_RANDOM " RANDOM " ", 0x22);
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

/* ---- the order ---- */

static void every_source_in_order(void **state)
{
    (void)state;
    static const enum pf_secret_source order[] = {
        PF_SOURCE_KEYLOG,    PF_SOURCE_KEYLOG,    PF_SOURCE_KEYLOG, PF_SOURCE_PRE_MASTER,
        PF_SOURCE_ENCRYPTED, PF_SOURCE_LOGGED_ID, PF_SOURCE_PSK,    PF_SOURCE_PSK};
    static const enum pf_opened_by by[] = {
        PF_OPENED_BY_KEYLOG, PF_OPENED_BY_KEYLOG, PF_OPENED_BY_DSB, PF_OPENED_BY_KEYLOG,
        PF_OPENED_BY_DSB,    PF_OPENED_BY_KEYLOG, PF_OPENED_BY_PSK, PF_OPENED_BY_PSK};
    static const int fills[] = {0x11, 0x12, 0x13, -1, -1, 0x33, -1, -1};
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x12);
    add_line(1, "CLIENT_RANDOM " RANDOM " ", 0x13);
    add_line(0, "PMS_CLIENT_RANDOM " RANDOM " ", 0x22);
    add_line(1, "RSA 0102030405060708 ", 0x44);
    add_line(0, "RSA Session-ID:" X16("1d") X16("1d") " Master-Key:", 0x33);
    src.psks = psks;
    src.psk_count = 2;
    hs.suite = pf_suite_find(0x008c); /* TLS_PSK_WITH_AES_128_CBC_SHA */
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_int_equal(find(false), PF_OK);
        assert_int_equal(find(false), PF_OK); /* the same, until it is rejected */
        assert_int_equal(hs.search.source, order[i]);
        assert_int_equal(hs.search.generation, i);
        assert_found(by[i], fills[i]);
        pf_secret_reject(&hs);
        assert_false(hs.search.found);
    }
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

/* ---- sessions ---- */

static void resume_with(bool ticket)
{
    hs.facts = RESUMED;
    hs.client_packet = 50;
    if (ticket) {
        assert_int_equal(pf_buf_append(&hs.offered_ticket, "ticket", 6), PF_OK);
    }
    hs.offered_id_len = 32;
    memcpy(hs.offered_id, hs.session_id, 32);
}

static void a_full_handshake_asks_for_no_session(void **state)
{
    (void)state;
    resume_with(true);
    put_session(PF_SESSION_ID, 0x66, 1, PF_OPENED_BY_RSA_KEY);
    hs.facts = FULL;
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

static void ticket_first_then_id(void **state)
{
    (void)state;
    resume_with(true);
    put_session(PF_SESSION_TICKET, 0x55, 10, PF_OPENED_BY_RSA_KEY);
    put_session(PF_SESSION_ID, 0x66, 10, PF_OPENED_BY_KEYLOG);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(find(false), PF_AGAIN);
        assert_int_equal(hs.search.pending, PF_PENDING_SESSION);
        assert_int_equal(pf_secret_session(&hs, &src, 100, false), PF_OK);
        assert_int_equal(find(false), PF_OK);
        assert_found(PF_OPENED_BY_SESSION, i == 0 ? 0x55 : 0x66);
        pf_secret_reject(&hs);
        assert_int_equal(find(false), PF_AGAIN); /* is there another one? */
        assert_int_equal(pf_secret_session(&hs, &src, 100, true), PF_OK);
    }
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

static void a_miss_is_final_only_when_it_is_said(void **state)
{
    (void)state;
    resume_with(false);
    assert_int_equal(find(false), PF_AGAIN);
    put_session(PF_SESSION_ID, 0x66, 200, PF_OPENED_BY_RSA_KEY); /* known later than asked for */
    assert_int_equal(pf_secret_session(&hs, &src, 199, false), PF_AGAIN);
    assert_int_equal(find(false), PF_AGAIN);
    assert_int_equal(pf_secret_session(&hs, &src, 199, true), PF_OK);
    assert_int_equal(find(false), PF_ERR_NOKEY);
    assert_false(hs.search.origin_locked);
}

/* What opens does not depend on how early the first one was taken. */
static void one_taken_early_is_not_the_first_of_all(void **state)
{
    (void)state;
    static const int fills[] = {0x77, 0x55};
    resume_with(false);
    put_session(PF_SESSION_ID, 0x55, 10, PF_OPENED_BY_RSA_KEY);
    assert_int_equal(find(false), PF_AGAIN);
    assert_int_equal(pf_secret_session(&hs, &src, 100, false), PF_OK);
    assert_found(PF_OPENED_BY_SESSION, 0x55);
    pf_secret_reject(&hs);
    assert_int_equal(find(false), PF_AGAIN);
    assert_int_equal(pf_secret_session(&hs, &src, 100, false), PF_AGAIN);
    put_session(PF_SESSION_ID, 0x77, 20, PF_OPENED_BY_RSA_KEY); /* by a worker that was behind */
    assert_int_equal(pf_secret_session(&hs, &src, 100, false), PF_AGAIN);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pf_secret_session(&hs, &src, 100, true), PF_OK);
        assert_found(PF_OPENED_BY_SESSION, fills[i]);
        pf_secret_reject(&hs);
        assert_int_equal(find(false), PF_AGAIN);
    }
    assert_int_equal(pf_secret_session(&hs, &src, 100, true), PF_OK);
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

static void a_locked_origin_is_remembered(void **state)
{
    (void)state;
    resume_with(false);
    put_session(PF_SESSION_ID, 0, 10, PF_OPENED_BY_NONE);
    assert_int_equal(find(false), PF_AGAIN);
    assert_int_equal(pf_secret_session(&hs, &src, 100, false), PF_OK);
    assert_true(hs.search.origin_locked);
    assert_int_equal(find(false), PF_AGAIN);
    assert_int_equal(pf_secret_session(&hs, &src, 100, true), PF_OK);
    assert_int_equal(find(false), PF_ERR_NOKEY);
}

static void what_is_published(void **state)
{
    (void)state;
    struct pf_session got;
    struct pf_span id = {hs.session_id, 32};
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    assert_int_equal(find(false), PF_OK);
    hs.known_packet = UINT64_MAX; /* learnt when the flow had ended */
    assert_int_equal(pf_secret_publish(&hs, &src, false, NULL), PF_OK);
    assert_false(pf_sessions_get(sessions, PF_SESSION_ID, id, UINT64_MAX, 0, &got));
    hs.origin_published = false;
    hs.known_packet = 70;
    hs.ticket_packet = 60;
    assert_int_equal(pf_buf_append(&hs.new_ticket, "new", 3), PF_OK);
    assert_int_equal(pf_secret_publish(&hs, &src, false, NULL), PF_OK);
    struct pf_span ticket = {(const uint8_t *)"new", 3};
    assert_false(pf_sessions_get(sessions, PF_SESSION_ID, id, 69, 0, &got));
    assert_true(pf_sessions_get(sessions, PF_SESSION_ID, id, 70, 0, &got));
    assert_int_equal(got.opened_by, PF_OPENED_BY_KEYLOG);
    assert_false(pf_sessions_get(sessions, PF_SESSION_TICKET, ticket, 69, 0, &got));
    assert_true(pf_sessions_get(sessions, PF_SESSION_TICKET, ticket, 70, 0, &got));
    assert_int_equal(got.master.bytes[0], 0x11);
}

/* ---- key logs and passes ---- */

/* publish with lines; the lines as a text */
static const char *lines_of(bool proved, bool final)
{
    static char text[1024];
    struct pf_buf lines;
    pf_buf_init(&lines, sizeof text - 1, &budget);
    hs.search.proved = proved;
    assert_int_equal(pf_secret_publish(&hs, &src, final, &lines), PF_OK);
    memset(text, 0, sizeof text);
    if (lines.len > 0) {
        memcpy(text, lines.ptr, lines.len);
    }
    pf_buf_fini(&lines);
    return text;
}

/* SHA-256 of "ticket" and of "new", by sha256sum */
#define TICKET_DIGEST "14069429150abcbf244c4c2fb2c4c46a49c93ca9457263ecd9ebb176de3a58bb"
#define NEW_DIGEST "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
#define MASTER X16("11") X16("11") X16("11")
#define RANDOM_LINE "CLIENT_RANDOM " RANDOM " " MASTER "\n"
#define ID_LINE "RSA Session-ID:" X16("1d") X16("1d") " Master-Key:" MASTER "\n"
#define TICKET_LINE "PF_TICKET " TICKET_DIGEST " " MASTER "\n"
#define NEW_LINE "PF_TICKET " NEW_DIGEST " " MASTER "\n"

static void only_what_is_proved_is_logged(void **state)
{
    (void)state;
    assert_string_equal(lines_of(false, true), "");
    hs.origin_published = false;
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    assert_int_equal(find(false), PF_OK);
    assert_string_equal(lines_of(false, false), "");
    hs.origin_published = false;
    assert_string_equal(lines_of(true, false), RANDOM_LINE ID_LINE);
    assert_string_equal(lines_of(true, false), ""); /* once */
}

static void a_ticket_is_logged_by_its_digest(void **state)
{
    (void)state;
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    assert_int_equal(find(false), PF_OK);
    hs.session_id_len = 0;
    assert_string_equal(lines_of(true, true), RANDOM_LINE);
    assert_int_equal(pf_buf_append(&hs.new_ticket, "new", 3), PF_OK);
    assert_string_equal(lines_of(true, true), NEW_LINE);
}

static void what_was_resumed_is_logged_unless_it_was_known(void **state)
{
    (void)state;
    resume_with(true);
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    assert_int_equal(find(false), PF_OK);
    assert_string_equal(lines_of(true, false), RANDOM_LINE TICKET_LINE);
    hs.origin_published = false;
    hs.search.opened_by = PF_OPENED_BY_SESSION;
    assert_string_equal(lines_of(true, false), RANDOM_LINE);
    hs.origin_published = false;
    hs.search.opened_by = PF_OPENED_BY_DSB;
    hs.offered_ticket.len = 0;
    assert_string_equal(lines_of(true, false), RANDOM_LINE ID_LINE);
}

static void a_logged_ticket_opens(void **state)
{
    (void)state;
    add_line(1, "PF_TICKET " TICKET_DIGEST " ", 0x22);
    hs.facts = FULL; /* a ticket was offered, and not taken */
    assert_int_equal(pf_buf_append(&hs.offered_ticket, "ticket", 6), PF_OK);
    assert_int_equal(find(false), PF_ERR_NOKEY);
    memset(&hs.search, 0, sizeof hs.search);
    hs.facts = RESUMED;
    assert_int_equal(find(false), PF_OK);
    assert_found(PF_OPENED_BY_DSB, 0x22);
}

/* The first pass learns at a flow's end too, and the second one needs no packet number. */
static void a_second_pass_knows(void **state)
{
    struct pf_sessions *learnt;
    struct pf_session got;
    (void)state;
    assert_int_equal(pf_sessions_new(1 << 20, &learnt), PF_OK);
    add_line(0, "CLIENT_RANDOM " RANDOM " ", 0x11);
    assert_int_equal(find(true), PF_OK);
    hs.search.key_spki[0] = 0x99;
    hs.search.opened_by = PF_OPENED_BY_RSA_KEY;
    src.learn = learnt;
    hs.known_packet = UINT64_MAX;
    assert_string_equal(lines_of(true, true), RANDOM_LINE ID_LINE);
    struct pf_span id = {hs.session_id, 32};
    assert_false(pf_sessions_get(sessions, PF_SESSION_ID, id, UINT64_MAX, 0, &got));

    src = (struct pf_secret_sources){.sessions = sessions, .known = learnt};
    memset(&hs.search, 0, sizeof hs.search);
    assert_int_equal(find(false), PF_OK); /* the handshake itself */
    assert_found(PF_OPENED_BY_RSA_KEY, 0x11);
    assert_int_equal(hs.search.key_spki[0], 0x99);

    memset(&hs.search, 0, sizeof hs.search);
    hs.client_random[0] ^= 1; /* another one, which resumes */
    resume_with(false);
    assert_int_equal(find(false), PF_OK);
    assert_found(PF_OPENED_BY_SESSION, 0x11);
    pf_secret_reject(&hs);
    assert_int_equal(find(false), PF_AGAIN); /* what this pass sees itself */
    pf_sessions_free(learnt);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(without_both_hellos),
        T(suites_that_are_not_opened),
        T(nothing_is_known),
        T(facts_are_waited_for),
        T(a_transcript_with_a_hole_derives_nothing),
        T(every_source_in_order),
        T(a_full_handshake_asks_for_no_session),
        T(ticket_first_then_id),
        T(a_miss_is_final_only_when_it_is_said),
        T(one_taken_early_is_not_the_first_of_all),
        T(a_locked_origin_is_remembered),
        T(what_is_published),
        T(only_what_is_proved_is_logged),
        T(a_ticket_is_logged_by_its_digest),
        T(what_was_resumed_is_logged_unless_it_was_known),
        T(a_logged_ticket_opens),
        T(a_second_pass_knows),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
