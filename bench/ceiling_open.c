// SPDX-License-Identifier: Apache-2.0
/*
 * What libcrypto takes to decrypt and verify records, driven as well as it can be from outside:
 * ciphers fetched once, a context per cipher keyed again only where the keys change, and HMAC from
 * kept states through the low-level digest functions (tls/hash.h), which copy 96 bytes where EVP
 * allocates. The bytes are sealed under made-up keys first; sealing is not timed.
 */
#include "ceiling.h"

#include "tls/hash.h"
#include "tls/keys.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64, NONCE = 12, AAD = 13, GROWTH = 16 + 48 + 16 + 1 };

struct slot {
    const struct pf_suite *suite;
    EVP_CIPHER *cipher; /* NULL: not in this libcrypto, or not needed */
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
    struct pf_mac mac;
    bool can;
};

struct bench_opener {
    OSSL_LIB_CTX *lib;
    OSSL_PROVIDER *legacy;
    OSSL_PROVIDER *base;
    struct slot slots[SLOTS];
    size_t n;
    uint8_t *sealed; /* record after record, as they would be behind their headers */
    uint8_t *out;
};

static const uint8_t KEYS[64] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233};

static void must(int ok, const char *what)
{
    if (ok != 1) {
        bench_die("libcrypto: %s failed", what);
    }
}

struct bench_opener *bench_opener_new(void)
{
    struct bench_opener *o = bench_alloc(sizeof *o);
    o->lib = OSSL_LIB_CTX_new();
    must(o->lib != NULL, "OSSL_LIB_CTX_new");
    o->legacy = OSSL_PROVIDER_load(o->lib, "legacy"); /* without it RC4 and the like are left out */
    o->base = OSSL_PROVIDER_load(o->lib, "default");
    must(o->base != NULL, "OSSL_PROVIDER_load");
    o->sealed = bench_alloc(2 * (size_t)BENCH_BATCH + (size_t)GROWTH * 2 * BENCH_BATCH_RECORDS);
    o->out = bench_alloc(PF_RECORD_MAX);
    return o;
}

void bench_opener_free(struct bench_opener *o)
{
    for (size_t i = 0; i < o->n; i++) {
        EVP_CIPHER_CTX_free(o->slots[i].seal);
        EVP_CIPHER_CTX_free(o->slots[i].open);
        EVP_CIPHER_free(o->slots[i].cipher);
    }
    if (o->legacy != NULL) {
        OSSL_PROVIDER_unload(o->legacy);
    }
    OSSL_PROVIDER_unload(o->base);
    OSSL_LIB_CTX_free(o->lib);
    free(o->sealed);
    free(o->out);
    free(o);
}

static bool is_aead(enum pf_mode mode)
{
    return mode == PF_MODE_GCM || mode == PF_MODE_CCM || mode == PF_MODE_CHACHA;
}

static void prepare(EVP_CIPHER_CTX *ctx, const struct slot *s, int encrypt)
{
    const struct pf_bulk *bulk = s->suite->bulk;
    must(EVP_CipherInit_ex2(ctx, s->cipher, NULL, NULL, encrypt, NULL), "EVP_CipherInit_ex2");
    if (is_aead(bulk->mode)) {
        must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, NONCE, NULL), "nonce length");
    }
    if (bulk->mode == PF_MODE_CCM) {
        must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, bulk->tag_len, NULL), "tag length");
    }
    (void)EVP_CIPHER_CTX_set_padding(ctx, 0);
}

static struct slot *slot_of(struct bench_opener *o, const struct pf_suite *suite)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->slots[i].suite == suite) {
            return &o->slots[i];
        }
    }
    if (o->n == SLOTS) {
        bench_die("more than %d cipher suites", SLOTS);
    }
    struct slot *s = &o->slots[o->n++];
    const struct pf_bulk *bulk = suite->bulk;
    *s = (struct slot){.suite = suite, .can = bulk->mode == PF_MODE_NULL};
    /* Camellia-GCM has a row with the counter mode's name: EVP has no such AEAD. */
    bool named = bulk->evp_name != NULL && strstr(bulk->evp_name, "-CTR") == NULL;
    s->cipher = named ? EVP_CIPHER_fetch(o->lib, bulk->evp_name, NULL) : NULL;
    if (s->cipher != NULL) {
        s->can = true;
        s->seal = EVP_CIPHER_CTX_new();
        s->open = EVP_CIPHER_CTX_new();
        prepare(s->seal, s, 1);
        prepare(s->open, s, 0);
    }
    return s;
}

bool bench_opener_can(struct bench_opener *o, const struct pf_suite *suite)
{
    return suite != NULL && slot_of(o, suite)->can;
}

static void key(struct slot *s, EVP_CIPHER_CTX *ctx, int encrypt)
{
    if (s->cipher != NULL) {
        must(EVP_CipherInit_ex2(ctx, NULL, KEYS, NULL, encrypt, NULL), "keying");
    }
    if (s->suite->mac != PF_HASH_NONE) {
        pf_mac_hmac(&s->mac, s->suite->mac, KEYS, pf_hash_len(s->suite->mac));
    }
}

/* What is fed to the tag or the MAC before the text, and the nonce: RFC 5246 section 6.2.3. */
static int header(const struct bench_run *r, uint64_t seq, size_t len, uint8_t aad[AAD],
                  uint8_t nonce[16])
{
    bool tls13 = r->version == 0x0304;
    uint8_t full[AAD] = {0};
    memset(nonce, 7, 16);
    for (int i = 0; i < 8; i++) {
        full[i] = nonce[4 + i] = (uint8_t)(seq >> (56 - 8 * i));
    }
    full[8] = 23;
    full[9] = full[10] = 3;
    full[11] = (uint8_t)(len >> 8);
    full[12] = (uint8_t)len;
    memcpy(aad, tls13 ? full + 8 : full, tls13 ? 5 : AAD);
    return tls13 ? 5 : AAD;
}

static void mac_of(const struct slot *s, const uint8_t *aad, const uint8_t *text, size_t len,
                   uint8_t *out)
{
    union pf_hash_state state;
    pf_mac_begin(&s->mac, &state);
    pf_hash_add(s->mac.hash, &state, aad, AAD);
    pf_hash_add(s->mac.hash, &state, text, len);
    pf_mac_end(&s->mac, &state, out);
}

/* One AEAD text in one go; tag is written (sealing) or checked (opening). */
static bool aead(const struct slot *s, EVP_CIPHER_CTX *ctx, int encrypt, const uint8_t *nonce,
                 const uint8_t *aad, int aad_len, struct pf_span in, uint8_t *out, uint8_t *tag)
{
    int n = 0;
    int len = (int)in.len;
    int tag_len = s->suite->bulk->tag_len;
    bool ccm = s->suite->bulk->mode == PF_MODE_CCM;
    bool ok = EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, encrypt, NULL) == 1;
    if (ok && !encrypt) {
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_len, tag) == 1;
    }
    if (ok && ccm) {
        ok = EVP_CipherUpdate(ctx, NULL, &n, NULL, len) == 1;
    }
    ok = ok && EVP_CipherUpdate(ctx, NULL, &n, aad, aad_len) == 1;
    if (ok && (len > 0 || ccm)) {
        ok = EVP_CipherUpdate(ctx, out, &n, in.ptr, len) == 1;
    }
    if (ok && (encrypt || !ccm)) {
        ok = EVP_CipherFinal_ex(ctx, out, &n) == 1;
    }
    return ok && (!encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_len, tag) == 1);
}

static size_t sealed_len(const struct bench_run *r, size_t len)
{
    const struct pf_bulk *bulk = r->suite->bulk;
    size_t n = len + pf_hash_len(r->suite->mac);
    if (is_aead(bulk->mode)) {
        return len + (r->version == 0x0304) + bulk->tag_len;
    }
    return bulk->mode == PF_MODE_CBC ? n + bulk->block_len - n % bulk->block_len : n;
}

static void seal_one(struct slot *s, const struct bench_run *r, uint64_t seq, const uint8_t *text,
                     size_t len, uint8_t *out)
{
    uint8_t aad[AAD];
    uint8_t nonce[16];
    int n = header(r, seq, len, aad, nonce);
    size_t all = sealed_len(r, len);
    size_t inner = all - (is_aead(s->suite->bulk->mode) ? s->suite->bulk->tag_len : 0);
    memset(out, 23, all);
    memcpy(out, text, len);
    if (is_aead(s->suite->bulk->mode)) {
        must(aead(s, s->seal, 1, nonce, aad, n, (struct pf_span){out, inner}, out, out + inner),
             "sealing");
        return;
    }
    mac_of(s, aad, text, len, out + len);
    size_t with_mac = len + pf_hash_len(s->suite->mac);
    memset(out + with_mac, (int)(all - with_mac - 1), all - with_mac);
    if (s->cipher != NULL) {
        bool cbc = s->suite->bulk->mode == PF_MODE_CBC;
        if (cbc) {
            must(EVP_CipherInit_ex2(s->seal, NULL, NULL, nonce, 1, NULL), "IV");
        }
        must(EVP_CipherUpdate(s->seal, out, &n, out, (int)all), "sealing");
    }
}

static void open_mac(struct bench_opener *o, struct slot *s, const uint8_t *aad,
                     const uint8_t *nonce, const uint8_t *in, size_t all, size_t len)
{
    uint8_t mac[64];
    int n = 0;
    const uint8_t *text = in;
    if (s->cipher != NULL) {
        if (s->suite->bulk->mode == PF_MODE_CBC) {
            must(EVP_CipherInit_ex2(s->open, NULL, NULL, nonce, 0, NULL), "IV");
        }
        must(EVP_CipherUpdate(s->open, o->out, &n, in, (int)all), "opening");
        text = o->out;
    }
    mac_of(s, aad, text, len, mac);
    must(memcmp(mac, text + len, pf_hash_len(s->suite->mac)) == 0, "verifying");
}

static void open_one(struct bench_opener *o, struct slot *s, const struct bench_run *r,
                     uint64_t seq, uint8_t *in, size_t len)
{
    uint8_t aad[AAD];
    uint8_t nonce[16];
    int n = header(r, seq, len, aad, nonce);
    size_t all = sealed_len(r, len);
    if (!is_aead(s->suite->bulk->mode)) {
        open_mac(o, s, aad, nonce, in, all, len);
        return;
    }
    size_t inner = all - s->suite->bulk->tag_len;
    must(aead(s, s->open, 0, nonce, aad, n, (struct pf_span){in, inner}, o->out, in + inner),
         "opening");
}

/* Both walks are the same, so that each run's bytes are found where they were put. */
static void walk(struct bench_opener *o, const struct bench_batch *b, bool sealing)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct bench_run *r = &b->runs[i];
        struct slot *s = r->suite != NULL ? slot_of(o, r->suite) : NULL;
        if (s == NULL || !s->can) {
            continue;
        }
        /* A stream cipher's context goes on; both ends start every run anew. */
        if (r->rekey || i == 0 || s->suite->bulk->mode == PF_MODE_STREAM ||
            r->suite != r[-1].suite) {
            key(s, sealing ? s->seal : s->open, sealing);
        }
        const uint8_t *text = b->plain + r->plain_off;
        for (size_t k = 0; k < r->records; k++) {
            size_t len = b->lens[r->first + k];
            if (sealing) {
                seal_one(s, r, k, text, len, o->sealed + at);
            } else {
                open_one(o, s, r, k, o->sealed + at, len);
            }
            text += len;
            at += sealed_len(r, len);
        }
    }
}

void bench_seal(struct bench_opener *o, const struct bench_batch *b)
{
    walk(o, b, true);
}

void bench_open(struct bench_opener *o, const struct bench_batch *b)
{
    walk(o, b, false);
}
