// SPDX-License-Identifier: Apache-2.0
/* Records in the clear: hellos, certificates, key exchange, up to ChangeCipherSpec. */
#include "tls/half.h"

#include "base/cursor.h"
#include "base/heap.h"

#include <string.h>

enum { HEADER_LEN = 4, SSLV2_HEADER_LEN = 2, SSLV2_LEN_BIT = 0x80 };

/* The first handshake is the one that a flow's line tells of; renegotiations take its place. */
static enum pf_status keep_first(struct pf_conn *c)
{
    void *block;
    enum pf_status st = pf_heap_get(c->env->budget, sizeof *c->first, &block);
    if (st == PF_OK) {
        c->first = block;
        *c->first = *c->hs[0];
        pf_wipe(&c->first->master, sizeof c->first->master);
        pf_handshake_init(c->hs[0], c->env->budget);
    }
    return st;
}

/* Handshake number `next` begins: an empty one in its place. */
static enum pf_status make_handshake(struct pf_conn *c, uint32_t next)
{
    struct pf_handshake *hs = c->hs[next & 1];
    enum pf_status st = next == 2 ? keep_first(c) : PF_OK;
    if (st == PF_OK && hs != NULL) {
        pf_handshake_fini(hs);
    } else if (st == PF_OK) {
        void *block;
        st = pf_heap_get(c->env->budget, sizeof *hs, &block);
        hs = block;
    }
    if (st == PF_OK) {
        pf_handshake_init(hs, c->env->budget);
        c->hs[next & 1] = hs;
        c->hs_count = next + 1;
    }
    return st;
}

/* A renegotiation's first message begins the direction's next handshake; both directions meet in
 * the same one. PF_BLOCKED: the other direction still needs the place that it would take. */
static enum pf_status next_handshake(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_half *other = &c->half[1 - dir];
    uint32_t next = h->hs_no + 1;
    struct pf_handshake *present = pf_half_handshake(c, h);
    if (dir == PF_C2S && h->hs_no > other->hs_no &&
        !pf_handshake_has(present, PF_FACT_SERVER_HELLO)) {
        pf_handshake_fini(present); /* the one that was begun before was refused */
        pf_handshake_init(present, c->env->budget);
        return PF_OK;
    }
    if (other->hs_no + 1 < next && other->stage != PF_STAGE_DEAD) {
        return PF_BLOCKED;
    }
    if (c->hs_count < next + 1) {
        enum pf_status st = make_handshake(c, next);
        if (st != PF_OK) {
            return st;
        }
    }
    h->hs_no = next;
    return PF_OK;
}

static bool begins_handshake(enum pf_dir dir, uint8_t type)
{
    return dir == PF_C2S ? type == PF_HS_CLIENT_HELLO : type == PF_HS_SERVER_HELLO;
}

static enum pf_status take_message(struct pf_conn *c, enum pf_dir dir, struct pf_span message,
                                   bool inside)
{
    struct pf_half *h = &c->half[dir];
    uint8_t type = message.ptr[0];
    if (inside && begins_handshake(dir, type)) {
        enum pf_status st = next_handshake(c, dir);
        if (st != PF_OK) {
            return st;
        }
    }
    struct pf_handshake *hs = pf_half_handshake(c, h);
    enum pf_status st = pf_handshake_message(hs, dir, message, h->message_packet);
    if (st == PF_OK && begins_handshake(dir, type)) {
        c->understood = true;
        c->hs_count = c->hs_count == 0 ? 1 : c->hs_count;
    }
    if (st == PF_OK && type == PF_HS_NEW_SESSION_TICKET && (hs->search.proved || c->locked)) {
        return pf_conn_publish(c, hs);
    }
    return st;
}

/* The next whole message's length; 0: not whole yet. */
static size_t message_len(const struct pf_buf *b)
{
    struct pf_cur c = pf_cur_over(b->ptr, b->len);
    uint8_t type;
    struct pf_cur body;
    if (!pf_cur_u8(&c, &type) || !pf_cur_vec24(&c, &body)) {
        return 0;
    }
    return HEADER_LEN + body.left;
}

enum pf_status pf_plain_messages(struct pf_conn *c, enum pf_dir dir, bool inside)
{
    struct pf_half *h = &c->half[dir];
    size_t taken = 0;
    enum pf_status st = PF_END;
    for (;;) {
        struct pf_buf rest = {.ptr = h->message.ptr + taken, .len = h->message.len - taken};
        size_t len = rest.len == 0 ? 0 : message_len(&rest);
        if (len == 0) {
            break;
        }
        st = take_message(c, dir, (struct pf_span){rest.ptr, len}, inside);
        if (st == PF_BLOCKED && c->final) {
            st = PF_OK; /* what it needs will not come: it is passed over */
        }
        if (st == PF_BLOCKED || pf_status_class(st) == PF_CLASS_SYSTEM ||
            pf_status_class(st) == PF_CLASS_INTERNAL || st == PF_ERR_LIMIT) {
            break;
        }
        if (st != PF_OK) {
            c->bad_frame = true; /* a malformed message tells nothing; those behind it may */
        }
        pf_half_watch(c, dir, PF_WATCH_MESSAGE, (struct pf_span){rest.ptr, len});
        taken += len;
        st = PF_END;
    }
    if (taken == h->message.len) {
        pf_buf_fini(&h->message); /* most have no more messages for a long time */
    } else {
        pf_buf_consume(&h->message, taken);
    }
    return st;
}

/* What the first message says of its length, header included; 0: it is not there yet. */
static uint64_t claimed_len(const struct pf_buf *b)
{
    struct pf_cur c = pf_cur_over(b->ptr, b->len);
    uint8_t type;
    uint32_t len;
    return pf_cur_u8(&c, &type) && pf_cur_u24(&c, &len) ? HEADER_LEN + (uint64_t)len : 0;
}

enum pf_status pf_plain_collect(struct pf_half *h, struct pf_span body, uint64_t packet)
{
    h->message_packet = packet;
    size_t passed = body.len < h->message_left ? body.len : (size_t)h->message_left;
    h->message_left -= passed;
    body = (struct pf_span){body.ptr + passed, body.len - passed};
    enum pf_status st = pf_buf_append(&h->message, body.ptr, body.len);
    uint64_t claimed = claimed_len(&h->message);
    uint64_t held = (uint64_t)h->message.len + body.len;
    if (st == PF_ERR_LIMIT && claimed > h->message.max && held <= claimed) {
        h->message_left = claimed - held;
        h->message.len = 0;
        h->plain_cut = true;
        return PF_OK;
    }
    return st;
}

/* A ClientHello in SSLv2 framing (RFC 5246 appendix E.2) can only be a client's first bytes. */
static enum pf_status sslv2_step(struct pf_conn *c, enum pf_dir dir, bool *is_sslv2)
{
    struct pf_half *h = &c->half[dir];
    struct pf_span bytes = pf_stream_peek(&h->in, 0);
    *is_sslv2 = bytes.len > 0 && (bytes.ptr[0] & SSLV2_LEN_BIT) != 0 &&
                (bytes.len < 3 || bytes.ptr[2] == PF_HS_CLIENT_HELLO);
    if (!*is_sslv2) {
        return PF_OK;
    }
    struct pf_cur cur = pf_cur_of(bytes);
    uint16_t len;
    struct pf_span record;
    if (!pf_cur_u16(&cur, &len) || !pf_cur_span(&cur, len & 0x7fffU, &record)) {
        return PF_AGAIN;
    }
    uint64_t end = SSLV2_HEADER_LEN + record.len;
    pf_stream_packet(&h->in, end - 1, &h->record_packet, &h->record_ts_ns);
    uint64_t packet = pf_half_ready(h, end - 1, h->record_packet);
    enum pf_status st = pf_handshake_sslv2_hello(c->hs[0], record, packet);
    pf_half_watch(c, dir, PF_WATCH_SSLV2, record);
    if (st != PF_OK) {
        c->bad_frame = true;
        pf_half_stop(h);
        return pf_status_class(st) == PF_CLASS_SYSTEM ? st : PF_END;
    }
    c->understood = true;
    c->hs_count = 1;
    h->framed = end;
    pf_stream_consume(&h->in, end);
    return PF_END;
}

static void watch_gap(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed);
    h->record_packet = gap->packet_after != 0 ? gap->packet_after : gap->packet_before;
    pf_half_watch(c, dir, PF_WATCH_GAP, (struct pf_span){NULL, (size_t)gap->lost});
}

/* ChangeCipherSpec (RFC 5246 section 7.1); in TLS 1.3 it means nothing (RFC 8446 appendix D.4). */
static enum pf_status on_change_cipher_spec(struct pf_conn *c, enum pf_dir dir, uint64_t packet)
{
    struct pf_half *h = &c->half[dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    bool retry = pf_handshake_has(hs, PF_FACT_HELLO_RETRY);
    if (pf_blind_applies(c, dir)) {
        enum pf_status st = pf_blind_step(c, dir, false);
        if (st == PF_AGAIN) {
            pf_half_watch(c, dir, PF_WATCH_CCS, (struct pf_span){NULL, 0});
            return PF_OK;
        }
        if (st != PF_OK) {
            return st;
        }
    }
    if (!pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && !c->final && !retry) {
        return PF_BLOCKED;
    }
    pf_half_watch(c, dir, PF_WATCH_CCS, (struct pf_span){NULL, 0});
    if (!pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && !c->final) {
        return PF_OK;
    }
    if (hs->version != PF_VERSION_TLS13) {
        hs->facts |= dir == PF_C2S ? PF_FACT_CLIENT_CCS : PF_FACT_SERVER_CCS;
        pf_handshake_saw(hs, packet);
        h->stage = PF_STAGE_KEYS;
    }
    return PF_OK;
}

/* Encrypted records without a ChangeCipherSpec: TLS 1.3, or it was lost. */
static enum pf_status on_protected(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    if (pf_blind_applies(c, dir)) {
        enum pf_status st = pf_blind_step(c, dir, true);
        if (st != PF_OK) {
            return st;
        }
    }
    if (!pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && !c->final) {
        return PF_BLOCKED;
    }
    if (hs->version == PF_VERSION_TLS13) {
        h->stage = PF_STAGE_HANDSHAKE;
        bool early = dir == PF_C2S && pf_handshake_has(hs, PF_FACT_EARLY_DATA);
        h->phase = early ? PF_PHASE_EARLY : PF_PHASE_HANDSHAKE;
        return PF_END;
    }
    hs->facts |= dir == PF_C2S ? PF_FACT_CLIENT_CCS : PF_FACT_SERVER_CCS;
    h->plain_cut = true;
    h->stage = PF_STAGE_KEYS;
    return PF_END;
}

/* Records under keys before the sender's hello, or before its ChangeCipherSpec where there has to
 * be one: where there are copies, this one was forged. */
static enum pf_status too_early(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_handshake *hs = pf_half_handshake(c, h);
    uint32_t own = dir == PF_C2S ? PF_FACT_CLIENT_HELLO : PF_FACT_SERVER_HELLO;
    bool data = f->type == PF_CT_APPLICATION_DATA;
    bool keys = data || f->type == PF_CT_CHANGE_CIPHER_SPEC;
    bool early =
        !pf_handshake_has(hs, own) ||
        (data && pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && hs->version != PF_VERSION_TLS13);
    if (!keys || !early || !pf_copies_any(h)) {
        return PF_ERR_REJECTED;
    }
    return pf_copies_judge(c, dir, f->pos + PF_RECORD_HEADER_LEN + f->body_len);
}

static enum pf_status on_record(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    struct pf_span body = pf_stream_body(&h->in, f);
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    pf_stream_packet(&h->in, end - 1, &h->record_packet, &h->record_ts_ns);
    uint64_t packet = pf_half_ready(h, end - 1, h->record_packet);
    enum pf_status st = PF_OK;
    if (f->type == PF_CT_HANDSHAKE && !pf_clear_takes(h, body)) {
        return pf_clear_pass(h, f);
    }
    pf_clear_sound(h, f->type);
    if (f->type == PF_CT_HANDSHAKE) {
        st = pf_plain_collect(h, body, packet);
    } else if (f->type == PF_CT_CHANGE_CIPHER_SPEC) {
        st = on_change_cipher_spec(c, dir, packet);
    } else if (f->type == PF_CT_ALERT) {
        pf_conn_note_alert(c, dir, body);
        pf_half_watch(c, dir, PF_WATCH_ALERT, body);
    } else if (f->type == PF_CT_APPLICATION_DATA) {
        st = on_protected(c, dir); /* the record stays for the next stage */
    }
    if (st != PF_OK) {
        return st;
    }
    h->framed = end;
    pf_stream_consume(&h->in, end);
    return PF_END;
}

enum pf_status pf_plain_step(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    if (h->message.len > 0) {
        enum pf_status st = pf_plain_messages(c, dir, false);
        if (st != PF_END) {
            return st;
        }
    }
    if (h->loss.scan) {
        return pf_clear_find(c, h);
    }
    if (dir == PF_C2S && h->framed == 0) {
        bool is_sslv2;
        enum pf_status st = sslv2_step(c, dir, &is_sslv2);
        if (is_sslv2) {
            return st;
        }
    }
    struct pf_frame f;
    enum pf_status st;
    switch (pf_stream_frame(&h->in, h->framed, &f)) {
    case PF_FRAME_WHOLE:
        st = too_early(c, dir, &f);
        return st == PF_ERR_REJECTED ? on_record(c, dir, &f) : st;
    case PF_FRAME_MORE:
        return PF_AGAIN;
    case PF_FRAME_CUT:
        watch_gap(c, dir);
        return pf_clear_gap(h, &f);
    case PF_FRAME_GAP:
        watch_gap(c, dir);
        return pf_clear_gap(h, NULL);
    case PF_FRAME_BAD:
        break;
    }
    if (c->understood || c->replays > 0) {
        st = pf_copies_judge(c, dir, h->framed + PF_RECORD_HEADER_LEN);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
    }
    if (h->framed == 0 && !c->understood && pf_blind_is_possible(c)) {
        h->loss = (struct pf_loss){.open = true, .clear = true, .uncertain = true, .scan = true};
        h->message_skips = true;
        return PF_END; /* a capture may begin in the middle of a record */
    }
    c->bad_frame = true;
    pf_half_stop(h);
    return PF_END;
}
