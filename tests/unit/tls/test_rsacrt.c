// SPDX-License-Identifier: Apache-2.0
#include "tls/rsacrt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

enum { LEN_MAX = 512 };

static EVP_PKEY *make_key(size_t bits, size_t primes)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    assert_true(EVP_PKEY_keygen_init(ctx) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, (int)primes) == 1);
    assert_true(EVP_PKEY_generate(ctx, &pkey) == 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* What libcrypto makes of it. False: it refuses. */
static bool by_evp(EVP_PKEY *pkey, const uint8_t *in, size_t len, uint8_t *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    assert_true(EVP_PKEY_decrypt_init(ctx) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1);
    bool done = EVP_PKEY_decrypt(ctx, out, &len, in, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return done;
}

static void check_key(EVP_PKEY *pkey)
{
    struct pf_rsa_crt *crt;
    uint8_t in[LEN_MAX];
    uint8_t expected[LEN_MAX];
    uint8_t out[LEN_MAX];
    size_t len = (size_t)EVP_PKEY_get_size(pkey);
    int refused = 0;
    assert_int_equal(pf_rsa_crt_new(pkey, NULL, &crt), PF_OK);
    for (int i = 0; i < 40; i++) {
        assert_true(RAND_bytes(in, (int)len) == 1);
        memset(in, i % 4 == 0 ? 0xff : 0, 8); /* above any modulus, below all of them */
        enum pf_status st = pf_rsa_crt_run(crt, in, len, out);
        if (!by_evp(pkey, in, len, expected)) {
            assert_int_equal(st, PF_ERR_NOKEY);
            refused++;
            continue;
        }
        assert_int_equal(st, PF_OK);
        assert_memory_equal(out, expected, len);
    }
    assert_int_equal(refused, 10);
    memset(in, 0, sizeof in); /* zero and one are their own powers */
    assert_int_equal(pf_rsa_crt_run(crt, in, len, out), PF_OK);
    assert_memory_equal(in, out, len);
    in[len - 1] = 1;
    assert_int_equal(pf_rsa_crt_run(crt, in, len, out), PF_OK);
    assert_memory_equal(in, out, len);
    pf_rsa_crt_free(crt);
}

static void as_libcrypto_does(void **state)
{
    (void)state;
    static const size_t bits[] = {512, 1024, 1536, 2048, 2050, 3072};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        EVP_PKEY *pkey = make_key(bits[i], 2);
        check_key(pkey);
        EVP_PKEY_free(pkey);
    }
}

static void three_primes(void **state)
{
    (void)state;
    struct pf_rsa_crt *crt;
    EVP_PKEY *pkey = make_key(2048, 3);
    assert_int_equal(pf_rsa_crt_new(pkey, NULL, &crt), PF_ERR_UNSUPPORTED);
    assert_null(crt);
    EVP_PKEY_free(pkey);
    pf_rsa_crt_free(NULL);
}

/* The key again, with some of its numbers only, or with p twice. */
static EVP_PKEY *rebuild(EVP_PKEY *from, bool with_primes, bool p_twice)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[8] = {NULL};
    EVP_PKEY *pkey = NULL;
    for (size_t i = 0; i < (with_primes ? 8 : 3); i++) {
        assert_true(EVP_PKEY_get_bn_param(from, names[i], &numbers[i]) == 1);
        BIGNUM *number = p_twice && i == 4 ? numbers[3] : numbers[i];
        assert_true(OSSL_PARAM_BLD_push_BN(build, names[i], number) == 1);
    }
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1);
    assert_true(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) == 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    for (size_t i = 0; i < 8; i++) {
        BN_free(numbers[i]);
    }
    return pkey;
}

static void numbers_that_lack_or_lie(void **state)
{
    (void)state;
    struct pf_rsa_crt *crt;
    EVP_PKEY *pkey = make_key(1024, 2);
    EVP_PKEY *bare = rebuild(pkey, false, false);
    EVP_PKEY *whole = rebuild(pkey, true, false);
    EVP_PKEY *wrong = rebuild(pkey, true, true);
    assert_int_equal(pf_rsa_crt_new(bare, NULL, &crt), PF_ERR_UNSUPPORTED);
    assert_int_equal(pf_rsa_crt_new(wrong, NULL, &crt), PF_ERR_UNSUPPORTED);
    check_key(whole);
    EVP_PKEY_free(wrong);
    EVP_PKEY_free(whole);
    EVP_PKEY_free(bare);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_libcrypto_does),
        cmocka_unit_test(three_primes),
        cmocka_unit_test(numbers_that_lack_or_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
