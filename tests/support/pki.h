// SPDX-License-Identifier: Apache-2.0
/* Keys, certificates and key files for tests, made by libcrypto as they are needed. */
#ifndef PF_TESTS_SUPPORT_PKI_H
#define PF_TESTS_SUPPORT_PKI_H

#include "base/pkt.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void pki_check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "pki: %s failed\n", what);
        abort();
    }
}

static inline EVP_PKEY *pki_rsa(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    pki_check(key != NULL, "EVP_RSA_gen");
    return key;
}

/* Self-signed; the subject has each of the names that people see. */
static inline X509 *pki_cert(EVP_PKEY *key, const char *common_name)
{
    X509 *x = X509_new();
    X509_NAME *name = x != NULL ? X509_get_subject_name(x) : NULL;
    pki_check(name != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
                  ASN1_INTEGER_set(X509_get_serialNumber(x), 7) == 1 &&
                  ASN1_TIME_set_string(X509_getm_notBefore(x), "20200102030405Z") == 1 &&
                  ASN1_TIME_set_string(X509_getm_notAfter(x), "20300102030405Z") == 1,
              "X509_new");
    pki_check(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Plain \"Ltd\"",
                                         -1, -1, 0) == 1 &&
                  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                             (const uint8_t *)common_name, -1, -1, 0) == 1,
              "X509_NAME_add_entry");
    pki_check(X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
                  X509_sign(x, key, EVP_sha256()) > 0,
              "X509_sign");
    return x;
}

static inline struct pf_span pki_cert_der(X509 *x, uint8_t **owned)
{
    *owned = NULL;
    int len = i2d_X509(x, owned);
    pki_check(len > 0, "i2d_X509");
    return (struct pf_span){.ptr = *owned, .len = (size_t)len};
}

/* What a client sends: PKCS#1 v1.5 around the 48 bytes. Returns the length. */
static inline size_t pki_encrypt(EVP_PKEY *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                 size_t cap)
{
    size_t len = cap;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    pki_check(ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
                  EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                  EVP_PKEY_encrypt(ctx, out, &len, in, in_len) == 1,
              "EVP_PKEY_encrypt");
    EVP_PKEY_CTX_free(ctx);
    return len;
}

/* A folder of its own under TMPDIR. */
static inline void pki_make_dir(char path[256])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, 256, "%s/pf-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    pki_check(mkdtemp(path) != NULL, "mkdtemp");
}

static inline void pki_write(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    pki_check(f != NULL && fwrite(data, 1, len, f) == len && fclose(f) == 0, path);
}

/* Writes what a memory BIO holds, and frees it. */
static inline void pki_write_bio(const char *path, BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    pki_check(len > 0, path);
    pki_write(path, data, (size_t)len);
    BIO_free(bio);
}

#endif
