// SPDX-License-Identifier: Apache-2.0
/* The key schedule of TLS 1.3 as a passive reader follows it (RFC 8446 sections 2, 4.4, 7). */
#include "tls/half.h"

#include "base/cursor.h"

#include <string.h>

enum { HEADER_LEN = 4 };

enum pf_keylog_label pf_tls13_label(enum pf_dir dir, enum pf_phase phase)
{
    if (phase == PF_PHASE_EARLY) {
        return PF_KEYLOG_CLIENT_EARLY;
    }
    if (phase == PF_PHASE_HANDSHAKE) {
        return dir == PF_C2S ? PF_KEYLOG_CLIENT_HANDSHAKE : PF_KEYLOG_SERVER_HANDSHAKE;
    }
    return dir == PF_C2S ? PF_KEYLOG_CLIENT_TRAFFIC : PF_KEYLOG_SERVER_TRAFFIC;
}

bool pf_tls13_find_secret(const struct pf_conn *c, const struct pf_handshake *hs, enum pf_dir dir,
                          enum pf_phase phase, struct pf_secret *out, enum pf_opened_by *by)
{
    const struct pf_secret_sources *src = &c->env->secrets;
    enum pf_keylog_label label = pf_tls13_label(dir, phase);
    for (unsigned i = 0; i < PF_SECRET_LOGS; i++) {
        const struct pf_keylog *log = pf_secret_log(src, i, by);
        if (log != NULL && pf_keylog_find(log, label, hs->client_random, 0, out)) {
            return true;
        }
    }
    return false;
}

static enum pf_status phase_keys(struct pf_conn *c, enum pf_dir dir, enum pf_phase phase,
                                 struct pf_secret *secret, struct pf_keys *keys)
{
    struct pf_handshake *hs = pf_half_handshake(c, &c->half[dir]);
    enum pf_opened_by by;
    if (phase == PF_PHASE_EARLY && dir == PF_S2C) {
        return PF_ERR_NOKEY;
    }
    if (!pf_tls13_find_secret(c, hs, dir, phase, secret, &by)) {
        return PF_ERR_NOKEY;
    }
    hs->search.opened_by = (uint8_t)by;
    return pf_kdf_tls13_keys(c->env->kdf, hs->suite, hs->draft, secret, keys);
}

enum pf_status pf_tls13_next_keys(struct pf_conn *c, enum pf_dir dir, struct pf_secret *secret,
                                  struct pf_keys *keys, enum pf_phase *phase)
{
    struct pf_half *h = &c->half[dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    if (h->phase != PF_PHASE_TRAFFIC) {
        *phase = h->phase + 1;
        enum pf_status st = phase_keys(c, dir, *phase, secret, keys);
        if (st == PF_ERR_NOKEY && *phase == PF_PHASE_HANDSHAKE) {
            *phase = PF_PHASE_TRAFFIC;
            st = phase_keys(c, dir, *phase, secret, keys);
        }
        return st;
    }
    *phase = PF_PHASE_TRAFFIC;
    enum pf_status st = pf_kdf_tls13_update(c->env->kdf, hs->suite, hs->draft, &h->secret, secret);
    return st == PF_OK ? pf_kdf_tls13_keys(c->env->kdf, hs->suite, hs->draft, secret, keys) : st;
}

static enum pf_status adopt(struct pf_half *h, enum pf_phase phase, const struct pf_secret *secret,
                            const struct pf_keys *keys)
{
    h->updates += h->phase == PF_PHASE_TRAFFIC;
    h->secret = *secret;
    h->phase = phase;
    h->stage = phase == PF_PHASE_HANDSHAKE ? PF_STAGE_HANDSHAKE : PF_STAGE_OPEN;
    h->message.len = 0;
    return pf_half_install(h, keys, 0);
}

/* Opens a record with the half's present keys into out. */
static enum pf_status open_now(struct pf_conn *c, struct pf_half *h, const struct pf_keys *keys,
                               uint64_t seq, const struct pf_record *record, uint8_t *out,
                               size_t cap, struct pf_plain *plain)
{
    struct pf_chain none = {.iv_known = false};
    (void)h;
    enum pf_status st = pf_open_record(c->env->crypt, keys, &none, seq, record, out, cap, plain);
    return st == PF_ERR_MALFORMED ? PF_ERR_REJECTED : st;
}

enum pf_status pf_tls13_successor(struct pf_conn *c, enum pf_dir dir,
                                  const struct pf_record *record)
{
    struct pf_half *h = &c->half[dir];
    struct pf_secret secret;
    struct pf_keys keys;
    enum pf_phase phase;
    uint8_t out[PF_RECORD_MAX];
    struct pf_plain plain;
    enum pf_status st = pf_tls13_next_keys(c, dir, &secret, &keys, &phase);
    if (st == PF_OK) {
        st = open_now(c, h, &keys, 0, record, out, sizeof out, &plain);
    }
    if (st == PF_OK) {
        st = adopt(h, phase, &secret, &keys);
    }
    pf_wipe(&secret, sizeof secret);
    pf_wipe(&keys, sizeof keys);
    return st == PF_ERR_NOKEY ? PF_ERR_REJECTED : st;
}

enum pf_status pf_tls13_fits(struct pf_conn *c, enum pf_dir dir, const struct pf_record *record,
                             uint64_t seq)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_chain none = {.iv_known = false};
    struct pf_secret secret;
    struct pf_keys keys;
    enum pf_phase phase;
    enum pf_status st = PF_ERR_REJECTED;
    if (h->chain_live) {
        st = pf_open_verify(c->env->crypt, &h->keys, &h->chain, seq, record);
        if (st == PF_ERR_REJECTED && pf_tls13_next_keys(c, dir, &secret, &keys, &phase) == PF_OK) {
            st = pf_open_verify(c->env->crypt, &keys, &none, 0, record);
        }
    }
    for (enum pf_phase p = h->phase; !h->chain_live && p <= PF_PHASE_TRAFFIC; p++) {
        if (phase_keys(c, dir, p, &secret, &keys) == PF_OK) {
            st = pf_open_verify(c->env->crypt, &keys, &none, 0, record);
        }
        if (st != PF_ERR_REJECTED) {
            break;
        }
    }
    pf_wipe(&secret, sizeof secret);
    pf_wipe(&keys, sizeof keys);
    return st;
}

/* Finished ends the handshake keys' use: what follows is under traffic keys (section 4.4.4). */
static bool holds_finished(const struct pf_buf *message)
{
    struct pf_cur c = pf_cur_over(message->ptr, message->len);
    uint8_t type;
    struct pf_cur body;
    while (pf_cur_u8(&c, &type) && pf_cur_vec24(&c, &body)) {
        if (type == PF_HS_FINISHED) {
            return true;
        }
    }
    return false;
}

static enum pf_status to_traffic(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_secret secret;
    struct pf_keys keys;
    enum pf_status st = phase_keys(c, dir, PF_PHASE_TRAFFIC, &secret, &keys);
    if (st == PF_OK) {
        st = adopt(h, PF_PHASE_TRAFFIC, &secret, &keys);
    } else if (st == PF_ERR_NOKEY) {
        pf_half_stop(h);
        st = PF_OK;
    }
    pf_wipe(&secret, sizeof secret);
    pf_wipe(&keys, sizeof keys);
    return st;
}

static enum pf_status on_opened(struct pf_conn *c, enum pf_dir dir, const struct pf_plain *plain,
                                uint64_t packet)
{
    struct pf_half *h = &c->half[dir];
    h->seq++;
    h->proved = true;
    pf_conn_saw_phase(c, h);
    if (plain->type == PF_CT_ALERT) {
        pf_conn_note_alert(c, dir, plain->data);
        pf_half_watch(c, dir, PF_WATCH_ALERT, plain->data);
        return PF_OK;
    }
    if (plain->type != PF_CT_HANDSHAKE) {
        return PF_OK;
    }
    if (!pf_clear_takes(h, plain->data)) {
        return PF_OK; /* Finished may be among what is not taken: see pf_tls13_successor */
    }
    enum pf_status st = pf_plain_collect(h, plain->data, packet);
    bool finished = holds_finished(&h->message);
    if (st == PF_OK) {
        st = pf_plain_messages(c, dir, false);
        st = st == PF_END ? PF_OK : st;
    }
    return st == PF_OK && finished ? to_traffic(c, dir) : st;
}

/* The keys for the first protected record: of the first phase whose secret is known and fits. */
static enum pf_status try_phase(struct pf_conn *c, enum pf_dir dir, enum pf_phase phase,
                                const struct pf_record *record, bool *known)
{
    struct pf_half *h = &c->half[dir];
    struct pf_secret secret;
    struct pf_keys keys;
    uint8_t out[PF_RECORD_MAX];
    struct pf_plain plain;
    enum pf_status st = phase_keys(c, dir, phase, &secret, &keys);
    *known |= st != PF_ERR_NOKEY;
    if (st == PF_OK) {
        st = open_now(c, h, &keys, 0, record, out, sizeof out, &plain);
    }
    if (st == PF_OK) {
        st = adopt(h, phase, &secret, &keys);
    }
    pf_wipe(&secret, sizeof secret);
    pf_wipe(&keys, sizeof keys);
    return st;
}

static enum pf_status find_phase(struct pf_conn *c, enum pf_dir dir, const struct pf_record *record)
{
    bool known = false;
    enum pf_status st = PF_ERR_NOKEY;
    for (enum pf_phase p = c->half[dir].phase; p <= PF_PHASE_TRAFFIC && st != PF_OK; p++) {
        st = try_phase(c, dir, p, record, &known);
        if (st != PF_OK && st != PF_ERR_REJECTED && st != PF_ERR_NOKEY) {
            return st;
        }
    }
    return st == PF_OK || known ? st : PF_ERR_NOKEY;
}

/* None of its secrets is known, or the hello that names them has not been read yet. */
static enum pf_status no_secret(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    if (!pf_handshake_has(pf_half_handshake(c, h), PF_FACT_CLIENT_HELLO) && !c->final) {
        return PF_BLOCKED;
    }
    enum pf_status st = pf_replay(c, true);
    if (st == PF_ERR_REJECTED) {
        pf_half_stop_reading(c, h);
        st = PF_END;
    }
    return st;
}

static enum pf_status open_handshake_record(struct pf_conn *c, enum pf_dir dir,
                                            const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_record record = {
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
    uint64_t end = f->pos + PF_RECORD_HEADER_LEN + f->body_len;
    pf_stream_packet(&h->in, end - 1, &h->record_packet, &h->record_ts_ns);
    uint64_t packet = h->record_packet;
    if (!h->chain_live) {
        if (pf_late_nothing_new(c, h)) {
            return PF_BLOCKED;
        }
        enum pf_status st = find_phase(c, dir, &record);
        if (st == PF_ERR_NOKEY) {
            return pf_late_may_come(c) ? PF_BLOCKED : no_secret(c, dir);
        }
        if (st == PF_OK) {
            return PF_END;
        }
        if (st == PF_ERR_REJECTED) {
            st = pf_copies_judge(c, dir, end);
        }
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        h->early_locked |= h->phase == PF_PHASE_EARLY;
        pf_resync_rejected(h, f, packet); /* early data without its secret */
        h->loss.uncertain = false;
    } else {
        uint8_t out[PF_RECORD_MAX];
        struct pf_plain plain;
        enum pf_status st = open_now(c, h, &h->keys, h->seq, &record, out, sizeof out, &plain);
        if (st == PF_ERR_REJECTED) {
            st = pf_tls13_successor(c, dir, &record);
            if (st == PF_OK) {
                return PF_END;
            }
            st = st == PF_ERR_REJECTED ? pf_copies_judge(c, dir, end) : st;
            if (st != PF_ERR_REJECTED) {
                return st;
            }
            pf_resync_rejected(h, f, packet);
            h->loss.uncertain = false;
            h->seq++;
        } else if (st == PF_OK) {
            pf_copies_verified(h, end);
            st = on_opened(c, dir, &plain, packet);
        }
        if (st != PF_OK && st != PF_ERR_REJECTED) {
            return st;
        }
    }
    if (h->stage != PF_STAGE_DEAD) {
        h->framed = end;
        pf_stream_consume(&h->in, end);
    }
    return PF_END;
}

/* The keys of the first phase that are known, on trial. PF_ERR_NOKEY: there are none. */
static enum pf_status first_keys(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_secret secret;
    struct pf_keys keys;
    enum pf_status st = PF_ERR_NOKEY;
    for (enum pf_phase p = h->phase; p <= PF_PHASE_TRAFFIC && st == PF_ERR_NOKEY; p++) {
        st = phase_keys(c, dir, p, &secret, &keys);
        if (st == PF_OK) {
            st = adopt(h, p, &secret, &keys);
        }
    }
    pf_wipe(&secret, sizeof secret);
    pf_wipe(&keys, sizeof keys);
    return st;
}

/* Something is missing: the place and the keys behind it are searched (resync.c). */
static enum pf_status lost_place(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *cut)
{
    struct pf_half *h = &c->half[dir];
    enum pf_status st = h->chain_live ? PF_OK : first_keys(c, dir);
    if (st == PF_ERR_NOKEY) {
        pf_half_stop(h);
        return PF_END;
    }
    if (st != PF_OK) {
        return st;
    }
    if (!h->loss.open || !h->loss.uncertain) {
        pf_resync_begin(h, cut);
    }
    h->message.len = 0;
    h->message_skips = true;
    h->stage = PF_STAGE_OPEN;
    return PF_END;
}

static enum pf_status on_bad_frame(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    enum pf_status st = pf_copies_judge(c, dir, h->framed + PF_RECORD_HEADER_LEN);
    if (st == PF_ERR_REJECTED) {
        pf_half_stop(h);
        st = PF_END;
    }
    return st;
}

enum pf_status pf_tls13_step(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    if (hs->suite == NULL || !hs->suite->bulk->supported) {
        enum pf_status st = pf_replay(c, true);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        c->unsupported = true;
        c->locked = true;
        return PF_END;
    }
    if (h->loss.open && h->loss.uncertain) {
        return lost_place(c, dir, NULL);
    }
    struct pf_frame f;
    switch (pf_stream_frame(&h->in, h->framed, &f)) {
    case PF_FRAME_WHOLE:
        break;
    case PF_FRAME_MORE:
        return PF_AGAIN;
    case PF_FRAME_CUT:
        return lost_place(c, dir, &f);
    case PF_FRAME_GAP:
        return lost_place(c, dir, NULL);
    case PF_FRAME_BAD:
        return on_bad_frame(c, dir);
    }
    if (f.type == PF_CT_APPLICATION_DATA) {
        return open_handshake_record(c, dir, &f);
    }
    if (f.type == PF_CT_HANDSHAKE && !h->proved) {
        h->stage = PF_STAGE_PLAIN; /* the second ClientHello, behind early data */
        return PF_END;
    }
    uint64_t end = f.pos + PF_RECORD_HEADER_LEN + f.body_len;
    if (f.type == PF_CT_ALERT) {
        pf_conn_note_alert(c, dir, pf_stream_body(&h->in, &f));
    }
    pf_watch_bare(c, dir, &f);
    h->framed = end;
    pf_stream_consume(&h->in, end);
    return PF_END;
}
