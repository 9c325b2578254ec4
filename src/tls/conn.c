// SPDX-License-Identifier: Apache-2.0
#include "tls/conn.h"

#include "base/cursor.h"
#include "base/heap.h"
#include "tls/half.h"

enum { MESSAGE_MAX = 256 * 1024, SECRETS_MAX = 32 * 1024, ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0 };

static void half_init(struct pf_half *h, const struct pf_conn_env *env)
{
    pf_stream_init(&h->in, env->held_max, env->budget);
    h->in.pinned = true;
    pf_buf_init(&h->run, PF_RUN_RECORDS * sizeof(struct pf_run_record), env->budget);
    pf_buf_init(&h->message, MESSAGE_MAX, env->budget);
    pf_buf_init(&h->late, env->held_max, env->budget);
    h->phase = PF_PHASE_NONE;
}

enum pf_status pf_conn_new(const struct pf_conn_env *env, const struct pf_server *server,
                           struct pf_conn **out)
{
    void *block;
    enum pf_status st = pf_heap_zeroed(env->budget, sizeof(struct pf_conn), &block);
    if (st != PF_OK) {
        return st;
    }
    struct pf_conn *c = block;
    c->env = env;
    c->server = *server;
    for (int d = 0; d < 2; d++) {
        half_init(&c->half[d], env);
    }
    pf_handshake_init(&c->opening, env->budget);
    c->hs[0] = &c->opening;
    pf_buf_init(&c->secrets, SECRETS_MAX, env->budget);
    *out = c;
    return PF_OK;
}

static void half_fini(struct pf_half *h)
{
    pf_stream_fini(&h->in);
    pf_buf_fini(&h->run);
    pf_buf_fini(&h->message);
    pf_buf_fini(&h->late);
    pf_copies_free(h->copies);
    if (h->chain_live) {
        pf_chain_fini(&h->chain);
    }
    pf_wipe(&h->keys, sizeof h->keys);
    pf_wipe(&h->secret, sizeof h->secret);
}

static void handshake_free(struct pf_conn *c, struct pf_handshake *hs)
{
    if (hs != NULL) {
        pf_handshake_fini(hs);
        pf_heap_put(c->env->budget, hs, sizeof *hs);
    }
}

void pf_conn_free(struct pf_conn *c)
{
    if (c == NULL) {
        return;
    }
    for (int d = 0; d < 2; d++) {
        half_fini(&c->half[d]);
    }
    pf_handshake_fini(&c->opening);
    handshake_free(c, c->hs[1]);
    handshake_free(c, c->first);
    if (c->secrets.len > 0) {
        pf_wipe(c->secrets.ptr, c->secrets.len);
    }
    pf_buf_fini(&c->secrets);
    pf_conn_unwatch(c);
    pf_heap_put(c->env->budget, c, sizeof *c);
}

void pf_conn_prefetch_free(const struct pf_conn *c)
{
    for (int d = 0; d < 2; d++) {
        pf_buf_prefetch_fini(&c->half[d].in.bytes);
        pf_buf_prefetch_fini(&c->half[d].in.marks);
        pf_buf_prefetch_fini(&c->half[d].run);
    }
    pf_heap_prefetch_put(c->env->budget, c, sizeof *c);
}

/* Gives the direction's memory back: what comes from now on is not kept. */
void pf_half_stop(struct pf_half *h)
{
    pf_copies_close(h);
    h->waits = false;
    h->stage = PF_STAGE_DEAD;
    uint64_t end = pf_stream_end(&h->in);
    pf_stream_consume(&h->in, end);
    pf_stream_fini(&h->in);
    pf_buf_fini(&h->run);
    pf_buf_fini(&h->message);
    pf_buf_fini(&h->late);
    h->framed = end;
}

static enum pf_status over_limit(struct pf_half *h, enum pf_status st)
{
    if (st == PF_ERR_LIMIT) {
        h->limit = true;
        pf_half_stop(h);
        return PF_OK;
    }
    return st;
}

void pf_conn_prefetch(const struct pf_conn *c, enum pf_dir dir)
{
    enum { LINE = 64 };
    const char *h = (const char *)&c->half[dir];
    __builtin_prefetch(c);
    for (size_t at = 0; at < offsetof(struct pf_half, message); at += LINE) {
        __builtin_prefetch(h + at);
    }
    for (size_t at = offsetof(struct pf_half, copies); at < sizeof c->half[dir]; at += LINE) {
        __builtin_prefetch(h + at);
    }
    __builtin_prefetch(&c->finishing);
}

void pf_conn_prefetch_bytes(const struct pf_conn *c, enum pf_dir dir)
{
    const struct pf_stream *in = &c->half[dir].in;
    if (in->bytes.len > 0) {
        __builtin_prefetch(in->bytes.ptr + in->head);
        __builtin_prefetch(in->bytes.ptr + in->bytes.len);
        __builtin_prefetch(in->marks.ptr + in->marks.len - 1);
    }
}

void pf_conn_at(struct pf_conn *c, uint64_t packet)
{
    c->at = packet > c->at ? packet : c->at;
}

static enum pf_status note_late(struct pf_conn *c, struct pf_half *h, uint64_t packet)
{
    const struct pf_late late = {.pos = pf_stream_end(&h->in), .packet = c->at};
    const struct pf_late *all = (const struct pf_late *)(const void *)h->late.ptr;
    size_t n = h->late.len / sizeof late;
    if (packet >= c->at || (n > 0 && all[n - 1].packet == c->at)) {
        return PF_OK;
    }
    return pf_buf_append(&h->late, &late, sizeof late);
}

uint64_t pf_half_ready(struct pf_half *h, uint64_t pos, uint64_t packet)
{
    const struct pf_late *all = (const struct pf_late *)(const void *)h->late.ptr;
    size_t n = h->late.len / sizeof *all;
    size_t passed = 0;
    while (passed < n && all[passed].pos <= pos) {
        h->late_packet = all[passed++].packet;
    }
    pf_buf_consume(&h->late, passed * sizeof *all);
    return packet > h->late_packet ? packet : h->late_packet;
}

enum pf_status pf_conn_feed(struct pf_conn *c, enum pf_dir dir, struct pf_span data,
                            uint64_t packet, int64_t ts_ns)
{
    struct pf_half *h = &c->half[dir];
    if (h->stage == PF_STAGE_DEAD) {
        return PF_OK;
    }
    enum pf_status st = note_late(c, h, packet);
    return over_limit(h, st == PF_OK ? pf_stream_append(&h->in, data, packet, ts_ns) : st);
}

enum pf_status pf_conn_gap(struct pf_conn *c, enum pf_dir dir, uint64_t lost, uint64_t packet)
{
    struct pf_half *h = &c->half[dir];
    if (h->stage == PF_STAGE_DEAD) {
        return PF_OK;
    }
    enum pf_status st = note_late(c, h, packet);
    return over_limit(h, st == PF_OK ? pf_stream_gap(&h->in, lost, packet) : st);
}

enum pf_status pf_conn_other(struct pf_conn *c, enum pf_dir dir, const struct pf_copy_of *copy)
{
    return pf_copies_add(c, dir, copy);
}

void pf_conn_finish(struct pf_conn *c)
{
    c->finishing = true;
}

void pf_conn_give_up(struct pf_conn *c)
{
    c->half[PF_C2S].limit = true;
    c->half[PF_S2C].limit = true;
    pf_conn_finish(c);
}

void pf_conn_flush(struct pf_conn *c)
{
    c->flush = true;
}

/* RFC 5246 section 7.2. An encrypted alert that was not opened is longer than two bytes. */
void pf_conn_note_alert(struct pf_conn *c, enum pf_dir dir, struct pf_span body)
{
    struct pf_cur cur = pf_cur_of(body);
    uint8_t level;
    uint8_t code;
    if (!pf_cur_u8(&cur, &level) || !pf_cur_u8(&cur, &code) || !pf_cur_at_end(&cur)) {
        return;
    }
    if (code == ALERT_CLOSE_NOTIFY) {
        c->half[dir].ended = true;
    } else if (level == ALERT_FATAL && !c->alert_seen) {
        c->alert_seen = true;
        c->alert_from = (uint8_t)dir;
        c->alert_level = level;
        c->alert_code = code;
    }
}

static enum pf_status half_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    enum pf_status st = pf_copies_wait(c, dir);
    if (st != PF_OK) {
        return st;
    }
    switch (c->half[dir].stage) {
    case PF_STAGE_PLAIN:
        return pf_plain_step(c, dir);
    case PF_STAGE_KEYS:
        return pf_keychange_step(c, dir, work);
    case PF_STAGE_HANDSHAKE:
        return pf_tls13_step(c, dir);
    case PF_STAGE_OPEN:
        return pf_protect_step(c, dir, work);
    case PF_STAGE_SEALED:
        return pf_sealed_step(c, dir);
    case PF_STAGE_DEAD:
        break;
    }
    return c->final ? pf_resync_end(c, dir, work) : PF_AGAIN;
}

/* A lock found while one direction was read stops both; one that is still in the clear goes on to
 * its key change, for it may bring the ticket that others resume. */
static void stop_if_locked(struct pf_conn *c)
{
    for (int d = 0; d < 2 && c->locked; d++) {
        enum pf_stage stage = c->half[d].stage;
        if (stage != PF_STAGE_DEAD && stage != PF_STAGE_PLAIN && stage != PF_STAGE_SEALED) {
            pf_half_stop_reading(c, &c->half[d]);
        }
    }
}

/* What is wrong with the connection stays with it: only errors of the run's own come back. */
static enum pf_status contain(struct pf_conn *c, struct pf_half *h, enum pf_status st)
{
    switch (pf_status_class(st)) {
    case PF_CLASS_NONE:
    case PF_CLASS_SYSTEM:
    case PF_CLASS_USAGE:
    case PF_CLASS_INTERNAL:
        return st;
    case PF_CLASS_LIMIT:
        h->limit = true;
        break;
    case PF_CLASS_UNSUPPORTED:
    case PF_CLASS_NOKEY:
    case PF_CLASS_INPUT:
        h->rejected += h->proved ? 1 : 0;
        c->unsupported |= !h->proved;
        c->locked |= !h->proved;
        break;
    }
    pf_half_stop(h);
    stop_if_locked(c);
    return PF_OK;
}

/* One direction, as far as it goes. */
static enum pf_status half_advance(struct pf_conn *c, enum pf_dir dir, struct pf_work *work,
                                   bool *moved)
{
    for (;;) {
        enum pf_status st = half_step(c, dir, work);
        stop_if_locked(c);
        if (st == PF_END) {
            *moved = true;
            continue;
        }
        if (st >= 0 || contain(c, &c->half[dir], st) != PF_OK) {
            return st;
        }
        *moved = true;
    }
}

/* Both directions, until neither can go on. */
static enum pf_status advance(struct pf_conn *c, struct pf_work *work)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (int d = 0; d < 2; d++) {
            enum pf_status st = half_advance(c, (enum pf_dir)d, work, &moved);
            if (st == PF_OK || st < 0) {
                return st;
            }
        }
    }
    return PF_AGAIN;
}

enum pf_status pf_conn_next(struct pf_conn *c, struct pf_work *work)
{
    work->kind = PF_WORK_NONE;
    if (c->waiting) {
        return PF_AGAIN;
    }
    enum pf_status st = advance(c, work);
    bool elsewhere = c->half[PF_C2S].detached > 0 || c->half[PF_S2C].detached > 0;
    if (st == PF_AGAIN && c->finishing && !c->final && !elsewhere) {
        /* Only now: what was fed is read the same way whether it had to wait or not. */
        c->final = true;
        c->flush = true;
        st = advance(c, work);
    }
    for (enum pf_status again; st == PF_AGAIN && c->final;) {
        again = pf_replay(c, true);
        if (again == PF_ERR_REJECTED) {
            break;
        }
        st = again == PF_END ? advance(c, work) : again;
    }
    if (st == PF_AGAIN && !c->final) {
        c->flush = false;
    }
    return st;
}

enum pf_status pf_conn_run_done(struct pf_conn *c, const struct pf_work *work,
                                const struct pf_run_result *result)
{
    return contain(c, &c->half[work->dir], pf_protect_run_done(c, work->dir, result));
}

/* The handshake whose search asked for something. */
static struct pf_handshake *pending_handshake(struct pf_conn *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->hs[i] != NULL && c->hs[i]->search.pending != PF_PENDING_NOTHING) {
            return c->hs[i];
        }
    }
    return NULL;
}

void pf_conn_wait(struct pf_conn *c)
{
    c->waiting = true;
}

enum pf_status pf_conn_unwrapped(struct pf_conn *c, const uint8_t *pre_master)
{
    struct pf_handshake *hs = pending_handshake(c);
    c->waiting = false;
    if (hs == NULL) {
        return PF_ERR_INTERNAL;
    }
    enum pf_status st =
        pf_secret_unwrapped(hs, c->env->kdf, &c->env->secrets, &c->server, pre_master);
    struct pf_half *h = &c->half[pf_half_handshake(c, &c->half[PF_C2S]) == hs ? PF_C2S : PF_S2C];
    return contain(c, h, st);
}

enum pf_status pf_conn_session_answer(struct pf_conn *c, bool last)
{
    struct pf_handshake *hs = pending_handshake(c);
    if (hs == NULL) {
        return PF_ERR_INTERNAL;
    }
    uint64_t packet = pf_handshake_session_packet(hs);
    enum pf_status st = pf_secret_session(hs, &c->env->secrets, packet, last);
    c->waiting = st == PF_AGAIN;
    return st;
}

bool pf_conn_is_waiting(const struct pf_conn *c)
{
    return c->waiting;
}

bool pf_conn_is_locked(const struct pf_conn *c)
{
    return c->locked;
}

bool pf_conn_is_dead(const struct pf_conn *c)
{
    return c->half[0].stage == PF_STAGE_DEAD && c->half[1].stage == PF_STAGE_DEAD;
}
