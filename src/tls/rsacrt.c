// SPDX-License-Identifier: Apache-2.0
#include "tls/rsacrt.h"

#include "tls/cryptoerr.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

struct pf_rsa_crt {
    BIGNUM *n;
    BIGNUM *p;
    BIGNUM *q;
    BIGNUM *dp; /* exponents modulo p - 1 and q - 1 */
    BIGNUM *dq;
    BIGNUM *qinv; /* of q, modulo p */
    BN_MONT_CTX *mont_p;
    BN_MONT_CTX *mont_q;
    BN_CTX *ctx;
};

void pf_rsa_crt_free(struct pf_rsa_crt *crt)
{
    if (crt == NULL) {
        return;
    }
    BN_free(crt->n);
    BN_clear_free(crt->p);
    BN_clear_free(crt->q);
    BN_clear_free(crt->dp);
    BN_clear_free(crt->dq);
    BN_clear_free(crt->qinv);
    BN_MONT_CTX_free(crt->mont_p);
    BN_MONT_CTX_free(crt->mont_q);
    BN_CTX_free(crt->ctx);
    free(crt);
}

static bool has_third_prime(const EVP_PKEY *pkey)
{
    BIGNUM *r = NULL;
    bool has = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3, &r) == 1;
    BN_clear_free(r);
    return has;
}

static bool get_numbers(struct pf_rsa_crt *crt, const EVP_PKEY *pkey)
{
    return EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &crt->n) == 1 &&
           EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &crt->p) == 1 &&
           EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, &crt->q) == 1 &&
           EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1, &crt->dp) == 1 &&
           EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2, &crt->dq) == 1 &&
           EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &crt->qinv) == 1 &&
           !has_third_prime(pkey);
}

/* Key files come from people: n has to be what its primes say. */
static bool is_sound(struct pf_rsa_crt *crt, BIGNUM *product)
{
    return BN_is_odd(crt->p) && BN_is_odd(crt->q) && !BN_is_one(crt->p) && !BN_is_one(crt->q) &&
           BN_mul(product, crt->p, crt->q, crt->ctx) == 1 && BN_cmp(product, crt->n) == 0;
}

static enum pf_status prepare(struct pf_rsa_crt *crt, const EVP_PKEY *pkey, OSSL_LIB_CTX *lib)
{
    crt->ctx = BN_CTX_secure_new_ex(lib);
    crt->mont_p = BN_MONT_CTX_new();
    crt->mont_q = BN_MONT_CTX_new();
    BIGNUM *product = BN_new();
    if (crt->ctx == NULL || crt->mont_p == NULL || crt->mont_q == NULL || product == NULL) {
        BN_free(product);
        return PF_ERR_NOMEM;
    }
    bool usable = get_numbers(crt, pkey) && is_sound(crt, product) &&
                  BN_MONT_CTX_set(crt->mont_p, crt->p, crt->ctx) == 1 &&
                  BN_MONT_CTX_set(crt->mont_q, crt->q, crt->ctx) == 1;
    BN_clear_free(product);
    if (!usable) {
        return pf_crypto_lacked_memory() ? PF_ERR_NOMEM : PF_ERR_UNSUPPORTED;
    }
    return PF_OK;
}

enum pf_status pf_rsa_crt_new(const EVP_PKEY *pkey, OSSL_LIB_CTX *lib, struct pf_rsa_crt **out)
{
    *out = NULL;
    struct pf_rsa_crt *crt = calloc(1, sizeof *crt);
    if (crt == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = prepare(crt, pkey, lib);
    ERR_clear_error();
    if (st != PF_OK) {
        pf_rsa_crt_free(crt);
        return st;
    }
    *out = crt;
    return PF_OK;
}

/* m = m_q + q * (qinv * (m_p - m_q) mod p) */
static bool combine(struct pf_rsa_crt *crt, BIGNUM *m, BIGNUM *m_p, const BIGNUM *m_q)
{
    return BN_mod_sub(m_p, m_p, m_q, crt->p, crt->ctx) == 1 &&
           BN_mod_mul(m_p, m_p, crt->qinv, crt->p, crt->ctx) == 1 &&
           BN_mul(m, m_p, crt->q, crt->ctx) == 1 && BN_add(m, m, m_q) == 1;
}

static enum pf_status run(struct pf_rsa_crt *crt, const uint8_t *in, size_t len, uint8_t *out)
{
    BIGNUM *c = BN_CTX_get(crt->ctx);
    BIGNUM *c_p = BN_CTX_get(crt->ctx);
    BIGNUM *c_q = BN_CTX_get(crt->ctx);
    BIGNUM *m_p = BN_CTX_get(crt->ctx);
    BIGNUM *m_q = BN_CTX_get(crt->ctx);
    if (m_q == NULL || BN_bin2bn(in, (int)len, c) == NULL) {
        return PF_ERR_NOMEM;
    }
    if (BN_cmp(c, crt->n) >= 0) {
        return PF_ERR_NOKEY;
    }
    bool done = BN_mod(c_p, c, crt->p, crt->ctx) == 1 && BN_mod(c_q, c, crt->q, crt->ctx) == 1 &&
                BN_mod_exp_mont_consttime_x2(m_p, c_p, crt->dp, crt->p, crt->mont_p, m_q, c_q,
                                             crt->dq, crt->q, crt->mont_q, crt->ctx) == 1 &&
                combine(crt, c, m_p, m_q) && BN_bn2binpad(c, out, (int)len) == (int)len;
    return done ? PF_OK : PF_ERR_INTERNAL;
}

enum pf_status pf_rsa_crt_run(struct pf_rsa_crt *crt, const uint8_t *in, size_t len, uint8_t *out)
{
    BN_CTX_start(crt->ctx);
    enum pf_status st = run(crt, in, len, out);
    BN_CTX_end(crt->ctx);
    if (st == PF_ERR_INTERNAL && pf_crypto_lacked_memory()) {
        st = PF_ERR_NOMEM;
    }
    ERR_clear_error();
    return st;
}
