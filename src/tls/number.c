// SPDX-License-Identifier: Apache-2.0
/*
 * Which sequence number the records behind a gap have. The search runs on one of the records ahead,
 * the smallest, because a trial costs by its length; TLS 1.3 may have changed keys in the gap.
 */
#include "tls/half.h"

enum {
    TRIALS_PER_GAP = 1 << 20, /* about a second at the dearest */
    TRIALS_PER_FLOW = 1 << 23,
    TRIALS_WITHOUT_GAP =
        32, /* of a search where nothing was lost, but spoiled; of large records 4 */
    /* What may be spent, in trials of a small record. Of a direction so many, and one more for so
     * many bytes of it; for a gap so many for a byte of what was captured behind it. So searching
     * costs more than opening only where there is something to be found. */
    FUND_FREE = 4096,
    FUND_BYTES = 128,
    FUND_AHEAD = 16,
    FUND_AHEAD_MAX = 1 << 17,
    FUND_UNPLACED = 1 << 17, /* RC4 behind a gap in the handshake: two numbers are searched */
    TRIAL_BYTES = 1024,      /* a trial costs one more for so many bytes of the record, */
    KEYSTREAM_BYTES = 256,   /* and RC4's search for so many bytes of keystream */
    /* TLS 1.3 key changes that one gap may hide: some, and one more for so many bytes of it. */
    GENERATIONS_MIN = 4,
    GENERATIONS_MAX = 64,
    GENERATION_BYTES = 16 * 1024,
    GENERATION_TRIALS = 16, /* what deriving keys costs */
    ENOUGH = 8,             /* records for a mean */
    SCALE = 1 << 20,
    NEAR_REACH = 32,
    NEAR_SHARE = 128, /* and a further one for so many */
    FEW_REACH = 1024,
    LIKELY_REACH = 64,
    BRIEF_REACH = 1,
    WINDOWS = 5
};

/* RC4, and where its keystream begins is not known. */
static bool is_unplaced(const struct pf_half *h)
{
    return h->loss.clear && h->chain.stream != NULL;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What the present gap can still pay for. */
static uint64_t gap_fund(const struct pf_half *h)
{
    uint64_t ahead = (pf_stream_end(&h->in) - h->framed) * FUND_AHEAD;
    return less(ahead < FUND_AHEAD_MAX ? ahead : FUND_AHEAD_MAX, h->loss.cost);
}

static uint64_t fund_left(const struct pf_half *h)
{
    uint64_t fund = FUND_FREE + pf_stream_end(&h->in) / FUND_BYTES;
    return less(fund + (is_unplaced(h) ? FUND_UNPLACED : 0), h->search_cost) + gap_fund(h);
}

/* First from what the gap brings, then from what the direction has. */
static void pay(struct pf_half *h, uint64_t cost)
{
    uint64_t gap = gap_fund(h);
    h->loss.cost += cost < gap ? cost : gap;
    h->search_cost += less(cost, gap);
}

/*
 * Most losses are found at the first search or never: after a search in vain only the likeliest
 * numbers are tried, but for every time that the count of searches has doubled. So what a forger
 * spoils without hiding anything costs little more than it would have cost to open. A search that
 * ended for want of trials is made again when there are twice as many, or at the end.
 */
static bool is_thorough(const struct pf_conn *c, const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    return l->poor ? c->final || fund_left(h) >= l->fund_wanted
                   : (l->searches & (l->searches - 1)) == 0;
}

/* How many records so many bytes are, if they are as long as those under these keys were, or the
 * last few. */
static uint64_t usual_count(const struct pf_half *h, uint64_t area, unsigned max_body)
{
    const struct pf_loss *l = &h->loss;
    uint64_t records = less(h->seq, h->keyed_seq);
    uint64_t bytes = less(h->framed - h->keyed + h->keyed_lost + l->cipher_bytes, l->since_opened);
    for (; records > SCALE; records /= 2) {
        bytes /= 2;
    }
    if (records >= ENOUGH && bytes / records > PF_RECORD_HEADER_LEN) {
        return area < (uint64_t)1 << 40 ? area * records / bytes : area / (bytes / records);
    }
    return area / (PF_RECORD_HEADER_LEN + (h->mean_body > 0 ? h->mean_body : max_body));
}

/* What is known of the number of the record at h->framed, under the keys from before the gap. */
static struct pf_seq_search bounds(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t smallest = PF_RECORD_HEADER_LEN + (uint64_t)min_body;
    uint64_t first = h->seq + l->cut;
    /* Where nothing was lost, a record's header was spoiled. */
    uint64_t inside = l->cipher_bytes > 0 ? usual_count(h, l->area, max_body) : l->area > 0;
    struct pf_seq_search s = {
        .lo = l->scanned || l->clear ? h->seq : first,
        .hi = first + l->rejected + l->area / smallest,
        .likely = first + l->rejected + inside,
        .gap_bytes = l->since_opened,
        .next_seq = h->seq,
        .hint_nonce = h->nonce_offset,
        .hint_known = h->nonce_known,
    };
    if (l->rejected > 0 && s.hi < h->seq + l->since_opened / smallest) {
        s.hi = h->seq + l->since_opened / smallest; /* their lengths may not be true */
    }
    if (s.likely < s.lo || s.likely > s.hi) {
        s.likely = s.lo;
    }
    return s;
}

/* The number if all records that may have been lost were as long as they can be. */
static uint64_t fewest(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t largest = PF_RECORD_HEADER_LEN + (uint64_t)max_body;
    return h->seq + l->cut + l->rejected + (l->area + largest - 1) / largest;
}

static struct pf_record record_of(const struct pf_half *h, const struct pf_frame *f)
{
    return (struct pf_record){
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
}

/* What a trial costs, and *once, what the search costs before the first. */
static uint64_t price(const struct pf_half *h, const struct pf_frame *f,
                      const struct pf_seq_search *s, uint64_t *once)
{
    *once = h->chain.stream != NULL ? s->gap_bytes / KEYSTREAM_BYTES : 0;
    return 1 + f->body_len / TRIAL_BYTES;
}

/* One search, within what is left of the budgets. */
static enum pf_status look(struct pf_conn *c, struct pf_half *h, const struct pf_keys *keys,
                           const struct pf_frame *f, struct pf_seq_search *s, uint64_t *seq)
{
    struct pf_loss *l = &h->loss;
    if (l->trials >= TRIALS_PER_GAP || h->trials >= TRIALS_PER_FLOW) {
        return PF_ERR_LIMIT;
    }
    uint64_t once;
    uint64_t each = price(h, f, s, &once);
    uint64_t fund = fund_left(h);
    uint64_t affordable = fund > once ? (fund - once) / each : 0;
    if (affordable == 0) {
        l->poor = true;
        return PF_ERR_REJECTED;
    }
    uint32_t few = each < TRIALS_WITHOUT_GAP / 4 ? TRIALS_WITHOUT_GAP / (uint32_t)each : 4;
    uint32_t most = l->cipher_bytes > 0 ? TRIALS_PER_GAP - l->trials : few;
    bool poor = affordable < most;
    s->max_trials = poor ? (uint32_t)affordable : most;
    uint32_t spent = 0;
    struct pf_record record = record_of(h, f);
    void *inflate = h->chain.inflate;
    h->chain.inflate = NULL; /* whether its window is lost depends on what is found */
    enum pf_status st = pf_open_find_seq(c->env->crypt, keys, &h->chain, &record, s, seq, &spent);
    h->chain.inflate = inflate;
    l->trials += spent;
    h->trials += spent;
    pay(h, once + spent * each);
    l->poor |= poor && st == PF_ERR_LIMIT;
    bool brief = st == PF_ERR_LIMIT && (poor || l->cipher_bytes == 0);
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
    for (uint64_t sealed = 0;
         sealed <= h->loss.since_opened && st == PF_ERR_REJECTED && !h->loss.poor; sealed++) {
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

/* Numbers of the record at h->framed: not further than reach from this one. */
struct window {
    uint64_t at;
    uint64_t reach;
    uint64_t fresh; /* and under keys that came into force in the gap: up to this one, */
    bool brief;     /* the next of them only */
};

/* A search for one of the records ahead. */
struct plan {
    const struct pf_frame *frames;
    size_t tries[2]; /* which of them: the cheapest, then the first */
    struct pf_seq_search all;
    struct window window[WINDOWS]; /* of numbers, one after the other; */
    size_t windows;
    uint64_t lo; /* that of now */
    uint64_t hi;
    uint64_t at;
    uint64_t fresh;
    bool brief;
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
        if (is_unplaced(h)) {
            return look_in_stream(c, h, f, &p->seq);
        }
        struct pf_seq_search s = p->all;
        s.lo = p->lo + p->index;
        s.hi = p->hi + p->index;
        s.likely = p->at + p->index;
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

/* The records ahead, under keys whose numbers begin with 0 inside the gap; first: none of the lost
 * ones need have been under the old keys. */
static enum pf_status look_fresh(struct pf_conn *c, struct pf_half *h, const struct pf_keys *keys,
                                 struct plan *p, bool first)
{
    enum pf_status st = PF_ERR_REJECTED;
    uint64_t lo = first ? p->lo - p->all.lo : 0;
    uint64_t hi = first ? p->hi - h->seq : p->fresh;
    for (size_t i = 0; i < 2 && st == PF_ERR_REJECTED && (i == 0 || p->tries[0] != 0); i++) {
        p->index = p->tries[i];
        struct pf_seq_search s = {.lo = lo + p->index,
                                  .hi = hi + p->index,
                                  .likely = (first ? p->at - p->all.lo : 0) + p->index};
        st = look(c, h, keys, &p->frames[p->index], &s, &p->seq);
    }
    return st;
}

static unsigned generations(const struct pf_loss *l, const struct plan *p)
{
    if (p->brief || l->cipher_bytes == 0) {
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
    for (unsigned g = 1; g <= generations(&h->loss, p) && st == PF_ERR_REJECTED; g++) {
        h->loss.trials += GENERATION_TRIALS;
        h->trials += GENERATION_TRIALS;
        pay(h, GENERATION_TRIALS);
        if (pf_tls13_next_keys(c, dir, &next->secret, &next->keys, &next->phase) != PF_OK) {
            break;
        }
        next->rekeyed = g;
        h->secret = next->secret;
        h->phase = next->phase;
        st = look_fresh(c, h, &next->keys, p, g == 1);
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
    h->keyed_seq = first;
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

/* The likely numbers first, then all. What is solved, or walked through, is so
 * once. */
static struct plan make_plan(const struct pf_half *h, const struct pf_frame *frames, size_t n,
                             bool thorough)
{
    struct plan p = {.frames = frames, .tries = {cheapest(h, frames, n), 0}, .all = bounds(h)};
    uint64_t likely = p.all.likely;
    uint64_t range = p.all.hi - p.all.lo;
    uint64_t twice = likely - h->seq + LIKELY_REACH;
    if (!thorough) {
        p.window[p.windows++] = (struct window){likely, BRIEF_REACH, BRIEF_REACH, true};
        return p;
    }
    bool at_once = h->keys.suite->bulk->mode == PF_MODE_GCM || is_unplaced(h);
    if (range > 2 * LIKELY_REACH && !at_once) {
        uint64_t few = fewest(h);
        uint64_t near = NEAR_REACH + (likely - h->seq) / NEAR_SHARE;
        uint64_t below = few - h->seq < FEW_REACH ? few - h->seq : FEW_REACH;
        p.window[p.windows++] = (struct window){likely, near, NEAR_REACH, true};
        p.window[p.windows++] = (struct window){few, below + NEAR_REACH, NEAR_REACH, true};
        p.window[p.windows++] = (struct window){likely, BRIEF_REACH, NEAR_REACH, false};
        p.window[p.windows++] = (struct window){likely, twice, NEAR_REACH, true};
    }
    p.window[p.windows++] = (struct window){likely, range, p.all.hi - h->seq, false};
    return p;
}

/* False: nothing of the window can be. */
static bool open_window(struct plan *p, const struct window *w)
{
    p->at = w->at;
    p->fresh = w->fresh;
    p->brief = w->brief;
    p->lo = w->at > p->all.lo + w->reach ? w->at - w->reach : p->all.lo;
    p->hi = p->all.hi > w->at + w->reach ? w->at + w->reach : p->all.hi;
    return p->lo <= p->hi;
}

enum pf_status pf_number_find(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *frames,
                              size_t n)
{
    struct pf_half *h = &c->half[dir];
    h->loss.searches++;
    bool thorough = is_thorough(c, h);
    uint64_t fund = fund_left(h);
    struct plan p = make_plan(h, frames, n, thorough);
    struct successor next = {.rekeyed = 0};
    enum pf_status st = PF_ERR_REJECTED;
    h->loss.poor = h->loss.poor && !thorough;
    for (size_t i = 0; i < p.windows && st == PF_ERR_REJECTED; i++) {
        if (open_window(&p, &p.window[i])) {
            st = look_now(c, h, &p);
        }
        if (st == PF_ERR_REJECTED && h->keys.version == PF_VERSION_TLS13) {
            st = look_later(c, dir, &p, &next);
        }
    }
    h->loss.fund_wanted = thorough && h->loss.poor ? 2 * fund : h->loss.fund_wanted;
    if (st == PF_OK && next.rekeyed > 0) {
        st = adopt(h, &next, p.seq - p.index);
    } else if (st == PF_OK) {
        pf_loss_settle(h, p.seq - p.index, 0, h->phase);
        h->seq = p.seq - p.index;
    }
    pf_wipe(&next, sizeof next);
    return st;
}
