// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

#include "tls/kdf.h"

#include <openssl/kdf.h>
#include <openssl/params.h>

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

/* Posted to the IETF's TLS list, 2009: P_SHA256 and P_SHA384. */
static void published_tls12(void **state)
{
    (void)state;
    static const struct {
        enum pf_hash hash;
        const char *secret;
        const char *seed;
        const char *out;
    } vectors[] = {
        {PF_HASH_SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
         "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e"
         "14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5"
         "a72e5a5110fff70187347b66"},
        {PF_HASH_SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
         "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b123"
         "3c9146a0e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd"
         "4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a2"
         "6854308d5eaa3be85e0990703d73e56f"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t secret[16];
        uint8_t seed_bytes[16];
        uint8_t expected[160];
        uint8_t out[160];
        size_t len = strlen(vectors[i].out) / 2;
        from_hex(vectors[i].secret, secret);
        from_hex(vectors[i].seed, seed_bytes);
        from_hex(vectors[i].out, expected);
        const struct pf_prf_seed seed = {"test label", {seed_bytes, 9}, {seed_bytes + 9, 7}};
        for (size_t part = 0; part <= len; part++) { /* every length has the same beginning */
            assert_int_equal(pf_kdf_prf(PF_VERSION_TLS12, vectors[i].hash,
                                        (struct pf_span){secret, 16}, &seed, out, part),
                             PF_OK);
            assert_memory_equal(out, expected, part);
        }
    }
}

/* secret, label and seed being those words: Davies, Implementing SSL/TLS (2011). */
static void published_tls10(void **state)
{
    (void)state;
    uint8_t expected[20];
    uint8_t out[20];
    const struct pf_prf_seed seed = {"label", {(const uint8_t *)"seed", 4}, {NULL, 0}};
    from_hex("b5baf4722b91851a8816d22ebd8c1d8cc2e94d55", expected);
    assert_int_equal(pf_kdf_prf(PF_VERSION_TLS10, PF_HASH_NONE,
                                (struct pf_span){(const uint8_t *)"secret", 6}, &seed, out, 20),
                     PF_OK);
    assert_memory_equal(out, expected, 20);
}

static uint8_t client_random[32];
static uint8_t server_random[32];
static uint8_t pre_master[300];

static void fill(void)
{
    for (unsigned i = 0; i < 32; i++) {
        client_random[i] = (uint8_t)(i * 3 + 1);
        server_random[i] = (uint8_t)(i * 5 + 2);
    }
    for (unsigned i = 0; i < sizeof pre_master; i++) {
        pre_master[i] = (uint8_t)(i * 11 + 3);
    }
}

/* The PRF by EVP_KDF: label and seed in one. */
static void evp_prf(const char *md, const uint8_t *secret, size_t secret_len, const char *label,
                    const uint8_t *a, size_t a_len, const uint8_t *b, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    uint8_t seed[160];
    size_t n = strlen(label);
    memcpy(seed, label, n);
    memcpy(seed + n, a, a_len);
    n += a_len;
    if (b != NULL) {
        memcpy(seed + n, b, 32);
        n += 32;
    }
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t)md, 0),
        OSSL_PARAM_construct_octet_string("secret", (void *)(uintptr_t)secret, secret_len),
        OSSL_PARAM_construct_octet_string("seed", seed, n), OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static const char *evp_name(uint16_t version, const struct pf_suite *suite)
{
    return version < PF_VERSION_TLS12 ? "MD5-SHA1" : seal_md(suite->prf);
}

/* Odd lengths share a byte between the halves; long ones are hashed first. */
static void master_against_evp(void **state)
{
    static const size_t lengths[] = {1, 47, 48, 49, 65, 128, 129, 255, 256, 300};
    for (uint16_t version = PF_VERSION_TLS10; version <= PF_VERSION_TLS12; version++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            const struct pf_suite *suite = pf_suite_find(i % 2 == 0 ? 0xc028 : 0x002f);
            struct pf_master master;
            uint8_t expected[48];
            assert_int_equal(pf_kdf_master(*state, version, suite,
                                           (struct pf_span){pre_master, lengths[i]}, client_random,
                                           server_random, &master),
                             PF_OK);
            evp_prf(evp_name(version, suite), pre_master, lengths[i], "master secret",
                    client_random, 32, server_random, expected, 48);
            assert_memory_equal(master.bytes, expected, 48);
        }
    }
}

static void extended_master_against_evp(void **state)
{
    const struct pf_span transcript[3] = {
        {pre_master, 100}, {pre_master + 100, 0}, {pre_master + 100, 150}};
    for (uint16_t version = PF_VERSION_TLS10; version <= PF_VERSION_TLS12; version++) {
        const struct pf_suite *suite = pf_suite_find(0xc028);
        struct pf_master master;
        uint8_t hash[64];
        uint8_t expected[48];
        size_t len = 0;
        assert_true(
            EVP_Q_digest(NULL, evp_name(version, suite), NULL, pre_master, 250, hash, &len));
        assert_int_equal(len, version < PF_VERSION_TLS12 ? 36 : 48);
        assert_int_equal(pf_kdf_extended_master(*state, version, suite,
                                                (struct pf_span){pre_master, 48}, transcript,
                                                &master),
                         PF_OK);
        evp_prf(evp_name(version, suite), pre_master, 48, "extended master secret", hash, len, NULL,
                expected, 48);
        assert_memory_equal(master.bytes, expected, 48);
    }
}

static void key_block_against_evp(void **state)
{
    static const uint16_t ids[] = {0x002f, 0x0035, 0x000a, 0x0004, 0x0002, 0x0084, 0x0007,
                                   0x003c, 0xc028, 0xc02f, 0xc030, 0xcca8, 0xc0a0, 0xc07b};
    struct pf_master master;
    memcpy(master.bytes, pre_master, 48);
    for (size_t i = 0; i < 2 * sizeof ids / sizeof ids[0]; i++) {
        const struct pf_suite *suite = pf_suite_find(ids[i / 2]);
        uint16_t version = i % 2 == 1 ? PF_VERSION_TLS12 : PF_VERSION_TLS10;
        struct pf_keys keys[2];
        uint8_t block[256];
        size_t mac = pf_hash_len(suite->mac);
        size_t key = suite->bulk->key_len;
        size_t iv = suite->bulk->block_len + suite->bulk->fixed_iv_len;
        assert_int_equal(pf_kdf_key_block(*state, version, suite, true, &master, client_random,
                                          server_random, keys),
                         PF_OK);
        evp_prf(evp_name(version, suite), master.bytes, 48, "key expansion", server_random, 32,
                client_random, block, 2 * (mac + key + iv) + 1);
        for (size_t dir = 0; dir < 2; dir++) {
            assert_memory_equal(keys[dir].mac_key, block + dir * mac, mac);
            assert_memory_equal(keys[dir].key, block + 2 * mac + dir * key, key);
            assert_memory_equal(keys[dir].iv, block + 2 * mac + 2 * key + dir * iv, iv);
            assert_true(keys[dir].etm && keys[dir].suite == suite && keys[dir].version == version);
        }
        assert_true(keys[1].id == keys[0].id + 1);
    }
}

/* RFC 2246 section 6.3.1 and its appendix: 40 bits of material, final keys and IVs by PRF. */
static void export_keys_against_evp(void **state)
{
    static const uint16_t ids[] = {0x0003, 0x0006, 0x0008, 0x0062, 0x0064};
    static const char *const labels[2] = {"client write key", "server write key"};
    struct pf_master master;
    memcpy(master.bytes, pre_master, 48);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const struct pf_suite *suite = pf_suite_find(ids[i]);
        struct pf_keys keys[2];
        uint8_t block[256];
        uint8_t ivs[16];
        uint8_t expected[16];
        size_t mac = pf_hash_len(suite->mac);
        size_t material = suite->bulk->key_material;
        size_t iv = suite->bulk->block_len;
        assert_int_equal(pf_kdf_key_block(*state, PF_VERSION_TLS10, suite, false, &master,
                                          client_random, server_random, keys),
                         PF_OK);
        evp_prf("MD5-SHA1", master.bytes, 48, "key expansion", server_random, 32, client_random,
                block, 2 * (mac + material));
        evp_prf("MD5-SHA1", block, 0, "IV block", client_random, 32, server_random, ivs, 16);
        for (size_t dir = 0; dir < 2; dir++) {
            evp_prf("MD5-SHA1", block + 2 * mac + dir * material, material, labels[dir],
                    client_random, 32, server_random, expected, suite->bulk->key_len);
            assert_memory_equal(keys[dir].key, expected, suite->bulk->key_len);
            assert_memory_equal(keys[dir].iv, ivs + dir * iv, iv);
        }
    }
}

static size_t digest(const char *md, uint8_t *buf, size_t len, uint8_t *out)
{
    size_t n = 0;
    assert_true(EVP_Q_digest(NULL, md, NULL, buf, len, out, &n));
    return n;
}

/* RFC 6101 section 6: MD5(secret + SHA1("A" + secret + a + b)) and so on. */
static void ssl3_reference(const uint8_t *secret, size_t secret_len, const uint8_t *a,
                           const uint8_t *b, uint8_t *out, size_t rounds)
{
    static const char *const letters[] = {"A",      "BB",      "CCC",      "DDDD",     "EEEEE",
                                          "FFFFFF", "GGGGGGG", "HHHHHHHH", "IIIIIIIII"};
    for (size_t i = 0; i < rounds; i++) {
        uint8_t buf[512];
        uint8_t inner[20];
        memcpy(buf, letters[i], i + 1);
        memcpy(buf + i + 1, secret, secret_len);
        memcpy(buf + i + 1 + secret_len, a, 32);
        memcpy(buf + i + 33 + secret_len, b, 32);
        digest("SHA1", buf, i + 65 + secret_len, inner);
        memcpy(buf, secret, secret_len);
        memcpy(buf + secret_len, inner, 20);
        digest("MD5", buf, secret_len + 20, out + 16 * i);
    }
}

static void ssl3_against_digests(void **state)
{
    const struct pf_suite *suite = pf_suite_find(0x0035);
    struct pf_master master;
    struct pf_keys keys[2];
    uint8_t expected[144];
    assert_int_equal(pf_kdf_master(*state, PF_VERSION_SSL3, suite, (struct pf_span){pre_master, 48},
                                   client_random, server_random, &master),
                     PF_OK);
    ssl3_reference(pre_master, 48, client_random, server_random, expected, 3);
    assert_memory_equal(master.bytes, expected, 48);
    assert_int_equal(pf_kdf_key_block(*state, PF_VERSION_SSL3, suite, false, &master, client_random,
                                      server_random, keys),
                     PF_OK);
    ssl3_reference(master.bytes, 48, server_random, client_random, expected, 9);
    assert_memory_equal(keys[0].mac_key, expected, 20);
    assert_memory_equal(keys[1].mac_key, expected + 20, 20);
    assert_memory_equal(keys[0].key, expected + 40, 32);
    assert_memory_equal(keys[1].key, expected + 72, 32);
    assert_memory_equal(keys[0].iv, expected + 104, 16);
    assert_memory_equal(keys[1].iv, expected + 120, 16);
}

static void ssl3_export_against_digests(void **state)
{
    const struct pf_suite *suite = pf_suite_find(0x0006);
    struct pf_master master;
    struct pf_keys keys[2];
    uint8_t block[144];
    uint8_t buf[80];
    uint8_t expected[16];
    memcpy(master.bytes, pre_master, 48);
    assert_int_equal(pf_kdf_key_block(*state, PF_VERSION_SSL3, suite, false, &master, client_random,
                                      server_random, keys),
                     PF_OK);
    ssl3_reference(master.bytes, 48, server_random, client_random, block, 9);
    for (size_t dir = 0; dir < 2; dir++) {
        memcpy(buf, block + 32 + 5 * dir, 5);
        memcpy(buf + 5, dir == 0 ? client_random : server_random, 32);
        memcpy(buf + 37, dir == 0 ? server_random : client_random, 32);
        digest("MD5", buf, 69, expected);
        assert_memory_equal(keys[dir].key, expected, 16);
        digest("MD5", buf + 5, 64, expected);
        assert_memory_equal(keys[dir].iv, expected, 8);
    }
}

static void psk_pre_master(void **state)
{
    (void)state;
    static const uint8_t psk[3] = {0xaa, 0xbb, 0xcc};
    static const uint8_t other[2] = {0x11, 0x22};
    static const uint8_t plain[10] = {0, 3, 0, 0, 0, 0, 3, 0xaa, 0xbb, 0xcc};
    static const uint8_t mixed[9] = {0, 2, 0x11, 0x22, 0, 3, 0xaa, 0xbb, 0xcc};
    uint8_t out[16];
    size_t len = 0;
    const struct pf_span none = {NULL, 0};
    const struct pf_span key = {psk, 3};
    assert_int_equal(pf_psk_pre_master(key, none, out, 9, &len), PF_ERR_LIMIT);
    assert_int_equal(pf_psk_pre_master((struct pf_span){psk, 65536}, none, out, SIZE_MAX, &len),
                     PF_ERR_LIMIT);
    assert_int_equal(pf_psk_pre_master(key, none, out, 10, &len), PF_OK);
    assert_int_equal(len, 10);
    assert_memory_equal(out, plain, 10);
    assert_int_equal(pf_psk_pre_master(key, (struct pf_span){other, 2}, out, 16, &len), PF_OK);
    assert_int_equal(len, 9);
    assert_memory_equal(out, mixed, 9);
}

static void what_has_no_schedule(void **state)
{
    struct pf_master master = {{0}};
    struct pf_keys keys[2];
    const struct pf_suite *suite = pf_suite_find(0x002f);
    const struct pf_span pre = {pre_master, 48};
    const struct pf_span transcript[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    static const uint16_t versions[] = {PF_VERSION_SSL2, PF_VERSION_TLS13, 0x0305};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            pf_kdf_master(*state, versions[i], suite, pre, client_random, server_random, &master),
            PF_ERR_UNSUPPORTED);
        assert_int_equal(
            pf_kdf_extended_master(*state, versions[i], suite, pre, transcript, &master),
            PF_ERR_UNSUPPORTED);
        assert_int_equal(pf_kdf_key_block(*state, versions[i], suite, false, &master, client_random,
                                          server_random, keys),
                         PF_ERR_UNSUPPORTED);
    }
    assert_int_equal(
        pf_kdf_extended_master(*state, PF_VERSION_SSL3, suite, pre, transcript, &master),
        PF_ERR_UNSUPPORTED);
    static const uint16_t ids[] = {0x001d, 0xcc13, 0x1301};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pf_kdf_key_block(*state, PF_VERSION_TLS12, pf_suite_find(ids[i]), false,
                                          &master, client_random, server_random, keys),
                         PF_ERR_UNSUPPORTED);
    }
}

static int setup(void **state)
{
    struct pf_kdf *kdf = NULL;
    int rc = pf_kdf_new(&kdf) == PF_OK ? 0 : -1;
    *state = kdf;
    fill();
    return rc;
}

static int teardown(void **state)
{
    pf_kdf_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_schedule),
        cmocka_unit_test(published_tls12),
        cmocka_unit_test(published_tls10),
        cmocka_unit_test(master_against_evp),
        cmocka_unit_test(extended_master_against_evp),
        cmocka_unit_test(key_block_against_evp),
        cmocka_unit_test(export_keys_against_evp),
        cmocka_unit_test(ssl3_against_digests),
        cmocka_unit_test(ssl3_export_against_digests),
        cmocka_unit_test(psk_pre_master),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
