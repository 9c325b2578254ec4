// SPDX-License-Identifier: Apache-2.0
#include "tls/multibuf.h"

#include "tls/keys.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND_KEYS = 15 * 16, TAG_LEN = 16 };

struct pf_multibuf {
    IMB_MGR *mgr;  /* the best for this processor */
    IMB_MGR *macs; /* that which uses SHA-NI for two messages at once; NULL: there is none */
};

union expanded {
    struct gcm_key_data gcm;
    struct {
        _Alignas(16) uint8_t encrypt[ROUND_KEYS];
        _Alignas(16) uint8_t decrypt[ROUND_KEYS];
    } cbc;
    uint8_t chacha[32];
};

_Static_assert(sizeof(union expanded) <= PF_MULTIBUF_KEY, "room for any expanded key");
_Static_assert(_Alignof(union expanded) <= PF_MULTIBUF_ALIGN, "aligned for any expanded key");

/* Without AES-NI the library emulates it, which is slower than libcrypto; and it tests itself. */
static bool is_usable(const IMB_MGR *mgr)
{
    const uint64_t needs = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS;
    return (mgr->features & needs) == needs && (mgr->features & IMB_FEATURE_AESNI_EMU) == 0;
}

/* With AVX-512 the library prefers sixteen lanes without SHA-NI: slower for the few records that
 * lie together in a run. */
static IMB_MGR *two_lanes(void)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);
    if (mgr != NULL) {
        init_mb_mgr_sse(mgr);
        if (is_usable(mgr) && (mgr->features & IMB_FEATURE_SHANI) != 0) {
            return mgr;
        }
        free_mb_mgr(mgr);
    }
    return NULL;
}

struct pf_multibuf *pf_multibuf_new(void)
{
    struct pf_multibuf *mb = calloc(1, sizeof *mb);
    if (mb == NULL) {
        return NULL;
    }
    mb->mgr = alloc_mb_mgr(0);
    if (mb->mgr != NULL) {
        init_mb_mgr_auto(mb->mgr, NULL);
    }
    if (mb->mgr == NULL || !is_usable(mb->mgr)) {
        pf_multibuf_free(mb);
        return NULL;
    }
    mb->macs = two_lanes();
    return mb;
}

void pf_multibuf_free(struct pf_multibuf *mb)
{
    if (mb != NULL && mb->mgr != NULL) {
        free_mb_mgr(mb->mgr);
    }
    if (mb != NULL && mb->macs != NULL) {
        free_mb_mgr(mb->macs);
    }
    free(mb);
}

bool pf_multibuf_has(const struct pf_multibuf *mb, const struct pf_bulk *bulk)
{
    if (mb == NULL || bulk->evp_name == NULL) {
        return false;
    }
    bool aes = strncmp(bulk->evp_name, "AES-", 4) == 0 && bulk->key_len != 24;
    switch (bulk->mode) {
    case PF_MODE_GCM:
    case PF_MODE_CBC:
        return aes;
    case PF_MODE_CHACHA:
        return true;
    case PF_MODE_CCM:
    case PF_MODE_STREAM:
    case PF_MODE_NULL:
        break;
    }
    return false;
}

void pf_multibuf_key(struct pf_multibuf *mb, const struct pf_bulk *bulk, const uint8_t *key,
                     void *expanded)
{
    union expanded *x = expanded;
    bool is_128 = bulk->key_len == 16;
    if (bulk->mode == PF_MODE_CHACHA) {
        memcpy(x->chacha, key, sizeof x->chacha);
    } else if (bulk->mode == PF_MODE_GCM && is_128) {
        IMB_AES128_GCM_PRE(mb->mgr, key, &x->gcm);
    } else if (bulk->mode == PF_MODE_GCM) {
        IMB_AES256_GCM_PRE(mb->mgr, key, &x->gcm);
    } else if (is_128) {
        IMB_AES_KEYEXP_128(mb->mgr, key, x->cbc.encrypt, x->cbc.decrypt);
    } else {
        IMB_AES_KEYEXP_256(mb->mgr, key, x->cbc.encrypt, x->cbc.decrypt);
    }
}

bool pf_multibuf_aead(struct pf_multibuf *mb, const struct pf_bulk *bulk, const void *expanded,
                      const uint8_t nonce[12], struct pf_span aad, struct pf_span text,
                      const uint8_t *tag, uint8_t *out)
{
    const union expanded *x = expanded;
    uint8_t expected[TAG_LEN];
    struct gcm_context_data gcm;
    struct chacha20_poly1305_context_data chacha;
    if (bulk->mode == PF_MODE_CHACHA) {
        IMB_CHACHA20_POLY1305_INIT(mb->mgr, x->chacha, &chacha, nonce, aad.ptr, aad.len);
        IMB_CHACHA20_POLY1305_DEC_UPDATE(mb->mgr, x->chacha, &chacha, out, text.ptr, text.len);
        IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb->mgr, &chacha, expected, TAG_LEN);
    } else if (bulk->key_len == 16) {
        IMB_AES128_GCM_DEC(mb->mgr, &x->gcm, &gcm, out, text.ptr, text.len, nonce, aad.ptr, aad.len,
                           expected, TAG_LEN);
    } else {
        IMB_AES256_GCM_DEC(mb->mgr, &x->gcm, &gcm, out, text.ptr, text.len, nonce, aad.ptr, aad.len,
                           expected, TAG_LEN);
    }
    return CRYPTO_memcmp(expected, tag, TAG_LEN) == 0;
}

bool pf_multibuf_cbc(struct pf_multibuf *mb, const struct pf_bulk *bulk, const void *expanded,
                     const uint8_t *iv, struct pf_span blocks, uint8_t *out)
{
    const union expanded *x = expanded;
    IMB_JOB job = {
        .src = blocks.ptr,
        .dst = out,
        .iv = iv,
        .iv_len_in_bytes = 16,
        .enc_keys = x->cbc.encrypt,
        .dec_keys = x->cbc.decrypt,
        .key_len_in_bytes = bulk->key_len,
        .msg_len_to_cipher_in_bytes = blocks.len,
        .cipher_direction = IMB_DIR_DECRYPT,
        .cipher_mode = IMB_CIPHER_CBC,
    };
    return IMB_SUBMIT_CIPHER_BURST(mb->mgr, &job, 1, IMB_CIPHER_CBC, IMB_DIR_DECRYPT,
                                   (IMB_KEY_SIZE_BYTES)bulk->key_len) == 1 &&
           job.status == IMB_STATUS_COMPLETED;
}

bool pf_multibuf_has_mac(const struct pf_multibuf *mb, const struct pf_mac *mac)
{
    return mb != NULL && mb->macs != NULL &&
           (mac->hash == PF_HASH_SHA1 || mac->hash == PF_HASH_SHA256);
}

/* The state behind the key's block, as the library wants it: the words of the digest. */
static void state_words(enum pf_hash hash, const union pf_hash_state *state, uint32_t words[8])
{
    if (hash == PF_HASH_SHA256) {
        memcpy(words, state->sha256.h, 8 * sizeof *words);
        return;
    }
    const SHA_CTX *sha1 = &state->sha1;
    const uint32_t five[5] = {sha1->h0, sha1->h1, sha1->h2, sha1->h3, sha1->h4};
    memcpy(words, five, sizeof five);
}

bool pf_multibuf_macs(struct pf_multibuf *mb, const struct pf_mac *mac,
                      const struct pf_span *messages, size_t n, uint8_t macs[][PF_DIGEST_MAX])
{
    IMB_HASH_ALG alg = mac->hash == PF_HASH_SHA1 ? IMB_AUTH_HMAC_SHA_1 : IMB_AUTH_HMAC_SHA_256;
    IMB_JOB jobs[PF_MULTIBUF_LANES];
    uint32_t inner[8];
    uint32_t outer[8];
    state_words(mac->hash, &mac->inner, inner);
    state_words(mac->hash, &mac->outer, outer);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (IMB_JOB){
            .src = messages[i].ptr,
            .msg_len_to_hash_in_bytes = messages[i].len,
            .auth_tag_output = macs[i],
            .auth_tag_output_len_in_bytes = pf_hash_len(mac->hash),
            .u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)inner,
            .u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)outer,
            .hash_alg = alg,
        };
    }
    uint32_t done = IMB_SUBMIT_HASH_BURST(mb->macs, jobs, (uint32_t)n, alg);
    pf_wipe(inner, sizeof inner);
    pf_wipe(outer, sizeof outer);
    return done == n;
}
