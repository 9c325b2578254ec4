// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

enum { LAST_OPENED = 3, FAR = 777 };

static const uint8_t text[] = "a record behind a gap, of no particular length";

static struct pf_seq_search around(uint64_t lo, uint64_t hi, uint64_t likely)
{
    return (struct pf_seq_search){.lo = lo, .hi = hi, .likely = likely, .max_trials = 1U << 20};
}

/* Finds a record of number seq; the chain is one that has no memory. */
static enum pf_status find(struct pf_crypt *crypt, struct sealer *s, uint64_t seq, size_t len,
                           const struct pf_seq_search *search, uint64_t *found, uint32_t *trials)
{
    uint8_t body[256];
    struct pf_chain chain;
    memcpy(s->chain, s->keys.iv, sizeof s->chain);
    size_t n = seal(s, seq, 23, text, len, body);
    struct pf_record record = seal_wire(s, 23, body, n);
    *trials = 0;
    assert_int_equal(pf_chain_init(&chain, &s->keys, 0), PF_OK);
    enum pf_status st = pf_open_find_seq(crypt, &s->keys, &chain, &record, search, found, trials);
    if (st == PF_OK) { /* the tag is the judge */
        struct pf_plain plain;
        uint8_t out[256];
        assert_int_equal(
            pf_open_record(crypt, &s->keys, &chain, *found, &record, out, sizeof out, &plain),
            PF_OK);
        assert_int_equal(plain.data.len, len);
        assert_memory_equal(plain.data.ptr, text, len);
    }
    pf_chain_fini(&chain);
    return st;
}

/* What was tried before is not tried again, and costs nothing: the rest is, each number once. */
static void check_tried(struct pf_crypt *crypt, struct sealer *s)
{
    const struct {
        struct pf_seq_range tried[2];
        unsigned count;
        enum pf_status status;
        uint32_t trials; /* in vain */
    } cases[] = {
        {{{FAR - 5, FAR + 5}}, 1, PF_ERR_REJECTED, 101 - 11},
        {{{0, FAR}, {FAR + 1, 5000}}, 2, PF_ERR_REJECTED, 0},
        {{{FAR - 50, FAR - 20}, {FAR - 25, FAR}}, 2, PF_ERR_REJECTED, 50},
        {{{FAR + 1, FAR + 50}, {FAR - 50, FAR - 1}}, 2, PF_OK, 1},
        {{{FAR - 10, FAR - 1}, {FAR + 2, FAR + 9}}, 2, PF_OK, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t found = 0;
        uint32_t trials = 0;
        struct pf_seq_search search = around(FAR - 50, FAR + 50, FAR - 3);
        memcpy(search.tried, cases[i].tried, sizeof cases[i].tried);
        search.tried_count = cases[i].count;
        assert_int_equal(find(crypt, s, FAR, 40, &search, &found, &trials), cases[i].status);
        assert_int_equal(found, cases[i].status == PF_OK ? FAR : 0);
        assert_true(cases[i].trials == trials || cases[i].trials == 0);
        assert_true(i != 1 || trials == 0);
    }
}

/* In range, at both ends of it, and outside. */
static void check_range(struct pf_crypt *crypt, struct sealer *s)
{
    static const size_t lengths[] = {0, 1, 16, 40};
    for (size_t i = 0; i < 4; i++) {
        uint64_t found = 0;
        uint32_t trials = 0;
        size_t len = lengths[i];
        struct pf_seq_search wide = around(4, 4000, 700);
        struct pf_seq_search from = around(FAR, 4000, 3000);
        struct pf_seq_search to = around(4, FAR, 10);
        struct pf_seq_search over = around(FAR + 1, FAR + 50, FAR + 1);
        struct pf_seq_search under = around(FAR - 50, FAR - 1, 5);
        assert_int_equal(find(crypt, s, FAR, len, &wide, &found, &trials), PF_OK);
        assert_int_equal(found, FAR);
        assert_true(trials >= 1 && trials <= 155);
        assert_int_equal(find(crypt, s, FAR, len, &from, &found, &trials), PF_OK);
        assert_int_equal(found, FAR);
        assert_int_equal(find(crypt, s, FAR, len, &to, &found, &trials), PF_OK);
        assert_int_equal(found, FAR);
        assert_int_equal(find(crypt, s, FAR, len, &over, &found, &trials), PF_ERR_REJECTED);
        assert_int_equal(find(crypt, s, FAR, len, &under, &found, &trials), PF_ERR_REJECTED);
        struct pf_seq_search none = around(10, 9, 9);
        assert_int_equal(find(crypt, s, FAR, len, &none, &found, &trials), PF_ERR_REJECTED);
    }
}

static void check(struct pf_crypt *crypt, uint16_t suite, uint16_t version, bool etm)
{
    struct sealer s;
    sealer_init(&s, suite, version, etm);
    check_range(crypt, &s);
    sealer_fini(&s);
}

static void tried_numbers_are_passed_over(void **state)
{
    static const struct {
        uint16_t suite;
        uint16_t version;
    } rows[] = {{0x1303, PF_VERSION_TLS13},
                {0x1304, PF_VERSION_TLS13},
                {0xcca8, PF_VERSION_TLS12},
                {0x002f, PF_VERSION_TLS12},
                {0x003b, PF_VERSION_TLS12}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sealer s;
        sealer_init(&s, rows[i].suite, rows[i].version, false);
        check_tried(*state, &s);
        sealer_fini(&s);
    }
}

static void gcm_is_solved(void **state)
{
    static const uint16_t tls12[] = {0x009c, 0x009d, 0xc050, 0xc051, 0xc07a, 0xc07b};
    for (size_t i = 0; i < 6; i++) {
        check(*state, tls12[i], PF_VERSION_TLS12, false);
    }
    check(*state, 0x1301, PF_VERSION_TLS13, false);
    check(*state, 0x1302, PF_VERSION_TLS13, false);
}

/* One trial, wherever the number lies: at the ends of 64 bits too. */
static void gcm_is_solved_in_one_trial(void **state)
{
    static const uint16_t ids[] = {0x009c, 0xc07b, 0x1301, 0x1302};
    static const uint64_t numbers[] = {0, 1, 0x123456789abcdefU, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct sealer s;
        sealer_init(&s, ids[i], i < 2 ? PF_VERSION_TLS12 : PF_VERSION_TLS13, false);
        for (size_t k = 0; k < 4; k++) {
            uint64_t found = 7;
            uint32_t trials = 0;
            struct pf_seq_search all = around(0, UINT64_MAX, 5);
            all.hint_known = true; /* a hint that is wrong costs one trial more */
            all.hint_nonce = 0x4400000000U;
            assert_int_equal(find(*state, &s, numbers[k], 40, &all, &found, &trials), PF_OK);
            assert_int_equal(found, numbers[k]);
            assert_true(trials == (i < 2 ? 2 : 1));
        }
        sealer_fini(&s);
    }
}

static void nonce_hint_saves_the_search(void **state)
{
    static const uint16_t ids[] = {0x009c, 0xc09c, 0xc0a1};
    for (size_t i = 0; i < 3; i++) {
        struct sealer s;
        uint64_t found = 0;
        uint32_t trials = 0;
        struct pf_seq_search wide = around(0, 1U << 30, 5);
        wide.hint_known = true;
        wide.hint_nonce = 0x5500000000U;
        sealer_init(&s, ids[i], PF_VERSION_TLS12, false);
        assert_int_equal(find(*state, &s, 1U << 20, 40, &wide, &found, &trials), PF_OK);
        assert_int_equal(found, 1U << 20);
        assert_int_equal(trials, 1);
        sealer_fini(&s);
    }
}

static void others_are_searched(void **state)
{
    check(*state, 0xcca8, PF_VERSION_TLS12, false);
    check(*state, 0x1303, PF_VERSION_TLS13, false);
    check(*state, 0x1304, PF_VERSION_TLS13, false);
    check(*state, 0xc09c, PF_VERSION_TLS12, false);
    check(*state, 0x0002, PF_VERSION_TLS12, false);
    for (uint16_t v = PF_VERSION_SSL3; v <= PF_VERSION_TLS12; v++) {
        check(*state, 0x002f, v, false);
        check(*state, 0x000a, v, false);
        check(*state, 0x002f, v, v != PF_VERSION_SSL3);
    }
    check(*state, 0xc028, PF_VERSION_TLS12, false);
}

static void trials_are_bounded(void **state)
{
    static const uint16_t ids[] = {0x002f, 0xcca8, 0xc09c};
    for (size_t i = 0; i < 3; i++) {
        struct sealer s;
        uint64_t found = 0;
        uint32_t trials = 0;
        struct pf_seq_search wide = around(0, 1U << 30, 5);
        wide.max_trials = 20;
        sealer_init(&s, ids[i], PF_VERSION_TLS12, false);
        assert_int_equal(find(*state, &s, FAR, 40, &wide, &found, &trials), PF_ERR_LIMIT);
        assert_int_equal(trials, 20);
        sealer_fini(&s);
    }
}

/* A forged record has no number, whatever the range. */
static void forgeries_have_no_number(void **state)
{
    static const uint16_t ids[] = {0x009c, 0x1301, 0x1302, 0xc07a, 0xcca8, 0x002f};
    for (size_t i = 0; i < 6; i++) {
        struct sealer s;
        bool tls13 = ids[i] >> 8 == 0x13;
        uint8_t body[256];
        struct pf_chain chain;
        sealer_init(&s, ids[i], tls13 ? PF_VERSION_TLS13 : PF_VERSION_TLS12, false);
        size_t n = seal(&s, 5, 23, text, 40, body);
        struct pf_record record = seal_wire(&s, 23, body, n);
        bool is_gcm = s.keys.suite->bulk->mode == PF_MODE_GCM;
        struct pf_seq_search range = around(0, is_gcm ? UINT64_MAX : 100, 5);
        assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
        for (size_t k = 0; k <= n; k++) { /* k == n: another type */
            uint64_t found = 0;
            uint32_t trials = 0;
            body[k % n] ^= k < n ? 0x10 : 0;
            record.type = k < n ? 23 : 22;
            enum pf_status st =
                pf_open_find_seq(*state, &s.keys, &chain, &record, &range, &found, &trials);
            check_refused(st);
            body[k % n] ^= k < n ? 0x10 : 0;
        }
        record.type = 23;
        for (size_t cut = 0; cut < n; cut++) {
            uint64_t found = 0;
            uint32_t trials = 0;
            record.body.len = cut;
            check_refused(
                pf_open_find_seq(*state, &s.keys, &chain, &record, &range, &found, &trials));
        }
        sealer_fini(&s);
    }
}

/* TLS 1.3: the solved nonce must be this connection's in the part that does not count, too. */
static void nonce_of_another(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        struct sealer s;
        uint8_t body[64];
        struct pf_chain chain;
        uint64_t found = 0;
        uint32_t trials = 0;
        struct pf_seq_search all = around(0, UINT64_MAX, 5);
        sealer_init(&s, 0x1301, PF_VERSION_TLS13, false);
        s.keys.iv[i] ^= 1;
        size_t n = seal(&s, 5, 23, text, 10, body);
        s.keys.iv[i] ^= 1;
        struct pf_record record = seal_wire(&s, 23, body, n);
        assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
        assert_int_equal(pf_open_find_seq(*state, &s.keys, &chain, &record, &all, &found, &trials),
                         PF_ERR_REJECTED);
        sealer_fini(&s);
    }
}

/* Chained CBC without its IV: said as such, unless the MAC is outside. */
static void chained_iv_lost(void **state)
{
    for (int etm = 0; etm < 2; etm++) {
        struct sealer s;
        uint8_t body[128];
        struct pf_chain chain;
        uint64_t found = 0;
        uint32_t trials = 0;
        struct pf_seq_search range = around(0, 100, 5);
        sealer_init(&s, 0x002f, PF_VERSION_TLS10, etm);
        size_t n = seal(&s, 9, 23, text, 40, body);
        struct pf_record record = seal_wire(&s, 23, body, n);
        assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
        chain.iv_known = false;
        enum pf_status st =
            pf_open_find_seq(*state, &s.keys, &chain, &record, &range, &found, &trials);
        assert_int_equal(st, etm ? PF_OK : PF_ERR_TRUNCATED);
        assert_int_equal(found, etm ? 9 : 0);
        sealer_fini(&s);
    }
}

struct rc4_gap {
    struct sealer s;
    struct pf_chain chain;
    uint8_t body[2][128];
    size_t len[2];
    struct pf_seq_search search;
};

/* Records 0 … 3 opened, 4 … 4 + lost - 1 lost, two more captured. */
static void rc4_gap_init(struct rc4_gap *g, struct pf_crypt *crypt, unsigned lost)
{
    uint8_t body[128];
    uint8_t out[128];
    struct pf_plain plain;
    uint64_t seq = 0;
    sealer_init(&g->s, 0x0005, PF_VERSION_TLS11, false);
    assert_int_equal(pf_chain_init(&g->chain, &g->s.keys, 0), PF_OK);
    g->search = around(5, 4 + lost + 20, 20);
    for (; seq <= LAST_OPENED; seq++) {
        size_t n = seal(&g->s, seq, 23, text, 10, body);
        struct pf_record r = seal_wire(&g->s, 23, body, n);
        assert_int_equal(pf_open_record(crypt, &g->s.keys, &g->chain, seq, &r, out, 128, &plain),
                         PF_OK);
    }
    g->search.next_seq = seq;
    for (; seq <= LAST_OPENED + lost; seq++) {
        g->search.gap_bytes += 5 + seal(&g->s, seq, 23, text, seq % 40, body);
    }
    for (int i = 0; i < 2; i++) {
        g->len[i] = seal(&g->s, seq + (uint64_t)i, 23, text, 30, g->body[i]);
    }
}

static void rc4_gap_fini(struct rc4_gap *g)
{
    pf_chain_fini(&g->chain);
    sealer_fini(&g->s);
}

static void rc4_is_placed(void **state)
{
    struct rc4_gap g;
    uint64_t found = 0;
    uint32_t trials = 0;
    uint8_t out[128];
    struct pf_plain plain;
    for (unsigned lost = 1; lost < 40; lost += 19) {
        rc4_gap_init(&g, *state, lost);
        struct pf_record record = seal_wire(&g.s, 23, g.body[0], g.len[0]);
        assert_int_equal(
            pf_open_find_seq(*state, &g.s.keys, &g.chain, &record, &g.search, &found, &trials),
            PF_OK);
        assert_int_equal(found, LAST_OPENED + 1 + lost);
        for (unsigned i = 0; i < 2; i++) {
            record = seal_wire(&g.s, 23, g.body[i], g.len[i]);
            assert_int_equal(pf_open_record(*state, &g.s.keys, &g.chain, found + i, &record, out,
                                            sizeof out, &plain),
                             PF_OK);
        }
        rc4_gap_fini(&g);
    }
}

/* A search that fails leaves the keystream where it was. */
static void rc4_failure_leaves_the_chain(void **state)
{
    struct rc4_gap g;
    uint64_t found = 0;
    uint32_t trials = 0;
    rc4_gap_init(&g, *state, 12);
    struct pf_record record = seal_wire(&g.s, 23, g.body[0], g.len[0]);
    struct pf_seq_search wrong = g.search;
    wrong.gap_bytes += 1;
    assert_int_equal(
        pf_open_find_seq(*state, &g.s.keys, &g.chain, &record, &wrong, &found, &trials),
        PF_ERR_REJECTED);
    wrong = g.search;
    wrong.likely = 30;
    for (wrong.max_trials = 8; wrong.max_trials <= 9; wrong.max_trials++) {
        trials = 0; /* nine numbers lie within the reach of both */
        assert_int_equal(
            pf_open_find_seq(*state, &g.s.keys, &g.chain, &record, &wrong, &found, &trials),
            PF_ERR_LIMIT);
        assert_int_equal(trials, wrong.max_trials);
    }
    wrong = g.search;
    wrong.gap_bytes = 4; /* not even one header fits */
    assert_int_equal(
        pf_open_find_seq(*state, &g.s.keys, &g.chain, &record, &wrong, &found, &trials),
        PF_ERR_REJECTED);
    assert_int_equal(
        pf_open_find_seq(*state, &g.s.keys, &g.chain, &record, &g.search, &found, &trials), PF_OK);
    assert_int_equal(found, LAST_OPENED + 1 + 12);
    rc4_gap_fini(&g);
}

static int setup(void **state)
{
    struct pf_crypt *crypt = NULL;
    int rc = pf_crypt_new(&crypt, NULL) == PF_OK ? 0 : -1;
    *state = crypt;
    return rc;
}

static int teardown(void **state)
{
    pf_crypt_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgeries_have_no_number),
        cmocka_unit_test(nonce_of_another),
        cmocka_unit_test(trials_are_bounded),
        cmocka_unit_test(chained_iv_lost),
        cmocka_unit_test(gcm_is_solved),
        cmocka_unit_test(gcm_is_solved_in_one_trial),
        cmocka_unit_test(nonce_hint_saves_the_search),
        cmocka_unit_test(others_are_searched),
        cmocka_unit_test(tried_numbers_are_passed_over),
        cmocka_unit_test(rc4_is_placed),
        cmocka_unit_test(rc4_failure_leaves_the_chain),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
