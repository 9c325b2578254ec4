// SPDX-License-Identifier: Apache-2.0
/* GCM (RFC 5288), CCM (RFC 6655), ChaCha20-Poly1305 (RFC 7905), and all of them in TLS 1.3. */
#include "tls/cipher.h"

#include <openssl/crypto.h>
#include <string.h>

static bool is_tls13(const struct pf_keys *keys)
{
    return keys->version == PF_VERSION_TLS13;
}

size_t pf_aead_explicit_len(const struct pf_keys *keys)
{
    return is_tls13(keys) ? 0 : keys->suite->bulk->explicit_len;
}

static void put_u64(uint64_t v, uint8_t *p)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

size_t pf_aead_aad(const struct pf_keys *keys, const struct pf_sealed *rec, size_t text_len,
                   uint8_t aad[PF_AAD_MAX])
{
    size_t n = 0;
    size_t stated_len = text_len;
    if (is_tls13(keys)) {
        if (keys->draft != 0 && keys->draft < 25) {
            return 0;
        }
        stated_len = rec->body.len;
    } else {
        put_u64(rec->seq, aad);
        n = 8;
    }
    aad[n++] = rec->type;
    aad[n++] = (uint8_t)(rec->version >> 8);
    aad[n++] = (uint8_t)rec->version;
    aad[n++] = (uint8_t)(stated_len >> 8);
    aad[n++] = (uint8_t)stated_len;
    return n;
}

/* Either the fixed part and what the record says, or the whole base with the number added. */
void pf_aead_nonce(const struct pf_keys *keys, const struct pf_sealed *rec,
                   uint8_t nonce[PF_NONCE_LEN])
{
    size_t in_record = pf_aead_explicit_len(keys);
    memcpy(nonce, keys->iv, PF_NONCE_LEN - in_record);
    if (in_record > 0) {
        memcpy(nonce + PF_NONCE_LEN - in_record, rec->body.ptr, in_record);
        return;
    }
    for (int i = 0; i < 8; i++) {
        nonce[4 + i] ^= (uint8_t)(rec->seq >> (56 - 8 * i));
    }
}

bool pf_aead_is_assembled(const struct pf_bulk *bulk)
{
    return bulk->mode == PF_MODE_GCM && strstr(bulk->evp_name, "-CTR") != NULL;
}

/* What the modes below work on. */
struct aead_text {
    uint8_t nonce[PF_NONCE_LEN];
    uint8_t aad[PF_AAD_MAX];
    int aad_len;
    const uint8_t *text;
    int text_len;
    const uint8_t *tag;
};

static bool gcm_verifies(EVP_CIPHER_CTX *ctx, struct aead_text *t, uint8_t *out)
{
    int n = 0;
    return EVP_DecryptInit_ex2(ctx, NULL, NULL, t->nonce, NULL) == 1 &&
           (t->aad_len == 0 || EVP_DecryptUpdate(ctx, NULL, &n, t->aad, t->aad_len) == 1) &&
           (t->text_len == 0 || EVP_DecryptUpdate(ctx, out, &n, t->text, t->text_len) == 1) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(uintptr_t)t->tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, out, &n) == 1;
}

/* CCM wants tag and length beforehand, and verifies in the one update there may be. */
static bool ccm_verifies(EVP_CIPHER_CTX *ctx, struct aead_text *t, int tag_len, uint8_t *out)
{
    int n = 0;
    return EVP_DecryptInit_ex2(ctx, NULL, NULL, t->nonce, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_len, (void *)(uintptr_t)t->tag) ==
               1 &&
           EVP_DecryptUpdate(ctx, NULL, &n, NULL, t->text_len) == 1 &&
           (t->aad_len == 0 || EVP_DecryptUpdate(ctx, NULL, &n, t->aad, t->aad_len) == 1) &&
           EVP_DecryptUpdate(ctx, out, &n, t->text, t->text_len) == 1;
}

/* NIST SP 800-38D algorithm 5, from counter mode and GHASH. */
static bool assembled_verifies(struct pf_cipher_slot *slot, struct aead_text *t, uint8_t *out)
{
    uint8_t counter[16] = {0};
    uint8_t tag[16];
    int n = 0;
    memcpy(counter, t->nonce, PF_NONCE_LEN);
    counter[15] = 1;
    struct pf_gf128 sum = pf_ghash_run(&slot->ghash, (struct pf_span){t->aad, (size_t)t->aad_len},
                                       (struct pf_span){t->text, (size_t)t->text_len});
    pf_gf128_store(sum, tag);
    /* One pass of the keystream: its first block masks the tag, the others the text. */
    if (EVP_DecryptInit_ex2(slot->ctx, NULL, NULL, counter, NULL) != 1 ||
        EVP_DecryptUpdate(slot->ctx, tag, &n, tag, sizeof tag) != 1 ||
        CRYPTO_memcmp(tag, t->tag, sizeof tag) != 0) {
        return false;
    }
    return t->text_len == 0 || EVP_DecryptUpdate(slot->ctx, out, &n, t->text, t->text_len) == 1;
}

enum pf_status pf_aead_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                            const struct pf_sealed *rec, uint8_t *out, size_t *len)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    size_t in_record = pf_aead_explicit_len(keys);
    if (rec->body.len < in_record + bulk->tag_len) {
        return PF_ERR_MALFORMED;
    }
    struct pf_cipher_slot *slot = NULL;
    enum pf_status st = pf_cipher_slot(crypt, keys, &slot);
    if (st != PF_OK) {
        return st;
    }
    size_t text_len = rec->body.len - in_record - bulk->tag_len;
    struct aead_text t = {.text = rec->body.ptr + in_record,
                          .text_len = (int)text_len,
                          .tag = rec->body.ptr + in_record + text_len};
    t.aad_len = (int)pf_aead_aad(keys, rec, text_len, t.aad);
    pf_aead_nonce(keys, rec, t.nonce);
    bool verified = false;
    if (slot->expanded != NULL) {
        verified = pf_multibuf_aead(crypt->multibuf, bulk, slot->expanded, t.nonce,
                                    (struct pf_span){t.aad, (size_t)t.aad_len},
                                    (struct pf_span){t.text, text_len}, t.tag, out);
        *len = text_len;
        return verified ? PF_OK : PF_ERR_REJECTED;
    }
    if (bulk->mode == PF_MODE_CCM) {
        verified = ccm_verifies(slot->ctx, &t, bulk->tag_len, out);
    } else if (pf_aead_is_assembled(bulk)) {
        verified = assembled_verifies(slot, &t, out);
    } else {
        verified = gcm_verifies(slot->ctx, &t, out);
    }
    *len = text_len;
    return verified ? PF_OK : pf_cipher_reject();
}
