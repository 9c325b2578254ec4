// SPDX-License-Identifier: Apache-2.0
#include "tls/cipher.h"

#include "tls/cryptoerr.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pf_status pf_crypt_init(struct pf_crypt *crypt)
{
    memset(crypt, 0, sizeof *crypt);
    crypt->lib = OSSL_LIB_CTX_new();
    if (crypt->lib == NULL) {
        ERR_clear_error();
        return PF_ERR_NOMEM;
    }
    crypt->base = OSSL_PROVIDER_load(crypt->lib, "default");
    if (crypt->base == NULL) {
        ERR_clear_error();
        pf_crypt_fini(crypt);
        return PF_ERR_INTERNAL;
    }
    crypt->multibuf = pf_multibuf_new();
    return PF_OK;
}

static void slot_fini(struct pf_cipher_slot *slot)
{
    EVP_CIPHER_CTX_free(slot->ctx);
    if (slot->expanded != NULL) {
        pf_wipe(slot->expanded, PF_MULTIBUF_KEY);
        free(slot->expanded);
    }
    pf_wipe(slot, sizeof *slot);
}

static void engine_fini(struct pf_cipher_engine *engine)
{
    for (int i = 0; engine->slots != NULL && i < PF_CIPHER_WAYS; i++) {
        slot_fini(&engine->slots[i]);
    }
    free(engine->slots);
    EVP_CIPHER_CTX_free(engine->block[0]);
    EVP_CIPHER_CTX_free(engine->block[1]);
    EVP_CIPHER_free(engine->cipher);
}

void pf_crypt_fini(struct pf_crypt *crypt)
{
    for (int i = 0; i < PF_BULK_ROWS; i++) {
        engine_fini(&crypt->engines[i]);
    }
    pf_multibuf_free(crypt->multibuf);
    OSSL_PROVIDER_unload(crypt->legacy);
    OSSL_PROVIDER_unload(crypt->base);
    OSSL_LIB_CTX_free(crypt->lib);
    pf_wipe(crypt, sizeof *crypt);
}

EVP_CIPHER *pf_cipher_fetch(struct pf_crypt *crypt, const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(crypt->lib, name, NULL);
    if (cipher == NULL && crypt->legacy == NULL) {
        crypt->legacy = OSSL_PROVIDER_load(crypt->lib, "legacy");
        cipher = EVP_CIPHER_fetch(crypt->lib, name, NULL);
    }
    /* libcrypto does not always say that it was for want of memory, but AES is always there. */
    bool lacked = pf_crypto_lacked_memory() || strncmp(name, "AES", 3) == 0;
    crypt->lacked_memory |= lacked && cipher == NULL;
    return cipher;
}

static enum pf_status engine_ready(struct pf_crypt *crypt, const struct pf_bulk *bulk,
                                   struct pf_cipher_engine *engine)
{
    if (engine->slots != NULL) {
        return PF_OK;
    }
    bool fetched = !pf_multibuf_has(crypt->multibuf, bulk);
    if (fetched && !engine->tried && bulk->supported && bulk->evp_name != NULL) {
        engine->cipher = pf_cipher_fetch(crypt, bulk->evp_name);
    }
    engine->tried = true;
    if (fetched && engine->cipher == NULL) {
        return crypt->lacked_memory ? PF_ERR_NOMEM : PF_ERR_UNSUPPORTED;
    }
    engine->slots = calloc(PF_CIPHER_WAYS, sizeof *engine->slots);
    return engine->slots != NULL ? PF_OK : PF_ERR_NOMEM;
}

/* A context that lacks nothing but key and nonce. CCM's default nonce is not TLS's. */
static EVP_CIPHER_CTX *new_context(const struct pf_bulk *bulk, const EVP_CIPHER *cipher)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }
    bool ready = EVP_DecryptInit_ex2(ctx, cipher, NULL, NULL, NULL) == 1;
    if (bulk->mode == PF_MODE_CCM) {
        ready = ready &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, PF_NONCE_LEN, NULL) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, bulk->tag_len, NULL) == 1;
    } else if (bulk->mode == PF_MODE_CBC) {
        ready = ready && EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    }
    if (!ready) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static enum pf_status slot_expand(struct pf_multibuf *mb, struct pf_cipher_slot *slot,
                                  const struct pf_keys *keys)
{
    if (slot->expanded == NULL) {
        slot->expanded = aligned_alloc(PF_MULTIBUF_ALIGN, PF_MULTIBUF_KEY);
    }
    if (slot->expanded == NULL) {
        return PF_ERR_NOMEM;
    }
    pf_multibuf_key(mb, keys->suite->bulk, keys->key, slot->expanded);
    slot->id = keys->id;
    return PF_OK;
}

static bool slot_key(struct pf_cipher_slot *slot, const struct pf_keys *keys)
{
    if (EVP_DecryptInit_ex2(slot->ctx, NULL, keys->key, NULL, NULL) != 1) {
        return false;
    }
    if (!pf_aead_is_assembled(keys->suite->bulk)) {
        return true;
    }
    static const uint8_t zeros[16] = {0}; /* H is the cipher of zeros: counter mode from zero */
    uint8_t h[16];
    int len = 0;
    if (EVP_DecryptInit_ex2(slot->ctx, NULL, NULL, zeros, NULL) != 1 ||
        EVP_DecryptUpdate(slot->ctx, h, &len, zeros, sizeof zeros) != 1) {
        return false;
    }
    pf_ghash_key(&slot->ghash, h);
    return true;
}

enum pf_status pf_cipher_slot(struct pf_crypt *crypt, const struct pf_keys *keys,
                              struct pf_cipher_slot **out)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    struct pf_cipher_engine *engine = &crypt->engines[bulk->row];
    enum pf_status st = engine_ready(crypt, bulk, engine);
    if (st != PF_OK) {
        return st;
    }
    struct pf_cipher_slot *slot = &engine->slots[keys->id % PF_CIPHER_WAYS];
    *out = slot;
    if (keys->id != 0 && slot->id == keys->id) {
        return PF_OK;
    }
    slot->id = 0;
    if (pf_multibuf_has(crypt->multibuf, bulk)) {
        return slot_expand(crypt->multibuf, slot, keys);
    }
    if (slot->ctx == NULL) {
        slot->ctx = new_context(bulk, engine->cipher);
    }
    if (slot->ctx == NULL || !slot_key(slot, keys)) {
        ERR_clear_error();
        return PF_ERR_INTERNAL;
    }
    slot->id = keys->id;
    return PF_OK;
}

static EVP_CIPHER_CTX *new_block(struct pf_crypt *crypt, const char *mode_name, bool encrypt)
{
    char name[32];
    const char *dash = strrchr(mode_name, '-');
    if (dash == NULL) {
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s-ECB", (int)(dash - mode_name), mode_name);
    EVP_CIPHER *cipher = pf_cipher_fetch(crypt, name);
    EVP_CIPHER_CTX *ctx = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;
    if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypt, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_CIPHER_free(cipher);
    return ctx;
}

EVP_CIPHER_CTX *pf_cipher_block(struct pf_crypt *crypt, const struct pf_keys *keys, bool encrypt)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    EVP_CIPHER_CTX **ctx = &crypt->engines[bulk->row].block[encrypt];
    if (*ctx == NULL) {
        *ctx = new_block(crypt, bulk->evp_name, encrypt);
    }
    return *ctx != NULL && EVP_CipherInit_ex2(*ctx, NULL, keys->key, NULL, encrypt, NULL) == 1 &&
                   EVP_CIPHER_CTX_set_padding(*ctx, 0) == 1
               ? *ctx
               : NULL;
}

const struct pf_mac *pf_cipher_mac(struct pf_crypt *crypt, const struct pf_keys *keys)
{
    struct pf_mac_slot *slot = &crypt->macs[keys->id % PF_MAC_WAYS];
    if (keys->id == 0 || slot->id != keys->id) {
        enum pf_hash hash = keys->suite->mac;
        if (keys->version == PF_VERSION_SSL3) {
            pf_mac_ssl3(&slot->mac, hash, keys->mac_key, pf_hash_len(hash));
        } else {
            pf_mac_hmac(&slot->mac, hash, keys->mac_key, pf_hash_len(hash));
        }
        slot->id = keys->id;
    }
    return &slot->mac;
}

size_t pf_cipher_mac_head(const struct pf_keys *keys, const struct pf_sealed *rec,
                          size_t content_len, uint8_t head[PF_MAC_HEAD])
{
    size_t n = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        head[n++] = (uint8_t)(rec->seq >> shift);
    }
    head[n++] = rec->type;
    if (keys->version != PF_VERSION_SSL3) {
        head[n++] = (uint8_t)(rec->version >> 8);
        head[n++] = (uint8_t)rec->version;
    }
    head[n++] = (uint8_t)(content_len >> 8);
    head[n++] = (uint8_t)content_len;
    return n;
}

void pf_cipher_mac_of(const struct pf_mac *mac, const struct pf_keys *keys,
                      const struct pf_sealed *rec, struct pf_span content, uint8_t *out)
{
    uint8_t head[PF_MAC_HEAD];
    size_t n = pf_cipher_mac_head(keys, rec, content.len, head);
    union pf_hash_state state;
    pf_mac_begin(mac, &state);
    pf_hash_add(mac->hash, &state, head, n);
    pf_hash_add(mac->hash, &state, content.ptr, content.len);
    pf_mac_end(mac, &state, out);
}

bool pf_cipher_mac_fits(const struct pf_mac *mac, const struct pf_keys *keys,
                        const struct pf_sealed *rec, struct pf_span content, const uint8_t *tag)
{
    uint8_t expected[PF_DIGEST_MAX];
    pf_cipher_mac_of(mac, keys, rec, content, expected);
    return CRYPTO_memcmp(expected, tag, pf_hash_len(mac->hash)) == 0;
}

enum pf_status pf_cipher_reject(void)
{
    ERR_clear_error();
    return PF_ERR_REJECTED;
}
