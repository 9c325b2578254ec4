// SPDX-License-Identifier: Apache-2.0
#include "tls/watch.h"

#include "tls/half.h"

#include <stdlib.h>
#include <string.h>

void pf_watch_init(struct pf_watch *w, struct pf_budget *budget)
{
    memset(w, 0, sizeof *w);
    pf_buf_init(&w->bytes, PF_WATCH_BYTES, budget);
}

void pf_watch_fini(struct pf_watch *w)
{
    pf_buf_fini(&w->bytes);
}

void pf_watch_note(struct pf_watch *w, struct pf_watch_event e, struct pf_span bytes)
{
    if (w->count == PF_WATCH_EVENTS) {
        w->missed++;
        return;
    }
    e.offset = (uint32_t)w->bytes.len;
    e.len = (uint32_t)bytes.len;
    bool kept = bytes.ptr != NULL && pf_buf_append(&w->bytes, bytes.ptr, bytes.len) == PF_OK;
    e.kept = kept ? e.len : 0;
    w->events[w->count++] = e;
}

struct pf_span pf_watch_bytes(const struct pf_watch *w, const struct pf_watch_event *e)
{
    return e->kept > 0 ? (struct pf_span){w->bytes.ptr + e->offset, e->kept}
                       : (struct pf_span){NULL, 0};
}

/* ---- a connection that is watched ---- */

void pf_conn_name(struct pf_conn *c, uint64_t first_packet)
{
    c->flow_packet = first_packet;
}

enum pf_status pf_conn_watch(struct pf_conn *c)
{
    if (!pf_budget_take(c->env->budget, sizeof *c->watch)) {
        return PF_ERR_LIMIT;
    }
    c->watch = malloc(sizeof *c->watch);
    if (c->watch == NULL) {
        pf_budget_give(c->env->budget, sizeof *c->watch);
        return PF_ERR_NOMEM;
    }
    pf_watch_init(c->watch, c->env->budget);
    return PF_OK;
}

void pf_watch_restart(struct pf_conn *c)
{
    if (c->watch != NULL) {
        c->watch->count = 0;
        c->watch->missed = 0;
        c->watch->bytes.len = 0;
    }
}

void pf_conn_unwatch(struct pf_conn *c)
{
    if (c->watch != NULL) {
        pf_watch_fini(c->watch);
        free(c->watch);
        pf_budget_give(c->env->budget, sizeof *c->watch);
        c->watch = NULL;
    }
}

void pf_half_watch(struct pf_conn *c, enum pf_dir dir, enum pf_watch_kind kind,
                   struct pf_span bytes)
{
    if (c->watch == NULL) {
        return;
    }
    const struct pf_half *h = &c->half[dir];
    pf_watch_note(c->watch,
                  (struct pf_watch_event){.packet = h->record_packet,
                                          .ts_ns = h->record_ts_ns,
                                          .kind = (uint8_t)kind,
                                          .dir = (uint8_t)dir,
                                          .opened = h->stage != PF_STAGE_PLAIN},
                  bytes);
}

void pf_half_stop_reading(struct pf_conn *c, struct pf_half *h)
{
    if (c->watch == NULL) {
        pf_half_stop(h);
        return;
    }
    h->stage = PF_STAGE_SEALED;
    h->run.len = 0;
    h->message.len = 0;
    h->framed = pf_stream_at(&h->in);
}

void pf_watch_bare(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    struct pf_watch_event e = {.dir = (uint8_t)dir};
    if (c->watch == NULL || (f->type != PF_CT_ALERT && f->type != PF_CT_CHANGE_CIPHER_SPEC)) {
        return;
    }
    e.kind = f->type == PF_CT_ALERT ? PF_WATCH_ALERT : PF_WATCH_CCS;
    pf_stream_packet(&h->in, f->pos + PF_RECORD_HEADER_LEN + f->body_len - 1, &e.packet, &e.ts_ns);
    pf_watch_note(c->watch, e, pf_stream_body(&h->in, f));
}

static void note_sealed(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f)
{
    struct pf_half *h = &c->half[dir];
    struct pf_watch *w = c->watch;
    struct pf_watch_event e = {.kind = PF_WATCH_SEALED, .dir = (uint8_t)dir, .type = f->type};
    const struct pf_watch_event *last = w->count > 0 ? &w->events[w->count - 1] : NULL;
    if (last != NULL && last->kind == e.kind && last->dir == e.dir && last->type == e.type) {
        return; /* one of a kind is enough */
    }
    pf_stream_packet(&h->in, f->pos + PF_RECORD_HEADER_LEN + f->body_len - 1, &e.packet, &e.ts_ns);
    pf_watch_note(w, e, (struct pf_span){NULL, f->body_len});
}

/*
 * TLS 1.2 and older: Finished, and alerts that come before application data. TLS 1.3 shows of all
 * that only the first record; early data before a HelloRetryRequest took effect is passed over, for
 * the second ClientHello is in the clear again (RFC 8446 section 4.2.10).
 */
enum pf_status pf_sealed_step(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    const struct pf_handshake *hs = pf_half_handshake(c, h);
    bool tls13 = hs->version == PF_VERSION_TLS13;
    bool again = pf_handshake_has(hs, PF_FACT_EARLY_DATA | PF_FACT_HELLO_RETRY);
    struct pf_frame f;
    enum pf_frame_result r = pf_stream_frame(&h->in, h->framed, &f);
    if (r == PF_FRAME_MORE) {
        return PF_AGAIN;
    }
    if (r == PF_FRAME_WHOLE && tls13 && f.type == PF_CT_HANDSHAKE) {
        h->stage = PF_STAGE_PLAIN;
        return PF_END;
    }
    bool data = r == PF_FRAME_WHOLE && f.type == PF_CT_APPLICATION_DATA;
    if (r == PF_FRAME_WHOLE && (!data || tls13)) {
        note_sealed(c, dir, &f);
    }
    if (r != PF_FRAME_WHOLE || (data && !again)) {
        pf_half_stop(h);
        return PF_END;
    }
    h->framed += PF_RECORD_HEADER_LEN + f.body_len;
    pf_stream_consume(&h->in, h->framed);
    return PF_END;
}

bool pf_watch_is_settled(const struct pf_half *h)
{
    struct pf_frame f;
    return h->proved && h->phase != PF_PHASE_EARLY && !h->loss.open && h->message.len == 0 &&
           pf_stream_frame(&h->in, h->framed, &f) == PF_FRAME_WHOLE &&
           f.type == PF_CT_APPLICATION_DATA;
}
