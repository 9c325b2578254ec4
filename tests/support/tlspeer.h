// SPDX-License-Identifier: Apache-2.0
/*
 * What:    both ends of a TLS 1.0 to 1.2 connection with RSA key exchange, written down byte by
 *          byte: handshakes, sealed records, and the plaintext that a reader should find. Built on
 *          libcrypto alone, so that nothing of src/tls is its own witness.
 * Owns:    what struct tp holds, until tp_fini.
 * Threads: -
 * Errors:  abort().
 * Limits:  the suites below; 128 KiB per direction; TP_PARTS flights.
 */
#ifndef PF_TESTS_TLSPEER_H
#define PF_TESTS_TLSPEER_H

#include "support/bytes.h"
#include "support/pki.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <zlib.h>

enum {
    TP_AES128_SHA = 0x002f,
    TP_AES256_SHA256 = 0x003d,
    TP_AES128_GCM = 0x009c,
    TP_PARTS = 2048,
    TP_C = 0, /* sent by the client */
    TP_S = 1
};

struct tp_options {
    uint16_t version; /* 0x0301 to 0x0303 */
    uint16_t suite;
    bool ems;
    bool etm;
    bool ticket; /* the server gives one */
    bool deflate;
};

struct tp_side {
    bool sealed;
    uint64_t seq;
    uint8_t key[32];
    uint8_t mac[32];
    uint8_t iv[16];
    z_stream *zip;
};

struct tp {
    struct tp_options o;
    EVP_PKEY *key;
    uint8_t *cert;
    size_t cert_len;
    uint8_t client_random[32];
    uint8_t server_random[32];
    uint8_t session_id[32];
    uint8_t ticket[40];
    uint8_t pre_master[48];
    uint8_t master[48];
    uint32_t counter; /* makes randoms that differ */
    struct tp_side side[2];
    struct bytes log; /* the handshake's messages so far */
    struct bytes wire[2];
    struct bytes plain[2];
    struct {
        uint8_t dir;
        size_t len;
    } parts[TP_PARTS]; /* in the order in which they were sent */
    size_t part_count;
};

static inline void tp_random(struct tp *t, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->counter = t->counter * 1664525 + 1013904223;
        out[i] = (uint8_t)(t->counter >> 24);
    }
}

static inline struct tp *tp_new(struct tp_options o, EVP_PKEY *key)
{
    struct tp *t = calloc(1, sizeof *t);
    pki_check(t != NULL, "calloc");
    t->o = o;
    t->key = key;
    t->counter = 7;
    X509 *x = pki_cert(key, "tls.example");
    t->cert_len = pki_cert_der(x, &t->cert).len;
    X509_free(x);
    return t;
}

static inline void tp_unzip(struct tp_side *s)
{
    if (s->zip != NULL) {
        deflateEnd(s->zip);
        free(s->zip);
        s->zip = NULL;
    }
}

static inline void tp_free(struct tp *t)
{
    if (t != NULL) {
        tp_unzip(&t->side[0]);
        tp_unzip(&t->side[1]);
        OPENSSL_free(t->cert);
        free(t);
    }
}

/* Bytes as they are, sent by dir. */
static inline void tp_raw(struct tp *t, int dir, const void *data, size_t len)
{
    bytes_raw(&t->wire[dir], data, len);
    pki_check(t->part_count < TP_PARTS, "parts");
    t->parts[t->part_count].dir = (uint8_t)dir;
    t->parts[t->part_count++].len = len;
}

static inline void tp_prf(const struct tp *t, const uint8_t *secret, const char *label,
                          const uint8_t *seed, size_t seed_len, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    const char *md = t->o.version == 0x0303 ? "SHA256" : "MD5-SHA1";
    OSSL_PARAM p[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)md, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret, 48),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)label,
                                          strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed, seed_len),
        OSSL_PARAM_construct_end(),
    };
    pki_check(ctx != NULL && EVP_KDF_derive(ctx, out, len, p) == 1, "TLS1-PRF");
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static inline size_t tp_mac_len(const struct tp *t)
{
    return t->o.suite == TP_AES128_SHA ? 20 : 32;
}

static inline size_t tp_key_len(const struct tp *t)
{
    return t->o.suite == TP_AES256_SHA256 ? 32 : 16;
}

/* RFC 5246 section 6.2.3.1: a MAC of what the wire will not show. */
static inline void tp_mac(struct tp *t, int dir, uint8_t type, const uint8_t *data, size_t len,
                          uint8_t *out)
{
    static struct bytes in;
    in.n = 0;
    bytes_num(&in, 8, t->side[dir].seq);
    bytes_num(&in, 1, type);
    bytes_num(&in, 2, t->o.version);
    bytes_num(&in, 2, len);
    bytes_raw(&in, data, len);
    const EVP_MD *md = t->o.suite == TP_AES128_SHA ? EVP_sha1() : EVP_sha256();
    unsigned n;
    pki_check(HMAC(md, t->side[dir].mac, (int)tp_mac_len(t), in.b, in.n, out, &n) != NULL, "HMAC");
}

static inline void tp_seal_cbc(struct tp *t, int dir, uint8_t type, const uint8_t *data, size_t len,
                               struct bytes *body)
{
    static struct bytes text;
    struct tp_side *s = &t->side[dir];
    uint8_t mac[32];
    text.n = 0;
    bytes_raw(&text, data, len);
    if (!t->o.etm) {
        tp_mac(t, dir, type, data, len, mac);
        bytes_raw(&text, mac, tp_mac_len(t));
    }
    uint8_t pad = (uint8_t)(15 - text.n % 16);
    bytes_fill(&text, pad, (size_t)pad + 1);
    if (t->o.version > 0x0301) {
        tp_random(t, s->iv, 16);
        bytes_raw(body, s->iv, 16);
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *c = tp_key_len(t) == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
    int n;
    pki_check(EVP_EncryptInit_ex(ctx, c, NULL, s->key, s->iv) == 1 &&
                  EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                  EVP_EncryptUpdate(ctx, body->b + body->n, &n, text.b, (int)text.n) == 1,
              "CBC");
    body->n += (size_t)n;
    EVP_CIPHER_CTX_free(ctx);
    memcpy(s->iv, body->b + body->n - 16, 16);
    if (t->o.etm) {
        tp_mac(t, dir, type, body->b, body->n, mac);
        bytes_raw(body, mac, tp_mac_len(t));
    }
}

static inline void tp_seal_gcm(struct tp *t, int dir, uint8_t type, const uint8_t *data, size_t len,
                               struct bytes *body)
{
    struct tp_side *s = &t->side[dir];
    static struct bytes aad;
    aad.n = 0;
    bytes_num(&aad, 8, s->seq);
    bytes_num(&aad, 1, type);
    bytes_num(&aad, 2, t->o.version);
    bytes_num(&aad, 2, len);
    bytes_num(body, 8, s->seq);
    uint8_t nonce[12];
    memcpy(nonce, s->iv, 4);
    memcpy(nonce + 4, body->b, 8);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    pki_check(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, s->key, nonce) == 1 &&
                  EVP_EncryptUpdate(ctx, NULL, &n, aad.b, (int)aad.n) == 1 &&
                  EVP_EncryptUpdate(ctx, body->b + 8, &n, data, (int)len) == 1 &&
                  EVP_EncryptFinal_ex(ctx, body->b + 8 + len, &n) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, body->b + 8 + len) == 1,
              "GCM");
    body->n += len + 16;
    EVP_CIPHER_CTX_free(ctx);
}

static inline size_t tp_zip(struct tp_side *s, const void *data, size_t len, uint8_t *out,
                            size_t cap)
{
    if (s->zip == NULL) {
        s->zip = calloc(1, sizeof *s->zip);
        pki_check(s->zip != NULL && deflateInit(s->zip, 6) == Z_OK, "deflate");
    }
    s->zip->next_in = (Bytef *)(uintptr_t)data;
    s->zip->avail_in = (uInt)len;
    s->zip->next_out = out;
    s->zip->avail_out = (uInt)cap;
    pki_check(deflate(s->zip, Z_SYNC_FLUSH) == Z_OK, "deflate");
    return cap - s->zip->avail_out;
}

/* One record, sealed once the sender has changed its keys. */
static inline void tp_record(struct tp *t, int dir, uint8_t type, const void *data, size_t len)
{
    static struct bytes body;
    static struct bytes record;
    static uint8_t zipped[1 << 15];
    body.n = 0;
    record.n = 0;
    struct tp_side *s = &t->side[dir];
    const uint8_t *text = data;
    if (s->sealed && t->o.deflate) {
        len = tp_zip(s, data, len, zipped, sizeof zipped);
        text = zipped;
    }
    if (!s->sealed) {
        bytes_raw(&body, text, len);
    } else if (t->o.suite == TP_AES128_GCM) {
        tp_seal_gcm(t, dir, type, text, len, &body);
    } else {
        tp_seal_cbc(t, dir, type, text, len, &body);
    }
    s->seq += s->sealed ? 1 : 0;
    bytes_num(&record, 1, type);
    bytes_num(&record, 2, t->o.version);
    bytes_num(&record, 2, body.n);
    bytes_raw(&record, body.b, body.n);
    tp_raw(t, dir, record.b, record.n);
}

/* Application data: what a reader of dir should find. */
static inline void tp_app(struct tp *t, int dir, const void *data, size_t len)
{
    tp_record(t, dir, 23, data, len);
    bytes_raw(&t->plain[dir], data, len);
}

static inline void tp_text(struct tp *t, int dir, const char *text)
{
    tp_app(t, dir, text, strlen(text));
}

static inline void tp_alert(struct tp *t, int dir, uint8_t level, uint8_t code)
{
    const uint8_t alert[2] = {level, code};
    tp_record(t, dir, 21, alert, 2);
}

/* A handshake message in a record of its own; logged for the session hash. */
static inline void tp_message(struct tp *t, int dir, uint8_t type, const struct bytes *body)
{
    static struct bytes m;
    m.n = 0;
    bytes_num(&m, 1, type);
    bytes_num(&m, 3, body->n);
    bytes_raw(&m, body->b, body->n);
    bytes_raw(&t->log, m.b, m.n);
    tp_record(t, dir, 22, m.b, m.n);
}

static inline void tp_extensions(const struct tp *t, struct bytes *m, bool client, bool resume)
{
    size_t all = bytes_open(m, 2);
    if (t->o.ems) {
        bytes_num(m, 4, 23U << 16);
    }
    if (t->o.etm) {
        bytes_num(m, 4, 22U << 16);
    }
    if (t->o.ticket && client && resume) {
        bytes_num(m, 2, 35);
        bytes_num(m, 2, sizeof t->ticket);
        bytes_raw(m, t->ticket, sizeof t->ticket);
    } else if (t->o.ticket && !resume) {
        bytes_num(m, 4, 35U << 16);
    }
    bytes_close(m, 2, all);
}

static inline void tp_client_hello(struct tp *t, bool resume)
{
    static struct bytes m;
    m.n = 0;
    t->log.n = 0;
    tp_random(t, t->client_random, 32);
    bytes_num(&m, 2, t->o.version);
    bytes_raw(&m, t->client_random, 32);
    bytes_num(&m, 1, resume ? 32 : 0);
    bytes_raw(&m, t->session_id, resume ? 32 : 0);
    bytes_num(&m, 2, 2);
    bytes_num(&m, 2, t->o.suite);
    bytes_num(&m, 1, t->o.deflate ? 2 : 1);
    bytes_num(&m, t->o.deflate ? 2 : 1, t->o.deflate ? 0x0100 : 0);
    tp_extensions(t, &m, true, resume);
    tp_message(t, TP_C, 1, &m);
}

static inline void tp_server_hello(struct tp *t, bool resume)
{
    static struct bytes m;
    m.n = 0;
    tp_random(t, t->server_random, 32);
    if (!resume) {
        tp_random(t, t->session_id, 32);
        tp_random(t, t->ticket, sizeof t->ticket);
    }
    bytes_num(&m, 2, t->o.version);
    bytes_raw(&m, t->server_random, 32);
    bytes_num(&m, 1, 32);
    bytes_raw(&m, t->session_id, 32);
    bytes_num(&m, 2, t->o.suite);
    bytes_num(&m, 1, t->o.deflate);
    tp_extensions(t, &m, false, resume);
    tp_message(t, TP_S, 2, &m);
}

static inline void tp_certificate(struct tp *t)
{
    static struct bytes m;
    m.n = 0;
    bytes_num(&m, 3, t->cert_len + 3);
    bytes_num(&m, 3, t->cert_len);
    bytes_raw(&m, t->cert, t->cert_len);
    tp_message(t, TP_S, 11, &m);
}

static inline void tp_key_exchange(struct tp *t)
{
    static struct bytes m;
    uint8_t sealed[512];
    m.n = 0;
    tp_random(t, t->pre_master, 48);
    t->pre_master[0] = (uint8_t)(t->o.version >> 8);
    t->pre_master[1] = (uint8_t)t->o.version;
    size_t len = pki_encrypt(t->key, t->pre_master, 48, sealed, sizeof sealed);
    bytes_num(&m, 2, len);
    bytes_raw(&m, sealed, len);
    tp_message(t, TP_C, 16, &m);
}

static inline void tp_master(struct tp *t)
{
    uint8_t seed[64];
    memcpy(seed, t->client_random, 32);
    memcpy(seed + 32, t->server_random, 32);
    if (!t->o.ems) {
        tp_prf(t, t->pre_master, "master secret", seed, 64, t->master, 48);
        return;
    }
    const char *md = t->o.version == 0x0303 ? "SHA256" : "MD5-SHA1";
    uint8_t hash[64];
    size_t len;
    pki_check(EVP_Q_digest(NULL, md, NULL, t->log.b, t->log.n, hash, &len) == 1, "digest");
    tp_prf(t, t->pre_master, "extended master secret", hash, len, t->master, 48);
}

static inline void tp_ticket(struct tp *t)
{
    static struct bytes m;
    m.n = 0;
    bytes_num(&m, 4, 300);
    bytes_num(&m, 2, sizeof t->ticket);
    bytes_raw(&m, t->ticket, sizeof t->ticket);
    tp_message(t, TP_S, 4, &m);
}

/* ChangeCipherSpec, new keys, Finished (whose contents a reader cannot check). */
static inline void tp_change_keys(struct tp *t, int dir)
{
    static struct bytes m;
    uint8_t seed[64];
    uint8_t block[256];
    memcpy(seed, t->server_random, 32);
    memcpy(seed + 32, t->client_random, 32);
    tp_prf(t, t->master, "key expansion", seed, 64, block, sizeof block);
    tp_record(t, dir, 20, "\x01", 1);
    struct tp_side *s = &t->side[dir];
    size_t mac = t->o.suite == TP_AES128_GCM ? 0 : tp_mac_len(t);
    size_t iv = t->o.suite == TP_AES128_GCM ? 4 : 16;
    size_t key = tp_key_len(t);
    tp_unzip(s);
    s->sealed = true;
    s->seq = 0;
    memcpy(s->mac, block + (size_t)dir * mac, mac);
    memcpy(s->key, block + 2 * mac + (size_t)dir * key, key);
    memcpy(s->iv, block + 2 * mac + 2 * key + (size_t)dir * iv, iv);
    m.n = 0;
    bytes_fill(&m, 0x5a, 12);
    tp_message(t, dir, 20, &m);
}

/* Also a renegotiation, when keys are in force already. */
static inline void tp_full_handshake(struct tp *t)
{
    static const struct bytes nothing;
    tp_client_hello(t, false);
    tp_server_hello(t, false);
    tp_certificate(t);
    tp_message(t, TP_S, 14, &nothing);
    tp_key_exchange(t);
    tp_master(t);
    tp_change_keys(t, TP_C);
    if (t->o.ticket) {
        tp_ticket(t);
    }
    tp_change_keys(t, TP_S);
}

/* Resumes the session of the handshake before, in the same connection or in another one whose
 * session was copied with tp_take_session. */
static inline void tp_resumed_handshake(struct tp *t)
{
    tp_client_hello(t, true);
    tp_server_hello(t, true);
    tp_change_keys(t, TP_S);
    tp_change_keys(t, TP_C);
}

static inline void tp_take_session(struct tp *t, const struct tp *from)
{
    memcpy(t->master, from->master, sizeof t->master);
    memcpy(t->session_id, from->session_id, sizeof t->session_id);
    memcpy(t->ticket, from->ticket, sizeof t->ticket);
    t->counter = from->counter + 1;
}

#endif
