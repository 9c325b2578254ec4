// SPDX-License-Identifier: Apache-2.0
#include "flow/reasm.h"

#include <string.h>

/*
 * The tree is a splay tree: amortised O(log n) whatever the input, O(1) per segment for the orders
 * that are common (ascending, descending, interleaved), and nothing to keep balanced by hand.
 */
struct pf_seg {
    struct pf_seg *left;
    struct pf_seg *right;
    uint64_t off;
    uint64_t packet;
    int64_t ts_ns;
    uint32_t len;
    uint16_t block; /* size class */
    uint8_t doubt;
    uint8_t data[];
};

/* Blocks with their header: small ones, 1460 bytes, jumbo frames; larger packets are split. */
static const uint32_t block_size[PF_REASM_CLASSES] = {128, 512, 1536, 9216};

enum { SLAB_TARGET = 64 * 1024 - 1024, SMALL = 16 };

static const uint32_t max_data = 9216 - sizeof(struct pf_seg);

_Static_assert(sizeof(struct pf_reasm) <= 168, "100,000 flows have two each");

void pf_reasm_env_init(struct pf_reasm_env *env, struct pf_budget *budget, uint32_t max_held)
{
    env->max_held = max_held;
    env->steps = 0;
    for (size_t i = 0; i < PF_REASM_CLASSES; i++) {
        pf_pool_init(&env->blocks[i], block_size[i], SLAB_TARGET / block_size[i], budget);
    }
}

void pf_reasm_env_fini(struct pf_reasm_env *env)
{
    for (size_t i = 0; i < PF_REASM_CLASSES; i++) {
        pf_pool_fini(&env->blocks[i]);
    }
}

void pf_reasm_init(struct pf_reasm *r, struct pf_reasm_env *env)
{
    *r = (struct pf_reasm){.env = env};
}

static uint64_t seg_end(const struct pf_seg *s)
{
    return s->off + s->len;
}

/*
 * Top-down splay (Sleator and Tarjan 1985): the node at off, or else one of its two neighbours,
 * becomes the root.
 */
static struct pf_seg *splay(struct pf_seg *t, uint64_t off, uint64_t *steps)
{
    struct pf_seg *less = NULL;
    struct pf_seg *more = NULL;
    struct pf_seg **less_end = &less;
    struct pf_seg **more_end = &more;
    if (t == NULL) {
        return NULL;
    }
    while (off != t->off) {
        bool down_left = off < t->off;
        struct pf_seg *c = down_left ? t->left : t->right;
        ++*steps;
        if (c == NULL) {
            break;
        }
        if (down_left && off < c->off) {
            t->left = c->right;
            c->right = t;
            t = c;
        } else if (!down_left && off > c->off) {
            t->right = c->left;
            c->left = t;
            t = c;
        }
        c = down_left ? t->left : t->right;
        if (c == NULL) {
            break;
        }
        if (down_left) {
            *more_end = t;
            more_end = &t->left;
        } else {
            *less_end = t;
            less_end = &t->right;
        }
        t = c;
    }
    *less_end = t->left;
    *more_end = t->right;
    t->left = less;
    t->right = more;
    return t;
}

/* The held segments at or below and above off; both come next to the root. */
static void neighbours(struct pf_reasm *r, uint64_t off, struct pf_seg **below,
                       struct pf_seg **above)
{
    struct pf_seg *root = splay(r->root, off, &r->env->steps);
    r->root = root;
    *below = NULL;
    *above = NULL;
    if (root == NULL) {
        return;
    }
    if (root->off <= off) {
        root->right = splay(root->right, off, &r->env->steps);
        *below = root;
        *above = root->right;
    } else {
        root->left = splay(root->left, off, &r->env->steps);
        *below = root->left;
        *above = root;
    }
}

/* Puts s at the root; neighbours(r, s->off) was called just before. */
static void insert(struct pf_reasm *r, struct pf_seg *s)
{
    struct pf_seg *root = r->root;
    s->left = NULL;
    s->right = NULL;
    if (root != NULL && root->off < s->off) {
        s->left = root;
        s->right = root->right;
        root->right = NULL;
    } else if (root != NULL) {
        s->right = root;
        s->left = root->left;
        root->left = NULL;
    }
    r->root = s;
    r->segs++;
    if (r->low == NULL || s->off < r->low->off) {
        r->low = s;
    }
}

static struct pf_seg *take_low(struct pf_reasm *r)
{
    struct pf_seg *s = splay(r->root, r->low->off, &r->env->steps);
    r->root = splay(s->right, 0, &r->env->steps);
    r->low = r->root;
    r->segs--;
    return s;
}

static void release(struct pf_reasm *r, struct pf_seg *s)
{
    r->held -= block_size[s->block];
    pf_pool_put(&r->env->blocks[s->block], s);
}

static void release_lent(struct pf_reasm *r)
{
    if (r->lent != NULL) {
        release(r, r->lent);
        r->lent = NULL;
    }
}

/* Out of the list of copies that wait; at: the pointer to it. */
static struct pf_seg *take_other(struct pf_reasm *r, struct pf_seg **at)
{
    struct pf_seg *s = *at;
    *at = s->right;
    r->other_segs--;
    r->other_held -= block_size[s->block];
    return s;
}

void pf_reasm_fini(struct pf_reasm *r)
{
    release_lent(r);
    while (r->root != NULL) {
        struct pf_seg *s = r->root;
        if (s->left != NULL) { /* turn right, so that no stack is needed */
            r->root = s->left;
            s->left = r->root->right;
            r->root->right = s;
        } else {
            r->root = s->right;
            r->segs--;
            release(r, s);
        }
    }
    while (r->others != NULL) {
        release(r, take_other(r, &r->others));
    }
    r->low = NULL;
    r->left = 0;
    r->old_len = 0;
}

/* The place nearest to next whose low half is seq. */
static uint64_t place_of(const struct pf_reasm *r, uint32_t seq)
{
    return r->next + (uint64_t)(int64_t)(int32_t)(seq - (uint32_t)r->next);
}

/* The first number seen starts at 2^32: 2^31 below it is still above 0. */
static void start(struct pf_reasm *r, uint32_t seq)
{
    if (!r->started) {
        r->next = ((uint64_t)1 << 32) + seq;
        r->started = true;
    }
}

static const uint8_t *pkt_data(const struct pf_reasm *r)
{
    return r->pkt->data + (r->pkt->len - r->left);
}

static void pkt_consume(struct pf_reasm *r, uint64_t n)
{
    r->pkt_off += n;
    r->left -= (uint32_t)n;
}

/* Drops the held bytes below next; only an anchor leaves some there. */
static void drop_below_next(struct pf_reasm *r)
{
    while (r->low != NULL && seg_end(r->low) <= r->next) {
        release(r, take_low(r));
    }
    if (r->low != NULL && r->low->off < r->next) {
        uint32_t cut = (uint32_t)(r->next - r->low->off);
        r->low->off += cut; /* still the lowest: the order does not change */
        r->low->len -= cut;
        memmove(r->low->data, r->low->data + cut, r->low->len);
    }
}

void pf_reasm_anchor(struct pf_reasm *r, uint32_t seq)
{
    if (r->anchored) {
        return;
    }
    release_lent(r);
    start(r, seq);
    r->next = place_of(r, seq);
    r->origin = r->next;
    r->anchored = true;
    drop_below_next(r);
}

/* Too far ahead to be believed, and not the continuation of another that was. */
static bool is_wild(struct pf_reasm *r, const struct pf_pkt *pkt, uint32_t seq, uint64_t off)
{
    if (!r->anchored || off < r->next || off - r->next <= PF_REASM_WILD) {
        return false;
    }
    bool confirmed = r->wild > 0 && seq == r->wild_seq;
    r->wild_seq = seq + pkt->len + pkt->missing;
    if (!confirmed) {
        r->wild++;
    }
    return !confirmed;
}

static void note_end(struct pf_reasm *r, const struct pf_pkt *pkt, uint64_t off)
{
    uint64_t end = off + pkt->len + pkt->missing;
    if ((pkt->flags & PF_TCP_FIN) != 0 || (pkt->missing > 0 && end > r->end)) {
        r->end = end; /* of several FINs the last one counts */
    }
}

/* The bytes of the packet up to `end`, delivered before, are handed on once more, as far as they
 * are recent and behind the last gap. */
static void keep_recent(struct pf_reasm *r, uint64_t end)
{
    uint64_t from = r->pkt_off;
    uint64_t gap_end = r->gap_off + r->gap_len;
    uint64_t recent = r->next - r->origin > PF_REASM_RECENT ? r->next - PF_REASM_RECENT : r->origin;
    from = from > gap_end ? from : gap_end;
    from = from > recent ? from : recent;
    r->old_off = from;
    r->old_len = end > from ? (uint32_t)(end - from) : 0;
}

static void drop_old_bytes(struct pf_reasm *r)
{
    if (r->pkt_off >= r->next) {
        return;
    }
    uint64_t cut = r->next - r->pkt_off < r->left ? r->next - r->pkt_off : r->left;
    uint64_t from = r->pkt_off > r->gap_off ? r->pkt_off : r->gap_off;
    uint64_t gap_end = r->gap_off + r->gap_len;
    uint64_t to = r->pkt_off + cut < gap_end ? r->pkt_off + cut : gap_end;
    if (to > from) {
        r->late_bytes += to - from;
    }
    keep_recent(r, r->pkt_off + cut);
    pkt_consume(r, cut);
}

/* Majority vote with one counter (Boyer and Moore 1981). */
static bool agrees(uint8_t *choice, uint8_t *votes, uint8_t vote)
{
    if (*votes == 0) {
        *choice = vote;
    }
    if (*choice == vote) {
        *votes = (uint8_t)(*votes + (*votes < UINT8_MAX ? 1 : 0));
        return true;
    }
    --*votes;
    return false;
}

static uint8_t doubt_of(struct pf_reasm *r, const struct pf_pkt *pkt, uint64_t off)
{
    unsigned doubt = (pkt->hints & PF_HINT_BAD_IP_SUM) != 0 ? PF_DOUBT_IP_SUM : 0;
    doubt |= agrees(&r->ttl, &r->ttl_votes, pkt->ttl) ? 0U : PF_DOUBT_TTL;
    uint8_t tsopt = pkt->hints & PF_HINT_HAS_TSOPT;
    doubt |= agrees(&r->tsopt, &r->tsopt_votes, tsopt) ? 0U : PF_DOUBT_TIMESTAMP;
    uint32_t len = pkt->len < UINT16_MAX ? pkt->len : UINT16_MAX;
    r->longest = len > r->longest ? (uint16_t)len : r->longest;
    doubt |= len * SMALL < r->longest ? PF_DOUBT_SIZE : 0U;
    bool probe = pkt->len == 1 && off + 1 == r->next; /* RFC 1122 section 4.2.3.6 */
    return (uint8_t)(doubt | (probe ? PF_DOUBT_PROBE : 0U));
}

void pf_reasm_push(struct pf_reasm *r, const struct pf_pkt *pkt)
{
    release_lent(r);
    bool syn = (pkt->flags & PF_TCP_SYN) != 0;
    uint32_t seq = pkt->seq + (syn ? 1 : 0);
    if (syn) {
        pf_reasm_anchor(r, seq);
    }
    start(r, seq);
    r->pkt = pkt;
    r->left = 0;
    r->old_len = 0;
    uint64_t off = place_of(r, seq);
    if (is_wild(r, pkt, seq, off)) {
        return;
    }
    note_end(r, pkt, off);
    r->pkt_off = off;
    r->left = pkt->len;
    r->doubt = pkt->len > 0 ? doubt_of(r, pkt, off) : 0;
    if (r->anchored) {
        drop_old_bytes(r);
    }
}

/* A copy of the next n bytes of the packet; n <= max_data. NULL: at a limit. */
static struct pf_seg *copy_out(struct pf_reasm *r, uint32_t n)
{
    uint16_t block = 0;
    while (block_size[block] - sizeof(struct pf_seg) < n) {
        block++;
    }
    void *object;
    if (block_size[block] > r->env->max_held - r->held ||
        pf_pool_get(&r->env->blocks[block], &object) != PF_OK) {
        return NULL;
    }
    struct pf_seg *s = object;
    s->off = r->pkt_off;
    s->packet = r->pkt->number;
    s->ts_ns = r->pkt->ts_ns;
    s->len = n;
    s->block = block;
    s->doubt = r->doubt;
    memcpy(s->data, pkt_data(r), n);
    r->held += block_size[block];
    return s;
}

/* The next n bytes of the packet differ from what is held: kept until that was delivered. */
static void keep_other(struct pf_reasm *r, uint32_t n)
{
    r->conflicts++;
    bool room = r->other_segs < PF_REASM_OTHERS && r->other_held < PF_REASM_OTHER_BYTES;
    struct pf_seg *s = room ? copy_out(r, n) : NULL;
    if (s == NULL) {
        r->forgotten++;
        return;
    }
    struct pf_seg **last = &r->others;
    while (*last != NULL) {
        last = &(*last)->right;
    }
    s->right = NULL;
    *last = s;
    r->other_segs++;
    r->other_held += block_size[s->block];
}

/* Skips the bytes of the packet that s has already. pkt_off lies in s. */
static void skip_overlap(struct pf_reasm *r, const struct pf_seg *s)
{
    uint64_t n = seg_end(s) - r->pkt_off < r->left ? seg_end(s) - r->pkt_off : r->left;
    if (memcmp(s->data + (r->pkt_off - s->off), pkt_data(r), n) != 0) {
        keep_other(r, (uint32_t)n);
    }
    pkt_consume(r, n);
}

/* Stores what is left of the packet, around what is held. False: at a limit, the rest is left. */
static bool store_packet(struct pf_reasm *r)
{
    while (r->left > 0) {
        struct pf_seg *below;
        struct pf_seg *above;
        neighbours(r, r->pkt_off, &below, &above);
        if (below != NULL && seg_end(below) > r->pkt_off) {
            skip_overlap(r, below);
            continue;
        }
        uint64_t n = r->left < max_data ? r->left : max_data;
        if (above != NULL && above->off - r->pkt_off < n) {
            n = above->off - r->pkt_off;
        }
        struct pf_seg *s = copy_out(r, (uint32_t)n);
        if (s == NULL) {
            return false;
        }
        insert(r, s);
        pkt_consume(r, n);
    }
    return true;
}

/* What is next of the packet itself, as far as nothing held comes before. */
static bool pop_packet(struct pf_reasm *r, struct pf_piece *piece)
{
    if (r->left == 0 || r->pkt_off != r->next) {
        return false;
    }
    uint64_t n = r->left;
    if (r->low != NULL && r->low->off - r->next < n) {
        n = r->low->off - r->next;
    }
    if (n == 0) {
        return false;
    }
    *piece = (struct pf_piece){.kind = PF_PIECE_DATA,
                               .off = r->next - r->origin,
                               .data = pkt_data(r),
                               .len = n,
                               .packet = r->pkt->number,
                               .ts_ns = r->pkt->ts_ns,
                               .doubt = r->doubt};
    pkt_consume(r, n);
    r->next += n;
    return true;
}

static bool pop_held(struct pf_reasm *r, struct pf_piece *piece)
{
    if (r->low == NULL || r->low->off != r->next) {
        return false;
    }
    struct pf_seg *s = take_low(r);
    if (r->left > 0 && r->pkt_off < seg_end(s)) {
        skip_overlap(r, s);
    }
    *piece = (struct pf_piece){.kind = PF_PIECE_DATA,
                               .off = r->next - r->origin,
                               .data = s->data,
                               .len = s->len,
                               .packet = s->packet,
                               .ts_ns = s->ts_ns,
                               .doubt = s->doubt};
    r->next += s->len;
    r->lent = s;
    return true;
}

static bool pop_old(struct pf_reasm *r, struct pf_piece *piece)
{
    if (r->old_len == 0) {
        return false;
    }
    const uint8_t *data = pkt_data(r) - (r->pkt_off - r->old_off);
    *piece = (struct pf_piece){.kind = PF_PIECE_OTHER,
                               .off = r->old_off - r->origin,
                               .data = data,
                               .len = r->old_len,
                               .packet = r->pkt->number,
                               .ts_ns = r->pkt->ts_ns,
                               .behind = r->next - r->old_off,
                               .doubt = r->doubt};
    r->old_len = 0;
    return true;
}

/* Only an anchor leaves bytes of a copy below the origin. False: nothing else is left of it. */
static bool cut_to_origin(const struct pf_reasm *r, struct pf_seg *s)
{
    if (s->off < r->origin && seg_end(s) > r->origin) {
        uint32_t cut = (uint32_t)(r->origin - s->off);
        s->off += cut;
        s->len -= cut;
        memmove(s->data, s->data + cut, s->len);
    }
    return s->off >= r->origin;
}

/* A copy that waited and whose bytes were all delivered. */
static bool pop_other(struct pf_reasm *r, struct pf_piece *piece)
{
    struct pf_seg **at = &r->others;
    while (*at != NULL) {
        if (!cut_to_origin(r, *at)) {
            release(r, take_other(r, at));
        } else if (seg_end(*at) > r->next) {
            at = &(*at)->right;
        } else {
            break;
        }
    }
    if (*at == NULL) {
        return false;
    }
    struct pf_seg *s = take_other(r, at);
    *piece = (struct pf_piece){.kind = PF_PIECE_OTHER,
                               .off = s->off - r->origin,
                               .data = s->data,
                               .len = s->len,
                               .packet = s->packet,
                               .ts_ns = s->ts_ns,
                               .behind = r->next - s->off,
                               .doubt = s->doubt};
    r->lent = s;
    return true;
}

/* Gives up the lowest hole, where something is known to be behind it. */
static bool pop_gap(struct pf_reasm *r, struct pf_piece *piece)
{
    uint64_t to = r->end;
    *piece = (struct pf_piece){.kind = PF_PIECE_GAP, .off = r->next - r->origin};
    if (r->low != NULL) {
        to = r->low->off;
        piece->packet = r->low->packet;
        piece->ts_ns = r->low->ts_ns;
    }
    if (r->left > 0 && (r->low == NULL || r->pkt_off < to)) {
        to = r->pkt_off;
        piece->packet = r->pkt->number;
        piece->ts_ns = r->pkt->ts_ns;
    }
    if (to <= r->next) {
        return false;
    }
    piece->len = to - r->next;
    r->gap_off = r->next;
    r->gap_len = piece->len < UINT32_MAX ? (uint32_t)piece->len : UINT32_MAX;
    r->next = to;
    return true;
}

bool pf_reasm_unanchored_full(const struct pf_reasm *r)
{
    return !r->anchored && (r->segs >= PF_REASM_HOLD_SEGS || r->held >= PF_REASM_HOLD_BYTES);
}

/* Before the anchor: stores the packet, or anchors at the lowest byte when that cannot go on. */
static bool still_unanchored(struct pf_reasm *r)
{
    if (!r->flushing && !pf_reasm_unanchored_full(r) && store_packet(r)) {
        return true;
    }
    if (r->low == NULL && r->left == 0) {
        return true;
    }
    uint64_t lowest =
        r->low == NULL || (r->left > 0 && r->pkt_off < r->low->off) ? r->pkt_off : r->low->off;
    pf_reasm_anchor(r, (uint32_t)lowest);
    return false;
}

bool pf_reasm_pop(struct pf_reasm *r, struct pf_piece *piece)
{
    release_lent(r);
    if (!r->anchored && still_unanchored(r)) {
        return false;
    }
    if (pop_old(r, piece) || pop_other(r, piece) || pop_packet(r, piece) || pop_held(r, piece)) {
        return true;
    }
    if (r->flushing || r->skipping) {
        r->skipping = false;
        return pop_gap(r, piece);
    }
    if (store_packet(r)) {
        return false;
    }
    r->limited = true;
    return pop_gap(r, piece);
}

bool pf_reasm_peek_lowest(const struct pf_reasm *r, uint32_t *seq, struct pf_span *span)
{
    if (r->low == NULL) {
        return false;
    }
    *seq = (uint32_t)r->low->off;
    *span = (struct pf_span){.ptr = r->low->data, .len = r->low->len};
    return true;
}

size_t pf_reasm_peek_prefix(struct pf_reasm *r, uint8_t *dst, size_t cap)
{
    size_t len = 0;
    const struct pf_seg *s = r->low;
    while (s != NULL && len < cap) {
        size_t n = s->len < cap - len ? s->len : cap - len;
        memcpy(dst + len, s->data, n);
        len += n;
        struct pf_seg *below;
        struct pf_seg *above;
        uint64_t end = seg_end(s);
        neighbours(r, end, &below, &above);
        s = below != NULL && below->off == end ? below : NULL;
    }
    return len;
}

bool pf_reasm_is_complete(const struct pf_reasm *r)
{
    return r->anchored && r->segs == 0 && r->left == 0 && r->end != 0 && r->next == r->end;
}

void pf_reasm_skip(struct pf_reasm *r)
{
    r->skipping = true;
}

void pf_reasm_flush(struct pf_reasm *r)
{
    release_lent(r);
    r->flushing = true;
}
