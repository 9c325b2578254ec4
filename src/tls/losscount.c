// SPDX-License-Identifier: Apache-2.0
/*
 * What a loss comes to: records and bytes of plaintext, exact or not told at all.
 *
 *     since_opened = sum over the lost records of (header + overhead + plaintext)
 *
 * so that where the overhead of a record is fixed (AEAD, RC4, NULL) the number of lost records is
 * all it takes to know the plaintext, also of records of which no byte was captured.
 */
#include "tls/half.h"

enum { ANY_LEN = 4096, FINISHED_LEN = 16, FINISHED_LEN_SSL3 = 40 };

bool pf_resync_plain_len(const struct pf_half *h, uint32_t body_len, uint32_t *len)
{
    bool exact;
    *len = pf_open_plaintext_len(&h->keys, body_len, &exact);
    return exact || (h->keys.version == PF_VERSION_TLS13 && !h->padded);
}

/* The first record under fresh keys of TLS 1.2 and older is Finished (RFC 5246 section 7.4.9). */
static void count_finished(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    if (!l->finished && h->seq == 0 && h->keys.version != PF_VERSION_TLS13) {
        l->other++;
        l->other_bytes += h->keys.version == PF_VERSION_SSL3 ? FINISHED_LEN_SSL3 : FINISHED_LEN;
        l->finished = true;
    }
}

static void tell(struct pf_loss *l, uint64_t records, uint64_t bytes)
{
    uint64_t other = l->other < records ? l->other : records;
    l->told = true;
    l->records = records == UINT64_MAX ? UINT64_MAX : records - other;
    l->bytes = l->records == 0 ? 0 : bytes;
}

/* The plaintext of n records that fill since_opened bytes. */
static uint64_t bytes_of(const struct pf_half *h, uint64_t n)
{
    const struct pf_loss *l = &h->loss;
    uint32_t less;
    if (l->clear || l->stray) {
        return UINT64_MAX;
    }
    if (l->area == 0 && n == l->cut + l->rejected) {
        return l->inexact ? UINT64_MAX : l->plain_bytes;
    }
    bool exact = pf_resync_plain_len(h, ANY_LEN, &less);
    uint64_t around = n * (PF_RECORD_HEADER_LEN + ANY_LEN - less) + l->other_bytes;
    return exact && l->rejected == 0 && l->since_opened >= around ? l->since_opened - around
                                                                  : UINT64_MAX;
}

/* All of them were under the keys of the next record, from number `from` on. */
static void settle_same_keys(struct pf_half *h, uint64_t from, uint64_t first)
{
    uint64_t n = first - from;
    if (h->phase == PF_PHASE_HANDSHAKE) {
        n = 0; /* no application data is under these keys */
    }
    if (n > 0) {
        count_finished(h);
    }
    tell(&h->loss, n, bytes_of(h, n));
}

/*
 * Keys changed inside the gap. What was lost before the change is known where every lost record's
 * header was seen, and of the handshake of TLS 1.3, which holds no application data.
 */
void pf_loss_settle(struct pf_half *h, uint64_t first, unsigned rekeyed, enum pf_phase old_phase)
{
    struct pf_loss *l = &h->loss;
    if (rekeyed == 0 || (rekeyed == 1 && h->updated)) {
        settle_same_keys(h, rekeyed == 0 ? h->seq : 0, first);
        return;
    }
    rekeyed -= h->updated;
    if (old_phase == PF_PHASE_HANDSHAKE && rekeyed == 1) {
        l->other = 0; /* all of them were under the old keys */
        tell(l, first, UINT64_MAX);
    } else if (l->area == 0 && l->rejected == 0 && l->cut >= rekeyed) {
        l->other += rekeyed; /* the KeyUpdates themselves */
        tell(l, l->cut, UINT64_MAX);
    } else {
        tell(l, UINT64_MAX, UINT64_MAX);
    }
}

void pf_loss_before(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    int64_t ts_ns;
    l->open = true;
    l->scan = false;
    l->uncertain = false;
    pf_stream_packet(&h->in, h->framed, &l->packet_after, &ts_ns);
    l->other = 0;
    tell(l, h->phase == PF_PHASE_TRAFFIC ? h->seq : 0, UINT64_MAX);
}

/* No record behind the loss was opened: the number is known only if there is one that fits. */
void pf_loss_guess(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t most = l->area / (PF_RECORD_HEADER_LEN + (uint64_t)min_body);
    uint64_t largest = PF_RECORD_HEADER_LEN + (uint64_t)max_body;
    uint64_t least = (l->area + largest - 1) / largest;
    if (l->clear || l->stray || most > least || h->phase == PF_PHASE_EARLY) {
        tell(l, UINT64_MAX, UINT64_MAX);
        return;
    }
    if (h->phase == PF_PHASE_HANDSHAKE) {
        tell(l, l->area == 0 ? 0 : UINT64_MAX, UINT64_MAX);
        return;
    }
    uint64_t n = l->cut + l->rejected + least;
    if (n > 0) {
        count_finished(h);
    }
    tell(l, n, most < least ? UINT64_MAX : bytes_of(h, n));
}
