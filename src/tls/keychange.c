// SPDX-License-Identifier: Apache-2.0
/* Key changes of TLS 1.2 and older: from a ChangeCipherSpec to keys that are proved. */
#include "tls/half.h"

enum pf_status pf_half_install(struct pf_half *h, const struct pf_keys *keys, uint8_t compression)
{
    if (h->chain_live) {
        pf_chain_fini(&h->chain);
        h->chain_live = false;
        pf_guess_keys_change(h);
    }
    h->keys = *keys;
    h->keys_ahead = 0;
    h->seq = 0;
    h->updated = false;
    h->nonce_known = false;
    h->keyed = h->framed;
    h->keyed_seq = 0;
    h->keyed_lost = 0;
    h->clear_end = h->keyed_once ? h->clear_end : h->framed;
    h->keyed_once = true;
    enum pf_status st = pf_chain_init(&h->chain, &h->keys, compression);
    h->chain_live = st == PF_OK;
    return st;
}

static enum pf_status lock(struct pf_conn *c, struct pf_handshake *hs)
{
    enum pf_status st = pf_replay(c, true);
    if (st != PF_ERR_REJECTED) {
        return st == PF_END ? PF_OK : st;
    }
    c->locked = true;
    return pf_conn_publish(c, hs);
}

/* The key block holds both directions' keys. The other one's are left with it where it has none
 * yet: it will most likely want them, and they cost as much as opening 10 kB. */
static void leave_keys(struct pf_half *other, const struct pf_half *h, const struct pf_keys *keys,
                       const struct pf_handshake *hs)
{
    if (!other->chain_live && other->stage < PF_STAGE_HANDSHAKE && other->hs_no == h->hs_no) {
        other->keys = *keys;
        other->keys_ahead = hs->search.generation + 1;
    }
}

static enum pf_status install(struct pf_conn *c, enum pf_dir dir, struct pf_handshake *hs)
{
    struct pf_half *h = &c->half[dir];
    struct pf_keys keys[2] = {h->keys, h->keys};
    enum pf_status st = PF_OK;
    if (h->keys_ahead != hs->search.generation + 1) {
        st = pf_kdf_key_block(c->env->kdf, hs->version, hs->suite, hs->encrypt_then_mac,
                              &hs->master, hs->client_random, hs->server_random, keys);
        if (st == PF_OK) {
            leave_keys(&c->half[1 - dir], h, &keys[1 - dir], hs);
        }
    }
    if (st == PF_OK) {
        st = pf_half_install(h, &keys[dir], hs->compression);
    }
    pf_wipe(keys, sizeof keys);
    if (st == PF_ERR_UNSUPPORTED) {
        c->unsupported = true;
        return lock(c, hs);
    }
    h->generation = hs->search.generation;
    h->proved = false;
    h->stage = PF_STAGE_OPEN;
    h->message.len = 0;
    return st;
}

static void fill_work(const struct pf_conn *c, enum pf_dir dir, const struct pf_handshake *hs,
                      struct pf_work *work)
{
    work->dir = dir;
    work->client_packet = hs->client_packet;
    if (hs->search.pending == PF_PENDING_UNWRAP) {
        work->kind = PF_WORK_UNWRAP;
        work->unwrap = pf_secret_unwrap_request(hs, &c->env->secrets, &c->server);
    } else {
        work->kind = PF_WORK_SESSION;
        work->session_packet = pf_handshake_session_packet(hs);
    }
}

enum pf_status pf_keychange_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work)
{
    if (c->locked) {
        return PF_END; /* the caller stops the direction */
    }
    struct pf_handshake *hs = pf_half_handshake(c, &c->half[dir]);
    pf_late_search_again(c, hs);
    enum pf_status st = pf_secret_find(hs, c->env->kdf, &c->env->secrets, &c->server, c->final);
    if (st == PF_ERR_NOKEY && pf_late_may_come(c)) {
        return PF_BLOCKED;
    }
    switch (pf_status_class(st)) {
    case PF_CLASS_NONE:
        break;
    case PF_CLASS_UNSUPPORTED:
        c->unsupported = true;
        st = lock(c, hs);
        return st == PF_OK ? PF_END : st;
    case PF_CLASS_NOKEY:
    case PF_CLASS_INPUT:
    case PF_CLASS_LIMIT:
        st = lock(c, hs);
        return st == PF_OK ? PF_END : st;
    case PF_CLASS_SYSTEM:
    case PF_CLASS_USAGE:
    case PF_CLASS_INTERNAL:
        return st;
    }
    if (st == PF_AGAIN) {
        fill_work(c, dir, hs, work);
        return PF_OK;
    }
    if (st == PF_OK) {
        st = install(c, dir, hs);
        return st == PF_OK ? PF_END : st;
    }
    return st;
}

void pf_keychange_reject(struct pf_conn *c, struct pf_half *h)
{
    struct pf_handshake *hs = pf_half_handshake(c, h);
    if (h->generation == hs->search.generation) {
        pf_secret_reject(hs);
    }
    h->stage = PF_STAGE_KEYS;
}

enum pf_status pf_keychange_proved(struct pf_conn *c, struct pf_half *h, uint64_t packet)
{
    h->proved = true;
    struct pf_handshake *hs = pf_half_handshake(c, h);
    if (hs->search.proved || hs->version == PF_VERSION_TLS13) {
        hs->search.proved = true;
        return PF_OK;
    }
    hs->search.proved = true;
    pf_handshake_saw(hs, packet);
    enum pf_status st = pf_conn_publish(c, hs);
    pf_handshake_settle(hs);
    return st;
}
