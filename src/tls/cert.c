// SPDX-License-Identifier: Apache-2.0
#include "tls/cert.h"

#include "tls/der.h"
#include "tls/hash.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version OPTIONAL, serial, signature, issuer,
 * validity, subject, subjectPublicKeyInfo, ... }, ... } */
static bool find_spki(struct pf_span der, struct pf_der *spki)
{
    struct pf_cur c = pf_cur_of(der);
    struct pf_der cert;
    struct pf_der tbs;
    struct pf_der part;
    if (!pf_der_want(&c, PF_DER_SEQUENCE, &cert) || !pf_cur_at_end(&c) ||
        !pf_der_want(&cert.value, PF_DER_SEQUENCE, &tbs)) {
        return false;
    }
    bool versioned = pf_der_want(&tbs.value, PF_DER_CONTEXT_0, &part);
    (void)versioned;
    if (!pf_der_want(&tbs.value, PF_DER_INTEGER, &part)) {
        return false;
    }
    for (int i = 0; i < 4; i++) { /* signature, issuer, validity, subject */
        if (!pf_der_want(&tbs.value, PF_DER_SEQUENCE, &part)) {
            return false;
        }
    }
    return pf_der_want(&tbs.value, PF_DER_SEQUENCE, spki);
}

enum pf_status pf_cert_spki(struct pf_span der, uint8_t spki_sha256[PF_SPKI_LEN])
{
    struct pf_der spki;
    if (!find_spki(der, &spki)) {
        return PF_ERR_MALFORMED;
    }
    union pf_hash_state state;
    pf_hash_begin(PF_HASH_SHA256, &state);
    pf_hash_add(PF_HASH_SHA256, &state, spki.all.ptr, spki.all.len);
    pf_hash_end(PF_HASH_SHA256, &state, spki_sha256);
    return PF_OK;
}

/* A cut must not leave half a UTF-8 character behind. */
static size_t whole_utf8(const char *text, size_t len)
{
    size_t lead = len;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) {
        lead--;
    }
    if (lead == 0) {
        return len;
    }
    unsigned char c = (unsigned char)text[lead - 1];
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return len - (lead - 1) < need ? lead - 1 : len;
}

static bool print_name(const X509_NAME *name, char out[PF_CERT_NAME])
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    /* RFC 2253, but UTF-8 as it is rather than as \XX. */
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    bool done = bio != NULL && X509_NAME_print_ex(bio, name, 0, flags) >= 0;
    long got = done ? BIO_get_mem_data(bio, &text) : 0;
    size_t len = got > 0 ? (size_t)got : 0;
    if (len > PF_CERT_NAME - 1) {
        len = whole_utf8(text, PF_CERT_NAME - 1);
    }
    if (len > 0) {
        memcpy(out, text, len);
    }
    out[len] = '\0';
    BIO_free(bio);
    return done;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool read_x509(X509 *x, struct pf_cert *out)
{
    EVP_PKEY *key = X509_get0_pubkey(x); /* NULL for an algorithm that libcrypto does not know */
    if (key != NULL) {
        int bits = EVP_PKEY_get_bits(key);
        out->key_bits = (uint16_t)(bits < 0 ? 0 : bits > UINT16_MAX ? UINT16_MAX : bits);
        const char *type = EVP_PKEY_get0_type_name(key);
        snprintf(out->key_type, sizeof out->key_type, "%s", type != NULL ? type : "");
        out->is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    }
    out->not_before_s = seconds_of(X509_get0_notBefore(x));
    out->not_after_s = seconds_of(X509_get0_notAfter(x));
    return print_name(X509_get_subject_name(x), out->subject) &&
           print_name(X509_get_issuer_name(x), out->issuer);
}

enum pf_status pf_cert_parse(struct pf_span der, struct pf_cert *out)
{
    *out = (struct pf_cert){0};
    enum pf_status st = pf_cert_spki(der, out->spki_sha256);
    if (st != PF_OK) {
        return st;
    }
    if (der.len > LONG_MAX) {
        return PF_ERR_MALFORMED;
    }
    const unsigned char *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    st = x != NULL && read_x509(x, out) ? PF_OK : PF_ERR_MALFORMED;
    X509_free(x);
    ERR_clear_error();
    return st;
}
