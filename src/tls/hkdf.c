// SPDX-License-Identifier: Apache-2.0
/* The key schedule of TLS 1.3, as far as it starts from traffic secrets (RFC 8446 section 7). */
#include "tls/kdf.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 64 };

/* HKDF-Expand-Label with an empty context. One HMAC yields all: len is at most the hash's. */
static enum pf_status expand_label(enum pf_hash hash, unsigned draft, const uint8_t *secret,
                                   size_t secret_len, const char *label, uint8_t *out, size_t len)
{
    if (hash == PF_HASH_NONE || len > pf_hash_len(hash)) {
        return PF_ERR_UNSUPPORTED;
    }
    const char *prefix = draft != 0 && draft < 20 ? "TLS 1.3, " : "tls13 ";
    char text[LABEL_MAX];
    int text_len = snprintf(text, sizeof text, "%s%s", prefix, label);
    if (text_len < 0 || (size_t)text_len >= sizeof text) {
        return PF_ERR_INTERNAL;
    }
    const uint8_t head[3] = {0, (uint8_t)len, (uint8_t)text_len};
    const uint8_t tail[2] = {0, 1}; /* no context; the first block of HKDF-Expand */
    struct pf_mac mac;
    union pf_hash_state state;
    uint8_t block[PF_DIGEST_MAX];
    pf_mac_hmac(&mac, hash, secret, secret_len);
    pf_mac_begin(&mac, &state);
    pf_hash_add(hash, &state, head, sizeof head);
    pf_hash_add(hash, &state, text, (size_t)text_len);
    pf_hash_add(hash, &state, tail, sizeof tail);
    pf_mac_end(&mac, &state, block);
    memcpy(out, block, len);
    pf_wipe(block, sizeof block);
    pf_wipe(&mac, sizeof mac);
    return PF_OK;
}

enum pf_status pf_kdf_tls13_keys(struct pf_kdf *kdf, const struct pf_suite *suite, unsigned draft,
                                 const struct pf_secret *secret, struct pf_keys *out)
{
    if (!suite->bulk->supported || suite->kx != PF_KX_TLS13) {
        return PF_ERR_UNSUPPORTED;
    }
    *out = (struct pf_keys){.suite = suite,
                            .id = pf_kdf_next_id(kdf),
                            .version = PF_VERSION_TLS13,
                            .draft = (uint8_t)draft};
    enum pf_status st = expand_label(suite->prf, draft, secret->bytes, secret->len, "key", out->key,
                                     suite->bulk->key_len);
    if (st != PF_OK) {
        return st;
    }
    return expand_label(suite->prf, draft, secret->bytes, secret->len, "iv", out->iv, 12);
}

enum pf_status pf_kdf_tls13_update(struct pf_kdf *kdf, const struct pf_suite *suite, unsigned draft,
                                   const struct pf_secret *in, struct pf_secret *out)
{
    (void)kdf;
    const char *label = draft != 0 && draft < 20 ? "application traffic secret" : "traffic upd";
    struct pf_secret next = {.len = (uint8_t)pf_hash_len(suite->prf)};
    enum pf_status st =
        expand_label(suite->prf, draft, in->bytes, in->len, label, next.bytes, next.len);
    if (st == PF_OK) {
        *out = next;
    }
    pf_wipe(&next, sizeof next);
    return st;
}
