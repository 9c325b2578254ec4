// SPDX-License-Identifier: Apache-2.0
/*
 * Before keys nothing verifies: a forged hello is only known by what it leads to. When a connection
 * comes to nothing and there are other copies of its first bytes, these are put in place and it is
 * read again from its start. What opens the first record was the true one.
 */
#include "tls/half.h"
#include "tls/trial.h"

#include <string.h>

enum { REPLAYS = 16 }; /* of a connection: an RSA operation may be in each */

/* Everything from the start on is still held, and nothing of it is proved. */
static bool is_possible(const struct pf_conn *c)
{
    for (int d = 0; d < 2; d++) {
        const struct pf_half *h = &c->half[d];
        bool over = h->stage == PF_STAGE_DEAD || h->stage == PF_STAGE_SEALED;
        if (over || h->proved || h->opened_any || h->detached > 0 || h->in.gap_at != 0 ||
            (pf_stream_end(&h->in) > 0 && pf_stream_oldest(&h->in) != 0)) {
            return false;
        }
    }
    return c->replays < REPLAYS && c->hs_count <= 1 && !c->waiting;
}

/* The packet with copies whose turn it is: round and round in their order. 0: there is none. */
static uint64_t next_packet(const struct pf_conn *c, bool last)
{
    uint64_t next = 0;
    uint64_t lowest = 0;
    for (int d = 0; d < 2; d++) {
        size_t n = 0;
        const struct pf_copies *copies = c->half[d].copies;
        const struct pf_copy *all = copies == NULL ? NULL : pf_copies_list(copies, &n);
        for (size_t i = 0; i < n; i++) {
            uint64_t packet = all[i].packet;
            if (all[i].replaced && !last) {
                continue;
            }
            lowest = lowest == 0 || packet < lowest ? packet : lowest;
            next = packet > c->replayed && (next == 0 || packet < next) ? packet : next;
        }
    }
    return next != 0 ? next : lowest;
}

static void restart_half(struct pf_half *h)
{
    const struct pf_half old = *h;
    if (old.chain_live) {
        pf_chain_fini(&h->chain);
    }
    pf_wipe(&h->keys, sizeof h->keys);
    pf_wipe(&h->secret, sizeof h->secret);
    *h = (struct pf_half){.in = old.in,
                          .run = old.run,
                          .message = old.message,
                          .late = old.late,
                          .late_packet = old.late_packet,
                          .phase = PF_PHASE_NONE,
                          .copies = old.copies};
    h->run.len = 0;
    h->message.len = 0;
    if (h->in.bytes.len > 0) {
        pf_stream_rewind(&h->in, 0);
    }
}

static void restart(struct pf_conn *c)
{
    for (int d = 0; d < 2; d++) {
        restart_half(&c->half[d]);
        if (c->hs[d] != NULL) {
            pf_handshake_fini(c->hs[d]);
            pf_handshake_init(c->hs[d], c->env->budget);
        }
    }
    pf_watch_restart(c);
    c->hs_count = 0;
    c->locked = false;
    c->understood = false;
    c->bad_frame = false;
    c->unsupported = false;
    c->alert_seen = false;
}

static enum pf_status put_packet(struct pf_conn *c, uint64_t packet)
{
    const struct pf_choice choice = {
        .rule = PF_RULE_NONE, .packet = {packet}, .count = 1, .end = UINT64_MAX};
    enum pf_status st = PF_OK;
    for (int d = 0; d < 2 && st == PF_OK; d++) {
        if (c->half[d].copies != NULL) {
            st = pf_copies_put(c, &c->half[d], 0, &choice);
        }
    }
    return st;
}

bool pf_replay_restart(struct pf_conn *c)
{
    bool possible = is_possible(c);
    if (possible) {
        c->replays++;
        restart(c);
    }
    return possible;
}

enum pf_status pf_replay(struct pf_conn *c, bool last)
{
    uint64_t packet = is_possible(c) ? next_packet(c, last) : 0;
    if (packet == 0) {
        return PF_ERR_REJECTED;
    }
    c->replays++;
    c->replayed = packet;
    enum pf_status st = put_packet(c, packet);
    restart(c);
    return st == PF_OK ? PF_END : st;
}
