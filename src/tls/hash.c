// SPDX-License-Identifier: Apache-2.0
/*
 * The low-level digest functions of libcrypto: deprecated since OpenSSL 3.0, and used all the same,
 * in this file alone. Copying a SHA_CTX is a copy of 96 bytes; copying an EVP_MD_CTX allocates. The
 * MAC of a 64-byte record takes 0.19 us this way and 0.40 us through EVP, and a key derivation an
 * eighth of EVP_KDF's time; and nothing is looked up under locks that all threads share, which EVP
 * does each time. The block functions behind them are the same, SHA-NI included.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls/hash.h"

#include "tls/keys.h"

#include <string.h>

enum { BLOCK_MAX = 128 };

void pf_hash_begin(enum pf_hash hash, union pf_hash_state *state)
{
    switch (hash) {
    case PF_HASH_NONE:
        break;
    case PF_HASH_MD5:
        MD5_Init(&state->md5);
        break;
    case PF_HASH_SHA1:
        SHA1_Init(&state->sha1);
        break;
    case PF_HASH_SHA256:
        SHA256_Init(&state->sha256);
        break;
    case PF_HASH_SHA384:
        SHA384_Init(&state->sha384);
        break;
    }
}

void pf_hash_add(enum pf_hash hash, union pf_hash_state *state, const void *data, size_t len)
{
    if (len == 0) {
        return; /* data may be NULL then */
    }
    switch (hash) {
    case PF_HASH_NONE:
        break;
    case PF_HASH_MD5:
        MD5_Update(&state->md5, data, len);
        break;
    case PF_HASH_SHA1:
        SHA1_Update(&state->sha1, data, len);
        break;
    case PF_HASH_SHA256:
        SHA256_Update(&state->sha256, data, len);
        break;
    case PF_HASH_SHA384:
        SHA384_Update(&state->sha384, data, len);
        break;
    }
}

void pf_hash_end(enum pf_hash hash, union pf_hash_state *state, uint8_t *out)
{
    switch (hash) {
    case PF_HASH_NONE:
        break;
    case PF_HASH_MD5:
        MD5_Final(out, &state->md5);
        break;
    case PF_HASH_SHA1:
        SHA1_Final(out, &state->sha1);
        break;
    case PF_HASH_SHA256:
        SHA256_Final(out, &state->sha256);
        break;
    case PF_HASH_SHA384:
        SHA384_Final(out, &state->sha384);
        break;
    }
}

static void begin_with_pad(enum pf_hash hash, union pf_hash_state *state, const uint8_t *block,
                           size_t block_len, uint8_t pad)
{
    uint8_t padded[BLOCK_MAX];
    for (size_t i = 0; i < block_len; i++) {
        padded[i] = block[i] ^ pad;
    }
    pf_hash_begin(hash, state);
    pf_hash_add(hash, state, padded, block_len);
    pf_wipe(padded, sizeof padded);
}

void pf_mac_hmac(struct pf_mac *mac, enum pf_hash hash, const uint8_t *key, size_t key_len)
{
    size_t block_len = hash == PF_HASH_SHA384 ? 128 : 64;
    uint8_t block[BLOCK_MAX] = {0};
    if (key_len > block_len) {
        union pf_hash_state state;
        pf_hash_begin(hash, &state);
        pf_hash_add(hash, &state, key, key_len);
        pf_hash_end(hash, &state, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    mac->hash = hash;
    begin_with_pad(hash, &mac->inner, block, block_len, 0x36);
    begin_with_pad(hash, &mac->outer, block, block_len, 0x5c);
    pf_wipe(block, sizeof block);
}

static void begin_ssl3(enum pf_hash hash, union pf_hash_state *state, const uint8_t *key,
                       size_t key_len, uint8_t pad)
{
    uint8_t pads[48];
    memset(pads, pad, sizeof pads);
    pf_hash_begin(hash, state);
    pf_hash_add(hash, state, key, key_len);
    pf_hash_add(hash, state, pads, hash == PF_HASH_MD5 ? 48 : 40);
}

void pf_mac_ssl3(struct pf_mac *mac, enum pf_hash hash, const uint8_t *key, size_t key_len)
{
    mac->hash = hash;
    begin_ssl3(hash, &mac->inner, key, key_len, 0x36);
    begin_ssl3(hash, &mac->outer, key, key_len, 0x5c);
}

void pf_mac_begin(const struct pf_mac *mac, union pf_hash_state *state)
{
    *state = mac->inner;
}

void pf_mac_end(const struct pf_mac *mac, union pf_hash_state *state, uint8_t *out)
{
    uint8_t digest[PF_DIGEST_MAX];
    pf_hash_end(mac->hash, state, digest);
    *state = mac->outer;
    pf_hash_add(mac->hash, state, digest, pf_hash_len(mac->hash));
    pf_hash_end(mac->hash, state, out);
}
