// SPDX-License-Identifier: Apache-2.0
#include "tls/unwrap.h"

#include "tls/cryptoerr.h"
#include "tls/hash.h"
#include "tls/keyfile.h"
#include "tls/keys.h"
#include "tls/rsacrt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_SLOTS = 1024,
    /* RFC 8017 section 7.2.1: 00 02, at least eight bytes of padding, 00, then the message. */
    PKCS1_OVERHEAD_MIN = 11
};

struct slot {
    uint8_t digest[32]; /* of key and ciphertext */
    uint8_t pre_master[PF_MASTER_LEN];
    enum pf_status st;
    bool used;
};

/* A key of this thread, made when it is first used. One of the two is there. */
struct handle {
    struct pf_rsa_crt *crt;
    EVP_PKEY_CTX *ctx; /* for keys that lack something, or have more than two primes */
};

struct pf_unwrapper {
    const struct pf_keyring *ring;
    struct handle *handles; /* one per key */
    struct slot cache[CACHE_SLOTS];
};

enum pf_status pf_unwrapper_new(const struct pf_keyring *ring, struct pf_unwrapper **out)
{
    struct pf_unwrapper *u = calloc(1, sizeof *u);
    struct handle *handles = calloc(pf_keyring_count(ring) + 1, sizeof *handles);
    if (u == NULL || handles == NULL) {
        free(u);
        free(handles);
        return PF_ERR_NOMEM;
    }
    u->ring = ring;
    u->handles = handles;
    *out = u;
    return PF_OK;
}

void pf_unwrapper_free(struct pf_unwrapper *u)
{
    if (u == NULL) {
        return;
    }
    for (size_t i = 0; i < pf_keyring_count(u->ring); i++) {
        pf_rsa_crt_free(u->handles[i].crt);
        EVP_PKEY_CTX_free(u->handles[i].ctx);
    }
    free(u->handles);
    pf_wipe(u->cache, sizeof u->cache);
    free(u);
}

/* A copy of the key: threads that share one wait for each other's blinding. */
static enum pf_status prepare_evp(struct pf_unwrapper *u, size_t i)
{
    OSSL_LIB_CTX *lib = pf_keyring_libctx(u->ring);
    uint8_t random; /* blinding wants it: the lack of it must not look like a key that misfits */
    if (RAND_priv_bytes_ex(lib, &random, 1, 0) != 1) {
        ERR_clear_error();
        return PF_ERR_INTERNAL;
    }
    EVP_PKEY *copy = EVP_PKEY_dup(pf_keyring_pkey(u->ring, i));
    EVP_PKEY_CTX *ctx = NULL;
    if (copy != NULL) {
        ctx = EVP_PKEY_CTX_new_from_pkey(lib, copy, NULL);
        EVP_PKEY_free(copy); /* ctx holds it now */
    }
    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return PF_ERR_INTERNAL;
    }
    u->handles[i].ctx = ctx;
    return PF_OK;
}

static enum pf_status prepare_key(struct pf_unwrapper *u, size_t i)
{
    struct handle *h = &u->handles[i];
    if (h->crt != NULL || h->ctx != NULL) {
        return PF_OK;
    }
    enum pf_status st =
        pf_rsa_crt_new(pf_keyring_pkey(u->ring, i), pf_keyring_libctx(u->ring), &h->crt);
    return st == PF_ERR_UNSUPPORTED ? prepare_evp(u, i) : st;
}

/* Without padding. PF_ERR_NOKEY: the number is not below the modulus, so it was not made with this
 * key. */
static enum pf_status decrypt(const struct handle *h, const uint8_t *in, size_t len, uint8_t *out)
{
    if (h->crt != NULL) {
        return pf_rsa_crt_run(h->crt, in, len, out);
    }
    size_t out_len = PF_RSA_BYTES_MAX;
    return EVP_PKEY_decrypt(h->ctx, out, &out_len, in, len) == 1 ? PF_OK : PF_ERR_NOKEY;
}

static bool read_pkcs1(const uint8_t *block, size_t len, uint8_t pre_master[PF_MASTER_LEN])
{
    if (len < PKCS1_OVERHEAD_MIN + PF_MASTER_LEN || block[0] != 0 || block[1] != 2) {
        return false;
    }
    size_t zero = len - PF_MASTER_LEN - 1;
    for (size_t i = 2; i < zero; i++) {
        if (block[i] == 0) {
            return false;
        }
    }
    memcpy(pre_master, block + zero + 1, PF_MASTER_LEN);
    return block[zero] == 0;
}

/* The ciphertext as long as the modulus: some peers strip leading zeros, some add one. */
static bool fit_to_modulus(struct pf_span in, uint8_t *out, size_t len)
{
    while (in.len > len && in.ptr[0] == 0) {
        in.ptr++;
        in.len--;
    }
    if (in.len == 0 || in.len > len) {
        return false;
    }
    memset(out, 0, len - in.len);
    memcpy(out + len - in.len, in.ptr, in.len);
    return true;
}

static enum pf_status unwrap_now(struct pf_unwrapper *u, size_t i, const uint8_t *in, size_t len,
                                 uint8_t pre_master[PF_MASTER_LEN])
{
    uint8_t block[PF_RSA_BYTES_MAX];
    enum pf_status st = prepare_key(u, i);
    if (st == PF_OK) {
        st = decrypt(&u->handles[i], in, len, block);
        st = st == PF_OK && !read_pkcs1(block, len, pre_master) ? PF_ERR_NOKEY : st;
        pf_wipe(block, len);
    }
    return pf_crypto_lacked_memory() && st != PF_OK ? PF_ERR_NOMEM : st;
}

/* Leaves the slot that is this key's and ciphertext's, computed now or before. */
enum pf_status pf_unwrap(struct pf_unwrapper *u, size_t i, struct pf_span encrypted,
                         uint8_t pre_master[PF_MASTER_LEN])
{
    uint8_t named[sizeof i + PF_RSA_BYTES_MAX];
    uint8_t digest[32];
    size_t len = (pf_keyring_bits(u->ring, i) + 7) / 8;
    if (!fit_to_modulus(encrypted, named + sizeof i, len)) {
        return PF_ERR_NOKEY;
    }
    memcpy(named, &i, sizeof i);
    union pf_hash_state state;
    pf_hash_begin(PF_HASH_SHA256, &state);
    pf_hash_add(PF_HASH_SHA256, &state, named, sizeof i + len);
    pf_hash_end(PF_HASH_SHA256, &state, digest);
    struct slot *slot = &u->cache[(digest[0] | digest[1] << 8) % CACHE_SLOTS];
    if (!slot->used || memcmp(slot->digest, digest, sizeof digest) != 0) {
        slot->st = unwrap_now(u, i, named + sizeof i, len, slot->pre_master);
        slot->used = slot->st == PF_OK || slot->st == PF_ERR_NOKEY;
        memcpy(slot->digest, digest, sizeof digest);
    }
    if (slot->st == PF_OK) {
        memcpy(pre_master, slot->pre_master, PF_MASTER_LEN);
    }
    return slot->st;
}
