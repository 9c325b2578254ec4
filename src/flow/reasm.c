// SPDX-License-Identifier: Apache-2.0
#include "flow/reasm.h"

#include "flow/held.h"
#include "flow/others.h"

#include <string.h>

_Static_assert(sizeof(struct pf_reasm) <= 168, "100,000 flows have two each");

void pf_reasm_init(struct pf_reasm *r, struct pf_reasm_env *env)
{
    *r = (struct pf_reasm){.env = env};
}

static void release_lent(struct pf_reasm *r)
{
    if (r->lent != NULL) {
        pf_seg_release(r, r->lent);
        r->lent = NULL;
    }
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
            pf_seg_release(r, s);
        }
    }
    pf_others_fini(r);
    r->low = NULL;
    r->left = 0;
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

static void pkt_consume(struct pf_reasm *r, uint64_t n)
{
    r->pkt_off += n;
    r->left -= (uint32_t)n;
}

/* Drops the held bytes below next; only an anchor leaves some there. */
static void drop_below_next(struct pf_reasm *r)
{
    while (r->low != NULL && pf_seg_end(r->low) <= r->next) {
        pf_seg_release(r, pf_held_take_low(r));
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
    pf_others_keep_recent(r, r->pkt_off + cut);
    pkt_consume(r, cut);
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
    r->doubt = pkt->len > 0 ? pf_doubt_of(r, pkt, off) : 0;
    if (r->anchored) {
        drop_old_bytes(r);
    }
}

/* Skips the bytes of the packet that s has already. pkt_off lies in s. */
static void skip_overlap(struct pf_reasm *r, const struct pf_seg *s)
{
    uint64_t n = pf_seg_end(s) - r->pkt_off < r->left ? pf_seg_end(s) - r->pkt_off : r->left;
    if (memcmp(s->data + (r->pkt_off - s->off), pf_pkt_rest(r), n) != 0) {
        pf_others_keep(r, (uint32_t)n);
    }
    pkt_consume(r, n);
}

/* Stores what is left of the packet, around what is held. False: at a limit, the rest is left. */
static bool store_packet(struct pf_reasm *r)
{
    while (r->left > 0) {
        struct pf_seg *below;
        struct pf_seg *above;
        pf_held_neighbours(r, r->pkt_off, &below, &above);
        if (below != NULL && pf_seg_end(below) > r->pkt_off) {
            skip_overlap(r, below);
            continue;
        }
        uint64_t n = r->left < PF_SEG_MAX ? r->left : PF_SEG_MAX;
        if (above != NULL && above->off - r->pkt_off < n) {
            n = above->off - r->pkt_off;
        }
        struct pf_seg *s = pf_seg_new(r, (uint32_t)n);
        if (s == NULL) {
            return false;
        }
        pf_held_insert(r, s);
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
                               .data = pf_pkt_rest(r),
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
    struct pf_seg *s = pf_held_take_low(r);
    if (r->left > 0 && r->pkt_off < pf_seg_end(s)) {
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
    if ((pf_others_any(r) && pf_others_pop(r, piece)) || pop_packet(r, piece) ||
        pop_held(r, piece)) {
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
        uint64_t end = pf_seg_end(s);
        pf_held_neighbours(r, end, &below, &above);
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
