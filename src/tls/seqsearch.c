// SPDX-License-Identifier: Apache-2.0
/*
 * Which number a record behind a gap has. Where the tag gives it away it is solved (GCM); where a
 * MAC covers it, the record is decrypted once and only the MAC is tried (CBC, NULL); where the
 * nonce holds it, records are opened on trial (ChaCha20-Poly1305, CCM); where it fixes the position
 * in the keystream, the keystream is walked once over all positions in question (RC4).
 */
#include "tls/cipher.h"
#include "tls/inflate.h"
#include "tls/open.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* What one search works on. */
struct hunt {
    struct pf_crypt *crypt;
    const struct pf_keys *keys;
    struct pf_sealed rec;
    const struct pf_seq_search *search;
    uint32_t spent;
};

static bool in_range(const struct hunt *h, uint64_t seq)
{
    return h->search->lo <= seq && seq <= h->search->hi;
}

/* One trial of one number: PF_OK, PF_ERR_REJECTED, or an error that ends the search. */
typedef enum pf_status try_fn(struct hunt *h, const void *prepared);

/* likely, likely + 1, likely - 1, likely + 2 … as far as the range and the trials go. */
static enum pf_status search_outward(struct hunt *h, try_fn *try_one, const void *prepared)
{
    const struct pf_seq_search *s = h->search;
    uint64_t up = s->likely < s->lo ? s->lo : s->likely > s->hi ? s->hi : s->likely;
    uint64_t down = up;
    bool more_up = true;
    bool more_down = down > s->lo;
    for (bool go_up = true; more_up || more_down; go_up = !go_up) {
        if (go_up ? !more_up : !more_down) {
            continue;
        }
        if (h->spent >= s->max_trials) {
            return PF_ERR_LIMIT;
        }
        h->spent++;
        h->rec.seq = go_up ? up : --down;
        enum pf_status st = try_one(h, prepared);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        if (go_up) {
            more_up = up < s->hi;
            up += more_up;
        } else {
            more_down = down > s->lo;
        }
    }
    return PF_ERR_REJECTED;
}

static enum pf_status try_aead(struct hunt *h, const void *prepared)
{
    (void)prepared;
    size_t len = 0;
    return pf_aead_open(h->crypt, h->keys, &h->rec, h->crypt->scratch, &len);
}

/* A MAC over known content, for a number to be found. */
struct mac_trial {
    const struct pf_mac *mac;
    struct pf_span content;
    const uint8_t *tag;
};

static enum pf_status try_mac(struct hunt *h, const void *prepared)
{
    const struct mac_trial *t = prepared;
    bool fits = pf_cipher_mac_fits(t->mac, h->keys, &h->rec, t->content, t->tag);
    return fits ? PF_OK : PF_ERR_REJECTED;
}

/* Decrypts up to the MAC. The content is good for trials only: nothing is verified yet. */
static enum pf_status prepare_mte(struct hunt *h, const struct pf_chain *chain,
                                  const struct pf_cbc_layout *at, struct mac_trial *t)
{
    uint8_t *text = h->crypt->scratch;
    if (at->iv.len == 0 && !chain->iv_known) {
        return PF_ERR_TRUNCATED;
    }
    const uint8_t *iv = at->iv.len > 0 ? at->iv.ptr : chain->iv;
    enum pf_status st = pf_cbc_decrypt(h->crypt, h->keys, iv, at->blocks, text);
    if (st != PF_OK) {
        return st;
    }
    size_t left = at->blocks.len;
    size_t mac_len = pf_hash_len(h->keys->suite->mac);
    if (!pf_cbc_unpad(h->keys, text, &left) || left < mac_len) {
        return PF_ERR_REJECTED;
    }
    t->content = (struct pf_span){text, left - mac_len};
    t->tag = text + left - mac_len;
    return PF_OK;
}

static enum pf_status find_cbc(struct hunt *h, const struct pf_chain *chain)
{
    struct pf_cbc_layout at;
    if (!pf_cbc_split(h->keys, h->rec.body, &at)) {
        return PF_ERR_MALFORMED;
    }
    struct mac_trial t = {
        .mac = pf_cipher_mac(h->crypt, h->keys),
        .content = {h->rec.body.ptr, at.iv.len + at.blocks.len},
        .tag = at.mac,
    };
    enum pf_status st = at.mac != NULL ? PF_OK : prepare_mte(h, chain, &at, &t);
    return st == PF_OK ? search_outward(h, try_mac, &t) : st;
}

static enum pf_status find_null(struct hunt *h)
{
    size_t mac_len = pf_hash_len(h->keys->suite->mac);
    if (h->rec.body.len < mac_len) {
        return PF_ERR_MALFORMED;
    }
    size_t len = h->rec.body.len - mac_len;
    struct mac_trial t = {.mac = pf_cipher_mac(h->crypt, h->keys),
                          .content = {h->rec.body.ptr, len},
                          .tag = h->rec.body.ptr + len};
    if (mac_len == 0) { /* without a MAC any number is as good as another */
        h->rec.seq = h->search->likely;
        return in_range(h, h->rec.seq) ? PF_OK : PF_ERR_REJECTED;
    }
    return search_outward(h, try_mac, &t);
}

/* The numbers of one walk over the keystream. */
struct window {
    uint64_t lo;
    uint64_t hi;
    bool is_all; /* nothing was left out to stay within max_trials */
};

static bool rc4_window(const struct pf_seq_search *s, struct window *w)
{
    /* A lost record is a header at least. */
    uint64_t most = s->next_seq + s->gap_bytes / PF_RECORD_HEADER_LEN;
    w->lo = s->lo > s->next_seq ? s->lo : s->next_seq;
    w->hi = s->hi < most ? s->hi : most;
    if (w->lo > w->hi) {
        return false;
    }
    uint64_t likely = s->likely < w->lo ? w->lo : s->likely > w->hi ? w->hi : s->likely;
    uint64_t reach = s->max_trials / 2;
    w->is_all = true;
    if (w->hi - likely > reach) {
        w->hi = likely + reach;
        w->is_all = false;
    }
    if (likely - w->lo > reach) {
        w->lo = likely - reach;
        w->is_all = false;
    }
    return true;
}

/*
 * Candidate n stands gap_bytes - 5 * (n - next_seq) bytes into the keystream: the highest number
 * comes first. So the window is walked downward, five bytes of keystream at a time, and the record
 * is opened on a copy of the state. On success `at` stands in front of the record.
 */
static enum pf_status walk_rc4(struct hunt *h, const struct window *w, struct pf_rc4 *at,
                               struct pf_rc4 *copy)
{
    const struct pf_seq_search *s = h->search;
    pf_rc4_skip(at, s->gap_bytes - PF_RECORD_HEADER_LEN * (w->hi - s->next_seq));
    for (uint64_t seq = w->hi; h->spent < s->max_trials; seq--) {
        size_t len = 0;
        h->spent++;
        h->rec.seq = seq;
        pf_rc4_copy(copy, at);
        enum pf_status st =
            pf_stream_open(h->crypt, h->keys, &h->rec, copy, h->crypt->scratch, &len);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        if (seq == w->lo) {
            return w->is_all ? PF_ERR_REJECTED : PF_ERR_LIMIT;
        }
        pf_rc4_skip(at, PF_RECORD_HEADER_LEN);
    }
    return PF_ERR_LIMIT;
}

static enum pf_status find_rc4(struct hunt *h, struct pf_chain *chain)
{
    struct window w;
    if (chain->stream == NULL) {
        return PF_ERR_INTERNAL;
    }
    if (!rc4_window(h->search, &w)) {
        return PF_ERR_REJECTED;
    }
    struct pf_rc4 *at = pf_rc4_dup(chain->stream);
    struct pf_rc4 *copy = pf_rc4_dup(chain->stream);
    enum pf_status st = PF_ERR_NOMEM;
    if (at != NULL && copy != NULL) {
        st = walk_rc4(h, &w, at, copy);
    }
    if (st == PF_OK) {
        pf_rc4_copy(chain->stream, at);
    }
    pf_rc4_free(copy);
    pf_rc4_free(at);
    return st;
}

/* The block cipher under a mode of it, for single blocks. */
static EVP_CIPHER_CTX *block_cipher(struct hunt *h, bool encrypt)
{
    char name[32];
    const char *mode_name = h->keys->suite->bulk->evp_name;
    const char *dash = strrchr(mode_name, '-');
    if (dash == NULL) {
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s-ECB", (int)(dash - mode_name), mode_name);
    EVP_CIPHER *cipher = pf_cipher_fetch(h->crypt, name);
    EVP_CIPHER_CTX *ctx = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;
    if (ctx != NULL && (EVP_CipherInit_ex2(ctx, cipher, h->keys->key, NULL, encrypt, NULL) != 1 ||
                        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_CIPHER_free(cipher);
    return ctx;
}

static bool one_block(EVP_CIPHER_CTX *ctx, const uint8_t in[16], uint8_t out[16])
{
    int n = 0;
    return EVP_CipherUpdate(ctx, out, &n, in, 16) == 1 && n == 16;
}

/* What a GCM record is made of, for solving. */
struct gcm {
    EVP_CIPHER_CTX *encrypt;
    struct pf_gf128 h;     /* the hash key */
    struct pf_ghash ghash; /* keyed with it */
    uint8_t aad[PF_AAD_MAX];
    size_t aad_len;
    struct pf_span text;
    struct pf_gf128 tag;
};

static uint64_t load_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/*
 * TLS 1.2: tag = E(J0) + A * H^(m+2) + (GHASH with the number's block A taken as zero), where m is
 * the number of ciphertext blocks. All but A is known; A must be number, type, version, length and
 * three zeros, which is 64 bits of proof on top of the range.
 */
static enum pf_status solve_tls12(struct hunt *h, const struct gcm *g)
{
    uint8_t block[16] = {0};
    uint8_t zeros[PF_AAD_MAX] = {0};
    pf_aead_nonce(h->keys, &h->rec, block);
    block[15] = 1;
    if (!one_block(g->encrypt, block, block)) {
        return PF_ERR_INTERNAL;
    }
    struct pf_gf128 mask = pf_gf128_load(block);
    struct pf_gf128 rest = pf_ghash_run(&g->ghash, (struct pf_span){zeros, g->aad_len}, g->text);
    struct pf_gf128 a = {g->tag.hi ^ mask.hi ^ rest.hi, g->tag.lo ^ mask.lo ^ rest.lo};
    uint64_t exponent = (g->text.len + 15) / 16 + 2;
    a = pf_gf128_mul(a, pf_gf128_power(pf_gf128_inverse(g->h), exponent));
    uint8_t expected[16] = {0};
    memcpy(expected, g->aad, g->aad_len);
    h->rec.seq = a.hi;
    return a.lo == load_u64(expected + 8) && in_range(h, a.hi) ? PF_OK : PF_ERR_REJECTED;
}

/* TLS 1.3: tag = E(J0) + GHASH, all of it known; J0 is the nonce, which is the number, and a one.
 */
static enum pf_status solve_tls13(struct hunt *h, const struct gcm *g)
{
    uint8_t block[16];
    struct pf_gf128 sum = pf_ghash_run(&g->ghash, (struct pf_span){g->aad, g->aad_len}, g->text);
    pf_gf128_store((struct pf_gf128){g->tag.hi ^ sum.hi, g->tag.lo ^ sum.lo}, block);
    EVP_CIPHER_CTX *decrypt = block_cipher(h, false);
    bool done = decrypt != NULL && one_block(decrypt, block, block);
    EVP_CIPHER_CTX_free(decrypt);
    if (!done) {
        return PF_ERR_INTERNAL;
    }
    static const uint8_t first_counter[4] = {0, 0, 0, 1};
    h->rec.seq = load_u64(block + 4) ^ load_u64(h->keys->iv + 4);
    bool fits = memcmp(block, h->keys->iv, 4) == 0 && memcmp(block + 12, first_counter, 4) == 0;
    return fits && in_range(h, h->rec.seq) ? PF_OK : PF_ERR_REJECTED;
}

static enum pf_status solve_gcm(struct hunt *h)
{
    struct gcm g;
    uint8_t block[16] = {0};
    const struct pf_span body = h->rec.body;
    size_t in_record = pf_aead_explicit_len(h->keys);
    size_t tag_len = h->keys->suite->bulk->tag_len;
    g.text = (struct pf_span){body.ptr + in_record, body.len - in_record - tag_len};
    g.tag = pf_gf128_load(body.ptr + body.len - tag_len);
    g.aad_len = pf_aead_aad(h->keys, &h->rec, g.text.len, g.aad);
    g.encrypt = block_cipher(h, true);
    enum pf_status st = PF_ERR_INTERNAL;
    h->spent++;
    if (g.encrypt != NULL && one_block(g.encrypt, block, block)) {
        g.h = pf_gf128_load(block);
        pf_ghash_key(&g.ghash, block);
        st = h->keys->version == PF_VERSION_TLS13 ? solve_tls13(h, &g) : solve_tls12(h, &g);
    }
    EVP_CIPHER_CTX_free(g.encrypt);
    pf_wipe(&g, sizeof g);
    return st;
}

/* Senders mostly make the explicit nonce by counting: then it says the number. */
static enum pf_status try_nonce(struct hunt *h)
{
    if (pf_aead_explicit_len(h->keys) == 0) {
        return PF_ERR_REJECTED;
    }
    uint64_t from = h->search->hint_known ? h->search->hint_nonce : 0;
    h->rec.seq = load_u64(h->rec.body.ptr) - from;
    if (!in_range(h, h->rec.seq) || h->spent >= h->search->max_trials) {
        return PF_ERR_REJECTED;
    }
    h->spent++;
    return try_aead(h, NULL);
}

/* So many numbers are tried in less time than one is solved for. */
enum { FEW = 16 };

static enum pf_status find_aead(struct hunt *h)
{
    const struct pf_bulk *bulk = h->keys->suite->bulk;
    if (h->rec.body.len < pf_aead_explicit_len(h->keys) + bulk->tag_len) {
        return PF_ERR_MALFORMED;
    }
    enum pf_status st = try_nonce(h);
    if (st != PF_ERR_REJECTED) {
        return st;
    }
    bool few = h->search->hi - h->search->lo < FEW;
    if (bulk->mode != PF_MODE_GCM || few) {
        return search_outward(h, try_aead, NULL);
    }
    return h->spent < h->search->max_trials ? solve_gcm(h) : PF_ERR_LIMIT;
}

static enum pf_status find(struct hunt *h, struct pf_chain *chain)
{
    switch (h->keys->suite->bulk->mode) {
    case PF_MODE_GCM:
    case PF_MODE_CCM:
    case PF_MODE_CHACHA:
        return find_aead(h);
    case PF_MODE_CBC:
        return find_cbc(h, chain);
    case PF_MODE_STREAM:
        return find_rc4(h, chain);
    case PF_MODE_NULL:
        return find_null(h);
    }
    return PF_ERR_INTERNAL;
}

enum pf_status pf_open_find_seq(struct pf_crypt *crypt, const struct pf_keys *keys,
                                struct pf_chain *chain, const struct pf_record *record,
                                const struct pf_seq_search *search, uint64_t *seq, uint32_t *trials)
{
    bool tls13 = keys->version == PF_VERSION_TLS13;
    if (!keys->suite->bulk->supported) {
        return PF_ERR_UNSUPPORTED;
    }
    if (record->body.len > PF_RECORD_MAX || (tls13 && record->type != PF_CT_APPLICATION_DATA)) {
        return PF_ERR_MALFORMED;
    }
    if (search->lo > search->hi) {
        return PF_ERR_REJECTED;
    }
    struct hunt h = {
        .crypt = crypt,
        .keys = keys,
        .rec = {.version = record->version, .type = record->type, .body = record->body},
        .search = search,
    };
    enum pf_status st = find(&h, chain);
    *trials += h.spent;
    if (st == PF_OK) {
        *seq = h.rec.seq;
        if (chain->inflate != NULL) {
            pf_inflate_lose(chain->inflate);
        }
    }
    ERR_clear_error();
    return st;
}
