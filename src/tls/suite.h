// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the cipher suites as rows of a table: id -> key exchange, cipher, MAC, PRF, lengths.
 * Owns:    constant tables.
 * Threads: constants.
 * Errors:  an id without a row is NULL.
 * Limits:  rows for every suite that is named; whether it can be opened is the cipher's business.
 */
#ifndef PF_TLS_SUITE_H
#define PF_TLS_SUITE_H

#include <stdbool.h>
#include <stdint.h>

enum pf_kx {
    PF_KX_NULL,
    PF_KX_RSA,        /* the pre-master secret under the server's RSA key: a private key opens it */
    PF_KX_RSA_EXPORT, /* as RSA, or under a short-lived key when a ServerKeyExchange was sent */
    PF_KX_DH,
    PF_KX_DHE,
    PF_KX_ECDH,
    PF_KX_ECDHE,
    PF_KX_ANON, /* DH_anon, ECDH_anon */
    PF_KX_PSK,
    PF_KX_RSA_PSK,
    PF_KX_DHE_PSK,
    PF_KX_ECDHE_PSK,
    PF_KX_SRP,
    PF_KX_KRB5,
    PF_KX_TLS13
};

enum pf_mode {
    PF_MODE_NULL,
    PF_MODE_STREAM,
    PF_MODE_CBC,
    PF_MODE_GCM,
    PF_MODE_CCM,
    PF_MODE_CHACHA
};

enum pf_hash { PF_HASH_NONE, PF_HASH_MD5, PF_HASH_SHA1, PF_HASH_SHA256, PF_HASH_SHA384 };

enum { PF_BULK_ROWS = 36 };

/*
 * A bulk cipher. Lengths in bytes.
 *
 * evp_name is for EVP_CIPHER_fetch. It is NULL where there is no cipher, and for IDEA, which we
 * bring along because many builds of OpenSSL leave it out. Camellia-GCM, which OpenSSL lacks, names
 * its counter mode. supported means that code for it is there; that the legacy provider is not
 * installed shows when a record is opened (PF_ERR_UNSUPPORTED).
 */
struct pf_bulk {
    const char *evp_name;
    enum pf_mode mode;
    uint8_t row; /* index of this row, below PF_BULK_ROWS */
    bool supported;
    bool exportable;      /* RFC 2246 section 6.3.1: the key block holds key material, not keys */
    uint8_t key_len;      /* of the key the cipher takes */
    uint8_t key_material; /* taken from the key block; less than key_len for export ciphers */
    uint8_t block_len;    /* CBC: block and IV length; else 0 */
    uint8_t fixed_iv_len; /* AEAD: implicit part of the TLS 1.2 nonce (RFC 5288: 4, RFC 7905: 12) */
    uint8_t explicit_len; /* AEAD: part of the nonce in each TLS 1.2 record (8, or 0) */
    uint8_t tag_len;      /* AEAD: 16, or 8 */
};

struct pf_suite {
    uint16_t id;
    const char *name; /* IANA name */
    enum pf_kx kx;
    const struct pf_bulk *bulk;
    enum pf_hash mac; /* PF_HASH_NONE for AEAD */
    enum pf_hash prf; /* TLS 1.2 PRF, TLS 1.3 HKDF; before TLS 1.2 the PRF is MD5 with SHA-1 */
};

/* NULL when the id is not in the table. O(log n). */
const struct pf_suite *pf_suite_find(uint16_t id);

/* Bytes of the digest: 0, 16, 20, 32, 48. */
unsigned pf_hash_len(enum pf_hash hash);

/* "RSA", "ECDHE" … for people. */
const char *pf_kx_name(enum pf_kx kx);

#endif
