// SPDX-License-Identifier: Apache-2.0
#include "support/bytes.h"
#include "support/pki.h"
#include "tls/cert.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static EVP_PKEY *rsa;

static int set_up(void **state)
{
    (void)state;
    rsa = pki_rsa(1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    return 0;
}

static void test_cut(void **state)
{
    uint8_t *der;
    uint8_t spki[PF_SPKI_LEN];
    struct pf_cert cert;
    (void)state;
    X509 *x = pki_cert(rsa, "server.example");
    struct pf_span whole = pki_cert_der(x, &der);
    for (size_t n = 0; n < whole.len; n++) {
        uint8_t *exact = bytes_exact(der, n);
        struct pf_span cut = {.ptr = exact, .len = n};
        assert_int_equal(pf_cert_spki(cut, spki), PF_ERR_MALFORMED);
        assert_int_equal(pf_cert_parse(cut, &cert), PF_ERR_MALFORMED);
        free(exact);
    }
    assert_int_equal(ERR_peek_error(), 0);
    OPENSSL_free(der);
    X509_free(x);
}

static void test_lengths_that_lie(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"\x30\x80\0\0", 4}, {"\x30\x85\1\0\0\0\0", 7}, {"\x30\x84\xff\xff\xff\xff", 6},
               {"\x30\x89", 2},     {"\x3f\x81\1", 3},         {"\x31\0", 2},
               {"\x30\0", 2},       {"\x30\2\x30\0", 4},       {"\x30\4\x30\2\xa0\0", 6}};
    uint8_t spki[PF_SPKI_LEN];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t *exact = bytes_exact(bad[i].bytes, bad[i].len);
        struct pf_span s = {.ptr = exact, .len = bad[i].len};
        assert_int_equal(pf_cert_spki(s, spki), PF_ERR_MALFORMED);
        free(exact);
    }
}

/* The walk must agree with libcrypto, and the key must be found by what the certificate says. */
static void test_spki(void **state)
{
    uint8_t *der;
    uint8_t *key = NULL;
    uint8_t spki[PF_SPKI_LEN];
    uint8_t want[PF_SPKI_LEN];
    (void)state;
    X509 *x = pki_cert(rsa, "server.example");
    assert_int_equal(pf_cert_spki(pki_cert_der(x, &der), spki), PF_OK);
    int len = i2d_PUBKEY(rsa, &key);
    pki_check(EVP_Digest(key, (size_t)len, want, NULL, EVP_sha256(), NULL) == 1, "EVP_Digest");
    assert_memory_equal(spki, want, sizeof want);
    OPENSSL_free(key);
    OPENSSL_free(der);
    pki_check(X509_set_version(x, X509_VERSION_1) == 1 && X509_sign(x, rsa, EVP_sha256()) > 0,
              "version 1"); /* has no version field */
    assert_int_equal(pf_cert_spki(pki_cert_der(x, &der), spki), PF_OK);
    assert_memory_equal(spki, want, sizeof want);
    OPENSSL_free(der);
    X509_free(x);
}

static void test_parse(void **state)
{
    uint8_t *der;
    struct pf_cert cert;
    uint8_t spki[PF_SPKI_LEN];
    (void)state;
    X509 *x = pki_cert(rsa, "s\xc3\xbc"
                            "d\n,example");
    struct pf_span s = pki_cert_der(x, &der);
    assert_int_equal(pf_cert_parse(s, &cert), PF_OK);
    assert_int_equal(pf_cert_spki(s, spki), PF_OK);
    assert_memory_equal(cert.spki_sha256, spki, sizeof spki);
    assert_string_equal(cert.subject, "CN=s\xc3\xbc"
                                      "d\\0A\\,example,O=Plain \\\"Ltd\\\"");
    assert_string_equal(cert.issuer, cert.subject);
    assert_int_equal(cert.not_before_s, 1577934245);
    assert_int_equal(cert.not_after_s, 1893553445);
    assert_int_equal(cert.key_bits, 1024);
    assert_true(cert.is_rsa);
    OPENSSL_free(der);
    X509_free(x);
}

static void test_parse_ec(void **state)
{
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    uint8_t *der;
    struct pf_cert cert;
    (void)state;
    X509 *x = pki_cert(ec, "ec.example");
    assert_int_equal(pf_cert_parse(pki_cert_der(x, &der), &cert), PF_OK);
    assert_false(cert.is_rsa);
    assert_int_equal(cert.key_bits, 256);
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(ec);
}

/* A name longer than its room ends with a whole character. */
static void test_long_name(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 4; shift++) {
        X509 *x = pki_cert(rsa, "last");
        X509_NAME *name = X509_get_subject_name(x);
        uint8_t *der;
        struct pf_cert cert;
        for (unsigned i = 0; i < 8; i++) {
            char part[64] = {0};
            memset(part, 'a', shift);
            for (unsigned j = 0; j < 15; j++) {
                strcat(part, "\xe2\x82\xac");
            }
            pki_check(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8, (uint8_t *)part, -1, -1,
                                                 0) == 1,
                      "X509_NAME_add_entry");
        }
        pki_check(X509_sign(x, rsa, EVP_sha256()) > 0, "X509_sign");
        assert_int_equal(pf_cert_parse(pki_cert_der(x, &der), &cert), PF_OK);
        size_t len = strlen(cert.subject);
        assert_true(len > PF_CERT_NAME - 5 && len < PF_CERT_NAME);
        assert_true(cert.subject[len - 1] == '\xac' || cert.subject[len - 1] == 'a' ||
                    cert.subject[len - 1] == '=' || cert.subject[len - 1] == ',');
        OPENSSL_free(der);
        X509_free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),      cmocka_unit_test(test_lengths_that_lie),
        cmocka_unit_test(test_spki),     cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_ec), cmocka_unit_test(test_long_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
