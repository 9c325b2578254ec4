// SPDX-License-Identifier: Apache-2.0
/*
 * The search for the number of the next record behind a gap, under the present keys and under those
 * that may have come into force inside the gap. Likely numbers come first, and are not tried twice
 * in one search.
 */
#include "tls/half.h"

#include <string.h>

enum {
    TRIALS_PER_GAP = 1 << 20, /* about a second at the dearest */
    TRIALS_PER_FLOW = 1 << 23,
    /* TLS 1.3 key changes that one gap may hide: some, and one more for so many bytes of it. */
    GENERATIONS_MIN = 4,
    GENERATIONS_MAX = 64,
    GENERATION_BYTES = 16 * 1024,
    KEY_UPDATE_LEN = 6, /* with its type */
    BRIEF_REACH = 1,
    NEAR_REACH = 32,
    NEAR_SHARE = 128, /* and a further one for so many */
    LIKELY_REACH = 64,
    VAIN_SHARE = 4,
    BROKE = 1000,     /* nanoseconds that pay for no search */
    SHORT_AREA = 1600 /* bytes in which there are few numbers to try */
};

/* RC4, and where its keystream begins is not known. */
static bool is_unplaced(const struct pf_half *h)
{
    return h->loss.clear && h->chain.stream != NULL;
}

static bool is_tls13(const struct pf_half *h)
{
    return h->keys.version == PF_VERSION_TLS13;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * Most losses are found at the first search or never: after a search in vain only the likeliest
 * numbers are tried, unless it cost little of what there is to pay with, or the count of searches
 * has doubled. A search that could not be paid is made again when there is twice as much to pay
 * with, or at the end.
 */
static bool is_thorough(const struct pf_half *h, const struct pf_ahead *ahead, uint64_t fund)
{
    const struct pf_loss *l = &h->loss;
    if (l->poor) {
        return ahead->last || fund >= 2 * l->vain_cost;
    }
    return (l->searches & (l->searches - 1)) == 0 || fund >= VAIN_SHARE * l->vain_cost;
}

static struct pf_record record_of(const struct pf_half *h, const struct pf_frame *f)
{
    return (struct pf_record){
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
}

/* Generations whose keys may have been in force when the gap began: see begins_gap. */
enum { BEGINNING = 2 };

/* A search for one of the records ahead. The present keys are of generation 0. */
struct plan {
    const struct pf_ahead *ahead;
    size_t index; /* which of them */
    struct pf_seq_search all;
    struct pf_seq_range done[BEGINNING][PF_SEQ_TRIED]; /* tried already, by generation */
    unsigned done_count[BEGINNING];
    struct pf_keys keys; /* of the generation at work, if it is not the present one */
    struct pf_secret secret;
    enum pf_phase phase;
    unsigned generation;
    bool again;   /* the likeliest numbers of this record were tried by the search before */
    uint64_t seq; /* that was found */
};

static void note_done(struct plan *p, unsigned generation, uint64_t lo, uint64_t hi)
{
    unsigned *n = &p->done_count[generation];
    if (*n < PF_SEQ_TRIED) {
        p->done[generation][(*n)++] = (struct pf_seq_range){lo, hi};
    }
}

/* One search, within what is left of the budgets. PF_AGAIN: it cannot be paid, or not to its end.
 */
static enum pf_status look(struct pf_conn *c, struct pf_half *h, struct plan *p,
                           struct pf_seq_search s)
{
    struct pf_loss *l = &h->loss;
    const struct pf_frame *f = &p->ahead->frames[p->index];
    const struct pf_keys *keys = p->generation > 0 ? &p->keys : &h->keys;
    if (l->trials >= TRIALS_PER_GAP || h->trials >= TRIALS_PER_FLOW) {
        return PF_ERR_LIMIT;
    }
    if (p->generation < BEGINNING) {
        memcpy(s.tried, p->done[p->generation], sizeof s.tried);
        s.tried_count = p->done_count[p->generation];
    }
    struct pf_seq_cost cost = pf_open_seq_cost(keys, f->body_len, &s);
    uint64_t affordable = less(pf_fund_left(h, p->ahead->end), cost.once) / cost.each;
    if (affordable == 0) {
        return PF_AGAIN;
    }
    uint32_t most = TRIALS_PER_GAP - l->trials;
    bool poor = affordable < most;
    s.max_trials = poor ? (uint32_t)affordable : most;
    uint32_t spent = 0;
    struct pf_record record = record_of(h, f);
    struct pf_chain chain = h->chain;
    void *inflate = h->chain.inflate;
    h->chain.inflate = NULL; /* whether its window is lost depends on what is found */
    chain.inflate = NULL;
    if (pf_open_needs_iv(&h->keys) && p->index > 0) { /* its IV ends the record before it */
        pf_chain_pass(&chain, keys, pf_stream_body(&h->in, f - 1));
    }
    enum pf_status st = pf_open_find_seq(c->env->crypt, keys, &chain, &record, &s, &p->seq, &spent);
    h->chain.inflate = inflate;
    l->trials += spent;
    h->trials += spent;
    h->search_cost += cost.once + spent * cost.each;
    if (st == PF_ERR_LIMIT && poor) {
        return PF_AGAIN;
    }
    return st == PF_ERR_MALFORMED ? PF_ERR_REJECTED : st;
}

/*
 * RC4 when the gap began in the clear: where the keystream begins is not known, so every length
 * that the sealed part of the gap can have is tried.
 */
static enum pf_status look_in_stream(struct pf_conn *c, struct pf_half *h, struct plan *p)
{
    enum pf_status st = PF_ERR_REJECTED;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    for (uint64_t sealed = 0; sealed <= h->loss.since_opened && st == PF_ERR_REJECTED; sealed++) {
        uint64_t most = sealed / (PF_RECORD_HEADER_LEN + min_body);
        if (most == 0 && sealed > 0) {
            continue;
        }
        struct pf_seq_search s = {
            .lo = sealed > 0, .hi = most, .likely = most, .gap_bytes = sealed};
        st = look(c, h, p, s);
    }
    return st;
}

/* The next generation's keys. */
static enum pf_status derive(struct pf_conn *c, enum pf_dir dir, struct plan *p)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_secret old_secret = h->secret;
    const enum pf_phase old_phase = h->phase;
    if (!pf_fund_pays_keys(h, p->ahead->end)) {
        return PF_AGAIN;
    }
    if (p->generation > 0) {
        h->secret = p->secret;
        h->phase = p->phase;
    }
    enum pf_status st = pf_tls13_next_keys(c, dir, &p->secret, &p->keys, &p->phase);
    h->secret = old_secret;
    h->phase = old_phase;
    p->generation++;
    return st == PF_ERR_NOKEY ? PF_ERR_REJECTED : st;
}

/* Whether nothing that was lost need have been under the keys before this generation. */
static bool begins_gap(const struct pf_half *h, unsigned generation)
{
    return generation == h->updated || (generation <= 1 && h->phase != PF_PHASE_TRAFFIC);
}

/* Numbers from lo to hi under the keys that were in force when the gap began, from `at` outward. */
static enum pf_status look_now(struct pf_conn *c, enum pf_dir dir, struct plan *p, uint64_t at,
                               struct pf_seq_range range)
{
    struct pf_half *h = &c->half[dir];
    enum pf_status st = PF_ERR_REJECTED;
    range.lo = range.lo > p->all.lo ? range.lo : p->all.lo;
    range.hi = smaller(range.hi, p->all.hi);
    if (range.lo > range.hi) {
        return PF_ERR_REJECTED;
    }
    p->generation = 0;
    if (p->again) {
        uint64_t base = h->updated ? h->seq : 0;
        note_done(p, h->updated, less(range.lo, base) + p->index, less(range.hi, base) + p->index);
        return PF_ERR_REJECTED;
    }
    if (is_unplaced(h)) {
        return look_in_stream(c, h, p);
    }
    for (;;) {
        struct pf_seq_search s = p->all;
        uint64_t base = p->generation == 0 ? 0 : h->seq;
        s.lo = less(range.lo, base) + p->index;
        s.hi = less(range.hi, base) + p->index;
        s.likely = less(at, base) + p->index;
        s.gap_bytes += p->ahead->frames[p->index].pos - p->ahead->frames[0].pos;
        if (begins_gap(h, p->generation)) {
            st = look(c, h, p, s);
            note_done(p, p->generation, s.lo, s.hi);
        }
        if (st != PF_ERR_REJECTED || !is_tls13(h) || !begins_gap(h, p->generation + 1)) {
            return st;
        }
        if ((st = derive(c, dir, p)) != PF_OK) {
            return st;
        }
    }
}

/* Numbers up to hi under each of the keys that may have come into force inside the gap. */
static enum pf_status look_later(struct pf_conn *c, enum pf_dir dir, struct plan *p, unsigned most,
                                 uint64_t hi)
{
    struct pf_half *h = &c->half[dir];
    enum pf_status st = PF_ERR_REJECTED;
    p->generation = 0;
    while (is_tls13(h) && p->generation < most && st == PF_ERR_REJECTED) {
        st = derive(c, dir, p);
        if (st == PF_OK) {
            struct pf_seq_search s = {.lo = p->index, .hi = hi + p->index, .likely = p->index};
            st = look(c, h, p, s);
        }
    }
    return st;
}

/* How many key changes the gap may hide. */
static unsigned generations(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    uint64_t n = l->cipher_bytes == 0 ? 1 : GENERATIONS_MIN + l->area / GENERATION_BYTES;
    return n < GENERATIONS_MAX ? (unsigned)n : GENERATIONS_MAX;
}

/* As long as one, so that what is behind it may be under other keys. */
static bool is_key_update(const struct pf_half *h, const struct pf_frame *f)
{
    return is_tls13(h) && f->body_len == (uint32_t)KEY_UPDATE_LEN + h->keys.suite->bulk->tag_len;
}

/* The cheapest record to try: the smallest, unless each needs the one before it, or the first one's
 * IV is to be proved. */
static size_t cheapest(const struct pf_half *h, const struct pf_ahead *ahead)
{
    size_t best = 0;
    bool in_order =
        pf_chain_is_sequential(&h->chain) || (pf_open_needs_iv(&h->keys) && h->loss.clear);
    for (size_t i = 1; i < ahead->count && !in_order && !is_key_update(h, &ahead->frames[i - 1]);
         i++) {
        best = ahead->frames[i].body_len < ahead->frames[best].body_len ? i : best;
    }
    return best;
}

/* Around `at`, the further the further it is. */
static enum pf_status look_near(struct pf_conn *c, enum pf_dir dir, struct plan *p, uint64_t at,
                                uint64_t error)
{
    uint64_t reach = NEAR_REACH + less(at, p->all.lo) / NEAR_SHARE + error;
    return look_now(c, dir, p, at, (struct pf_seq_range){less(at, reach), at + reach});
}

/* Where the keys were seen to change they are as likely to have changed again after as many bytes:
 * so often, and so many records each time, or twice as many. */
static enum pf_status look_updated(struct pf_conn *c, enum pf_dir dir, struct plan *p)
{
    struct pf_half *h = &c->half[dir];
    uint64_t epoch = 1 + (h->framed + h->lost_bytes) / (h->updates + 1);
    uint64_t often = 2 + 2 * h->loss.area / epoch;
    uint64_t records = NEAR_REACH / 2 + 2 * pf_guess_usual(h, epoch);
    return look_later(c, dir, p, (unsigned)smaller(often, GENERATIONS_MAX), records);
}

/* Rejected records may be false ones in the place of others, and not as many as those. */
static uint64_t without_rejected(const struct pf_half *h)
{
    return h->seq + pf_guess_usual(h, h->loss.since_opened);
}

static bool is_at_once(const struct pf_half *h)
{
    return h->keys.suite->bulk->mode == PF_MODE_GCM || is_unplaced(h);
}

/* The likeliest numbers; of what is solved, all. */
static enum pf_status look_first(struct pf_conn *c, enum pf_dir dir, struct plan *p)
{
    struct pf_half *h = &c->half[dir];
    enum pf_status st;
    if (is_at_once(h)) {
        st = look_now(c, dir, p, p->all.likely, (struct pf_seq_range){p->all.lo, p->all.hi});
    } else {
        const struct pf_loss *l = &h->loss;
        uint64_t alike = h->seq + l->cut + l->rejected + pf_guess_like(p->ahead, l->area);
        uint64_t error = pf_guess_error(h, less(p->all.likely, p->all.lo));
        st = look_near(c, dir, p, p->all.likely, error);
        st = st == PF_ERR_REJECTED && l->rejected > 1
                 ? look_near(c, dir, p, without_rejected(h), error)
                 : st;
        st = st == PF_ERR_REJECTED ? look_near(c, dir, p, pf_guess_fewest(h), 0) : st;
        st = st == PF_ERR_REJECTED && p->ahead->count >= PF_GUESS_ENOUGH
                 ? look_near(c, dir, p, alike, 0)
                 : st;
    }
    return st == PF_ERR_REJECTED && !p->again ? look_later(c, dir, p, 1, BRIEF_REACH) : st;
}

/* The likely numbers first, then all. */
static enum pf_status look_everywhere(struct pf_conn *c, enum pf_dir dir, struct plan *p)
{
    struct pf_half *h = &c->half[dir];
    uint64_t few = pf_guess_fewest(h);
    uint64_t twice = 2 * p->all.likely - p->all.lo + LIKELY_REACH;
    enum pf_status st = look_first(c, dir, p);
    p->again = false;
    if (h->updates > 0 && st == PF_ERR_REJECTED) {
        st = look_updated(c, dir, p);
    }
    if (!is_at_once(h)) {
        st = st != PF_ERR_REJECTED
                 ? st
                 : look_now(c, dir, p, few, (struct pf_seq_range){less(few, 1), twice});
        st = st == PF_ERR_REJECTED ? look_later(c, dir, p, generations(h), NEAR_REACH / 2) : st;
        st = st != PF_ERR_REJECTED
                 ? st
                 : look_now(c, dir, p, p->all.likely, (struct pf_seq_range){p->all.lo, p->all.hi});
    }
    return st == PF_ERR_REJECTED ? look_later(c, dir, p, generations(h), p->all.hi - h->seq) : st;
}

static enum pf_status look_about(struct pf_conn *c, enum pf_dir dir, struct plan *p, uint64_t at)
{
    return look_now(c, dir, p, at, (struct pf_seq_range){less(at, BRIEF_REACH), at + BRIEF_REACH});
}

static enum pf_status look_briefly(struct pf_conn *c, enum pf_dir dir, struct plan *p)
{
    const struct pf_half *h = &c->half[dir];
    uint64_t likely = p->all.likely;
    enum pf_status st;
    if (is_at_once(h)) {
        st = look_now(c, dir, p, likely, (struct pf_seq_range){p->all.lo, p->all.hi});
    } else {
        st = look_about(c, dir, p, likely);
        st = st == PF_ERR_REJECTED && h->loss.rejected > 1
                 ? look_about(c, dir, p, without_rejected(h))
                 : st;
    }
    return st == PF_ERR_REJECTED && h->updates > 0 ? look_later(c, dir, p, 1, BRIEF_REACH) : st;
}

/* The record at h->framed has number `first` of the plan's generation. */
static enum pf_status adopt(struct pf_half *h, const struct plan *p, uint64_t first)
{
    pf_loss_settle(h, first, p->generation, h->phase);
    if (p->generation == 0) {
        h->seq = first;
        return PF_OK;
    }
    h->updates += h->phase == PF_PHASE_TRAFFIC ? p->generation : 0;
    h->secret = p->secret;
    h->phase = p->phase;
    enum pf_status st = pf_half_install(h, &p->keys, 0);
    h->seq = first;
    h->keyed_seq = first;
    return st;
}

bool pf_number_is_short(const struct pf_half *h)
{
    return h->loss.area <= SHORT_AREA;
}

enum pf_status pf_number_find(struct pf_conn *c, enum pf_dir dir, const struct pf_ahead *ahead)
{
    struct pf_half *h = &c->half[dir];
    uint64_t fund = pf_fund_left(h, ahead->end);
    uint64_t cost = h->search_cost;
    h->loss.searches++;
    bool thorough = is_thorough(h, ahead, fund);
    if (fund < BROKE || (!thorough && fund < VAIN_SHARE * h->loss.brief_cost)) {
        h->loss.poor = true;
        return PF_ERR_REJECTED;
    }
    struct plan p = {.ahead = ahead, .all = pf_guess_bounds(h), .index = cheapest(h, ahead)};
    p.again = p.index + 1 == h->loss.first_tried;
    bool first = thorough && !ahead->further && !pf_number_is_short(h);
    h->loss.poor = first || (h->loss.poor && !thorough);
    enum pf_status st = !thorough ? look_briefly(c, dir, &p)
                        : first   ? look_first(c, dir, &p)
                                  : look_everywhere(c, dir, &p);
    h->loss.first_tried = first && st == PF_ERR_REJECTED ? (uint8_t)(p.index + 1) : 0;
    if (st == PF_ERR_REJECTED && p.index > 0 && !first) {
        p.index = 0; /* the other one may have been false */
        memset(p.done_count, 0, sizeof p.done_count);
        st = look_briefly(c, dir, &p);
    }
    if (st == PF_AGAIN) {
        h->loss.poor = true;
        st = PF_ERR_REJECTED;
    }
    if (!first) {
        *(thorough ? &h->loss.vain_cost : &h->loss.brief_cost) = h->search_cost - cost;
    }
    if (st == PF_OK) {
        st = adopt(h, &p, p.seq - p.index);
    }
    pf_wipe(&p.secret, sizeof p.secret);
    pf_wipe(&p.keys, sizeof p.keys);
    return st;
}
