// SPDX-License-Identifier: Apache-2.0
/*
 * The key schedules of SSL 3.0 (RFC 6101 section 6), TLS 1.0 and 1.1 (RFC 2246 sections 5 and 6.3),
 * TLS 1.2 (RFC 5246 sections 5 and 6.3) and RFC 7627.
 */
#include "tls/kdf.h"

#include <string.h>

enum {
    BLOCK_MAX = 2 * (48 + 32 + 16), /* MAC keys, keys, IVs */
    IV_BLOCK = 2 * PF_BLOCK_MAX
};

static void add_seed(const struct pf_mac *mac, union pf_hash_state *state,
                     const struct pf_prf_seed *seed)
{
    pf_hash_add(mac->hash, state, seed->label, strlen(seed->label));
    pf_hash_add(mac->hash, state, seed->a.ptr, seed->a.len);
    pf_hash_add(mac->hash, state, seed->b.ptr, seed->b.len);
}

/* P_hash (RFC 5246 section 5), added to out by exclusive or. */
static void p_hash(enum pf_hash hash, struct pf_span secret, const struct pf_prf_seed *seed,
                   uint8_t *out, size_t len)
{
    size_t digest_len = pf_hash_len(hash);
    struct pf_mac mac;
    union pf_hash_state state;
    uint8_t a[PF_DIGEST_MAX];
    uint8_t block[PF_DIGEST_MAX];
    pf_mac_hmac(&mac, hash, secret.ptr, secret.len);
    pf_mac_begin(&mac, &state);
    add_seed(&mac, &state, seed);
    pf_mac_end(&mac, &state, a);
    for (size_t done = 0; done < len; done += digest_len) {
        pf_mac_begin(&mac, &state);
        pf_hash_add(hash, &state, a, digest_len);
        add_seed(&mac, &state, seed);
        pf_mac_end(&mac, &state, block);
        for (size_t i = 0; i < digest_len && done + i < len; i++) {
            out[done + i] ^= block[i];
        }
        if (len - done > digest_len) {
            pf_mac_begin(&mac, &state);
            pf_hash_add(hash, &state, a, digest_len);
            pf_mac_end(&mac, &state, a);
        }
    }
    pf_wipe(&mac, sizeof mac);
    pf_wipe(a, sizeof a);
    pf_wipe(block, sizeof block);
}

/* The expansion of SSL 3.0: MD5(secret + SHA1("A" + secret + seed)), then "BB", "CCC" … */
static void ssl3_expand(struct pf_span secret, const struct pf_prf_seed *seed, uint8_t *out,
                        size_t len)
{
    union pf_hash_state state;
    uint8_t inner[20];
    uint8_t block[16];
    char letters[26];
    for (size_t done = 0, round = 0; done < len && round < sizeof letters; done += 16, round++) {
        memset(letters, (int)('A' + round), round + 1);
        pf_hash_begin(PF_HASH_SHA1, &state);
        pf_hash_add(PF_HASH_SHA1, &state, letters, round + 1);
        pf_hash_add(PF_HASH_SHA1, &state, secret.ptr, secret.len);
        pf_hash_add(PF_HASH_SHA1, &state, seed->a.ptr, seed->a.len);
        pf_hash_add(PF_HASH_SHA1, &state, seed->b.ptr, seed->b.len);
        pf_hash_end(PF_HASH_SHA1, &state, inner);
        pf_hash_begin(PF_HASH_MD5, &state);
        pf_hash_add(PF_HASH_MD5, &state, secret.ptr, secret.len);
        pf_hash_add(PF_HASH_MD5, &state, inner, sizeof inner);
        pf_hash_end(PF_HASH_MD5, &state, block);
        memcpy(out + done, block, len - done < sizeof block ? len - done : sizeof block);
    }
    pf_wipe(inner, sizeof inner);
    pf_wipe(block, sizeof block);
}

enum pf_status pf_kdf_prf(uint16_t version, enum pf_hash hash, struct pf_span secret,
                          const struct pf_prf_seed *seed, uint8_t *out, size_t len)
{
    memset(out, 0, len);
    if (version == PF_VERSION_SSL3) {
        ssl3_expand(secret, seed, out, len);
    } else if (version == PF_VERSION_TLS10 || version == PF_VERSION_TLS11) {
        /* The halves share a byte when the secret's length is odd. */
        size_t half = secret.len - secret.len / 2;
        const uint8_t *second = secret.len > 0 ? secret.ptr + (secret.len - half) : secret.ptr;
        p_hash(PF_HASH_MD5, (struct pf_span){secret.ptr, half}, seed, out, len);
        p_hash(PF_HASH_SHA1, (struct pf_span){second, half}, seed, out, len);
    } else if (version == PF_VERSION_TLS12 && hash != PF_HASH_NONE) {
        p_hash(hash, secret, seed, out, len);
    } else {
        return PF_ERR_UNSUPPORTED;
    }
    return PF_OK;
}

static struct pf_span random_span(const uint8_t random[PF_RANDOM_LEN])
{
    return (struct pf_span){random, PF_RANDOM_LEN};
}

enum pf_status pf_kdf_master(struct pf_kdf *kdf, uint16_t version, const struct pf_suite *suite,
                             struct pf_span pre_master, const uint8_t client_random[PF_RANDOM_LEN],
                             const uint8_t server_random[PF_RANDOM_LEN], struct pf_master *out)
{
    (void)kdf;
    const struct pf_prf_seed seed = {"master secret", random_span(client_random),
                                     random_span(server_random)};
    return pf_kdf_prf(version, suite->prf, pre_master, &seed, out->bytes, sizeof out->bytes);
}

static size_t digest_of(enum pf_hash hash, const struct pf_span transcript[3], uint8_t *out)
{
    union pf_hash_state state;
    pf_hash_begin(hash, &state);
    for (int i = 0; i < 3; i++) {
        pf_hash_add(hash, &state, transcript[i].ptr, transcript[i].len);
    }
    pf_hash_end(hash, &state, out);
    return pf_hash_len(hash);
}

enum pf_status pf_kdf_extended_master(struct pf_kdf *kdf, uint16_t version,
                                      const struct pf_suite *suite, struct pf_span pre_master,
                                      const struct pf_span transcript[3], struct pf_master *out)
{
    (void)kdf;
    if (version < PF_VERSION_TLS10 || (version == PF_VERSION_TLS12 && suite->prf == PF_HASH_NONE)) {
        return PF_ERR_UNSUPPORTED;
    }
    uint8_t digest[PF_DIGEST_MAX];
    size_t len = 0;
    if (version == PF_VERSION_TLS12) {
        len = digest_of(suite->prf, transcript, digest);
    } else {
        len = digest_of(PF_HASH_MD5, transcript, digest);
        len += digest_of(PF_HASH_SHA1, transcript, digest + len);
    }
    const struct pf_prf_seed seed = {"extended master secret", {digest, len}, {NULL, 0}};
    return pf_kdf_prf(version, suite->prf, pre_master, &seed, out->bytes, sizeof out->bytes);
}

/* MD5(material + a + b): a final key or, without material, an IV of SSL 3.0's export ciphers. */
static void ssl3_final(struct pf_span material, const struct pf_prf_seed *seed, uint8_t *out,
                       size_t len)
{
    union pf_hash_state state;
    uint8_t digest[16];
    pf_hash_begin(PF_HASH_MD5, &state);
    pf_hash_add(PF_HASH_MD5, &state, material.ptr, material.len);
    pf_hash_add(PF_HASH_MD5, &state, seed->a.ptr, seed->a.len);
    pf_hash_add(PF_HASH_MD5, &state, seed->b.ptr, seed->b.len);
    pf_hash_end(PF_HASH_MD5, &state, digest);
    memcpy(out, digest, len);
    pf_wipe(digest, sizeof digest);
}

static void export_keys_ssl3(struct pf_span client, struct pf_span server, struct pf_keys out[2])
{
    const struct pf_bulk *bulk = out[PF_C2S].suite->bulk;
    const struct pf_prf_seed seeds[2] = {{NULL, client, server}, {NULL, server, client}};
    for (int dir = 0; dir < 2; dir++) {
        struct pf_span material = {out[dir].key, bulk->key_material};
        ssl3_final(material, &seeds[dir], out[dir].key, bulk->key_len);
        ssl3_final((struct pf_span){NULL, 0}, &seeds[dir], out[dir].iv, bulk->block_len);
    }
}

/* RFC 2246 section 6.3.1. Versions that dropped the export ciphers saw them used all the same. */
static enum pf_status export_keys(uint16_t version, struct pf_span client, struct pf_span server,
                                  struct pf_keys out[2])
{
    if (version == PF_VERSION_SSL3) {
        export_keys_ssl3(client, server, out);
        return PF_OK;
    }
    static const char *const labels[2] = {"client write key", "server write key"};
    const struct pf_suite *suite = out[PF_C2S].suite;
    const struct pf_bulk *bulk = suite->bulk;
    uint8_t final_key[32];
    for (int dir = 0; dir < 2; dir++) {
        const struct pf_prf_seed seed = {labels[dir], client, server};
        struct pf_span material = {out[dir].key, bulk->key_material};
        enum pf_status st =
            pf_kdf_prf(version, suite->prf, material, &seed, final_key, bulk->key_len);
        if (st != PF_OK) {
            return st;
        }
        memcpy(out[dir].key, final_key, bulk->key_len);
    }
    pf_wipe(final_key, sizeof final_key);
    uint8_t ivs[IV_BLOCK];
    const struct pf_prf_seed seed = {"IV block", client, server};
    enum pf_status st = pf_kdf_prf(version, suite->prf, (struct pf_span){(const uint8_t *)"", 0},
                                   &seed, ivs, 2U * bulk->block_len);
    memcpy(out[PF_C2S].iv, ivs, bulk->block_len);
    memcpy(out[PF_S2C].iv, ivs + bulk->block_len, bulk->block_len);
    return st;
}

static size_t key_block_iv_len(const struct pf_bulk *bulk)
{
    return bulk->mode == PF_MODE_CBC ? bulk->block_len : bulk->fixed_iv_len;
}

/* RFC 5246 section 6.3: the order is MAC keys, keys, IVs, the client's first. */
static void split_block(const uint8_t *block, const struct pf_suite *suite, struct pf_keys out[2])
{
    size_t mac_len = pf_hash_len(suite->mac);
    size_t key_len = suite->bulk->key_material;
    size_t iv_len = key_block_iv_len(suite->bulk);
    for (size_t dir = 0; dir < 2; dir++) {
        memcpy(out[dir].mac_key, block + dir * mac_len, mac_len);
        memcpy(out[dir].key, block + 2 * mac_len + dir * key_len, key_len);
        memcpy(out[dir].iv, block + 2 * (mac_len + key_len) + dir * iv_len, iv_len);
    }
}

enum pf_status pf_kdf_key_block(struct pf_kdf *kdf, uint16_t version, const struct pf_suite *suite,
                                bool etm, const struct pf_master *master,
                                const uint8_t client_random[PF_RANDOM_LEN],
                                const uint8_t server_random[PF_RANDOM_LEN], struct pf_keys out[2])
{
    if (!suite->bulk->supported || suite->kx == PF_KX_TLS13) {
        return PF_ERR_UNSUPPORTED;
    }
    for (int dir = 0; dir < 2; dir++) {
        out[dir] = (struct pf_keys){
            .suite = suite, .id = pf_kdf_next_id(kdf), .version = version, .etm = etm};
    }
    struct pf_span client = random_span(client_random);
    struct pf_span server = random_span(server_random);
    const struct pf_prf_seed seed = {"key expansion", server, client};
    struct pf_span secret = {master->bytes, sizeof master->bytes};
    uint8_t block[BLOCK_MAX];
    size_t block_len =
        2 * (pf_hash_len(suite->mac) + suite->bulk->key_material + key_block_iv_len(suite->bulk));
    enum pf_status st = pf_kdf_prf(version, suite->prf, secret, &seed, block, block_len);
    if (st == PF_OK) {
        split_block(block, suite, out);
        if (suite->bulk->exportable) {
            st = export_keys(version, client, server, out);
        }
    }
    pf_wipe(block, sizeof block);
    return st;
}
