// SPDX-License-Identifier: Apache-2.0
/*
 * What:    seals records, straight through EVP and sharing no code with what opens them, and the
 *          checks that every suite has to pass.
 * Owns:    struct sealer: a library context and the state that runs from record to record.
 * Threads: -
 * Errors:  assertions.
 * Limits:  no IDEA (libcrypto may lack it).
 */
#ifndef PF_TESTS_SEAL_H
#define PF_TESTS_SEAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/keys.h"
#include "tls/open.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_MAX = PF_RECORD_MAX + 512 };

struct sealer {
    OSSL_LIB_CTX *lib;
    OSSL_PROVIDER *base;
    OSSL_PROVIDER *legacy;
    struct pf_keys keys;
    uint8_t chain[16];
    EVP_CIPHER_CTX *rc4;
    size_t pad_blocks; /* CBC: padding beyond what is needed; TLS 1.3: zeros */
};

static inline void sealer_init(struct sealer *s, uint16_t suite, uint16_t version, bool etm)
{
    memset(s, 0, sizeof *s);
    s->lib = OSSL_LIB_CTX_new();
    s->base = OSSL_PROVIDER_load(s->lib, "default");
    s->legacy = OSSL_PROVIDER_load(s->lib, "legacy");
    s->keys.suite = pf_suite_find(suite);
    assert_non_null(s->keys.suite);
    s->keys.id = (uint64_t)suite << 16 | (uint64_t)(version & 15) << 1 | etm;
    s->keys.version = version;
    s->keys.etm = etm;
    for (unsigned i = 0; i < sizeof s->keys.mac_key; i++) {
        s->keys.mac_key[i] = (uint8_t)(i * 7 + 1);
    }
    for (unsigned i = 0; i < sizeof s->keys.key; i++) {
        s->keys.key[i] = (uint8_t)(i * 13 + suite);
    }
    for (unsigned i = 0; i < sizeof s->keys.iv; i++) {
        s->keys.iv[i] = (uint8_t)(i * 29 + 3);
    }
    memcpy(s->chain, s->keys.iv, sizeof s->chain);
}

static inline void sealer_fini(struct sealer *s)
{
    EVP_CIPHER_CTX_free(s->rc4);
    OSSL_PROVIDER_unload(s->legacy);
    OSSL_PROVIDER_unload(s->base);
    OSSL_LIB_CTX_free(s->lib);
}

static inline const char *seal_md(enum pf_hash hash)
{
    return hash == PF_HASH_MD5      ? "MD5"
           : hash == PF_HASH_SHA1   ? "SHA1"
           : hash == PF_HASH_SHA256 ? "SHA256"
                                    : "SHA384";
}

static inline size_t seal_header(const struct sealer *s, uint64_t seq, uint8_t type, size_t len,
                                 uint8_t out[13])
{
    size_t n = 0;
    for (int i = 7; i >= 0; i--) {
        out[n++] = (uint8_t)(seq >> (8 * i));
    }
    out[n++] = type;
    if (s->keys.version != PF_VERSION_SSL3) {
        out[n++] = (uint8_t)(s->keys.version >> 8);
        out[n++] = (uint8_t)s->keys.version;
    }
    out[n++] = (uint8_t)(len >> 8);
    out[n++] = (uint8_t)len;
    return n;
}

static inline void seal_mac_ssl3(const struct sealer *s, const uint8_t *data, size_t len,
                                 uint8_t *mac, size_t mac_len)
{
    static uint8_t buf[SEAL_MAX + 256];
    const char *md = seal_md(s->keys.suite->mac);
    size_t pad = mac_len == 16 ? 48 : 40;
    size_t out_len = 0;
    uint8_t inner[64];
    memcpy(buf, s->keys.mac_key, mac_len);
    memset(buf + mac_len, 0x36, pad);
    memcpy(buf + mac_len + pad, data, len);
    assert_true(EVP_Q_digest(s->lib, md, NULL, buf, mac_len + pad + len, inner, &out_len));
    memset(buf + mac_len, 0x5c, pad);
    memcpy(buf + mac_len + pad, inner, mac_len);
    assert_true(EVP_Q_digest(s->lib, md, NULL, buf, mac_len + pad + mac_len, mac, &out_len));
}

static inline size_t seal_mac(const struct sealer *s, uint64_t seq, uint8_t type,
                              const uint8_t *content, size_t len, uint8_t *mac)
{
    static uint8_t buf[SEAL_MAX + 64];
    size_t mac_len = pf_hash_len(s->keys.suite->mac);
    if (mac_len == 0) {
        return 0;
    }
    size_t n = seal_header(s, seq, type, len, buf);
    if (len > 0) {
        memcpy(buf + n, content, len);
    }
    if (s->keys.version == PF_VERSION_SSL3) {
        seal_mac_ssl3(s, buf, n + len, mac, mac_len);
        return mac_len;
    }
    size_t out_len = 0;
    assert_non_null(EVP_Q_mac(s->lib, "HMAC", NULL, seal_md(s->keys.suite->mac), NULL,
                              s->keys.mac_key, mac_len, buf, n + len, mac, 64, &out_len));
    return out_len;
}

static inline void seal_cipher(const struct sealer *s, const char *name, const uint8_t *iv,
                               const uint8_t *in, size_t len, uint8_t *out)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(s->lib, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_non_null(cipher);
    assert_true(EVP_EncryptInit_ex2(ctx, cipher, s->keys.key, iv, NULL));
    assert_true(EVP_CIPHER_CTX_set_padding(ctx, 0));
    assert_true(EVP_EncryptUpdate(ctx, out, &n, in, (int)len));
    assert_int_equal(n, len);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static inline size_t seal_cbc(struct sealer *s, uint64_t seq, uint8_t type, const uint8_t *text,
                              size_t len, uint8_t *body)
{
    static uint8_t inner[SEAL_MAX];
    size_t block = s->keys.suite->bulk->block_len;
    size_t n = len;
    if (len > 0) {
        memcpy(inner, text, len);
    }
    if (!s->keys.etm) {
        n += seal_mac(s, seq, type, text, len, inner + n);
    }
    size_t pad = block - n % block + s->pad_blocks * block;
    for (size_t i = 0; i < pad; i++) { /* SSL 3.0 leaves the contents open */
        inner[n + i] = (uint8_t)(s->keys.version == PF_VERSION_SSL3 ? 0xa5 + i : pad - 1);
    }
    inner[n + pad - 1] = (uint8_t)(pad - 1);
    n += pad;
    uint8_t *p = body;
    if (s->keys.version >= PF_VERSION_TLS11) {
        for (size_t i = 0; i < block; i++) {
            s->chain[i] = (uint8_t)(seq * 31 + i * 3 + 9);
        }
        memcpy(p, s->chain, block);
        p += block;
    }
    seal_cipher(s, s->keys.suite->bulk->evp_name, s->chain, inner, n, p);
    memcpy(s->chain, p + n - block, block);
    p += n;
    if (s->keys.etm) {
        p += seal_mac(s, seq, type, body, (size_t)(p - body), p);
    }
    return (size_t)(p - body);
}

static inline size_t seal_stream(struct sealer *s, uint64_t seq, uint8_t type, const uint8_t *text,
                                 size_t len, uint8_t *body)
{
    if (len > 0) {
        memcpy(body, text, len);
    }
    len += seal_mac(s, seq, type, text, len, body + len);
    if (s->keys.suite->bulk->mode == PF_MODE_STREAM) {
        int n = 0;
        if (s->rc4 == NULL) {
            EVP_CIPHER *cipher = EVP_CIPHER_fetch(s->lib, "RC4", NULL);
            s->rc4 = EVP_CIPHER_CTX_new();
            assert_true(EVP_EncryptInit_ex2(s->rc4, cipher, s->keys.key, NULL, NULL));
            EVP_CIPHER_free(cipher);
        }
        assert_true(EVP_EncryptUpdate(s->rc4, body, &n, body, (int)len));
    }
    return len;
}

/* GHASH bit by bit, as NIST SP 800-38D section 6.3 writes it. */
static inline void seal_ghash_block(uint8_t y[16], const uint8_t h[16], const uint8_t *x, size_t n)
{
    uint8_t z[16] = {0};
    uint8_t v[16];
    memcpy(v, h, 16);
    for (size_t i = 0; i < n; i++) {
        y[i] ^= x[i];
    }
    for (int i = 0; i < 128; i++) {
        for (int k = 0; k < 16 && (y[i / 8] >> (7 - i % 8) & 1); k++) {
            z[k] ^= v[k];
        }
        int lsb = v[15] & 1;
        for (int k = 15; k >= 0; k--) {
            v[k] = (uint8_t)(v[k] >> 1 | (k > 0 ? v[k - 1] << 7 : 0));
        }
        v[0] ^= (uint8_t)(lsb ? 0xe1 : 0);
    }
    memcpy(y, z, 16);
}

/* GCM from single blocks (ECB): for Camellia, which EVP has no GCM of. */
static inline void seal_gcm_by_hand(const struct sealer *s, const char *ecb, const uint8_t *nonce,
                                    const uint8_t *aad, size_t aad_len, const uint8_t *text,
                                    size_t len, uint8_t *out, uint8_t *tag)
{
    uint8_t h[16] = {0};
    uint8_t counter[16] = {0};
    uint8_t mask[16];
    uint8_t y[16] = {0};
    const uint8_t zeros[16] = {0};
    uint8_t lengths[16] = {0};
    seal_cipher(s, ecb, NULL, zeros, 16, h);
    memcpy(counter, nonce, 12);
    for (size_t at = 0; at < len; at += 16) {
        size_t number = at / 16 + 2;
        counter[14] = (uint8_t)(number >> 8);
        counter[15] = (uint8_t)number;
        seal_cipher(s, ecb, NULL, counter, 16, mask);
        for (size_t i = 0; i < 16 && at + i < len; i++) {
            out[at + i] = text[at + i] ^ mask[i];
        }
    }
    for (size_t at = 0; at < aad_len; at += 16) {
        seal_ghash_block(y, h, aad + at, aad_len - at < 16 ? aad_len - at : 16);
    }
    for (size_t at = 0; at < len; at += 16) {
        seal_ghash_block(y, h, out + at, len - at < 16 ? len - at : 16);
    }
    lengths[7] = (uint8_t)(aad_len * 8);
    lengths[13] = (uint8_t)(len * 8 >> 16);
    lengths[14] = (uint8_t)(len * 8 >> 8);
    lengths[15] = (uint8_t)(len * 8);
    seal_ghash_block(y, h, lengths, 16);
    counter[14] = 0;
    counter[15] = 1;
    seal_cipher(s, ecb, NULL, counter, 16, mask);
    for (int i = 0; i < 16; i++) {
        tag[i] = y[i] ^ mask[i];
    }
}

static inline void seal_evp_aead(const struct sealer *s, const uint8_t *nonce, const uint8_t *aad,
                                 size_t aad_len, const uint8_t *text, size_t len, uint8_t *out,
                                 uint8_t *tag)
{
    const struct pf_bulk *bulk = s->keys.suite->bulk;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(s->lib, bulk->evp_name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_true(EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL));
    assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL));
    if (bulk->mode == PF_MODE_CCM) {
        assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, bulk->tag_len, NULL));
    }
    assert_true(EVP_EncryptInit_ex2(ctx, NULL, s->keys.key, nonce, NULL));
    if (bulk->mode == PF_MODE_CCM) {
        assert_true(EVP_EncryptUpdate(ctx, NULL, &n, NULL, (int)len));
    }
    if (aad_len > 0) {
        assert_true(EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len));
    }
    assert_true(EVP_EncryptUpdate(ctx, out, &n, len > 0 ? text : nonce, (int)len));
    assert_true(EVP_EncryptFinal_ex(ctx, out + len, &n));
    assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, bulk->tag_len, tag));
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static inline size_t seal_aead(struct sealer *s, uint64_t seq, uint8_t type, const uint8_t *text,
                               size_t len, uint8_t *body)
{
    static uint8_t inner[SEAL_MAX];
    const struct pf_bulk *bulk = s->keys.suite->bulk;
    bool tls13 = s->keys.version == PF_VERSION_TLS13;
    uint8_t aad[13];
    uint8_t nonce[12];
    uint8_t *p = body;
    size_t aad_len = 0;
    if (len > 0) {
        memcpy(inner, text, len);
    }
    memcpy(nonce, s->keys.iv, 12);
    if (tls13) {
        inner[len++] = type;
        memset(inner + len, 0, s->pad_blocks);
        len += s->pad_blocks;
        size_t body_len = len + bulk->tag_len;
        const uint8_t header[5] = {23, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
        memcpy(aad, header, 5);
        aad_len = s->keys.draft != 0 && s->keys.draft < 25 ? 0 : 5;
    } else {
        aad_len = seal_header(s, seq, type, len, aad);
    }
    if (tls13 || bulk->mode == PF_MODE_CHACHA) {
        for (int i = 0; i < 8; i++) {
            nonce[11 - i] ^= (uint8_t)(seq >> (8 * i));
        }
    } else {
        for (int i = 0; i < 8; i++) { /* a sender that counts, from 0x5500000000 */
            nonce[11 - i] = (uint8_t)((seq + 0x5500000000U) >> (8 * i));
        }
        memcpy(p, nonce + 4, 8);
        p += 8;
    }
    if (strncmp(bulk->evp_name, "CAMELLIA", 8) == 0) {
        const char *ecb = bulk->key_len == 16 ? "CAMELLIA-128-ECB" : "CAMELLIA-256-ECB";
        seal_gcm_by_hand(s, ecb, nonce, aad, aad_len, inner, len, p, p + len);
    } else {
        seal_evp_aead(s, nonce, aad, aad_len, inner, len, p, p + len);
    }
    return (size_t)(p - body) + len + bulk->tag_len;
}

/* Returns the length of the body. */
static inline size_t seal(struct sealer *s, uint64_t seq, uint8_t type, const uint8_t *text,
                          size_t len, uint8_t *body)
{
    switch (s->keys.suite->bulk->mode) {
    case PF_MODE_NULL:
    case PF_MODE_STREAM:
        return seal_stream(s, seq, type, text, len, body);
    case PF_MODE_CBC:
        return seal_cbc(s, seq, type, text, len, body);
    case PF_MODE_GCM:
    case PF_MODE_CCM:
    case PF_MODE_CHACHA:
        return seal_aead(s, seq, type, text, len, body);
    }
    return 0;
}

static inline struct pf_record seal_wire(const struct sealer *s, uint8_t type, const uint8_t *body,
                                         size_t len)
{
    bool tls13 = s->keys.version == PF_VERSION_TLS13;
    return (struct pf_record){.type = tls13 ? 23 : type,
                              .version = tls13 ? 0x0303 : s->keys.version,
                              .body = {body, len}};
}

/* A run of records of many lengths, in order, through one chain. */
static inline void check_round_trip(struct pf_crypt *crypt, struct sealer *s)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 255, 1000, 16384};
    static uint8_t text[16384];
    static uint8_t body[SEAL_MAX];
    static uint8_t out[PF_RECORD_MAX];
    struct pf_chain chain;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 167 + 11);
    }
    assert_int_equal(pf_chain_init(&chain, &s->keys, 0), PF_OK);
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t type = i % 5 == 4 ? 21 : 23;
        size_t len = lengths[i % (sizeof lengths / sizeof lengths[0])];
        uint64_t seq = i;
        s->pad_blocks = i % 3 == 2 && s->keys.version != PF_VERSION_SSL3 ? 3 : 0;
        size_t n = seal(s, seq, type, text, len, body);
        uint8_t *exact = malloc(n > 0 ? n : 1); /* so that a read behind the end is seen */
        memcpy(exact, body, n);
        struct pf_record record = seal_wire(s, type, exact, n);
        struct pf_plain plain;
        bool is_exact = false;
        unsigned lo = 0;
        unsigned hi = 0;
        assert_int_equal(
            pf_open_record(crypt, &s->keys, &chain, seq, &record, out, sizeof out, &plain), PF_OK);
        assert_int_equal(plain.type, type);
        assert_int_equal(plain.data.len, len);
        assert_memory_equal(plain.data.ptr, text, len);
        uint32_t told = pf_open_plaintext_len(&s->keys, (uint32_t)n, &is_exact);
        assert_true(is_exact ? told == len : told >= len);
        pf_open_body_bounds(&s->keys, &lo, &hi);
        assert_in_range(n, lo, hi);
        assert_true(i != 0 || n == lo); /* the empty record is the shortest */
        free(exact);
    }
    pf_chain_fini(&chain);
}

/* Opens under a chain of its own; 0 for what may never verify. */
static inline enum pf_status open_alone(struct pf_crypt *crypt, const struct sealer *s,
                                        uint64_t seq, struct pf_record record,
                                        struct pf_plain *plain)
{
    static uint8_t out[PF_RECORD_MAX];
    struct pf_chain chain;
    uint8_t *exact = malloc(record.body.len > 0 ? record.body.len : 1);
    if (record.body.len > 0) {
        memcpy(exact, record.body.ptr, record.body.len);
    }
    record.body.ptr = exact;
    assert_int_equal(pf_chain_init(&chain, &s->keys, 0), PF_OK);
    enum pf_status st =
        pf_open_record(crypt, &s->keys, &chain, seq, &record, out, sizeof out, plain);
    pf_chain_fini(&chain);
    free(exact);
    return st;
}

static inline void check_refused(enum pf_status st)
{
    assert_true(st == PF_ERR_REJECTED || st == PF_ERR_MALFORMED);
}

/* The first record of a direction, spoilt in every way. */
static inline void check_refusals(struct pf_crypt *crypt, struct sealer *s)
{
    static const uint8_t text[40] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    bool ssl3 = s->keys.version == PF_VERSION_SSL3;
    bool draft = s->keys.draft != 0 && s->keys.draft < 25;
    uint8_t body[256];
    struct pf_plain plain;
    s->pad_blocks = 0;
    size_t n = seal(s, 5, 23, text, 38, body);
    struct pf_record good = seal_wire(s, 23, body, n);
    assert_int_equal(open_alone(crypt, s, 5, good, &plain), PF_OK);
    for (size_t i = 0; i < n; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            body[i] ^= (uint8_t)(1U << bit);
            enum pf_status st = open_alone(crypt, s, 5, good, &plain);
            if (st == PF_OK) { /* SSL 3.0 leaves its padding unverified, but nothing else */
                assert_true(ssl3 && plain.data.len == 38);
                assert_memory_equal(plain.data.ptr, text, 38);
            } else {
                check_refused(st);
            }
            body[i] ^= (uint8_t)(1U << bit);
        }
    }
    for (size_t cut = 0; cut < n; cut++) {
        struct pf_record shorter = good;
        shorter.body.len = cut;
        check_refused(open_alone(crypt, s, 5, shorter, &plain));
    }
    struct pf_record other = good;
    check_refused(open_alone(crypt, s, 4, good, &plain));
    check_refused(open_alone(crypt, s, 5 + ((uint64_t)1 << 40), good, &plain));
    other.type = 22;
    check_refused(open_alone(crypt, s, 5, other, &plain));
    other = good;
    other.version ^= 1;
    if (!ssl3 && !draft) { /* neither authenticates the version */
        check_refused(open_alone(crypt, s, 5, other, &plain));
    }
    static uint8_t big[PF_RECORD_MAX + 1];
    other = good;
    other.body = (struct pf_span){big, sizeof big};
    assert_int_equal(open_alone(crypt, s, 5, other, &plain), PF_ERR_MALFORMED);
}

static inline void check_suite(struct pf_crypt *crypt, uint16_t suite, uint16_t version, bool etm)
{
    struct sealer s;
    sealer_init(&s, suite, version, etm);
    check_round_trip(crypt, &s);
    sealer_fini(&s);
    sealer_init(&s, suite, version, etm);
    check_refusals(crypt, &s);
    sealer_fini(&s);
}

#endif
