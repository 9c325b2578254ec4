// SPDX-License-Identifier: Apache-2.0
#include "tls/seqsolve.h"

#include "base/cursor.h"

#include <string.h>

/* What a GCM record is made of. */
struct gcm {
    struct pf_gf128 h; /* the hash key */
    struct pf_ghash ghash;
    uint8_t aad[PF_AAD_MAX];
    size_t aad_len;
    struct pf_span text;
    struct pf_gf128 tag;
};

static uint64_t load_u64(const uint8_t *p)
{
    struct pf_cur c = pf_cur_over(p, 8);
    uint64_t v = 0;
    return pf_cur_u64(&c, &v) ? v : 0;
}

static bool one_block(struct pf_crypt *crypt, const struct pf_keys *keys, bool encrypt,
                      uint8_t block[16])
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = pf_cipher_block(crypt, keys, encrypt);
    return ctx != NULL && EVP_CipherUpdate(ctx, block, &n, block, 16) == 1 && n == 16;
}

/*
 * TLS 1.2: tag = E(J0) + A * H^(m+2) + (GHASH with the number's block A taken as zero), where m is
 * the number of ciphertext blocks. All but A is known; A must be number, type, version, length and
 * three zeros, which is 64 bits of proof. mask: E(J0).
 */
static enum pf_status solve_tls12(const struct gcm *g, struct pf_gf128 mask, uint64_t *seq)
{
    static const uint8_t zeros[PF_AAD_MAX] = {0};
    struct pf_gf128 rest = pf_ghash_run(&g->ghash, (struct pf_span){zeros, g->aad_len}, g->text);
    struct pf_gf128 a = {g->tag.hi ^ mask.hi ^ rest.hi, g->tag.lo ^ mask.lo ^ rest.lo};
    uint64_t exponent = (g->text.len + 15) / 16 + 2;
    a = pf_gf128_mul(a, pf_gf128_power(pf_gf128_inverse(g->h), exponent));
    uint8_t expected[16] = {0};
    memcpy(expected, g->aad, g->aad_len);
    *seq = a.hi;
    return a.lo == load_u64(expected + 8) ? PF_OK : PF_ERR_REJECTED;
}

/* TLS 1.3: tag = E(J0) + GHASH, all of it known; J0 is the nonce, which is the number, and a one:
 * 64 bits of proof again. */
static enum pf_status solve_tls13(struct pf_crypt *crypt, const struct pf_keys *keys,
                                  const struct gcm *g, uint64_t *seq)
{
    static const uint8_t first_counter[4] = {0, 0, 0, 1};
    uint8_t block[16];
    struct pf_gf128 sum = pf_ghash_run(&g->ghash, (struct pf_span){g->aad, g->aad_len}, g->text);
    pf_gf128_store((struct pf_gf128){g->tag.hi ^ sum.hi, g->tag.lo ^ sum.lo}, block);
    if (!one_block(crypt, keys, false, block)) {
        return PF_ERR_INTERNAL;
    }
    *seq = load_u64(block + 4) ^ load_u64(keys->iv + 4);
    bool fits = memcmp(block, keys->iv, 4) == 0 && memcmp(block + 12, first_counter, 4) == 0;
    return fits ? PF_OK : PF_ERR_REJECTED;
}

static enum pf_status solve(struct pf_crypt *crypt, const struct pf_keys *keys,
                            struct pf_sealed *rec, struct gcm *g)
{
    uint8_t block[16] = {0};
    if (!one_block(crypt, keys, true, block)) {
        return PF_ERR_INTERNAL;
    }
    g->h = pf_gf128_load(block);
    pf_ghash_key(&g->ghash, block);
    if (keys->version == PF_VERSION_TLS13) {
        return solve_tls13(crypt, keys, g, &rec->seq);
    }
    memset(block, 0, sizeof block);
    pf_aead_nonce(keys, rec, block);
    block[15] = 1;
    return one_block(crypt, keys, true, block) ? solve_tls12(g, pf_gf128_load(block), &rec->seq)
                                               : PF_ERR_INTERNAL;
}

enum pf_status pf_seqsolve_gcm(struct pf_crypt *crypt, const struct pf_keys *keys,
                               struct pf_sealed *rec)
{
    struct gcm g;
    size_t in_record = pf_aead_explicit_len(keys);
    size_t tag_len = keys->suite->bulk->tag_len;
    g.text = (struct pf_span){rec->body.ptr + in_record, rec->body.len - in_record - tag_len};
    g.tag = pf_gf128_load(rec->body.ptr + rec->body.len - tag_len);
    g.aad_len = pf_aead_aad(keys, rec, g.text.len, g.aad);
    enum pf_status st = solve(crypt, keys, rec, &g);
    pf_wipe(&g, sizeof g);
    return st;
}
