// SPDX-License-Identifier: Apache-2.0
/*
 * What:    for fuzz targets: a conversation of two peers, fed to a struct pf_conn in any way. Each
 *          operation is two bytes, what to do and how much of it.
 * Owns:    the conversations of a target, for good.
 * Threads: -
 * Errors:  abort(): what came out was not sent, what came whole was not opened, memory was not
 *          given back, or it has no end.
 * Limits:  the plaintext is small letters and spaces.
 */
#ifndef PF_TESTS_CONNOPS_H
#define PF_TESTS_CONNOPS_H

#include "support/connrig.h"

enum { CONNOPS_KINDS = 8 };
enum { OP_FEED, OP_GAP, OP_FLIP, OP_FLUSH, OP_REPEAT, OP_GARBAGE, OP_ALL, OP_GIVE_UP, OPS };

struct connops {
    struct rig *r;
    struct pf_span wire[2]; /* what each side sent */
    size_t at[2];           /* how much of it was fed, or lost */
    unsigned growth;        /* plaintext may be so many times what was fed */
    bool damaged;           /* it was not only cut into pieces */
};

static inline void connops_feed(struct connops *s, int d, size_t n)
{
    size_t left = s->wire[d].len - s->at[d];
    n = n < left ? n : left;
    rig_feed(s->r, (enum pf_dir)d, s->wire[d].ptr + s->at[d], n);
    s->at[d] += n;
}

static inline void connops_do(struct connops *s, unsigned op, unsigned amount)
{
    int d = (op >> 3) & 1;
    size_t n = (size_t)amount * (op & 0x10 ? 16 : 1);
    size_t left = s->wire[d].len - s->at[d];
    uint8_t garbage[64];
    s->damaged |= op % OPS != OP_FEED && op % OPS != OP_FLUSH && op % OPS != OP_ALL;
    switch (op % OPS) {
    case OP_FEED:
        connops_feed(s, d, n);
        break;
    case OP_GAP:
        rig_gap(s->r, (enum pf_dir)d, n + 1);
        s->at[d] += n + 1 < left ? n + 1 : left;
        break;
    case OP_FLIP:
        memset(garbage, (int)amount, sizeof garbage);
        rig_feed(s->r, (enum pf_dir)d, garbage, 1);
        s->at[d] += left > 0 ? 1 : 0;
        break;
    case OP_FLUSH:
        pf_conn_flush(s->r->conn);
        rig_drive(s->r);
        break;
    case OP_REPEAT:
        s->at[d] -= n < s->at[d] ? n : s->at[d];
        break;
    case OP_GARBAGE:
        memset(garbage, (int)amount, sizeof garbage);
        rig_feed(s->r, (enum pf_dir)d, garbage, amount % sizeof garbage);
        break;
    case OP_ALL:
        connops_feed(s, d, SIZE_MAX);
        break;
    case OP_GIVE_UP:
        pf_conn_give_up(s->r->conn);
        rig_drive(s->r);
        break;
    }
}

/* Every record that comes out is one that was sent: text is made of these words. */
static inline void connops_check(const struct connops *s)
{
    for (int d = 0; d < 2; d++) {
        rig_check(s->r->plain_len[d] <= s->r->fed[d] * s->growth, "more than fed");
        for (size_t i = 0; i < s->r->plain_len[d]; i++) {
            uint8_t c = s->r->plain[d][i];
            rig_check(c == ' ' || (c >= 'a' && c <= 'z'), "not what was sent");
        }
    }
}

/* A connection from its begin to its end. */
static inline void connops_run(struct connops *s, const uint8_t *data, size_t size)
{
    struct pf_conn_report report;
    rig_begin(s->r);
    for (size_t i = 0; i + 1 < size; i += 2) {
        connops_do(s, data[i], data[i + 1]);
    }
    rig_finish(s->r, &report);
    connops_check(s);
    rig_check(report.status == PF_FLOW_DECRYPTED || report.detail != NULL, "no detail");
    bool whole = !s->damaged && s->at[0] == s->wire[0].len && s->at[1] == s->wire[1].len;
    rig_check(!whole || report.status == PF_FLOW_DECRYPTED, "all was there");
    rig_end(s->r);
}

/* A fuzz target: the first byte chooses the conversation, which make has for it (rig, wire, growth)
 * when it is first wanted. */
static inline int connops_fuzz(void (*make)(unsigned kind, struct connops *out), unsigned kinds,
                               const uint8_t *data, size_t size)
{
    static struct connops made[CONNOPS_KINDS];
    if (size == 0) {
        return 0;
    }
    unsigned kind = data[0] % kinds;
    rig_check(kind < CONNOPS_KINDS, "room for the conversations");
    if (made[kind].r == NULL) {
        make(kind, &made[kind]);
    }
    struct connops s = made[kind];
    connops_run(&s, data + 1, size - 1);
    return 0;
}

#endif
