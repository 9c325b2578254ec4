// SPDX-License-Identifier: Apache-2.0
/* Runs of records by whichever kernels there are, against libcrypto one record at a time. */
#include "unit/tls/seal.h"

#include "tls/cipher.h"
#include "tls/openrun.h"

enum { COUNT = 11, TEXT_MAX = 3000, ROOM = COUNT * (TEXT_MAX + 512) };

struct engines {
    struct pf_crypt *best;
    struct pf_crypt *plain; /* libcrypto alone */
};

struct sample {
    uint8_t bytes[ROOM];
    struct pf_run_record records[COUNT];
    size_t len;
    size_t bodies;
};

struct outcome {
    uint8_t out[ROOM];
    struct pf_opened opened[COUNT];
    struct pf_run_result result;
    struct pf_chain chain;
};

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void make_sample(struct sealer *s, uint32_t *seed, struct sample *to)
{
    static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 51, 52, 64, 200};
    static uint8_t text[TEXT_MAX];
    memset(to, 0, sizeof *to);
    for (unsigned i = 0; i < COUNT; i++) {
        size_t n = i % 2 == 0 ? sizes[draw(seed) % 10] : draw(seed) % TEXT_MAX;
        for (size_t k = 0; k < n; k++) {
            text[k] = (uint8_t)draw(seed);
        }
        size_t at = to->len + 5;
        size_t body = seal(s, 7 + i, 23, text, n, to->bytes + at);
        to->records[i] = (struct pf_run_record){
            .offset = (uint32_t)at,
            .body_len = (uint16_t)body,
            .version = s->keys.version == PF_VERSION_TLS13 ? PF_VERSION_TLS12 : s->keys.version,
            .type = 23,
            .packet = i};
        to->len = at + body;
        to->bodies += body;
    }
}

static void open_sample(struct pf_crypt *crypt, const struct sealer *s, const struct sample *from,
                        size_t cap, struct outcome *o)
{
    assert_int_equal(pf_chain_init(&o->chain, &s->keys, 0), PF_OK);
    const struct pf_record_run run = {.keys = &s->keys,
                                      .chain = &o->chain,
                                      .bytes = from->bytes,
                                      .records = from->records,
                                      .count = COUNT,
                                      .first_seq = 7};
    uint8_t *exact = malloc(cap); /* so that a sanitizer sees what is written beyond it */
    assert_non_null(exact);
    pf_run_open(crypt, &run, exact, cap, o->opened, &o->result);
    memcpy(o->out, exact, o->result.plain_len);
    free(exact);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->result.status, b->result.status);
    assert_int_equal(a->result.consumed, b->result.consumed);
    assert_int_equal(a->result.opened_count, b->result.opened_count);
    assert_int_equal(a->result.plain_len, b->result.plain_len);
    assert_memory_equal(a->out, b->out, a->result.plain_len);
    assert_memory_equal(a->chain.iv, b->chain.iv, sizeof a->chain.iv);
    for (size_t i = 0; i < a->result.opened_count; i++) {
        assert_int_equal(a->opened[i].seq, b->opened[i].seq);
        assert_int_equal(a->opened[i].len, b->opened[i].len);
    }
}

/* Whole; with a byte of each record forged in turn; with too little room. */
static void check(struct engines *e, uint16_t suite, uint16_t version, bool etm)
{
    static struct sample sample;
    static struct outcome one;
    static struct outcome two;
    struct sealer s;
    uint32_t seed = suite;
    sealer_init(&s, suite, version, etm);
    make_sample(&s, &seed, &sample);
    open_sample(e->best, &s, &sample, sample.bodies, &one);
    open_sample(e->plain, &s, &sample, sample.bodies, &two);
    assert_int_equal(one.result.status, PF_OK);
    assert_int_equal(one.result.consumed, COUNT);
    check_same(&one, &two);
    for (unsigned i = 0; i < COUNT; i++) {
        struct pf_run_record *r = &sample.records[i];
        size_t at = r->offset + (i % 3 == 0 ? 0 : draw(&seed) % r->body_len);
        sample.bytes[at] ^= 0x10;
        open_sample(e->best, &s, &sample, sample.bodies, &one);
        open_sample(e->plain, &s, &sample, sample.bodies, &two);
        check_same(&one, &two);
        assert_true(one.result.consumed <= i + 1U);
        assert_int_not_equal(one.result.status, PF_OK);
        sample.bytes[at] ^= 0x10;
    }
    size_t less = sample.bodies - sample.records[COUNT - 1].body_len;
    open_sample(e->best, &s, &sample, less, &one);
    open_sample(e->plain, &s, &sample, less, &two);
    assert_memory_equal(one.out, two.out, two.result.plain_len);
    sealer_fini(&s);
}

static void cbc(void **state)
{
    static const uint16_t suites[] = {0x002f, 0x0035, 0x000a, 0x0041};
    static const uint16_t versions[] = {PF_VERSION_SSL3, PF_VERSION_TLS10, PF_VERSION_TLS11,
                                        PF_VERSION_TLS12};
    for (size_t i = 0; i < 4; i++) {
        for (size_t v = 0; v < 4; v++) {
            check(*state, suites[i], versions[v], false);
            if (versions[v] != PF_VERSION_SSL3) {
                check(*state, suites[i], versions[v], true);
            }
        }
    }
}

static void cbc_with_longer_macs(void **state)
{
    static const uint16_t suites[] = {0x003c, 0x003d, 0xc023, 0xc024, 0xc028};
    for (size_t i = 0; i < 5; i++) {
        check(*state, suites[i], PF_VERSION_TLS12, false);
        check(*state, suites[i], PF_VERSION_TLS12, true);
    }
}

static void aead(void **state)
{
    static const uint16_t suites[] = {0x009c, 0x009d, 0xc09c, 0xc07a, 0xc050, 0xcca8};
    for (size_t i = 0; i < 6; i++) {
        check(*state, suites[i], PF_VERSION_TLS12, false);
    }
    for (uint16_t id = 0x1301; id <= 0x1305; id++) {
        check(*state, id, PF_VERSION_TLS13, false);
    }
}

static int setup(void **state)
{
    static struct engines e;
    if (pf_crypt_new(&e.best, NULL) != PF_OK || pf_crypt_new(&e.plain, NULL) != PF_OK) {
        return -1;
    }
    if (e.best->multibuf == NULL) {
        print_message("no multi-buffer kernels here: libcrypto is compared with itself\n");
    }
    pf_multibuf_free(e.plain->multibuf);
    e.plain->multibuf = NULL;
    *state = &e;
    return 0;
}

static int teardown(void **state)
{
    struct engines *e = *state;
    pf_crypt_free(e->best);
    pf_crypt_free(e->plain);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cbc),
        cmocka_unit_test(cbc_with_longer_macs),
        cmocka_unit_test(aead),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
