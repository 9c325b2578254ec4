// SPDX-License-Identifier: Apache-2.0
/*
 * Which sequence number the records behind a gap have. The search runs on one of the records ahead,
 * the smallest, because a trial costs by its length; TLS 1.3 may have changed keys in the gap.
 */
#include "tls/half.h"

enum {
    TRIALS_PER_GAP = 1 << 20, /* about a second at the dearest */
    TRIALS_PER_FLOW = 1 << 23,
    TRIALS_WITHOUT_GAP = 32, /* of a search where nothing was lost, but spoiled */
    /* TLS 1.3 key changes that one gap may hide: some, and one more for so many bytes of it. */
    GENERATIONS_MIN = 4,
    GENERATIONS_MAX = 64,
    GENERATION_BYTES = 16 * 1024,
    GENERATION_TRIALS = 16, /* what deriving keys costs */
    LIKELY_REACH = 64,
    BRIEF_REACH = 1
};

/*
 * Most losses are found at the first search or never: after a search in vain only the likeliest
 * numbers are tried, but for every time that the count of searches has doubled. So what a forger
 * spoils without hiding anything costs little more than it would have cost to open.
 */
static bool is_thorough(const struct pf_loss *l)
{
    return (l->searches & (l->searches - 1)) == 0;
}

/* What is known of the number of the record at h->framed, under the keys from before the gap. */
static struct pf_seq_search bounds(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t smallest = PF_RECORD_HEADER_LEN + (uint64_t)min_body;
    uint64_t mean = PF_RECORD_HEADER_LEN + (h->mean_body > 0 ? h->mean_body : max_body);
    uint64_t first = h->seq + l->cut;
    struct pf_seq_search s = {
        .lo = l->scanned || l->clear ? h->seq : first,
        .hi = first + l->rejected + l->area / smallest,
        .likely = first + l->rejected + l->area / mean,
        .gap_bytes = l->since_opened,
        .next_seq = h->seq,
        .hint_nonce = h->nonce_offset,
        .hint_known = h->nonce_known,
    };
    if (s.likely < s.lo || s.likely > s.hi) {
        s.likely = s.lo;
    }
    return s;
}

static struct pf_record record_of(const struct pf_half *h, const struct pf_frame *f)
{
    return (struct pf_record){
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
}

/* One search, within what is left of the budgets. */
static enum pf_status look(struct pf_conn *c, struct pf_half *h, const struct pf_keys *keys,
                           const struct pf_frame *f, struct pf_seq_search *s, uint64_t *seq)
{
    struct pf_loss *l = &h->loss;
    if (l->trials >= TRIALS_PER_GAP || h->trials >= TRIALS_PER_FLOW) {
        return PF_ERR_LIMIT;
    }
    uint32_t spent = 0;
    struct pf_record record = record_of(h, f);
    s->max_trials = l->cipher_bytes > 0 ? TRIALS_PER_GAP - l->trials : TRIALS_WITHOUT_GAP;
    void *inflate = h->chain.inflate;
    h->chain.inflate = NULL; /* whether its window is lost depends on what is found */
    enum pf_status st = pf_open_find_seq(c->env->crypt, keys, &h->chain, &record, s, seq, &spent);
    h->chain.inflate = inflate;
    l->trials += spent;
    h->trials += spent;
    bool brief = st == PF_ERR_LIMIT && l->cipher_bytes == 0;
    return st == PF_ERR_MALFORMED || brief ? PF_ERR_REJECTED : st;
}

/*
 * RC4 when the gap began in the clear: where the keystream begins is not known, so every length
 * that the sealed part of the gap can have is tried.
 */
static enum pf_status look_in_stream(struct pf_conn *c, struct pf_half *h, const struct pf_frame *f,
                                     uint64_t *seq)
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
        st = look(c, h, &h->keys, f, &s, seq);
    }
    return st;
}

/* A search for one of the records ahead: the numbers that are likely first, then all. */
struct plan {
    const struct pf_frame *frames;
    size_t tries[2]; /* which of them: the cheapest, then the first */
    struct pf_seq_search all;
    uint64_t likely_lo;
    uint64_t likely_hi;
    bool full;
    uint64_t seq; /* that was found, and of which record */
    size_t index;
};

/* Record `index` of those ahead, under the present keys. */
static enum pf_status look_now(struct pf_conn *c, struct pf_half *h, struct plan *p)
{
    enum pf_status st = PF_ERR_REJECTED;
    for (size_t i = 0; i < 2 && st == PF_ERR_REJECTED && (i == 0 || p->tries[0] != 0); i++) {
        p->index = p->tries[i];
        const struct pf_frame *f = &p->frames[p->index];
        if (h->loss.clear && h->chain.stream != NULL) {
            return look_in_stream(c, h, f, &p->seq);
        }
        struct pf_seq_search s = p->all;
        s.lo = (p->full ? s.lo : p->likely_lo) + p->index;
        s.hi = (p->full ? s.hi : p->likely_hi) + p->index;
        s.likely += p->index;
        s.gap_bytes += f->pos - p->frames[0].pos;
        st = look(c, h, &h->keys, f, &s, &p->seq);
    }
    return st;
}

/* Keys that may have come into force inside the gap. */
struct successor {
    struct pf_keys keys;
    struct pf_secret secret;
    enum pf_phase phase;
    unsigned rekeyed;
};

/* The records ahead, under keys whose numbers begin with 0 inside the gap. */
static enum pf_status look_fresh(struct pf_conn *c, struct pf_half *h, const struct pf_keys *keys,
                                 struct plan *p)
{
    enum pf_status st = PF_ERR_REJECTED;
    uint64_t range = (p->full ? p->all.hi : p->likely_hi) - h->seq;
    for (size_t i = 0; i < 2 && st == PF_ERR_REJECTED && (i == 0 || p->tries[0] != 0); i++) {
        p->index = p->tries[i];
        struct pf_seq_search s = {.lo = p->index, .hi = p->index + range, .likely = p->index};
        st = look(c, h, keys, &p->frames[p->index], &s, &p->seq);
    }
    return st;
}

static unsigned generations(const struct pf_loss *l)
{
    if (!is_thorough(l) || l->cipher_bytes == 0) {
        return 1;
    }
    uint64_t n = GENERATIONS_MIN + l->area / GENERATION_BYTES;
    return n < GENERATIONS_MAX ? (unsigned)n : GENERATIONS_MAX;
}

/* The same under the keys that may follow; on success they are in *next. */
static enum pf_status look_later(struct pf_conn *c, enum pf_dir dir, struct plan *p,
                                 struct successor *next)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_secret old_secret = h->secret;
    const enum pf_phase old_phase = h->phase;
    enum pf_status st = PF_ERR_REJECTED;
    for (unsigned g = 1; g <= generations(&h->loss) && st == PF_ERR_REJECTED; g++) {
        h->loss.trials += GENERATION_TRIALS;
        h->trials += GENERATION_TRIALS;
        if (pf_tls13_next_keys(c, dir, &next->secret, &next->keys, &next->phase) != PF_OK) {
            break;
        }
        next->rekeyed = g;
        h->secret = next->secret;
        h->phase = next->phase;
        st = look_fresh(c, h, &next->keys, p);
    }
    h->secret = old_secret;
    h->phase = old_phase;
    next->rekeyed = st == PF_OK ? next->rekeyed : 0;
    return st;
}

static enum pf_status adopt(struct pf_half *h, const struct successor *next, uint64_t first)
{
    pf_loss_settle(h, first, next->rekeyed, h->phase);
    h->secret = next->secret;
    h->phase = next->phase;
    enum pf_status st = pf_half_install(h, &next->keys, 0);
    h->seq = first;
    return st;
}

/* The cheapest record to try: the smallest, unless each needs the one before it. */
static size_t cheapest(const struct pf_half *h, const struct pf_frame *frames, size_t n)
{
    size_t best = 0;
    bool in_order =
        pf_chain_is_sequential(&h->chain) ||
        (h->keys.suite->bulk->mode == PF_MODE_CBC && h->keys.version <= PF_VERSION_TLS10);
    for (size_t i = 1; i < n && !in_order; i++) {
        best = frames[i].body_len < frames[best].body_len ? i : best;
    }
    return best;
}

static struct plan make_plan(const struct pf_half *h, const struct pf_frame *frames, size_t n)
{
    struct plan p = {.frames = frames, .tries = {cheapest(h, frames, n), 0}, .all = bounds(h)};
    uint64_t reach = p.all.likely - h->seq + LIKELY_REACH;
    reach = is_thorough(&h->loss) ? reach : BRIEF_REACH;
    p.likely_lo = p.all.likely - p.all.lo < reach ? p.all.lo : p.all.likely - reach;
    p.likely_hi = p.all.hi - p.all.likely < reach ? p.all.hi : p.all.likely + reach;
    return p;
}

enum pf_status pf_number_find(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *frames,
                              size_t n)
{
    struct pf_half *h = &c->half[dir];
    h->loss.searches++;
    struct plan p = make_plan(h, frames, n);
    struct successor next = {.rekeyed = 0};
    bool split = p.likely_lo > p.all.lo || p.likely_hi < p.all.hi;
    enum pf_status st = PF_ERR_REJECTED;
    bool thorough = is_thorough(&h->loss);
    for (int pass = split || !thorough ? 0 : 1; pass < (thorough ? 2 : 1) && st == PF_ERR_REJECTED;
         pass++) {
        p.full = pass == 1;
        st = look_now(c, h, &p);
        if (st == PF_ERR_REJECTED && h->keys.version == PF_VERSION_TLS13) {
            st = look_later(c, dir, &p, &next);
        }
    }
    if (st == PF_OK && next.rekeyed > 0) {
        st = adopt(h, &next, p.seq - p.index);
    } else if (st == PF_OK) {
        pf_loss_settle(h, p.seq - p.index, 0, h->phase);
        h->seq = p.seq - p.index;
    }
    pf_wipe(&next, sizeof next);
    return st;
}
