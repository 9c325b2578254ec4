// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the seam between opening records (tls/open.h) and the ciphers: one function per mode.
 * Owns:    struct pf_crypt: a library context of its own, so that nothing of the process is changed
 *          and no reference count is shared between threads; ciphers fetched on first use; a few
 *          keyed contexts per cipher.
 * Threads: one thread's.
 * Errors:  as tls/open.h says.
 * Limits:  PF_CIPHER_WAYS keyed contexts per cipher.
 *
 * Keyed contexts are found by the keys' id: the two directions of a connection have consecutive
 * ids and so never push each other out. Keying again costs about 0.3 us.
 */
#ifndef PF_TLS_CIPHER_H
#define PF_TLS_CIPHER_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/ghash.h"
#include "tls/hash.h"
#include "tls/keys.h"
#include "tls/multibuf.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

enum { PF_CIPHER_WAYS = 8, PF_MAC_WAYS = 16, PF_NONCE_LEN = 12, PF_AAD_MAX = 13, PF_MAC_HEAD = 13 };

/* A keyed cipher. */
struct pf_cipher_slot {
    uint64_t id;           /* the keys it holds; 0: none that is remembered */
    EVP_CIPHER_CTX *ctx;   /* NULL until first used, and where the next is used instead */
    void *expanded;        /* the key for pf_multibuf_*; NULL: libcrypto's context it is */
    struct pf_ghash ghash; /* keyed where GCM is put together here (Camellia) */
};

struct pf_cipher_engine {
    EVP_CIPHER *cipher; /* NULL until first used, or when it is not to be had */
    bool tried;
    struct pf_cipher_slot *slots; /* PF_CIPHER_WAYS of them */
    EVP_CIPHER_CTX *block[2];     /* see pf_cipher_block; NULL until first used */
};

struct pf_mac_slot {
    uint64_t id;
    struct pf_mac mac;
};

struct pf_crypt {
    OSSL_LIB_CTX *lib;
    OSSL_PROVIDER *base;
    OSSL_PROVIDER *legacy;        /* loaded when a cipher is not found without it */
    struct pf_multibuf *multibuf; /* NULL: libcrypto does everything */
    struct pf_cipher_engine engines[PF_BULK_ROWS];
    bool lacked_memory; /* when a cipher was not found */
    struct pf_mac_slot macs[PF_MAC_WAYS];
    uint8_t scratch[PF_RECORD_MAX]; /* plaintext of trials */
};

/* A record and the number it is taken to have. */
struct pf_sealed {
    uint64_t seq;
    uint16_t version;
    uint8_t type;
    struct pf_span body;
};

PF_MUST_USE enum pf_status pf_crypt_init(struct pf_crypt *crypt);
void pf_crypt_fini(struct pf_crypt *crypt);

/* A cipher by name, from the legacy provider if need be; NULL: not to be had. The caller frees. */
EVP_CIPHER *pf_cipher_fetch(struct pf_crypt *crypt, const char *name);

/* The keyed context for keys; for GCM put together here its ghash is keyed too. */
PF_MUST_USE enum pf_status pf_cipher_slot(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          struct pf_cipher_slot **out);

/* The block cipher under the mode of keys, for single blocks; encrypt: to encrypt them. It remains
 * the crypt's, and is keyed anew by the next call. NULL: not to be had. */
EVP_CIPHER_CTX *pf_cipher_block(struct pf_crypt *crypt, const struct pf_keys *keys, bool encrypt);

/* The MAC of keys, keyed. */
const struct pf_mac *pf_cipher_mac(struct pf_crypt *crypt, const struct pf_keys *keys);

/* What the MAC begins with: number, type, version (not in SSL 3.0) and length of content. Returns
 * how many bytes that are. */
size_t pf_cipher_mac_head(const struct pf_keys *keys, const struct pf_sealed *rec,
                          size_t content_len, uint8_t head[PF_MAC_HEAD]);

/* The MAC of a record: number, type, version (not in SSL 3.0), length and content. */
void pf_cipher_mac_of(const struct pf_mac *mac, const struct pf_keys *keys,
                      const struct pf_sealed *rec, struct pf_span content, uint8_t *out);

/* True if the 20 … 48 bytes at tag are the MAC of content. */
bool pf_cipher_mac_fits(const struct pf_mac *mac, const struct pf_keys *keys,
                        const struct pf_sealed *rec, struct pf_span content, const uint8_t *tag);

/* Drains the error queue and says that something did not verify. */
enum pf_status pf_cipher_reject(void);

/* The additional data of an AEAD record; returns its length. text_len: bytes of plaintext. */
size_t pf_aead_aad(const struct pf_keys *keys, const struct pf_sealed *rec, size_t text_len,
                   uint8_t aad[PF_AAD_MAX]);

/* Bytes of a record's body in front of the ciphertext. */
size_t pf_aead_explicit_len(const struct pf_keys *keys);

void pf_aead_nonce(const struct pf_keys *keys, const struct pf_sealed *rec,
                   uint8_t nonce[PF_NONCE_LEN]);

/* True for GCM that OpenSSL does not have: counter mode from it, GHASH from here. */
bool pf_aead_is_assembled(const struct pf_bulk *bulk);

PF_MUST_USE enum pf_status pf_aead_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                                        const struct pf_sealed *rec, uint8_t *out, size_t *len);

/* True if records carry no IV of their own (SSL 3.0, TLS 1.0). */
bool pf_cbc_is_chained(const struct pf_keys *keys);

/* Where things lie in a CBC record's body. */
struct pf_cbc_layout {
    struct pf_span iv;     /* in the body, or empty when chained */
    struct pf_span blocks; /* ciphertext */
    const uint8_t *mac;    /* behind the ciphertext (RFC 7366); NULL: under encryption */
};

/* False: the lengths cannot be. */
PF_MUST_USE bool pf_cbc_split(const struct pf_keys *keys, struct pf_span body,
                              struct pf_cbc_layout *out);

/* Decrypts without verifying anything. iv: block_len bytes. */
PF_MUST_USE enum pf_status pf_cbc_decrypt(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          const uint8_t *iv, struct pf_span blocks, uint8_t *out);

/* Cuts the padding off: *len becomes what is left. False: it is wrong. */
PF_MUST_USE bool pf_cbc_unpad(const struct pf_keys *keys, const uint8_t *text, size_t *len);

/* Decrypts a record of MAC-then-encrypt and cuts the padding off; its MAC, unverified, lies behind
 * the *len bytes of content. chained_iv: the IV when records carry none. */
PF_MUST_USE enum pf_status pf_cbc_bare(struct pf_crypt *crypt, const struct pf_keys *keys,
                                       const struct pf_sealed *rec, const uint8_t *chained_iv,
                                       uint8_t *out, size_t *len);

/* Decrypts a record of encrypt-then-MAC, which was verified, and cuts the padding off. */
PF_MUST_USE enum pf_status pf_cbc_inside(struct pf_crypt *crypt, const struct pf_keys *keys,
                                         const struct pf_sealed *rec, const uint8_t *chained_iv,
                                         uint8_t *out, size_t *len);

/* chained_iv: as above. */
PF_MUST_USE enum pf_status pf_cbc_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                                       const struct pf_sealed *rec, const uint8_t *chained_iv,
                                       uint8_t *out, size_t *len);

struct pf_rc4; /* a keystream and where it stands */

struct pf_rc4 *pf_rc4_new(const struct pf_keys *keys); /* NULL: no memory */
void pf_rc4_free(struct pf_rc4 *rc4);
struct pf_rc4 *pf_rc4_dup(const struct pf_rc4 *rc4); /* NULL: no memory */
void pf_rc4_copy(struct pf_rc4 *to, const struct pf_rc4 *from);
void pf_rc4_skip(struct pf_rc4 *rc4, uint64_t len);

/* RC4, or without a cipher when rc4 is NULL. */
PF_MUST_USE enum pf_status pf_stream_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          const struct pf_sealed *rec, struct pf_rc4 *rc4,
                                          uint8_t *out, size_t *len);

#endif
