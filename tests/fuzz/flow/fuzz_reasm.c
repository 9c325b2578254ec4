// SPDX-License-Identifier: Apache-2.0
/*
 * src/flow/reasm.c against a model that cannot be wrong: an array of bytes and, for each, who wrote
 * it first; and of every byte that came again and differed it must hand that copy on. Targets
 * pf_reasm_anchor, _push, _pop, _flush, _peek_lowest.
 *
 * The first byte chooses limits and ISN; each operation is 5 bytes: kind, offset (2), length, salt.
 */
#include "base/cursor.h"
#include "flow/reasm.h"

#include <stdlib.h>

enum { SPAN = 1 << 14, BEFORE = 1 << 13, MAX_OPS = 2000 };

struct model {
    uint8_t byte[SPAN]; /* index: stream offset + BEFORE */
    uint8_t have[SPAN];
    uint64_t next; /* stream offset not delivered yet */
    uint64_t end;  /* behind the highest byte pushed */
    bool anchored;
    bool limits;        /* tight: gaps may come before the flush */
    uint32_t late;      /* upper bound of late bytes */
    uint64_t differ;    /* bytes pushed that differ from the first copy and are to be handed on */
    uint64_t handed_on; /* such bytes in pieces that came out */
};

struct op {
    uint8_t kind;
    uint16_t off;
    uint8_t len;
    uint8_t salt;
};

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool read_op(struct pf_cur *c, struct op *op)
{
    return pf_cur_u8(c, &op->kind) && pf_cur_u16(c, &op->off) && pf_cur_u8(c, &op->len) &&
           pf_cur_u8(c, &op->salt);
}

static void check_data(struct model *m, const struct pf_piece *p)
{
    check(p->data != NULL && p->packet > 0);
    for (uint64_t i = 0; i < p->len; i++) {
        check(m->have[BEFORE + p->off + i] != 0);
        check(m->byte[BEFORE + p->off + i] == p->data[i]);
    }
}

/* A gap ends at a byte that is there, or at the end; and, unless at a limit, holds none. */
static void check_gap(struct model *m, const struct pf_piece *p, bool flushed)
{
    check(flushed || m->limits);
    check(p->data == NULL);
    for (uint64_t i = 0; i < p->len; i++) {
        check(m->have[BEFORE + p->off + i] == 0);
    }
    m->late += (uint32_t)p->len;
}

static void check_other(struct model *m, const struct pf_piece *p)
{
    check(p->data != NULL && p->packet > 0 && p->len > 0);
    check(p->off + p->behind == m->next && p->len <= p->behind);
    for (uint64_t i = 0; i < p->len; i++) {
        check(m->have[BEFORE + p->off + i] != 0);
        m->handed_on += m->byte[BEFORE + p->off + i] != p->data[i] ? 1 : 0;
    }
}

static void drain(struct pf_reasm *r, struct model *m, bool flushed)
{
    struct pf_piece p;
    while (pf_reasm_pop(r, &p)) {
        check(r->anchored);
        if (p.kind == PF_PIECE_OTHER) {
            check_other(m, &p);
            continue;
        }
        check(p.off == m->next && p.len > 0);
        check(BEFORE + p.off + p.len <= SPAN);
        if (p.kind == PF_PIECE_DATA) {
            check_data(m, &p);
        } else {
            check_gap(m, &p, flushed);
        }
        m->next += p.len;
    }
    check(r->held <= r->env->max_held);
    check(m->limits || flushed || !r->anchored || m->have[BEFORE + m->next] == 0);
}

/* Before the anchor at offset 0 all is believed; afterwards only what is not delivered. */
static void model_push(struct model *m, const struct pf_pkt *pkt, int32_t off)
{
    for (uint32_t i = 0; i < pkt->len; i++) {
        int32_t at = off + (int32_t)i;
        if ((!m->anchored || at >= (int32_t)m->next) && m->have[BEFORE + at] == 0) {
            m->have[BEFORE + at] = 1;
            m->byte[BEFORE + at] = pkt->data[i];
        } else if (at >= 0 && m->byte[BEFORE + at] != pkt->data[i]) {
            m->differ++;
        }
    }
}

/* Near what comes next, or anywhere in the first 4 KiB; the end of the model is not reached. */
static int32_t op_offset(const struct op *op, const struct model *m)
{
    int32_t off = (int32_t)(op->off % 4096);
    if ((op->kind & 0x10) != 0) {
        off = (int32_t)m->next + (int32_t)(op->off % 256) - 64;
    }
    return m->next < SPAN - BEFORE - 2048 ? off : 0;
}

static void push_op(struct pf_reasm *r, struct model *m, const struct op *op, uint32_t isn,
                    uint64_t number)
{
    uint8_t data[1024];
    int32_t off = op_offset(op, m);
    struct pf_pkt pkt = {.number = number, .data = data, .flags = PF_TCP_ACK};
    pkt.len = (uint32_t)op->len * ((op->kind & 0x20) != 0 ? 4 : 1);
    pkt.missing = (op->kind & 0x40) != 0 ? op->salt : 0;
    pkt.seq = isn + 1 + (uint32_t)off;
    for (uint32_t i = 0; i < pkt.len; i++) { /* equal for one salt: overlaps agree or differ */
        data[i] = (uint8_t)((uint32_t)off + i + (op->salt & 1U) * 100);
    }
    if ((op->kind & 0x80) != 0) {
        pkt.flags |= PF_TCP_FIN;
    }
    pf_reasm_push(r, &pkt);
    model_push(m, &pkt, off);
    drain(r, m, false);
}

static void anchor_op(struct pf_reasm *r, struct model *m, uint32_t isn, bool by_syn)
{
    struct pf_pkt syn = {.seq = isn, .flags = PF_TCP_SYN, .number = 1};
    if (by_syn) {
        pf_reasm_push(r, &syn);
    } else {
        pf_reasm_anchor(r, isn + 1);
    }
    m->anchored = true;
    drain(r, m, false);
}

static void run(struct pf_reasm *r, struct model *m, struct pf_cur *c, uint32_t isn)
{
    struct op op;
    uint32_t pushed = 0;
    if (m->limits) { /* it would anchor itself, at a place that the model does not know */
        anchor_op(r, m, isn, true);
    }
    for (uint64_t n = 1; n < MAX_OPS && read_op(c, &op); n++) {
        uint32_t seq;
        struct pf_span span;
        if ((op.kind & 0x0f) == 0 || (!m->anchored && pushed == 20)) {
            anchor_op(r, m, isn, (op.kind & 0x10) != 0);
            continue;
        }
        push_op(r, m, &op, isn, n);
        pushed++;
        if (pf_reasm_peek_lowest(r, &seq, &span)) {
            check(span.len > 0 && m->byte[BEFORE + (int32_t)(seq - isn - 1)] == span.ptr[0]);
        }
    }
    if (!m->anchored) {
        anchor_op(r, m, isn, false);
    }
    pf_reasm_flush(r);
    drain(r, m, true);
    check(r->root == NULL && r->low == NULL);
    check(m->handed_on <= m->differ);
    check(m->handed_on == m->differ || m->limits || r->forgotten > 0);
    for (uint32_t i = BEFORE + (uint32_t)m->next; i < SPAN; i++) {
        check(m->have[i] == 0); /* everything came out */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m; /* large; made new for each input */
    struct pf_cur c = pf_cur_over(data, size);
    struct pf_budget budget = {.limit = 1 << 20};
    struct pf_reasm_env env;
    struct pf_reasm r;
    uint8_t mode;
    if (!pf_cur_u8(&c, &mode)) {
        return 0;
    }
    memset(&m, 0, sizeof m);
    m.limits = (mode & 1) != 0;
    if ((mode & 3) == 3) {
        budget.limit = 64 * 1024; /* one slab: one size class at a time */
    }
    uint32_t isn = (mode & 4) != 0 ? 0xfffffff0U : (uint32_t)mode << 24;
    pf_reasm_env_init(&env, &budget, m.limits ? 128U * (mode >> 3) : PF_REASM_MAX_HELD);
    pf_reasm_init(&r, &env);
    run(&r, &m, &c, isn);
    check(r.late_bytes == 0 || m.late > 0);
    pf_reasm_fini(&r);
    check(r.held == 0 && r.segs == 0);
    pf_reasm_env_fini(&env);
    check(budget.used == 0);
    return 0;
}
