// SPDX-License-Identifier: Apache-2.0
#include "tls/idea.h"
#include "unit/tls/seal.h"

#include "tls/cipher.h"

static const uint16_t sha1_suites[] = {0x002f, 0x0035, 0x000a, 0x0009, 0x0008, 0x0006,
                                       0x0061, 0x0062, 0x0041, 0x0084, 0x0096, 0x0022};

static void before_tls12(void **state)
{
    static const uint16_t versions[] = {PF_VERSION_SSL3, PF_VERSION_TLS10, PF_VERSION_TLS11};
    for (size_t i = 0; i < sizeof sha1_suites / sizeof sha1_suites[0]; i++) {
        for (size_t v = 0; v < 3; v++) {
            check_suite(*state, sha1_suites[i], versions[v], false);
        }
    }
}

static void encrypt_then_mac(void **state)
{
    for (size_t i = 0; i < sizeof sha1_suites / sizeof sha1_suites[0]; i++) {
        check_suite(*state, sha1_suites[i], PF_VERSION_SSL3, true); /* seen in the wild */
        check_suite(*state, sha1_suites[i], PF_VERSION_TLS10, true);
        check_suite(*state, sha1_suites[i], PF_VERSION_TLS12, true);
    }
}

static void tls12_macs(void **state)
{
    static const uint16_t suites[] = {0x002f, 0x003c, 0x003d, 0xc027, 0xc028, 0xc03c,
                                      0xc03d, 0x00ba, 0x00c0, 0xc073, 0xc070};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        check_suite(*state, suites[i], PF_VERSION_TLS12, false);
        check_suite(*state, suites[i], PF_VERSION_TLS12, true);
    }
}

/* Padding that is too long, or not what it says, under a MAC that is right. */
static void padding_is_checked(void **state)
{
    struct sealer s;
    uint8_t inner[64];
    uint8_t body[96] = {0};
    struct pf_plain plain;
    static const uint8_t counts[] = {11, 10, 12, 27, 26, 43, 44, 255};
    for (size_t i = 0; i < sizeof counts; i++) {
        sealer_init(&s, 0x002f, PF_VERSION_TLS12, false);
        memset(inner, counts[i], sizeof inner);
        size_t mac_len = seal_mac(&s, 0, 23, NULL, 0, inner); /* 20 bytes, then padding only */
        assert_int_equal(mac_len, 20);
        seal_cipher(&s, "AES-128-CBC", body, inner, 32, body + 16);
        enum pf_status st = open_alone(*state, &s, 0, seal_wire(&s, 23, body, 48), &plain);
        assert_int_equal(st, counts[i] == 11 ? PF_OK : PF_ERR_REJECTED);
        inner[25] ^= 1;
        seal_cipher(&s, "AES-128-CBC", body, inner, 32, body + 16);
        st = open_alone(*state, &s, 0, seal_wire(&s, 23, body, 48), &plain);
        assert_int_equal(st, PF_ERR_REJECTED);
        sealer_fini(&s);
    }
}

/* Padding that leaves less than a MAC, whatever it says. */
static void padding_eats_the_mac(void **state)
{
    struct sealer s;
    uint8_t inner[32];
    uint8_t body[48] = {0};
    struct pf_plain plain;
    sealer_init(&s, 0x002f, PF_VERSION_TLS12, false);
    for (unsigned count = 12; count <= 33; count++) {
        memset(inner, (int)count, sizeof inner);
        seal_cipher(&s, "AES-128-CBC", body, inner, 32, body + 16);
        assert_int_equal(open_alone(*state, &s, 0, seal_wire(&s, 23, body, 48), &plain),
                         PF_ERR_REJECTED);
    }
    sealer_fini(&s);
}

/* RFC 6101: less than a block, whatever is in it; a block and a byte is refused, MAC or not. */
static void ssl3_padding_is_short(void **state)
{
    struct sealer s;
    uint8_t inner[64] = {0};
    uint8_t body[64];
    struct pf_plain plain;
    for (uint8_t extra = 0; extra < 2; extra++) {
        sealer_init(&s, 0x002f, PF_VERSION_SSL3, false);
        const uint8_t text[12] = "twelve bytes";
        size_t len = 12U - extra;
        memcpy(inner, text, len);
        seal_mac(&s, 0, 23, text, len, inner + len);
        inner[47] = (uint8_t)(15 + extra);
        seal_cipher(&s, "AES-128-CBC", s.keys.iv, inner, 48, body);
        enum pf_status st = open_alone(*state, &s, 0, seal_wire(&s, 23, body, 48), &plain);
        assert_int_equal(st, extra == 0 ? PF_OK : PF_ERR_REJECTED);
        sealer_fini(&s);
    }
}

/* Keys without an id are never taken for others: not for the MAC either. */
static void mac_keys_do_not_mix(void **state)
{
    struct sealer s;
    uint8_t body[64];
    struct pf_plain plain;
    sealer_init(&s, 0x002f, PF_VERSION_TLS12, false);
    for (unsigned i = 0; i < 40; i++) {
        s.keys.id = i % 3 == 0 ? 0 : 16 * (uint64_t)i;
        s.keys.mac_key[0] = (uint8_t)i;
        size_t n = seal(&s, i, 23, (const uint8_t *)"abc", 3, body);
        assert_int_equal(open_alone(*state, &s, i, seal_wire(&s, 23, body, n), &plain), PF_OK);
        s.keys.mac_key[0] ^= 0x80;
        s.keys.id = s.keys.id == 0 ? 0 : s.keys.id + 4096;
        check_refused(open_alone(*state, &s, i, seal_wire(&s, 23, body, n), &plain));
    }
    sealer_fini(&s);
}

/* SEED lives in the legacy provider: where that is missing it is said, and the others open. */
static void legacy_provider_missing(void **state)
{
    (void)state;
    static const uint16_t ids[] = {0x0096, 0x002f};
    struct pf_crypt *crypt = NULL;
    assert_int_equal(pf_crypt_new(&crypt, NULL), PF_OK);
    for (size_t i = 0; i < 2; i++) {
        struct sealer s;
        uint8_t body[64];
        struct pf_plain plain;
        sealer_init(&s, ids[i], PF_VERSION_TLS12, false);
        size_t n = seal(&s, 0, 23, (const uint8_t *)"abc", 3, body);
        assert_int_equal(setenv("OPENSSL_MODULES", "/nonexistent", 1), 0);
        enum pf_status st = open_alone(crypt, &s, 0, seal_wire(&s, 23, body, n), &plain);
        assert_int_equal(unsetenv("OPENSSL_MODULES"), 0);
        assert_int_equal(st, i == 0 ? PF_ERR_UNSUPPORTED : PF_OK);
        sealer_fini(&s);
    }
    pf_crypt_free(crypt);
}

/* TLS 1.0 behind a gap: one record lost to its IV, the next opens. */
static void chain_behind_a_gap(void **state)
{
    for (int etm = 0; etm < 2; etm++) {
        struct sealer s;
        uint8_t body[4][128];
        size_t len[4];
        uint8_t out[128];
        struct pf_plain plain;
        struct pf_chain chain;
        sealer_init(&s, 0x000a, PF_VERSION_TLS10, etm);
        for (uint8_t i = 0; i < 4; i++) {
            len[i] = seal(&s, i, 23, (const uint8_t *)"0123456789", i + 3U, body[i]);
        }
        assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
        assert_false(pf_chain_is_sequential(&chain));
        pf_chain_pass(&chain, &s.keys, (struct pf_span){body[0], len[0]});
        for (uint8_t i = 1; i < 4; i++) {
            struct pf_record record = seal_wire(&s, 23, body[i], len[i]);
            enum pf_status st =
                pf_open_record(*state, &s.keys, &chain, i, &record, out, sizeof out, &plain);
            assert_int_equal(st, i == 2 ? PF_ERR_TRUNCATED : PF_OK);
            assert_true(i == 2 || plain.data.len == i + 3U);
            if (i == 1) {
                pf_chain_pass(&chain, &s.keys, (struct pf_span){NULL, 100});
            }
        }
        pf_chain_fini(&chain);
        sealer_fini(&s);
    }
}

/* A record that does not verify leaves the chain where it is: it is passed over, or tried again. */
static void chain_behind_a_forgery(void **state)
{
    struct sealer s;
    uint8_t body[2][64];
    uint8_t out[64];
    struct pf_plain plain;
    struct pf_chain chain;
    sealer_init(&s, 0x002f, PF_VERSION_TLS10, false);
    size_t n = seal(&s, 0, 23, (const uint8_t *)"a", 1, body[0]);
    seal(&s, 1, 23, (const uint8_t *)"b", 1, body[1]);
    body[0][0] ^= 1;
    struct pf_record first = seal_wire(&s, 23, body[0], n);
    struct pf_record second = seal_wire(&s, 23, body[1], n);
    assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
    assert_int_equal(pf_open_record(*state, &s.keys, &chain, 0, &first, out, 64, &plain),
                     PF_ERR_REJECTED);
    assert_int_equal(pf_open_record(*state, &s.keys, &chain, 1, &second, out, 64, &plain),
                     PF_ERR_REJECTED);
    pf_chain_pass(&chain, &s.keys, first.body);
    assert_int_equal(pf_open_record(*state, &s.keys, &chain, 1, &second, out, 64, &plain), PF_OK);
    assert_int_equal(out[0], 'b');
    pf_chain_fini(&chain);
    sealer_fini(&s);
}

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

/* Key, plaintext, ciphertext: from the reference implementation's test data. */
static void idea_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][3] = {
        {"00010002000300040005000600070008", "0000000100020003", "11fbed2b01986de5"},
        {"00010002000300040005000600070008", "0102030405060708", "540e5fea18c2f8b1"},
        {"00010002000300040005000600070008", "0019324b647d96af", "9f0a0ab6e10ced78"},
        {"00010002000300040005000600070008", "f5202d5b9c671b08", "cf18fd7355e2c5c5"},
        {"00010002000300040005000600070008", "fae6d2beaa96826e", "85df52005608193d"},
        {"3a984e2000195db32ee501c8c47cea60", "0102030405060708", "97bcd8200780da86"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t key[16];
        uint8_t text[16];
        uint8_t cipher[16];
        uint8_t out[16];
        const uint8_t iv[8] = {0x80};
        from_hex(vectors[i][0], key);
        from_hex(vectors[i][1], text);
        from_hex(vectors[i][2], cipher);
        memcpy(cipher + 8, cipher, 8); /* two blocks: the second is chained to the first */
        pf_idea_cbc_decrypt(key, iv, cipher, 16, out);
        out[0] ^= 0x80;
        assert_memory_equal(out, text, 8);
        for (int k = 0; k < 8; k++) {
            out[8 + k] ^= cipher[k];
        }
        assert_memory_equal(out + 8, text, 8);
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
        cmocka_unit_test(legacy_provider_missing),
        cmocka_unit_test(mac_keys_do_not_mix),
        cmocka_unit_test(padding_eats_the_mac),
        cmocka_unit_test(padding_is_checked),
        cmocka_unit_test(ssl3_padding_is_short),
        cmocka_unit_test(chain_behind_a_gap),
        cmocka_unit_test(chain_behind_a_forgery),
        cmocka_unit_test(before_tls12),
        cmocka_unit_test(encrypt_then_mac),
        cmocka_unit_test(tls12_macs),
        cmocka_unit_test(idea_vectors),
    };
    return cmocka_run_group_tests_name("as built", tests, setup, teardown) +
           cmocka_run_group_tests_name("libcrypto", tests, setup_libcrypto, teardown);
}
