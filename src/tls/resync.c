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
    IV_BYTES = PF_BLOCK_MAX + PF_DIGEST_MAX, /* held before a record that is looked for */
    VERSION_MAJOR = 3,                       /* of SSL 3.0 and all that came after */
    LOOK_AHEAD = 16,           /* whole records among which the smallest is searched */
    WORTH_WAITING = 128 * 1024 /* bytes held behind a gap, for trials */
};

static void note_packets(struct pf_loss *l, uint64_t before, uint64_t after)
{
    if (!l->open) {
        l->open = true;
        l->packet_before = before;
    }
    l->packet_after = after;
}

static bool is_data(const struct pf_half *h, uint8_t type)
{
    return type == PF_CT_APPLICATION_DATA || h->keys.version == PF_VERSION_TLS13;
}

/* A record that is lost, as far as its header tells. */
static void lose_record(struct pf_half *h, uint8_t type, uint32_t body_len)
{
    struct pf_loss *l = &h->loss;
    uint32_t len;
    bool exact = pf_resync_plain_len(h, body_len, &len);
    if (!is_data(h, type)) {
        l->other++;
        l->other_bytes += len;
        l->inexact |= !exact && l->area > 0;
        l->finished |= h->seq == 0 && l->since_opened == 0;
        return;
    }
    l->plain_bytes += len;
    l->inexact |= !exact;
}

void pf_resync_begin(struct pf_half *h, const struct pf_frame *cut)
{
    struct pf_loss *l = &h->loss;
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed);
    uint64_t held = gap->pos - h->framed;
    note_packets(l, gap->packet_before, gap->packet_after);
    h->chain.iv_known = false;
    uint64_t rest = 0;
    if (cut != NULL) {
        lose_record(h, cut->type, cut->body_len);
        rest = PF_RECORD_HEADER_LEN + cut->body_len - held;
        l->cut++;
    } else {
        l->area += held;
    }
    l->cipher_bytes += gap->lost;
    l->since_opened += held + gap->lost;
    l->skip = rest > gap->lost ? rest - gap->lost : 0;
    uint64_t beyond = gap->lost > rest ? gap->lost - rest : 0;
    l->area += beyond;
    l->scan |= beyond > 0;
    l->uncertain = true;
    h->framed = gap->pos;
    h->gaps_passed++;
    pf_stream_pass_gap(&h->in, h->framed);
}

void pf_resync_lost_frame(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    uint64_t packet;
    int64_t ts_ns;
    pf_stream_packet(&h->in, h->framed, &packet, &ts_ns);
    note_packets(l, packet, packet);
    l->scan = true;
    l->uncertain = true;
    l->stray = true;
    l->area++;
    l->since_opened++;
    h->framed++;
    pf_stream_consume(&h->in, h->framed);
}

void pf_resync_rejected(struct pf_half *h, const struct pf_frame *f, uint64_t packet)
{
    struct pf_loss *l = &h->loss;
    note_packets(l, packet, packet);
    if (h->chain_live) {
        lose_record(h, f->type, f->body_len);
    } else {
        l->inexact = true;
    }
    l->rejected++;
    h->rejected++;
    l->uncertain = true;
    l->since_opened += PF_RECORD_HEADER_LEN + f->body_len;
}

bool pf_resync_is_false(const struct pf_half *h, const struct pf_frame *f)
{
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    struct pf_frame next;
    return h->chain_live && pf_frame_parse(pf_stream_peek(&h->in, end), &next) &&
           !pf_resync_fits(h, &next);
}

/* SSL 3.0 and TLS 1.0 chain the IV: the ciphertext block before h->framed, if it was captured. */
static void learn_iv(struct pf_half *h)
{
    size_t block = h->keys.suite->bulk->block_len;
    size_t mac = h->keys.etm ? pf_hash_len(h->keys.suite->mac) : 0;
    uint64_t at = pf_stream_at(&h->in);
    h->chain.iv_known = block > 0 && h->framed - at >= block + mac;
    if (h->chain.iv_known) {
        const uint8_t *end = pf_stream_peek(&h->in, at).ptr + (h->framed - at);
        memcpy(h->chain.iv, end - mac - block, block);
    }
}

/* The rest of the cut record. */
static enum pf_status skip_step(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    struct pf_skip k = pf_stream_skip(&h->in, h->framed, l->skip);
    l->since_opened += (l->skip - k.left) + k.beyond;
    l->skip = k.left;
    l->cipher_bytes += k.lost;
    l->area += k.beyond;
    l->scan |= k.beyond > 0;
    l->packet_after = k.lost > 0 ? k.packet_after : l->packet_after;
    h->framed = k.pos;
    if (k.left > 0) {
        return PF_AGAIN;
    }
    learn_iv(h);
    return PF_END;
}

bool pf_resync_fits(const struct pf_half *h, const struct pf_frame *f)
{
    bool tls13 = h->keys.version == PF_VERSION_TLS13;
    uint16_t version = tls13 ? PF_VERSION_TLS12 : h->keys.version;
    bool draft = tls13 && h->keys.draft != 0 && f->version == PF_VERSION_TLS10;
    bool type = tls13 ? f->type == PF_CT_APPLICATION_DATA
                      : f->type >= PF_CT_CHANGE_CIPHER_SPEC && f->type <= PF_CT_HEARTBEAT;
    return type && (f->version == version || draft) && pf_open_body_fits(&h->keys, f->body_len);
}

static bool begins_record(const struct pf_half *h, struct pf_span bytes, struct pf_frame *f)
{
    return pf_frame_parse(bytes, f) && pf_resync_fits(h, f);
}

/* A header whose successor fits too, or cannot be seen. */
static bool is_header(const struct pf_half *h, struct pf_span bytes, bool *short_of_bytes)
{
    struct pf_frame f;
    struct pf_frame next;
    if (!begins_record(h, bytes, &f)) {
        return false;
    }
    size_t end = PF_RECORD_HEADER_LEN + (size_t)f.body_len;
    if (bytes.len < end + PF_RECORD_HEADER_LEN) {
        *short_of_bytes = true;
        return true;
    }
    return begins_record(h, (struct pf_span){bytes.ptr + end, bytes.len - end}, &next);
}

static enum pf_status scan_step(struct pf_conn *c, struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    struct pf_span bytes = pf_stream_peek(&h->in, h->framed);
    bool gap = pf_stream_next_gap(&h->in, h->framed) != NULL;
    size_t at = 0;
    bool short_of_bytes = false;
    while (at + PF_RECORD_HEADER_LEN <= bytes.len &&
           (bytes.ptr[at + 1] != VERSION_MAJOR ||
            !is_header(h, (struct pf_span){bytes.ptr + at, bytes.len - at}, &short_of_bytes))) {
        at++;
    }
    bool found = at + PF_RECORD_HEADER_LEN <= bytes.len;
    l->area += at;
    l->since_opened += at;
    h->framed += at;
    if (h->framed - pf_stream_at(&h->in) > IV_BYTES) {
        pf_stream_consume(&h->in, h->framed - IV_BYTES);
    }
    if (found && (!short_of_bytes || gap || c->final)) {
        learn_iv(h);
        l->scan = false;
        l->scanned = true;
        return PF_END;
    }
    if (!found && gap) {
        pf_resync_begin(h, NULL);
        return PF_END;
    }
    return PF_AGAIN;
}

/* How many records a search may choose from: one will do where it is short, or solved once. */
static size_t choice(const struct pf_half *h)
{
    bool brief =
        pf_number_is_short(h) || (h->keys.suite->bulk->mode == PF_MODE_GCM && h->updates == 0);
    return brief && !h->loss.further ? 1 : LOOK_AHEAD;
}

/* The whole records that follow, and what ends them. */
static enum pf_frame_result frames_ahead(const struct pf_half *h, struct pf_frame *frames,
                                         struct pf_ahead *ahead)
{
    size_t most = choice(h);
    uint64_t end = h->framed;
    enum pf_frame_result after = PF_FRAME_MORE;
    *ahead = (struct pf_ahead){.frames = frames};
    while (ahead->count < most) {
        struct pf_frame *f = &frames[ahead->count];
        after = pf_stream_frame(&h->in, end, f);
        if (after != PF_FRAME_WHOLE || !pf_resync_fits(h, f)) {
            break;
        }
        uint64_t next = end + PF_RECORD_HEADER_LEN + f->body_len;
        if (h->loss.further && ahead->count > 0 && next > h->framed + WORTH_WAITING) {
            break;
        }
        end = next;
        ahead->count++;
    }
    ahead->end = end;
    return after;
}

/* Nothing behind this place will be opened. */
static enum pf_status give_up(struct pf_half *h)
{
    pf_loss_guess(h);
    h->loss.told = true;
    h->loss.records = UINT64_MAX;
    h->loss.bytes = UINT64_MAX;
    pf_half_stop(h);
    return PF_END;
}

/* The record at h->framed cannot be opened: on behind it. */
static void pass_over(struct pf_half *h, const struct pf_frame *f, bool certain)
{
    uint64_t packet;
    int64_t ts_ns;
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    pf_stream_packet(&h->in, end - 1, &packet, &ts_ns);
    if (!certain && pf_resync_is_false(h, f)) {
        h->rejected++;
        pf_resync_lost_frame(h);
        return;
    }
    if (certain) {
        lose_record(h, f->type, f->body_len);
        h->loss.cut++;
        h->loss.since_opened += end - f->pos;
    } else {
        pf_resync_rejected(h, f, packet);
    }
    h->framed = end;
    pf_stream_consume(&h->in, end);
    pf_copies_passed(h, end);
}

/* Something that looks like a record, up to where the next one begins or the captured bytes end: in
 * an honest capture such a thing is one. */
static bool is_whole(const struct pf_half *h, const struct pf_frame *f)
{
    struct pf_span behind =
        pf_stream_peek(&h->in, f->pos + PF_RECORD_HEADER_LEN + (uint64_t)f->body_len);
    struct pf_frame next;
    return behind.len == 0 || begins_record(h, behind, &next);
}

static enum pf_status not_found(struct pf_conn *c, struct pf_half *h, const struct pf_frame *f)
{
    struct pf_loss *l = &h->loss;
    if (pf_half_candidate_is_open(c, h)) {
        pf_keychange_reject(c, h);
        return PF_END;
    }
    if (!l->scanned) {
        pass_over(h, f, false);
        return PF_END;
    }
    h->rejected += !l->poor && is_whole(h, f) ? 1 : 0;
    l->scan = true;
    l->area++;
    l->since_opened++;
    h->framed++;
    pf_stream_consume(&h->in, h->framed);
    return PF_END;
}

/* No whole record is ahead. */
static enum pf_status none_ahead(struct pf_half *h, const struct pf_frame *f,
                                 enum pf_frame_result after)
{
    bool known;
    switch (after) {
    case PF_FRAME_CUT:
    case PF_FRAME_GAP:
        if (after == PF_FRAME_CUT && pf_resync_covers_record(h)) {
            break;
        }
        /* A header that was found by looking is not proved yet: its length is not relied on. */
        known = after == PF_FRAME_CUT && !h->loss.scanned && pf_resync_fits(h, f);
        pf_resync_begin(h, known ? f : NULL);
        return PF_END;
    case PF_FRAME_MORE:
        return PF_AGAIN;
    case PF_FRAME_WHOLE: /* but it does not fit these keys */
    case PF_FRAME_BAD:
        break;
    }
    pf_resync_lost_frame(h);
    return PF_END;
}

/*
 * What a search sees must not depend on how many bytes have come by now, which differs from run to
 * run: it waits until there are as many as it may see, or no more can come. False: it has to wait.
 */
static bool settle_end(const struct pf_conn *c, const struct pf_half *h, enum pf_frame_result after,
                       struct pf_ahead *ahead)
{
    uint64_t end = pf_stream_end(&h->in);
    bool last = c->final || c->flush;
    if (!h->loss.further) {
        return ahead->count == choice(h) || after != PF_FRAME_MORE || last;
    }
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed);
    uint64_t most = h->framed + WORTH_WAITING;
    ahead->further = true;
    ahead->last = (gap != NULL && gap->pos < most) || (last && end < most);
    most = gap != NULL && gap->pos < most ? gap->pos : most;
    bool seen = end >= most;
    most = seen ? most : end;
    ahead->end = most > ahead->end ? most : ahead->end;
    return seen || last;
}

/* What was captured pays for searches: the next one sees more of it. False: this one did. */
static bool look_further(struct pf_half *h, const struct pf_ahead *ahead)
{
    bool may = h->loss.poor && !ahead->further;
    h->loss.further |= may;
    return may;
}

/* Fresh keys, but not their first record: its IV lies before it, if that was captured. */
static void other_iv(struct pf_half *h)
{
    h->loss.second_iv = true;
    h->loss.told = false;
    h->loss.first_tried = 0; /* that was under the other IV */
    learn_iv(h);
}

/* The record at h->framed has its number, which its tag or MAC proved. */
static enum pf_status found(struct pf_conn *c, struct pf_half *h, const struct pf_frame *f,
                            bool lost_any)
{
    enum pf_status st = PF_OK;
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    uint64_t packet;
    int64_t ts_ns;
    h->loss.uncertain = false;
    pf_stream_consume(&h->in, h->framed);
    if (!h->proved) {
        pf_stream_packet(&h->in, end - 1, &packet, &ts_ns);
        st = pf_keychange_proved(c, h, pf_half_ready(h, end - 1, packet));
    }
    if (lost_any && h->chain.inflate != NULL) {
        h->window_lost = true; /* nothing behind it can be inflated */
        give_up(h);
    }
    return st;
}

/* The record at h->framed does not verify: another copy of it may, if there are any. */
static enum pf_status other_copy(struct pf_conn *c, enum pf_dir dir, uint64_t end)
{
    struct pf_half *h = &c->half[dir];
    bool any = pf_copies_any(h) && !h->loss.scanned;
    return any ? pf_copies_judge(c, dir, end) : PF_ERR_REJECTED;
}

/* Finds the sequence number from the records ahead. */
static enum pf_status number_step(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_frame frames[LOOK_AHEAD];
    struct pf_ahead ahead;
    enum pf_frame_result after = frames_ahead(h, frames, &ahead);
    if (ahead.count == 0) {
        bool bad = after == PF_FRAME_BAD || after == PF_FRAME_WHOLE;
        enum pf_status st = bad ? other_copy(c, dir, h->framed) : PF_ERR_REJECTED;
        return st == PF_ERR_REJECTED ? none_ahead(h, &frames[0], after) : st;
    }
    if (!settle_end(c, h, after, &ahead)) {
        return PF_AGAIN;
    }
    if (pf_open_needs_iv(&h->keys) && !h->chain.iv_known) {
        pf_chain_pass(&h->chain, &h->keys, pf_stream_body(&h->in, &frames[0]));
        pass_over(h, &frames[0], true);
        return PF_END;
    }
    uint64_t seq = h->seq;
    bool first_iv = pf_open_needs_iv(&h->keys) && h->loss.clear && !h->loss.second_iv;
    enum pf_status st = pf_number_find(c, dir, &ahead);
    if (first_iv && (st == PF_ERR_REJECTED || (st == PF_OK && h->seq > 0))) {
        h->seq =
            seq; /* an encrypt-then-MAC record may be found, but its IV is not proved by that */
        other_iv(h);
        return PF_END;
    }
    if (st == PF_ERR_REJECTED && look_further(h, &ahead)) {
        return PF_END;
    }
    if (st == PF_ERR_REJECTED) {
        st = other_copy(c, dir, frames[0].pos + PF_RECORD_HEADER_LEN + frames[0].body_len);
        return st == PF_ERR_REJECTED ? not_found(c, h, &frames[0]) : st;
    }
    if (st == PF_ERR_LIMIT) {
        h->search_limit = true;
        return give_up(h);
    }
    if (st == PF_OK) {
        st = found(c, h, &frames[0], h->seq > seq);
    }
    return st == PF_OK ? PF_END : st;
}

static void add_missing(uint64_t *sum, uint64_t n)
{
    *sum = n == UINT64_MAX || *sum == UINT64_MAX ? UINT64_MAX : *sum + n;
}

/* What was lost, told once. PF_END: nothing that could have been application data. */
static enum pf_status report(struct pf_half *h, enum pf_dir dir, struct pf_work *work)
{
    struct pf_loss *l = &h->loss;
    if (!l->told) {
        pf_loss_guess(h);
    }
    work->kind = PF_WORK_GAP;
    work->dir = dir;
    work->lost = (struct pf_lost){
        .records = l->records,
        .bytes = l->bytes,
        .cipher_bytes = l->cipher_bytes,
        .packet_before = l->packet_before,
        .packet_after = l->packet_after,
    };
    h->keyed_lost += l->cipher_bytes;
    h->lost_bytes += l->cipher_bytes;
    *l = (struct pf_loss){.open = false};
    if (h->phase == PF_PHASE_HANDSHAKE && h->stage == PF_STAGE_OPEN) {
        h->stage = PF_STAGE_HANDSHAKE;
    }
    if (work->lost.records == 0) {
        return PF_END;
    }
    h->gaps++;
    add_missing(&h->missing_records, work->lost.records);
    add_missing(&h->missing_bytes, work->lost.bytes);
    return PF_OK;
}

enum pf_status pf_resync_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    struct pf_half *h = &c->half[dir];
    struct pf_loss *l = &h->loss;
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

/* A record of which all is there, and behind it what can begin another one. */
static bool is_whole_record(const struct pf_half *h, struct pf_span bytes)
{
    struct pf_frame f;
    struct pf_frame next;
    if (!begins_record(h, bytes, &f) || bytes.len - PF_RECORD_HEADER_LEN < f.body_len) {
        return false;
    }
    size_t end = PF_RECORD_HEADER_LEN + (size_t)f.body_len;
    struct pf_span behind = {bytes.ptr + end, bytes.len - end};
    return behind.len < PF_RECORD_HEADER_LEN || begins_record(h, behind, &next);
}

bool pf_resync_covers_record(struct pf_half *h)
{
    struct pf_span bytes = pf_stream_peek(&h->in, h->framed);
    if (!h->chain_live || bytes.len < 2 * PF_RECORD_HEADER_LEN) {
        return false;
    }
    if (h->framed < h->loss.whole_at) {
        return true; /* so that many such headers do not make it quadratic */
    }
    const uint8_t *end = bytes.ptr + bytes.len;
    const uint8_t *at = bytes.ptr + 2; /* of a version: a header begins one byte before */
    while ((at = memchr(at, VERSION_MAJOR, (size_t)(end - at))) != NULL) {
        if (is_whole_record(h, (struct pf_span){at - 1, (size_t)(end - at) + 1})) {
            h->loss.whole_at = h->framed + (uint64_t)(at - 1 - bytes.ptr);
            return true;
        }
        at++;
    }
    return false;
}

/* The capture ends in the middle of a record. */
static void lose_tail(struct pf_half *h, uint64_t end)
{
    struct pf_loss *l = &h->loss;
    struct pf_frame f;
    uint64_t packet = h->in.last_packet;
    bool header = pf_frame_parse(pf_stream_peek(&h->in, h->framed), &f) && pf_resync_fits(h, &f);
    note_packets(l, packet, 0);
    if (header) {
        lose_record(h, f.type, f.body_len);
        l->cipher_bytes += PF_RECORD_HEADER_LEN + f.body_len - (end - h->framed);
    } else {
        l->inexact = true;
    }
    l->cut++;
}

enum pf_status pf_resync_end(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    struct pf_half *h = &c->half[dir];
    uint64_t end = pf_stream_end(&h->in);
    struct pf_frame f;
    (void)c;
    if (end > h->framed && h->chain_live && h->loss.skip == 0) {
        bool cut = pf_stream_frame(&h->in, h->framed, &f) == PF_FRAME_MORE;
        if (cut && pf_resync_covers_record(h)) {
            pf_resync_lost_frame(h);
            return PF_END;
        }
        lose_tail(h, end);
    }
    h->framed = end;
    h->search_limit |= h->loss.open && h->loss.poor;
    if (h->stage != PF_STAGE_DEAD) {
        pf_half_stop(h);
    }
    if (!h->loss.open || !h->chain_live) {
        return PF_AGAIN;
    }
    enum pf_status st = report(h, dir, work);
    return st == PF_END ? PF_AGAIN : st;
}
