// SPDX-License-Identifier: Apache-2.0
/*
 * CBC with a MAC. Two things vary, and both are rows of pf_cbc_split, not branches of the rest:
 * where the IV is (in the record since TLS 1.1, chained before) and what the MAC is over (the
 * plaintext, or with RFC 7366 everything in front of it). Timing gives nothing away offline, so
 * padding and MAC are checked plainly; what is read is bounded before the ciphertext decides
 * anything.
 */
#include "tls/cipher.h"
#include "tls/idea.h"

#include <openssl/err.h>
#include <string.h>

bool pf_cbc_is_chained(const struct pf_keys *keys)
{
    return keys->version < PF_VERSION_TLS11;
}

bool pf_cbc_split(const struct pf_keys *keys, struct pf_span body, struct pf_cbc_layout *out)
{
    size_t block_len = keys->suite->bulk->block_len;
    size_t mac_len = pf_hash_len(keys->suite->mac);
    size_t iv_len = pf_cbc_is_chained(keys) ? 0 : block_len;
    size_t behind = keys->etm ? mac_len : 0;
    /* Under encryption there are at least the MAC and the byte that counts the padding. */
    size_t least = keys->etm ? 1 : mac_len + 1;
    if (body.len < iv_len + behind + least) {
        return false;
    }
    size_t blocks_len = body.len - iv_len - behind;
    *out = (struct pf_cbc_layout){
        .iv = {body.ptr, iv_len},
        .blocks = {body.ptr + iv_len, blocks_len},
        .mac = keys->etm ? body.ptr + iv_len + blocks_len : NULL,
    };
    return blocks_len % block_len == 0;
}

enum pf_status pf_cbc_decrypt(struct pf_crypt *crypt, const struct pf_keys *keys, const uint8_t *iv,
                              struct pf_span blocks, uint8_t *out)
{
    if (keys->suite->bulk->evp_name == NULL) {
        pf_idea_cbc_decrypt(keys->key, iv, blocks.ptr, blocks.len, out);
        return PF_OK;
    }
    struct pf_cipher_slot *slot = NULL;
    enum pf_status st = pf_cipher_slot(crypt, keys, &slot);
    if (st != PF_OK) {
        return st;
    }
    if (slot->expanded != NULL) {
        const struct pf_bulk *bulk = keys->suite->bulk;
        bool done = pf_multibuf_cbc(crypt->multibuf, bulk, slot->expanded, iv, blocks, out);
        return done ? PF_OK : PF_ERR_INTERNAL;
    }
    int n = 0;
    if (EVP_DecryptInit_ex2(slot->ctx, NULL, NULL, iv, NULL) != 1 ||
        EVP_DecryptUpdate(slot->ctx, out, &n, blocks.ptr, (int)blocks.len) != 1 ||
        (size_t)n != blocks.len) {
        ERR_clear_error();
        return PF_ERR_INTERNAL;
    }
    return PF_OK;
}

/* RFC 5246 section 6.2.3.2: all bytes of the padding say its length. RFC 6101 section 5.2.3.2: they
 * may be anything, but there is less than a block of it. */
bool pf_cbc_unpad(const struct pf_keys *keys, const uint8_t *text, size_t *len)
{
    uint8_t count = text[*len - 1];
    if ((size_t)count + 1 > *len) {
        return false;
    }
    size_t left = *len - count - 1;
    if (keys->version == PF_VERSION_SSL3) {
        if (count >= keys->suite->bulk->block_len) {
            return false;
        }
    } else {
        for (size_t i = left; i < *len; i++) {
            if (text[i] != count) {
                return false;
            }
        }
    }
    *len = left;
    return true;
}

/* A record's blocks, *len bytes of them. */
static enum pf_status decrypt_blocks(struct pf_crypt *crypt, const struct pf_keys *keys,
                                     const struct pf_sealed *rec, const uint8_t *chained_iv,
                                     uint8_t *out, size_t *len)
{
    struct pf_cbc_layout at;
    if (!pf_cbc_split(keys, rec->body, &at)) {
        return PF_ERR_MALFORMED;
    }
    const uint8_t *iv = at.iv.len > 0 ? at.iv.ptr : chained_iv;
    *len = at.blocks.len;
    return pf_cbc_decrypt(crypt, keys, iv, at.blocks, out);
}

enum pf_status pf_cbc_inside(struct pf_crypt *crypt, const struct pf_keys *keys,
                             const struct pf_sealed *rec, const uint8_t *chained_iv, uint8_t *out,
                             size_t *len)
{
    enum pf_status st = decrypt_blocks(crypt, keys, rec, chained_iv, out, len);
    if (st == PF_OK && !pf_cbc_unpad(keys, out, len)) {
        return PF_ERR_MALFORMED;
    }
    return st;
}

/* RFC 7366 section 3: the MAC is over the IV and the ciphertext; the length in it is theirs. */
static enum pf_status open_etm(struct pf_crypt *crypt, const struct pf_keys *keys,
                               const struct pf_sealed *rec, const uint8_t *chained_iv, uint8_t *out,
                               size_t *len)
{
    struct pf_cbc_layout at;
    if (!pf_cbc_split(keys, rec->body, &at)) {
        return PF_ERR_MALFORMED;
    }
    const struct pf_span covered = {rec->body.ptr, at.iv.len + at.blocks.len};
    if (!pf_cipher_mac_fits(pf_cipher_mac(crypt, keys), keys, rec, covered, at.mac)) {
        return PF_ERR_REJECTED;
    }
    return pf_cbc_inside(crypt, keys, rec, chained_iv, out, len);
}

enum pf_status pf_cbc_bare(struct pf_crypt *crypt, const struct pf_keys *keys,
                           const struct pf_sealed *rec, const uint8_t *chained_iv, uint8_t *out,
                           size_t *len)
{
    size_t left = 0;
    enum pf_status st = decrypt_blocks(crypt, keys, rec, chained_iv, out, &left);
    if (st != PF_OK) {
        return st;
    }
    size_t mac_len = pf_hash_len(keys->suite->mac);
    if (!pf_cbc_unpad(keys, out, &left) || left < mac_len) {
        return PF_ERR_REJECTED;
    }
    *len = left - mac_len;
    return PF_OK;
}

static enum pf_status open_mte(struct pf_crypt *crypt, const struct pf_keys *keys,
                               const struct pf_sealed *rec, const uint8_t *chained_iv, uint8_t *out,
                               size_t *len)
{
    enum pf_status st = pf_cbc_bare(crypt, keys, rec, chained_iv, out, len);
    if (st != PF_OK) {
        return st;
    }
    const struct pf_span content = {out, *len};
    bool fits = pf_cipher_mac_fits(pf_cipher_mac(crypt, keys), keys, rec, content, out + *len);
    return fits ? PF_OK : PF_ERR_REJECTED;
}

enum pf_status pf_cbc_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                           const struct pf_sealed *rec, const uint8_t *chained_iv, uint8_t *out,
                           size_t *len)
{
    return keys->etm ? open_etm(crypt, keys, rec, chained_iv, out, len)
                     : open_mte(crypt, keys, rec, chained_iv, out, len);
}
