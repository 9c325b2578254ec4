// SPDX-License-Identifier: Apache-2.0
/*
 * What is known of the number of the next record behind a gap before any is tried: its bounds, and
 * how many records the bytes that are missing are, going by those that were seen.
 */
#include "tls/half.h"

enum {
    PRIOR_LEN = 8192, /* what few records are taken to be as long as, header included */
    SCALE = 1 << 20
};

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Records under the present keys that were opened or known to be lost, and their bytes. */
static void under_these_keys(const struct pf_half *h, uint64_t *records, uint64_t *bytes)
{
    const struct pf_loss *l = &h->loss;
    *records = less(h->seq, h->keyed_seq);
    *bytes = less(h->framed - h->keyed + h->keyed_lost + l->cipher_bytes, l->since_opened);
}

void pf_guess_keys_change(struct pf_half *h)
{
    uint64_t records;
    uint64_t bytes;
    under_these_keys(h, &records, &bytes);
    h->past_records += records;
    h->past_bytes += bytes;
}

static void so_far(const struct pf_half *h, uint64_t *records, uint64_t *bytes)
{
    under_these_keys(h, records, bytes);
    *records += h->past_records;
    *bytes += h->past_bytes;
}

uint64_t pf_guess_usual(const struct pf_half *h, uint64_t area)
{
    uint64_t records;
    uint64_t bytes;
    so_far(h, &records, &bytes);
    for (; records < PF_GUESS_ENOUGH; records++) {
        bytes += PRIOR_LEN;
    }
    for (; records > SCALE; records /= 2) {
        bytes /= 2;
    }
    if (bytes < records) {
        return 0;
    }
    return area < (uint64_t)1 << 40 ? area * records / bytes : area / (bytes / records);
}

uint64_t pf_guess_error(const struct pf_half *h, uint64_t count)
{
    uint64_t records;
    uint64_t bytes;
    uint64_t root = 2;
    so_far(h, &records, &bytes);
    while (root * root < records) {
        root++;
    }
    return count / root;
}

uint64_t pf_guess_like(const struct pf_ahead *ahead, uint64_t area)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ahead->count; i++) {
        bytes += PF_RECORD_HEADER_LEN + ahead->frames[i].body_len;
    }
    return area / (bytes / ahead->count);
}

struct pf_seq_search pf_guess_bounds(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t smallest = PF_RECORD_HEADER_LEN + (uint64_t)min_body;
    uint64_t first = h->seq + l->cut;
    uint64_t inside = pf_guess_usual(h, l->area);
    inside += inside == 0 && l->area > 0 && l->cipher_bytes == 0; /* a header was spoiled */
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

uint64_t pf_guess_fewest(const struct pf_half *h)
{
    const struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t largest = PF_RECORD_HEADER_LEN + (uint64_t)max_body;
    return h->seq + l->cut + l->rejected + (l->area + largest - 1) / largest;
}
