// SPDX-License-Identifier: Apache-2.0
/*
 * Which number a record behind a gap has. Where the tag gives it away it is solved (GCM); where a
 * MAC covers it, the record is decrypted once and only the MAC is tried (CBC, NULL); where the
 * nonce holds it, records are opened on trial (ChaCha20-Poly1305, CCM); where it fixes the position
 * in the keystream, the keystream is walked once over all positions in question (RC4).
 */
#include "base/cursor.h"
#include "tls/cipher.h"
#include "tls/inflate.h"
#include "tls/open.h"
#include "tls/seqfilter.h"
#include "tls/seqsolve.h"

#include <openssl/err.h>
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

/* likely, likely + 1, likely - 1, likely + 2 … as far as the range goes. */
struct outward {
    const struct pf_seq_search *search;
    uint64_t lo;
    uint64_t hi;
    uint64_t up;   /* next ones */
    uint64_t down; /* the one above it */
    bool more_up;
    bool more_down;
    bool turn_up;
};

static struct outward outward_of(const struct pf_seq_search *s)
{
    uint64_t at = s->likely < s->lo ? s->lo : s->likely > s->hi ? s->hi : s->likely;
    return (struct outward){.search = s,
                            .lo = s->lo,
                            .hi = s->hi,
                            .up = at,
                            .down = at,
                            .more_up = true,
                            .more_down = at > s->lo,
                            .turn_up = true};
}

/* The range among those tried that holds this number, or NULL. */
static const struct pf_seq_range *tried(const struct pf_seq_search *s, uint64_t seq)
{
    for (unsigned i = 0; i < s->tried_count; i++) {
        if (s->tried[i].lo <= seq && seq <= s->tried[i].hi) {
            return &s->tried[i];
        }
    }
    return NULL;
}

static bool go_up(struct outward *o, uint64_t *seq)
{
    const struct pf_seq_range *skip;
    while ((skip = tried(o->search, o->up)) != NULL && skip->hi < o->hi) {
        o->up = skip->hi + 1;
    }
    *seq = o->up;
    o->more_up = skip == NULL && o->up < o->hi;
    o->up += o->more_up;
    return skip == NULL;
}

static bool go_down(struct outward *o, uint64_t *seq)
{
    const struct pf_seq_range *skip;
    uint64_t at = o->down - 1;
    while ((skip = tried(o->search, at)) != NULL && skip->lo > o->lo) {
        at = skip->lo - 1;
    }
    *seq = o->down = at;
    o->more_down = skip == NULL && at > o->lo;
    return skip == NULL;
}

/* The next number; false: there is none left. */
static bool next_number(struct outward *o, uint64_t *seq)
{
    while (o->more_up || o->more_down) {
        bool up = o->more_up && (o->turn_up || !o->more_down);
        o->turn_up = !up;
        if (up ? go_up(o, seq) : go_down(o, seq)) {
            return true;
        }
    }
    return false;
}

/* One after the other, as far as the trials go. */
static enum pf_status search_from(struct hunt *h, struct outward *o, uint32_t most, try_fn *try_one,
                                  const void *prepared)
{
    while (h->spent < most) {
        if (!next_number(o, &h->rec.seq)) {
            return PF_ERR_REJECTED;
        }
        h->spent++;
        enum pf_status st = try_one(h, prepared);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
    }
    return PF_ERR_LIMIT;
}

static enum pf_status search_outward(struct hunt *h, try_fn *try_one, const void *prepared)
{
    struct outward o = outward_of(h->search);
    return search_from(h, &o, h->search->max_trials, try_one, prepared);
}

static enum pf_status try_aead(struct hunt *h, const void *prepared)
{
    (void)prepared;
    size_t len = 0;
    return pf_aead_open(h->crypt, h->keys, &h->rec, h->crypt->scratch, &len);
}

/* Those that the filter leaves. */
static enum pf_status search_filtered(struct hunt *h, struct outward *o,
                                      const struct pf_seqfilter *f)
{
    uint64_t seq[PF_FILTER_LANES];
    while (h->spent < h->search->max_trials) {
        size_t n = 0;
        uint32_t left = h->search->max_trials - h->spent;
        while (n < PF_FILTER_LANES && n < left && next_number(o, &seq[n])) {
            n++;
        }
        if (n == 0) {
            return PF_ERR_REJECTED;
        }
        uint32_t possible = pf_seqfilter_run(f, seq, n);
        for (size_t i = 0; i < n; i++, possible >>= 1) {
            h->spent++;
            h->rec.seq = seq[i];
            enum pf_status st = (possible & 1) != 0 ? try_aead(h, NULL) : PF_ERR_REJECTED;
            if (st != PF_ERR_REJECTED) {
                return st;
            }
        }
    }
    return PF_ERR_LIMIT;
}

static enum pf_status search_aead(struct hunt *h)
{
    struct outward o = outward_of(h->search);
    struct pf_seqfilter f;
    return pf_seqfilter_init(&f, h->crypt, h->keys, h->rec.body)
               ? search_filtered(h, &o, &f)
               : search_from(h, &o, h->search->max_trials, try_aead, NULL);
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

/* Encrypt-then-MAC: whether what is under the MAC ends in padding, as all that is sent does. Which
 * number it has is of no consequence for that, so one block tells a false record. */
static bool has_padding(struct hunt *h, const struct pf_cbc_layout *at)
{
    uint8_t text[PF_BLOCK_MAX];
    size_t block = h->keys->suite->bulk->block_len;
    size_t before = at->blocks.len - block;
    const uint8_t *iv = before > 0 ? at->blocks.ptr + before - block : at->iv.ptr;
    if (before == 0 && at->iv.len == 0) {
        return true; /* the IV may not be known */
    }
    if (pf_cbc_decrypt(h->crypt, h->keys, iv, (struct pf_span){at->blocks.ptr + before, block},
                       text) != PF_OK) {
        return false;
    }
    size_t from = text[block - 1] < block ? block - 1 - text[block - 1] : 0;
    for (size_t i = from; i < block; i++) {
        if (text[i] != text[block - 1]) {
            return false;
        }
    }
    return true;
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
    enum pf_status st = at.mac == NULL        ? prepare_mte(h, chain, &at, &t)
                        : has_padding(h, &at) ? PF_OK
                                              : PF_ERR_REJECTED;
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
    uint64_t up = w->hi - likely;
    uint64_t reach = s->max_trials / 2;
    reach = up < reach ? s->max_trials - up - 1 : reach; /* what is not needed above it */
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

/* Senders mostly make the explicit nonce by counting: then it says the number. */
static enum pf_status try_nonce(struct hunt *h)
{
    if (pf_aead_explicit_len(h->keys) == 0) {
        return PF_ERR_REJECTED;
    }
    uint64_t from = h->search->hint_known ? h->search->hint_nonce : 0;
    struct pf_cur explicit = pf_cur_over(h->rec.body.ptr, h->rec.body.len);
    if (!pf_cur_u64(&explicit, &h->rec.seq)) {
        return PF_ERR_REJECTED;
    }
    h->rec.seq -= from;
    if (!in_range(h, h->rec.seq) || h->spent >= h->search->max_trials) {
        return PF_ERR_REJECTED;
    }
    h->spent++;
    return try_aead(h, NULL);
}

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
    bool few = h->search->hi - h->search->lo < PF_SEQ_FEW;
    if (bulk->mode != PF_MODE_GCM || few) {
        return search_aead(h);
    }
    if (h->spent >= h->search->max_trials) {
        return PF_ERR_LIMIT;
    }
    h->spent++;
    st = pf_seqsolve_gcm(h->crypt, h->keys, &h->rec);
    return st != PF_OK || in_range(h, h->rec.seq) ? st : PF_ERR_REJECTED;
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
