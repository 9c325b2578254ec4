// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

#include <openssl/kdf.h>
#include <openssl/params.h>

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

static struct pf_secret secret_of(const char *hex)
{
    struct pf_secret secret = {.len = (uint8_t)(strlen(hex) / 2)};
    from_hex(hex, secret.bytes);
    return secret;
}

/* RFC 8448 section 3: traffic secrets, and the keys that come of them. */
static const struct {
    const char *secret;
    const char *key;
    const char *iv;
} rfc8448[] = {
    {"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
     "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"},
    {"b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
     "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"},
    {"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
     "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
    {"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
     "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
};

static void traffic_keys(void **state)
{
    for (size_t i = 0; i < sizeof rfc8448 / sizeof rfc8448[0]; i++) {
        struct pf_secret secret = secret_of(rfc8448[i].secret);
        struct pf_keys keys;
        uint8_t expected[16];
        assert_int_equal(pf_kdf_tls13_keys(*state, pf_suite_find(0x1301), 0, &secret, &keys),
                         PF_OK);
        from_hex(rfc8448[i].key, expected);
        assert_memory_equal(keys.key, expected, 16);
        from_hex(rfc8448[i].iv, expected);
        assert_memory_equal(keys.iv, expected, 12);
        assert_int_equal(keys.version, PF_VERSION_TLS13);
        assert_true(keys.id != 0);
    }
}

/* RFC 8448 section 3: application data of 50 bytes, client's and server's. */
static void published_records(void **state)
{
    static const char *const bodies[2] = {"a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b"
                                          "9819a8a5b46b395bd54a9a20441e2b62974e"
                                          "1f5a6292a2977014bd1e3deae63aeebb21694915e4",
                                          "2e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e3"
                                          "0efaf97d90e6dffc602dcb501a59a8fcc49c"
                                          "4bf2e5f0a21c0047c2abf332540dd032e167c2955d"};
    struct pf_crypt *crypt = NULL;
    assert_int_equal(pf_crypt_new(&crypt, NULL), PF_OK);
    for (size_t i = 0; i < 2; i++) {
        struct pf_secret secret = secret_of(rfc8448[2 + i].secret);
        struct pf_keys keys;
        struct pf_chain chain;
        struct pf_plain plain;
        uint8_t body[67];
        uint8_t out[67];
        from_hex(bodies[i], body);
        const struct pf_record record = {.type = 23, .version = 0x0303, .body = {body, 67}};
        assert_int_equal(pf_kdf_tls13_keys(*state, pf_suite_find(0x1301), 0, &secret, &keys),
                         PF_OK);
        assert_int_equal(pf_chain_init(&chain, &keys, 0), PF_OK);
        /* The server sent a ticket before it. */
        assert_int_equal(pf_open_record(crypt, &keys, &chain, i, &record, out, 67, &plain), PF_OK);
        assert_int_equal(plain.type, 23);
        assert_int_equal(plain.data.len, 50);
        for (size_t k = 0; k < 50; k++) {
            assert_int_equal(plain.data.ptr[k], k);
        }
    }
    pf_crypt_free(crypt);
}

/* HKDF-Expand by EVP, the label put together by hand. */
static void expand(const char *md, const struct pf_secret *secret, const char *label, size_t len,
                   uint8_t *out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    uint8_t info[80] = {0, (uint8_t)len, (uint8_t)strlen(label)};
    memcpy(info + 3, label, strlen(label));
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("mode", (char *)(uintptr_t) "EXPAND_ONLY", 0),
        OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t)md, 0),
        OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)secret->bytes, secret->len),
        OSSL_PARAM_construct_octet_string("info", info, 4 + strlen(label)),
        OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void labels_of_drafts(void **state)
{
    static const struct {
        unsigned draft;
        const char *key;
        const char *iv;
        const char *update;
    } labels[] = {
        {0, "tls13 key", "tls13 iv", "tls13 traffic upd"},
        {28, "tls13 key", "tls13 iv", "tls13 traffic upd"},
        {20, "tls13 key", "tls13 iv", "tls13 traffic upd"},
        {19, "TLS 1.3, key", "TLS 1.3, iv", "TLS 1.3, application traffic secret"},
        {18, "TLS 1.3, key", "TLS 1.3, iv", "TLS 1.3, application traffic secret"},
    };
    const struct pf_suite *suite = pf_suite_find(0x1302);
    struct pf_secret secret = {.len = 48};
    memset(secret.bytes, 0x5a, 48);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        struct pf_keys keys;
        struct pf_secret next = secret;
        uint8_t expected[48];
        unsigned draft = labels[i].draft;
        assert_int_equal(pf_kdf_tls13_keys(*state, suite, draft, &secret, &keys), PF_OK);
        assert_int_equal(keys.draft, draft);
        expand("SHA384", &secret, labels[i].key, 32, expected);
        assert_memory_equal(keys.key, expected, 32);
        expand("SHA384", &secret, labels[i].iv, 12, expected);
        assert_memory_equal(keys.iv, expected, 12);
        assert_int_equal(pf_kdf_tls13_update(*state, suite, draft, &next, &next), PF_OK);
        expand("SHA384", &secret, labels[i].update, 48, expected);
        assert_int_equal(next.len, 48);
        assert_memory_equal(next.bytes, expected, 48);
    }
}

static void what_has_no_schedule(void **state)
{
    static const uint16_t ids[] = {0x00c6, 0xc0b4, 0xc02f};
    struct pf_secret secret = {.len = 32};
    struct pf_keys keys;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pf_kdf_tls13_keys(*state, pf_suite_find(ids[i]), 0, &secret, &keys),
                         PF_ERR_UNSUPPORTED);
    }
    assert_int_equal(pf_kdf_tls13_update(*state, pf_suite_find(0x00c6), 0, &secret, &secret),
                     PF_ERR_UNSUPPORTED);
}

static void ids_differ(void **state)
{
    struct pf_kdf *other = NULL;
    struct pf_secret secret = {.len = 32};
    struct pf_keys keys[3];
    assert_int_equal(pf_kdf_new(&other), PF_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            pf_kdf_tls13_keys(i < 2 ? *state : other, pf_suite_find(0x1303), 0, &secret, &keys[i]),
            PF_OK);
    }
    assert_true(keys[1].id == keys[0].id + 1);
    assert_true(keys[2].id != keys[0].id && keys[2].id != keys[1].id);
    pf_kdf_free(other);
}

static int setup(void **state)
{
    struct pf_kdf *kdf = NULL;
    int rc = pf_kdf_new(&kdf) == PF_OK ? 0 : -1;
    *state = kdf;
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
        cmocka_unit_test(what_has_no_schedule), cmocka_unit_test(traffic_keys),
        cmocka_unit_test(published_records),    cmocka_unit_test(labels_of_drafts),
        cmocka_unit_test(ids_differ),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
