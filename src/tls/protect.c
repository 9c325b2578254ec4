// SPDX-License-Identifier: Apache-2.0
/* Records under traffic keys: application data in runs, everything else one by one. */
#include "tls/half.h"

#include "base/cursor.h"

static bool is_tls13(const struct pf_half *h)
{
    return h->keys.version == PF_VERSION_TLS13;
}

static uint64_t frame_end(const struct pf_frame *f)
{
    return f->pos + PF_RECORD_HEADER_LEN + f->body_len;
}

static enum pf_status add_to_run(struct pf_half *h, const struct pf_frame *f)
{
    struct pf_run_record r = {
        .offset = (uint32_t)(f->pos + PF_RECORD_HEADER_LEN - pf_stream_at(&h->in)),
        .body_len = (uint16_t)f->body_len,
        .version = f->version,
        .type = f->type,
    };
    pf_stream_packet(&h->in, frame_end(f) - 1, &r.packet, &r.ts_ns);
    enum pf_status st = pf_buf_append(&h->run, &r, sizeof r);
    if (st == PF_OK) {
        h->framed = frame_end(f);
    }
    return st;
}

static size_t run_count(const struct pf_half *h)
{
    return h->run.len / sizeof(struct pf_run_record);
}

static enum pf_status hand_out(struct pf_half *h, enum pf_dir dir, struct pf_work *work)
{
    uint64_t at = pf_stream_at(&h->in);
    work->kind = PF_WORK_RUN;
    work->dir = dir;
    work->run = (struct pf_record_run){
        .keys = &h->keys,
        .chain = &h->chain,
        .bytes = pf_stream_peek(&h->in, at).ptr,
        .records = (const struct pf_run_record *)(const void *)h->run.ptr,
        .count = run_count(h),
        .first_seq = h->seq,
    };
    return PF_OK;
}

static void pass_record(struct pf_half *h, const struct pf_frame *f)
{
    h->framed = frame_end(f);
    pf_stream_consume(&h->in, h->framed);
}

/* A record of which no copy verifies. */
static void pass_rejected(struct pf_half *h, const struct pf_frame *f, uint64_t packet)
{
    if (pf_resync_is_false(h, f)) {
        h->rejected++;
        pf_resync_lost_frame(h);
        return;
    }
    pf_chain_pass(&h->chain, &h->keys, pf_stream_body(&h->in, f));
    pf_resync_rejected(h, f, packet);
    pass_record(h, f);
    pf_copies_passed(h, h->framed);
}

static enum pf_status on_control(struct pf_conn *c, enum pf_dir dir, const struct pf_plain *plain,
                                 uint64_t packet)
{
    struct pf_half *h = &c->half[dir];
    if (plain->type == PF_CT_ALERT) {
        pf_conn_note_alert(c, dir, plain->data);
        pf_half_watch(c, dir, PF_WATCH_ALERT, plain->data);
    } else if (plain->type == PF_CT_HANDSHAKE) {
        return pf_plain_collect(h, plain->data, packet);
    } else if (plain->type == PF_CT_CHANGE_CIPHER_SPEC) {
        struct pf_handshake *hs = pf_half_handshake(c, h);
        hs->facts |= dir == PF_C2S ? PF_FACT_CLIENT_CCS : PF_FACT_SERVER_CCS;
        pf_handshake_saw(hs, packet);
        h->stage = PF_STAGE_KEYS;
    }
    return PF_OK;
}

/* Alerts, renegotiation, ChangeCipherSpec (TLS 1.2 and older): opened at once, for they may change
 * what comes behind them. */
static enum pf_status open_control(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_record record = {
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
    uint8_t out[PF_RECORD_MAX + PF_RECORD_MAX];
    struct pf_plain plain;
    pf_stream_packet(&h->in, frame_end(f) - 1, &h->record_packet, &h->record_ts_ns);
    uint64_t packet = h->record_packet;
    enum pf_status st = pf_open_record(c->env->crypt, &h->keys, &h->chain, h->seq, &record, out,
                                       sizeof out, &plain);
    if (st == PF_ERR_REJECTED || st == PF_ERR_MALFORMED) {
        st = pf_copies_judge(c, dir, frame_end(f));
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        if (pf_half_candidate_is_open(c, h)) {
            pf_keychange_reject(c, h);
        } else {
            pass_rejected(h, f, packet);
        }
        return PF_END;
    }
    if (st != PF_OK) {
        return st;
    }
    h->seq++;
    pf_copies_verified(h, frame_end(f));
    packet = pf_half_ready(h, frame_end(f) - 1, packet);
    if (!h->proved) {
        st = pf_keychange_proved(c, h, packet);
    }
    if (st == PF_OK) {
        st = on_control(c, dir, &plain, packet);
    }
    pass_record(h, f);
    return st == PF_OK ? PF_END : st;
}

/* Under TLS 1.3 keys a record of another type is not encrypted and takes no sequence number: a
 * ChangeCipherSpec of the compatibility mode (RFC 8446 appendix D.4), or not of this connection. */
static enum pf_status on_other(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    if (!is_tls13(h)) {
        return open_control(c, dir, f);
    }
    if (f->type != PF_CT_CHANGE_CIPHER_SPEC) {
        enum pf_status st = pf_copies_judge(c, dir, frame_end(f));
        if (st != PF_ERR_REJECTED) {
            return st;
        }
    }
    pass_record(h, f);
    return PF_END;
}

static bool is_run_full(const struct pf_conn *c, const struct pf_half *h)
{
    size_t enough = pf_copies_any(h) ? c->env->run_bytes / 4 : c->env->run_bytes;
    return h->framed - pf_stream_at(&h->in) >= enough || run_count(h) >= PF_RUN_RECORDS;
}

/* Frames records into the run until it is full or something else comes. */
static enum pf_status frame_records(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    struct pf_half *h = &c->half[dir];
    struct pf_frame f;
    enum pf_frame_result r;
    if (run_count(h) > 0 && is_run_full(c, h)) {
        return hand_out(h, dir, work); /* it was handed out before, and not taken */
    }
    while ((r = pf_stream_frame(&h->in, h->framed, &f)) == PF_FRAME_WHOLE &&
           f.type == PF_CT_APPLICATION_DATA) {
        enum pf_status st = add_to_run(h, &f);
        if (st != PF_OK) {
            return st;
        }
        /* What proves the keys is looked at when it comes: others wait for it (tls/session.h). */
        if (is_run_full(c, h) || !h->proved) {
            return hand_out(h, dir, work);
        }
    }
    bool more = r == PF_FRAME_MORE;
    if (run_count(h) > 0 && (!more || c->flush)) {
        return hand_out(h, dir, work);
    }
    if (h->detached > 0 && (!more || c->final)) {
        return PF_BLOCKED; /* what comes now may depend on the runs that are opened elsewhere */
    }
    if (r == PF_FRAME_WHOLE) {
        return on_other(c, dir, &f);
    }
    if (r == PF_FRAME_CUT && pf_resync_covers_record(h)) {
        pf_resync_lost_frame(h);
        return PF_END;
    }
    if (r == PF_FRAME_CUT || r == PF_FRAME_GAP) {
        pf_resync_begin(h, r == PF_FRAME_CUT ? &f : NULL);
        return PF_END;
    }
    if (r == PF_FRAME_BAD || (c->final && h->copies != NULL)) {
        enum pf_status st = pf_copies_judge(c, dir, h->framed + PF_RECORD_HEADER_LEN);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
    }
    if (r == PF_FRAME_BAD) {
        pf_resync_lost_frame(h);
        return PF_END;
    }
    return c->final ? pf_resync_end(c, dir, work) : PF_AGAIN;
}

enum pf_status pf_protect_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    struct pf_half *h = &c->half[dir];
    if (h->message.len > 0 && !is_tls13(h)) {
        enum pf_status st = pf_plain_messages(c, dir, true);
        if (st != PF_END) {
            return st;
        }
    }
    if (!h->proved && !is_tls13(h) && h->generation != pf_half_handshake(c, h)->search.generation) {
        h->stage = PF_STAGE_KEYS; /* the other direction has found the candidate to be wrong */
        h->run.len = 0;
        h->framed = pf_stream_at(&h->in);
        return PF_END;
    }
    if (c->watch != NULL && pf_watch_is_settled(h)) {
        pf_half_stop(h);
        return PF_END;
    }
    if (h->loss.open) {
        return pf_resync_step(c, dir, work);
    }
    return frame_records(c, dir, work);
}

void pf_protect_learn(struct pf_half *h, const struct pf_run_record *r, const uint8_t *bytes,
                      uint64_t seq)
{
    if (h->keys.suite->bulk->explicit_len == 8 && !is_tls13(h)) {
        struct pf_cur c = pf_cur_over(bytes + r->offset, r->body_len);
        uint64_t nonce;
        h->nonce_known = pf_cur_u64(&c, &nonce);
        h->nonce_offset = h->nonce_known ? nonce - seq : 0;
    }
}

/* The first record of the run that did not open. */
static enum pf_status on_rejected(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f,
                                  bool was_proved, bool first)
{
    struct pf_half *h = &c->half[dir];
    if (is_tls13(h)) {
        const struct pf_record record = {
            .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
        enum pf_status st = pf_tls13_successor(c, dir, &record);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
    }
    enum pf_status judged = pf_copies_judge(c, dir, frame_end(f));
    if (judged != PF_ERR_REJECTED) {
        return judged == PF_END || judged == PF_AGAIN ? PF_OK : judged;
    }
    if (first && !was_proved && pf_half_candidate_is_open(c, h)) {
        pf_keychange_reject(c, h);
        return PF_OK;
    }
    uint64_t packet;
    int64_t ts_ns;
    pf_stream_packet(&h->in, frame_end(f) - 1, &packet, &ts_ns);
    pass_rejected(h, f, packet);
    return PF_OK;
}

enum pf_status pf_protect_run_done(struct pf_conn *c, enum pf_dir dir,
                                   const struct pf_run_result *result)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_run_record *records = (const struct pf_run_record *)(const void *)h->run.ptr;
    size_t count = run_count(h);
    uint64_t at = pf_stream_at(&h->in);
    size_t k = result->consumed;
    bool was_proved = h->proved;
    enum pf_status st = PF_OK;
    pf_half_saw_inside(h, result);
    uint64_t next = k < count ? at + records[k].offset - PF_RECORD_HEADER_LEN : h->framed;
    if (k > 0) {
        pf_protect_learn(h, &records[k - 1], pf_stream_peek(&h->in, at).ptr, h->seq + k - 1);
        h->seq += k;
        h->opened_any = true;
        if (!h->proved) {
            uint64_t end = at + records[0].offset + records[0].body_len;
            st = pf_keychange_proved(c, h, pf_half_ready(h, end - 1, records[0].packet));
        }
    }
    h->run.len = 0;
    h->framed = next;
    pf_stream_consume(&h->in, next);
    if (k > 0) {
        pf_copies_verified(h, next);
    }
    if (k > 0 && is_tls13(h)) {
        pf_conn_saw_phase(c, h);
    }
    if (st != PF_OK || k == count || h->stage == PF_STAGE_DEAD || result->status == PF_AGAIN) {
        return st;
    }
    if (result->status != PF_ERR_REJECTED && result->status != PF_ERR_MALFORMED) {
        return result->status;
    }
    struct pf_frame f;
    if (pf_stream_frame(&h->in, next, &f) != PF_FRAME_WHOLE) {
        return PF_ERR_INTERNAL;
    }
    return on_rejected(c, dir, &f, was_proved, k == 0);
}
