// SPDX-License-Identifier: Apache-2.0
/*
 * After a gap, or a record that did not verify: where the next record begins, and which sequence
 * number it has. The tag or MAC proves both; nothing is believed before.
 *
 *     | cut record: header held | gap | rest of it, skip | next record: seq + 1 |
 *     | ... | gap: no header held | scan for a header, uncertain by `area` bytes |
 */
#include "tls/half.h"

#include "base/cursor.h"

#include <string.h>

enum {
    LOOK_AHEAD = 8,           /* whole records among which the smallest is searched */
    TRIALS_PER_GAP = 1 << 20, /* about a second at the dearest */
    TRIALS_PER_FLOW = 1 << 23,
    HEADERS_PER_GAP = 64,
    GENERATIONS = 4 /* TLS 1.3 key changes that one gap may hide */
};

static void note_packets(struct pf_loss *l, uint64_t before, uint64_t after)
{
    if (!l->open) {
        l->open = true;
        l->packet_before = before;
    }
    l->packet_after = after;
}

/* The plaintext of a record that is lost, as far as its length tells. */
static void lose_body(struct pf_half *h, uint32_t body_len)
{
    bool exact;
    h->loss.plain_bytes += pf_open_plaintext_len(&h->keys, body_len, &exact);
    h->loss.inexact |= !exact;
}

void pf_resync_begin(struct pf_half *h, const struct pf_frame *cut)
{
    struct pf_loss *l = &h->loss;
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed);
    uint64_t held = gap->pos - h->framed;
    note_packets(l, gap->packet_before, gap->packet_after);
    l->cipher_bytes += gap->lost;
    l->since_opened += held + gap->lost;
    h->chain.iv_known = false;
    uint64_t rest = cut == NULL ? 0 : PF_RECORD_HEADER_LEN + cut->body_len - held;
    if (cut != NULL) {
        l->cut++;
        lose_body(h, cut->body_len);
    } else {
        l->area += held;
    }
    l->skip = rest > gap->lost ? rest - gap->lost : 0;
    uint64_t beyond = gap->lost > rest ? gap->lost - rest : 0;
    l->area += beyond;
    if (beyond > 0) {
        l->scan = true;
    }
    l->uncertain = true;
    h->framed = gap->pos;
    pf_stream_consume(&h->in, h->framed);
}

void pf_resync_lost_frame(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    note_packets(l, h->in.last_packet, h->in.last_packet);
    l->scan = true;
    l->uncertain = true;
    l->area++;
    l->since_opened++;
    h->framed++;
    pf_stream_consume(&h->in, h->framed);
}

void pf_resync_rejected(struct pf_half *h, uint32_t body_len, uint64_t packet)
{
    struct pf_loss *l = &h->loss;
    note_packets(l, packet, packet);
    l->rejected++;
    h->rejected++;
    l->uncertain = true;
    l->since_opened += PF_RECORD_HEADER_LEN + body_len;
    if (h->chain_live) {
        lose_body(h, body_len);
    }
}

/* SSL 3.0 and TLS 1.0 chain the IV: the ciphertext block before a record, if it was captured. */
static void learn_iv(struct pf_half *h, struct pf_span before)
{
    size_t block = h->keys.suite->bulk->block_len;
    size_t mac = h->keys.etm ? pf_hash_len(h->keys.suite->mac) : 0;
    if (block > 0 && before.len >= block + mac) {
        memcpy(h->chain.iv, before.ptr + before.len - mac - block, block);
        h->chain.iv_known = true;
    }
}

static bool needs_iv(const struct pf_half *h)
{
    return h->keys.suite->bulk->mode == PF_MODE_CBC && h->keys.version <= PF_VERSION_TLS10;
}

/* The rest of the cut record. */
static enum pf_status skip_step(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    struct pf_span bytes = pf_stream_peek(&h->in, h->framed, true);
    if (bytes.len >= l->skip) {
        learn_iv(h, (struct pf_span){bytes.ptr, (size_t)l->skip});
    }
    struct pf_skip k = pf_stream_skip(&h->in, h->framed, l->skip);
    l->since_opened += (l->skip - k.left) + k.beyond;
    l->skip = k.left;
    l->cipher_bytes += k.lost;
    l->area += k.beyond;
    l->scan |= k.beyond > 0;
    h->framed = k.pos;
    return k.left > 0 ? PF_AGAIN : PF_END;
}

/* A header of this connection: the version is that of the records opened before. */
static bool fits_keys(const struct pf_half *h, const struct pf_frame *f)
{
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    bool tls13 = h->keys.version == PF_VERSION_TLS13;
    uint16_t version = tls13 ? PF_VERSION_TLS12 : h->keys.version;
    bool type = tls13 ? f->type == PF_CT_APPLICATION_DATA
                      : f->type >= PF_CT_CHANGE_CIPHER_SPEC && f->type <= PF_CT_HEARTBEAT;
    return type && f->version == version && f->body_len >= min_body && f->body_len <= max_body;
}

/* A header whose successor fits too, or cannot be seen. */
static bool is_header(const struct pf_half *h, struct pf_span bytes, bool *short_of_bytes)
{
    struct pf_frame f;
    struct pf_frame next;
    if (!pf_frame_parse(bytes, &f) || !fits_keys(h, &f)) {
        return false;
    }
    size_t end = PF_RECORD_HEADER_LEN + (size_t)f.body_len;
    if (bytes.len < end + PF_RECORD_HEADER_LEN) {
        *short_of_bytes = true;
        return true;
    }
    return pf_frame_parse((struct pf_span){bytes.ptr + end, bytes.len - end}, &next) &&
           fits_keys(h, &next);
}

static enum pf_status scan_step(struct pf_conn *c, struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    struct pf_span bytes = pf_stream_peek(&h->in, h->framed, true);
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed + 1);
    size_t at = 0;
    bool short_of_bytes = false;
    while (at + PF_RECORD_HEADER_LEN <= bytes.len &&
           !is_header(h, (struct pf_span){bytes.ptr + at, bytes.len - at}, &short_of_bytes)) {
        at++;
    }
    bool found = at + PF_RECORD_HEADER_LEN <= bytes.len;
    learn_iv(h, (struct pf_span){bytes.ptr, at});
    l->area += at;
    l->since_opened += at;
    h->framed += at;
    pf_stream_consume(&h->in, h->framed);
    if (found && (!short_of_bytes || gap != NULL || c->final)) {
        l->scan = false;
        l->scanned = true;
        return PF_END;
    }
    if (!found && gap != NULL) {
        pf_resync_begin(h, NULL);
        return PF_END;
    }
    return PF_AGAIN;
}

static struct pf_seq_search bounds(const struct pf_half *h, const struct pf_loss *l)
{
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(&h->keys, &min_body, &max_body);
    uint64_t largest = PF_RECORD_HEADER_LEN + (uint64_t)max_body;
    uint64_t smallest = PF_RECORD_HEADER_LEN + (uint64_t)min_body;
    uint64_t mean = PF_RECORD_HEADER_LEN + (h->mean_body > 0 ? h->mean_body : max_body);
    uint64_t first = h->seq + l->cut;
    struct pf_seq_search s = {
        .lo = first + (l->scanned ? 0 : l->area / largest),
        .hi = first + l->rejected + l->area / smallest,
        .likely = first + l->rejected + l->area / mean,
        .gap_bytes = l->since_opened,
        .next_seq = h->seq,
        .hint_nonce = h->nonce_offset,
        .hint_known = h->nonce_known,
        .max_trials = TRIALS_PER_GAP,
    };
    if (s.likely < s.lo || s.likely > s.hi) {
        s.likely = s.lo;
    }
    return s;
}

/* The whole records that follow, up to LOOK_AHEAD. */
static size_t frames_ahead(const struct pf_half *h, struct pf_frame frames[LOOK_AHEAD],
                           enum pf_frame_result *after)
{
    uint64_t pos = h->framed;
    size_t n = 0;
    *after = PF_FRAME_MORE;
    while (n < LOOK_AHEAD) {
        *after = pf_stream_frame(&h->in, pos, &frames[n]);
        if (*after != PF_FRAME_WHOLE || !fits_keys(h, &frames[n])) {
            break;
        }
        pos += PF_RECORD_HEADER_LEN + frames[n].body_len;
        n++;
    }
    return n;
}

static struct pf_record record_of(const struct pf_half *h, const struct pf_frame *f)
{
    return (struct pf_record){
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
}

/* Tries the keys of TLS 1.3 that may have come into force inside the gap. */
static enum pf_status search_generations(struct pf_conn *c, enum pf_dir dir,
                                         const struct pf_record *record, size_t index,
                                         uint64_t range, uint64_t *seq)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_secret old_secret = h->secret;
    const enum pf_phase old_phase = h->phase;
    enum pf_status st = PF_ERR_REJECTED;
    struct pf_keys keys;
    for (int g = 0; g < GENERATIONS && st == PF_ERR_REJECTED; g++) {
        struct pf_secret secret;
        enum pf_phase phase;
        if (pf_tls13_next_keys(c, dir, &secret, &keys, &phase) != PF_OK) {
            break;
        }
        h->secret = secret;
        h->phase = phase;
        struct pf_seq_search s = {
            .lo = index, .hi = index + range, .likely = index, .max_trials = TRIALS_PER_GAP};
        st = pf_open_find_seq(c->env->crypt, &keys, &h->chain, record, &s, seq, &h->trials);
    }
    if (st == PF_OK) {
        st = pf_half_install(h, &keys, 0);
        h->stage = h->phase == PF_PHASE_HANDSHAKE ? PF_STAGE_HANDSHAKE : PF_STAGE_OPEN;
        h->seq = 0;
    } else {
        h->secret = old_secret;
        h->phase = old_phase;
    }
    pf_wipe(&keys, sizeof keys);
    return st;
}

/* Finds the sequence number of record `index` of those ahead. */
static enum pf_status search(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f,
                             size_t index, uint64_t ahead_bytes, uint64_t *seq)
{
    struct pf_half *h = &c->half[dir];
    struct pf_seq_search s = bounds(h, &h->loss);
    uint64_t range = s.hi - h->seq;
    s.lo += index;
    s.hi += index;
    s.likely += index;
    s.gap_bytes += ahead_bytes;
    struct pf_record record = record_of(h, f);
    if (h->trials >= TRIALS_PER_FLOW) {
        return PF_ERR_LIMIT;
    }
    enum pf_status st = PF_ERR_REJECTED;
    if (h->chain_live) {
        st = pf_open_find_seq(c->env->crypt, &h->keys, &h->chain, &record, &s, seq, &h->trials);
    }
    if (st == PF_ERR_REJECTED && h->keys.version == PF_VERSION_TLS13) {
        st = search_generations(c, dir, &record, index, range, seq);
    }
    return st == PF_ERR_MALFORMED ? PF_ERR_REJECTED : st;
}

/* The record at h->framed cannot be opened: on behind it. */
static void pass_over(struct pf_half *h, const struct pf_frame *f, bool certain)
{
    uint64_t packet;
    int64_t ts_ns;
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    pf_stream_packet(&h->in, end - 1, &packet, &ts_ns);
    if (certain) {
        h->loss.cut++;
        h->loss.since_opened += end - f->pos;
        lose_body(h, f->body_len);
    } else {
        pf_resync_rejected(h, f->body_len, packet);
    }
    h->framed = end;
    pf_stream_consume(&h->in, end);
}

static enum pf_status not_found(struct pf_half *h, const struct pf_frame *f)
{
    struct pf_loss *l = &h->loss;
    if (!l->scanned) {
        pass_over(h, f, false);
        return PF_END;
    }
    if (++l->headers > HEADERS_PER_GAP) {
        h->stage = PF_STAGE_DEAD;
        uint64_t end = pf_stream_end(&h->in);
        h->framed = end;
        pf_stream_consume(&h->in, end);
        return PF_END;
    }
    l->scan = true;
    l->area++;
    l->since_opened++;
    h->framed++;
    pf_stream_consume(&h->in, h->framed);
    return PF_END;
}

/* Finds the sequence number from the records ahead. */
static enum pf_status number_step(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_frame frames[LOOK_AHEAD];
    enum pf_frame_result after;
    size_t n = frames_ahead(h, frames, &after);
    if (n == 0) {
        if (after == PF_FRAME_CUT || after == PF_FRAME_GAP) {
            pf_resync_begin(h, after == PF_FRAME_CUT ? &frames[0] : NULL);
            return PF_END;
        }
        if (after == PF_FRAME_MORE) {
            return PF_AGAIN;
        }
        pf_resync_lost_frame(h);
        return PF_END;
    }
    if (needs_iv(h) && !h->chain.iv_known) {
        pf_chain_pass(&h->chain, &h->keys, pf_stream_body(&h->in, &frames[0]));
        pass_over(h, &frames[0], true);
        return PF_END;
    }
    size_t best = 0;
    bool in_order = needs_iv(h) || pf_chain_is_sequential(&h->chain);
    for (size_t i = 1; i < n && !in_order; i++) {
        best = frames[i].body_len < frames[best].body_len ? i : best;
    }
    uint64_t seq;
    enum pf_status st = search(c, dir, &frames[best], best, frames[best].pos - frames[0].pos, &seq);
    if (st == PF_ERR_REJECTED && best != 0) {
        best = 0;
        st = search(c, dir, &frames[0], 0, 0, &seq);
    }
    if (st == PF_ERR_REJECTED || st == PF_ERR_LIMIT) {
        return not_found(h, &frames[0]);
    }
    if (st != PF_OK) {
        return st;
    }
    uint64_t first = seq - best;
    h->loss.uncertain = false;
    h->loss.cut = first > h->seq ? first - h->seq : 0;
    h->loss.rejected = 0;
    h->seq = first;
    return PF_END;
}

/* What was lost, told once. */
static enum pf_status report(struct pf_half *h, enum pf_dir dir, struct pf_work *work)
{
    struct pf_loss *l = &h->loss;
    bool bytes_known = !l->inexact && l->area == 0 && !l->uncertain;
    work->kind = PF_WORK_GAP;
    work->dir = dir;
    work->lost = (struct pf_lost){
        .records = l->uncertain && l->area > 0 ? UINT64_MAX : l->cut + l->rejected,
        .bytes = bytes_known ? l->plain_bytes : UINT64_MAX,
        .cipher_bytes = l->cipher_bytes,
        .packet_before = l->packet_before,
        .packet_after = l->packet_after,
    };
    bool nothing = work->lost.records == 0 && l->cipher_bytes == 0;
    *l = (struct pf_loss){.open = false};
    if (nothing) {
        return PF_END; /* only bytes that were never part of the stream */
    }
    h->gaps++;
    if (work->lost.records == UINT64_MAX || h->missing_records == UINT64_MAX) {
        h->missing_records = UINT64_MAX;
    } else {
        h->missing_records += work->lost.records;
    }
    if (work->lost.bytes == UINT64_MAX || h->missing_bytes == UINT64_MAX) {
        h->missing_bytes = UINT64_MAX;
    } else {
        h->missing_bytes += work->lost.bytes;
    }
    return PF_OK;
}

enum pf_status pf_resync_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    struct pf_half *h = &c->half[dir];
    struct pf_loss *l = &h->loss;
    if (h->chain_live && h->chain.inflate != NULL && l->cut > 0) {
        h->stage = PF_STAGE_DEAD; /* the DEFLATE window is gone: nothing behind it can be read */
        return PF_END;
    }
    enum pf_status st;
    if (l->skip > 0) {
        st = skip_step(h);
    } else if (l->scan) {
        st = scan_step(c, h);
    } else if (l->uncertain) {
        st = number_step(c, dir);
    } else {
        return report(h, dir, work);
    }
    return st == PF_AGAIN && c->final ? pf_resync_end(c, dir, work) : st;
}

enum pf_status pf_resync_end(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    (void)c;
    struct pf_half *h = &c->half[dir];
    uint64_t end = pf_stream_end(&h->in);
    if (end > h->framed && h->chain_live) {
        note_packets(&h->loss, h->in.last_packet, 0);
        h->loss.cut++; /* the capture ends in the middle of a record */
        h->loss.inexact = true;
        h->loss.cipher_bytes += end - h->framed;
    }
    h->framed = end;
    if (h->stage != PF_STAGE_DEAD) {
        pf_half_stop(h);
    }
    if (!h->loss.open || !h->chain_live) {
        return PF_AGAIN;
    }
    enum pf_status st = report(h, dir, work);
    return st == PF_END ? PF_AGAIN : st;
}
