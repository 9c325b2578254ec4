// SPDX-License-Identifier: Apache-2.0
#include "flow/others.h"

#include "flow/held.h"

#include <string.h>

enum { SMALL = 16 }; /* times smaller than others: doubted */

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

uint8_t pf_doubt_of(struct pf_reasm *r, const struct pf_pkt *pkt, uint64_t off)
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

void pf_others_keep_recent(struct pf_reasm *r, uint64_t end)
{
    uint64_t from = r->pkt_off;
    uint64_t gap_end = r->gap_off + r->gap_len;
    uint64_t recent = r->next - r->origin > PF_REASM_RECENT ? r->next - PF_REASM_RECENT : r->origin;
    from = from > gap_end ? from : gap_end;
    from = from > recent ? from : recent;
    r->old_off = from;
    r->old_len = end > from ? (uint32_t)(end - from) : 0;
}

/* ---- copies that wait ---- */

/* Out of the list of copies that wait; at: the pointer to it. */
static struct pf_seg *take_other(struct pf_reasm *r, struct pf_seg **at)
{
    struct pf_seg *s = *at;
    *at = s->right;
    r->other_segs--;
    r->other_held -= pf_seg_cost(s);
    return s;
}

void pf_others_keep(struct pf_reasm *r, uint32_t n)
{
    r->conflicts++;
    bool room = r->other_segs < PF_REASM_OTHERS && r->other_held < PF_REASM_OTHER_BYTES;
    struct pf_seg *s = room ? pf_seg_new(r, n) : NULL;
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
    r->other_held += pf_seg_cost(s);
}

static bool pop_old(struct pf_reasm *r, struct pf_piece *piece)
{
    if (r->old_len == 0) {
        return false;
    }
    const uint8_t *data = pf_pkt_rest(r) - (r->pkt_off - r->old_off);
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
    if (s->off < r->origin && pf_seg_end(s) > r->origin) {
        uint32_t cut = (uint32_t)(r->origin - s->off);
        s->off += cut;
        s->len -= cut;
        memmove(s->data, s->data + cut, s->len);
    }
    return s->off >= r->origin;
}

/* A copy that waited, and whose bytes were all delivered. */
static bool pop_waiting(struct pf_reasm *r, struct pf_piece *piece)
{
    struct pf_seg **at = &r->others;
    while (*at != NULL) {
        if (!cut_to_origin(r, *at)) {
            pf_seg_release(r, take_other(r, at));
        } else if (pf_seg_end(*at) > r->next) {
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

bool pf_others_pop(struct pf_reasm *r, struct pf_piece *piece)
{
    return pop_old(r, piece) || pop_waiting(r, piece);
}

void pf_others_fini(struct pf_reasm *r)
{
    while (r->others != NULL) {
        pf_seg_release(r, take_other(r, &r->others));
    }
    r->old_len = 0;
}
