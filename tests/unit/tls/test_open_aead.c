// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

#include "tls/cipher.h"

static void each_tls12_suite(void **state)
{
    static const uint16_t suites[] = {0x009c, 0x009d, 0xc02f, 0xc030, 0xc09c, 0xc09d, 0xc0a0,
                                      0xc0a1, 0xc07a, 0xc07b, 0xc050, 0xc051, 0xcca8};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        check_suite(*state, suites[i], PF_VERSION_TLS12, false);
    }
}

static void each_tls13_suite(void **state)
{
    for (uint16_t id = 0x1301; id <= 0x1305; id++) {
        check_suite(*state, id, PF_VERSION_TLS13, false);
    }
}

static void draft_without_additional_data(void **state)
{
    struct sealer s;
    uint8_t body[64];
    struct pf_plain plain;
    sealer_init(&s, 0x1301, PF_VERSION_TLS13, false);
    s.keys.draft = 23;
    check_round_trip(*state, &s);
    check_refusals(*state, &s);
    size_t n = seal(&s, 1, 23, (const uint8_t *)"abc", 3, body);
    s.keys.draft = 26;
    s.keys.id++;
    check_refused(open_alone(*state, &s, 1, seal_wire(&s, 23, body, n), &plain));
    sealer_fini(&s);
}

/* RFC 8446 section 5.4: a record of nothing but padding has no type. */
static void inner_type_missing(void **state)
{
    struct sealer s;
    uint8_t body[64];
    struct pf_plain plain;
    sealer_init(&s, 0x1301, PF_VERSION_TLS13, false);
    size_t n = seal(&s, 0, 0, NULL, 0, body);
    assert_int_equal(open_alone(*state, &s, 0, seal_wire(&s, 23, body, n), &plain),
                     PF_ERR_MALFORMED);
    sealer_fini(&s);
}

/* Contexts remember keys by id: other keys with the same remainder, and keys without id. */
static void keys_do_not_mix(void **state)
{
    struct sealer s;
    uint8_t body[64];
    struct pf_plain plain;
    sealer_init(&s, 0x1301, PF_VERSION_TLS13, false);
    for (unsigned i = 0; i < 40; i++) {
        s.keys.id = i % 3 == 0 ? 0 : 8 * (uint64_t)i;
        s.keys.key[0] = (uint8_t)i;
        size_t n = seal(&s, i, 23, (const uint8_t *)"abc", 3, body);
        assert_int_equal(open_alone(*state, &s, i, seal_wire(&s, 23, body, n), &plain), PF_OK);
        s.keys.key[0] ^= 0x80;
        s.keys.id = s.keys.id == 0 ? 0 : s.keys.id + 4096;
        check_refused(open_alone(*state, &s, i, seal_wire(&s, 23, body, n), &plain));
    }
    sealer_fini(&s);
}

static void room_is_checked(void **state)
{
    struct sealer s;
    uint8_t body[64];
    uint8_t out[64];
    struct pf_plain plain;
    struct pf_chain chain;
    sealer_init(&s, 0x1301, PF_VERSION_TLS13, false);
    size_t n = seal(&s, 0, 23, (const uint8_t *)"abc", 3, body);
    struct pf_record record = seal_wire(&s, 23, body, n);
    assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
    assert_int_equal(pf_open_record(*state, &s.keys, &chain, 0, &record, out, n - 1, &plain),
                     PF_ERR_INTERNAL);
    assert_int_equal(pf_open_record(*state, &s.keys, &chain, 0, &record, out, n, &plain), PF_OK);
    sealer_fini(&s);
}

static void what_is_only_named(void **state)
{
    static const uint16_t suites[] = {0x00c6, 0xc0b4, 0xcc13};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        struct sealer s;
        const uint8_t body[64] = {0};
        struct pf_plain plain;
        sealer_init(&s, suites[i], PF_VERSION_TLS12, false);
        assert_int_equal(open_alone(*state, &s, 0, seal_wire(&s, 23, body, sizeof body), &plain),
                         PF_ERR_UNSUPPORTED);
        sealer_fini(&s);
    }
}

static int setup(void **state)
{
    struct pf_crypt *crypt = NULL;
    int rc = pf_crypt_new(&crypt, NULL) == PF_OK ? 0 : -1;
    *state = crypt;
    return rc;
}

/* Where other kernels are built in, libcrypto has to do without them, too. */
static int setup_libcrypto(void **state)
{
    int rc = setup(state);
    struct pf_crypt *crypt = *state;
    if (rc == 0) {
        pf_multibuf_free(crypt->multibuf);
        crypt->multibuf = NULL;
    }
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
        cmocka_unit_test(each_tls12_suite),
        cmocka_unit_test(each_tls13_suite),
        cmocka_unit_test(draft_without_additional_data),
        cmocka_unit_test(inner_type_missing),
        cmocka_unit_test(keys_do_not_mix),
        cmocka_unit_test(room_is_checked),
        cmocka_unit_test(what_is_only_named),
    };
    return cmocka_run_group_tests_name("as built", tests, setup, teardown) +
           cmocka_run_group_tests_name("libcrypto", tests, setup_libcrypto, teardown);
}
