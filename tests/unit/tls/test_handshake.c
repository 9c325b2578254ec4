// SPDX-License-Identifier: Apache-2.0
/* The rule table against the graph of RFC 5246 section 7.3, typed in here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "support/pki.h"
#include "tls/handshake.h"

static struct pf_budget budget;
static struct pf_handshake hs;
static uint8_t *cert_der;
static size_t cert_len;

static int make_cert(void **state)
{
    (void)state;
    EVP_PKEY *key = pki_rsa(1024);
    X509 *x = pki_cert(key, "graph.example");
    cert_len = pki_cert_der(x, &cert_der).len;
    X509_free(x);
    EVP_PKEY_free(key);
    return 0;
}

static int drop_cert(void **state)
{
    (void)state;
    OPENSSL_free(cert_der);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 1 << 20};
    pf_handshake_init(&hs, &budget);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pf_handshake_fini(&hs);
    return budget.used == 0 ? 0 : -1;
}

/* ---- the messages ---- */

static void hello(struct bytes *m, bool client)
{
    bytes_num(m, 2, 0x0303);
    bytes_fill(m, client ? 0xc1 : 0x51, 32);
    bytes_num(m, 1, 4);
    bytes_fill(m, 0x1d, 4);
    if (client) {
        bytes_num(m, 2, 2);
    }
    bytes_num(m, 2, 0x002f);
    bytes_num(m, client ? 2 : 1, client ? 0x0100 : 0);
}

static void body_of(struct bytes *m, enum pf_dir from, uint8_t type)
{
    if (type == PF_HS_CLIENT_HELLO || type == PF_HS_SERVER_HELLO) {
        hello(m, from == PF_C2S);
    } else if (type == PF_HS_CERTIFICATE) {
        bytes_num(m, 3, cert_len + 3);
        bytes_num(m, 3, cert_len);
        bytes_raw(m, cert_der, cert_len);
    } else if (type == PF_HS_CLIENT_KEY_EXCHANGE) {
        bytes_num(m, 2, 16);
        bytes_fill(m, 0xee, 16);
    } else if (type == PF_HS_NEW_SESSION_TICKET) {
        bytes_num(m, 4, 300);
        bytes_num(m, 2, 8);
        bytes_fill(m, 0x77, 8);
    } else if (type != PF_HS_SERVER_HELLO_DONE && type != PF_HS_HELLO_REQUEST) {
        bytes_fill(m, 0x42, 12);
    }
}

static enum pf_status give(enum pf_dir from, uint8_t type, uint64_t packet)
{
    static struct bytes m;
    m.n = 0;
    bytes_num(&m, 1, type);
    size_t start = bytes_open(&m, 3);
    body_of(&m, from, type);
    bytes_close(&m, 3, start);
    return pf_handshake_message(&hs, from, bytes_span(&m), packet);
}

struct step {
    enum pf_dir from;
    uint8_t type;
    bool optional;
};

/* RFC 5246 section 7.3, figure 1, with RFC 5077 section 3.1 and RFC 6066 section 8. */
static const struct step full[] = {
    {PF_S2C, PF_HS_HELLO_REQUEST, true},       {PF_C2S, PF_HS_CLIENT_HELLO, false},
    {PF_S2C, PF_HS_SERVER_HELLO, false},       {PF_S2C, PF_HS_CERTIFICATE, true},
    {PF_S2C, PF_HS_CERTIFICATE_STATUS, true},  {PF_S2C, PF_HS_SERVER_KEY_EXCHANGE, true},
    {PF_S2C, PF_HS_CERTIFICATE_REQUEST, true}, {PF_S2C, PF_HS_SERVER_HELLO_DONE, false},
    {PF_C2S, PF_HS_CERTIFICATE, true},         {PF_C2S, PF_HS_CLIENT_KEY_EXCHANGE, false},
    {PF_C2S, PF_HS_CERTIFICATE_VERIFY, true},  {PF_C2S, PF_HS_FINISHED, false},
    {PF_S2C, PF_HS_NEW_SESSION_TICKET, true},  {PF_S2C, PF_HS_FINISHED, false},
};

enum { STEPS = sizeof full / sizeof full[0], OPTIONALS = 8 };

/* One of the 2^8 paths through the graph. */
static size_t path(unsigned which, struct step out[STEPS])
{
    size_t n = 0;
    unsigned bit = 0;
    for (size_t i = 0; i < STEPS; i++) {
        if (!full[i].optional || (which >> bit & 1) != 0) {
            out[n++] = full[i];
        }
        bit += full[i].optional ? 1 : 0;
    }
    return n;
}

static bool on_path(const struct step *p, size_t n, enum pf_dir from, uint8_t type)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i].from == from && p[i].type == type) {
            return true;
        }
    }
    return false;
}

static void check_facts(const struct step *p, size_t n)
{
    assert_int_equal(pf_handshake_has(&hs, PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO |
                                               PF_FACT_SERVER_DONE | PF_FACT_CLIENT_KEY_EXCHANGE),
                     1);
    assert_int_equal(pf_handshake_has(&hs, PF_FACT_CERTIFICATE),
                     on_path(p, n, PF_S2C, PF_HS_CERTIFICATE));
    assert_int_equal(pf_handshake_has(&hs, PF_FACT_SERVER_KEY_EXCHANGE),
                     on_path(p, n, PF_S2C, PF_HS_SERVER_KEY_EXCHANGE));
    assert_int_equal(pf_handshake_has(&hs, PF_FACT_NEW_TICKET),
                     on_path(p, n, PF_S2C, PF_HS_NEW_SESSION_TICKET));
    assert_int_equal(hs.encrypted.len, 16);
}

/* What RFC 7627 hashes: all up to ClientKeyExchange but HelloRequest. */
static size_t hashed_len(const struct step *p, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        static struct bytes m;
        m.n = 0;
        body_of(&m, p[i].from, p[i].type);
        sum += p[i].type == PF_HS_HELLO_REQUEST ? 0 : 4 + m.n;
        if (p[i].type == PF_HS_CLIENT_KEY_EXCHANGE) {
            break;
        }
    }
    return sum;
}

/* ---- negative first ---- */

static void what_is_no_message(void **state)
{
    (void)state;
    static const uint8_t bytes[4] = {1, 0, 0, 0};
    for (size_t n = 0; n < 4; n++) {
        assert_int_equal(pf_handshake_message(&hs, PF_C2S, (struct pf_span){bytes, n}, 1),
                         PF_ERR_MALFORMED);
    }
    assert_int_equal(pf_handshake_message(&hs, PF_C2S, (struct pf_span){bytes, 4}, 1),
                     PF_ERR_MALFORMED); /* a ClientHello without anything in it */
    assert_int_equal(hs.facts, 0);
    assert_int_equal(hs.known_packet, 0);
}

static void messages_wait_for_what_they_need(void **state)
{
    (void)state;
    static const struct {
        enum pf_dir from;
        uint8_t type;
    } waits[] = {{PF_S2C, PF_HS_CERTIFICATE},
                 {PF_S2C, PF_HS_SERVER_KEY_EXCHANGE},
                 {PF_S2C, PF_HS_SERVER_HELLO_DONE},
                 {PF_S2C, PF_HS_NEW_SESSION_TICKET},
                 {PF_C2S, PF_HS_CLIENT_KEY_EXCHANGE}};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        assert_int_equal(give(waits[i].from, waits[i].type, 9), PF_BLOCKED);
    }
    assert_int_equal(give(PF_C2S, PF_HS_CLIENT_HELLO, 1), PF_OK);
    assert_int_equal(give(PF_C2S, PF_HS_CLIENT_KEY_EXCHANGE, 9), PF_BLOCKED);
    assert_int_equal(hs.known_packet, 1); /* what was not taken taught nothing */
    assert_int_equal(hs.transcript[1].len + hs.transcript[2].len, 0);
}

/* A message from the wrong side gives no fact. */
static void the_wrong_side(void **state)
{
    (void)state;
    assert_int_equal(give(PF_C2S, PF_HS_CLIENT_HELLO, 1), PF_OK);
    assert_int_equal(give(PF_S2C, PF_HS_SERVER_HELLO, 2), PF_OK);
    uint32_t facts = hs.facts;
    assert_int_equal(give(PF_C2S, PF_HS_SERVER_HELLO_DONE, 3), PF_OK);
    assert_int_equal(give(PF_C2S, PF_HS_CERTIFICATE, 3), PF_OK);
    assert_int_equal(give(PF_S2C, PF_HS_CLIENT_KEY_EXCHANGE, 3), PF_OK);
    assert_int_equal(give(PF_S2C, PF_HS_CLIENT_HELLO, 3), PF_OK);
    assert_int_equal(hs.facts, facts);
    assert_int_equal(hs.encrypted.len, 0);
}

static void without_memory(void **state)
{
    (void)state;
    assert_int_equal(give(PF_C2S, PF_HS_CLIENT_HELLO, 1), PF_OK);
    budget.limit = budget.used;
    assert_int_equal(give(PF_S2C, PF_HS_SERVER_HELLO, 2), PF_OK); /* only the transcript is gone */
    assert_true(pf_handshake_has(&hs, PF_FACT_TRANSCRIPT_LOST | PF_FACT_SERVER_HELLO));
    assert_int_equal(give(PF_S2C, PF_HS_CERTIFICATE, 3), PF_ERR_LIMIT);
    assert_false(pf_handshake_has(&hs, PF_FACT_CERTIFICATE));
}

static void a_transcript_that_is_too_long_is_lost(void **state)
{
    (void)state;
    static struct bytes m;
    assert_int_equal(give(PF_C2S, PF_HS_CLIENT_HELLO, 1), PF_OK);
    assert_int_equal(give(PF_S2C, PF_HS_SERVER_HELLO, 2), PF_OK);
    m.n = 0;
    bytes_num(&m, 4, (uint64_t)PF_HS_CERTIFICATE_STATUS << 24 | 0x1f000);
    bytes_fill(&m, 1, 0x1f000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_handshake_message(&hs, PF_S2C, bytes_span(&m), 3), PF_OK);
        assert_int_equal(pf_handshake_has(&hs, PF_FACT_TRANSCRIPT_LOST), i == 2);
    }
}

/* ---- every path ---- */

static void every_path_in_the_order_of_the_wire(void **state)
{
    for (unsigned which = 0; which < 1U << OPTIONALS; which++) {
        struct step p[STEPS];
        size_t n = path(which, p);
        begin(state);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(give(p[i].from, p[i].type, i + 1), PF_OK);
        }
        check_facts(p, n);
        assert_int_equal(hs.known_packet, n);
        assert_int_equal(hs.transcript[0].len + hs.transcript[1].len + hs.transcript[2].len,
                         hashed_len(p, n));
        assert_int_equal(end(state), 0);
    }
    begin(state);
}

/* Each side in its own order, whichever goes first: a blocked one is given again later. */
static void every_path_in_any_interleaving(void **state)
{
    for (unsigned which = 0; which < 1U << OPTIONALS; which++) {
        for (int first = 0; first < 2; first++) {
            struct step p[STEPS];
            size_t n = path(which, p);
            size_t at[2] = {0, 0};
            begin(state);
            for (int round = 0; round < 4; round++) {
                int d = (first + round) % 2;
                for (; at[d] < n; at[d]++) {
                    if (p[at[d]].from != (enum pf_dir)d) {
                        continue;
                    }
                    enum pf_status st = give((enum pf_dir)d, p[at[d]].type, 1);
                    assert_true(st == PF_OK || st == PF_BLOCKED);
                    if (st == PF_BLOCKED) {
                        break;
                    }
                }
            }
            assert_int_equal(at[0], n);
            assert_int_equal(at[1], n);
            check_facts(p, n);
            assert_int_equal(hs.transcript[0].len + hs.transcript[1].len + hs.transcript[2].len,
                             hashed_len(p, n));
            assert_int_equal(end(state), 0);
        }
    }
    begin(state);
}

static void session_packets_do_not_wrap(void **state)
{
    (void)state;
    hs.client_packet = 100;
    assert_int_equal(pf_handshake_session_packet(&hs), 100 + PF_SESSION_SLACK);
    hs.client_packet = UINT64_MAX - 5;
    assert_int_equal(pf_handshake_session_packet(&hs), UINT64_MAX);
    hs.client_packet = UINT64_MAX;
    assert_int_equal(pf_handshake_session_packet(&hs), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_message, begin, end),
        cmocka_unit_test_setup_teardown(messages_wait_for_what_they_need, begin, end),
        cmocka_unit_test_setup_teardown(the_wrong_side, begin, end),
        cmocka_unit_test_setup_teardown(without_memory, begin, end),
        cmocka_unit_test_setup_teardown(a_transcript_that_is_too_long_is_lost, begin, end),
        cmocka_unit_test_setup_teardown(every_path_in_the_order_of_the_wire, begin, end),
        cmocka_unit_test_setup_teardown(every_path_in_any_interleaving, begin, end),
        cmocka_unit_test_setup_teardown(session_packets_do_not_wrap, begin, end),
    };
    return cmocka_run_group_tests(tests, make_cert, drop_cert);
}
