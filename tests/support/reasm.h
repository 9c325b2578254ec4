// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one direction under test, and everything that came out of it.
 * Owns:    the rig: setup makes it, teardown demands that nothing is left.
 * Threads: one test at a time.
 * Errors:  a cmocka failure.
 * Limits:  STREAM bytes, where tests look at what came out.
 */
#ifndef PF_TESTS_SUPPORT_REASM_H
#define PF_TESTS_SUPPORT_REASM_H

#include "flow/reasm.h"
#include "support/flow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { STREAM = 1 << 18, MIB = 1 << 20 };

/* A direction and everything that came out of it. */
struct rig {
    struct pf_budget budget;
    struct pf_reasm_env env;
    struct pf_reasm r;
    uint8_t stream[STREAM]; /* what is sent; the test's expectation is that it comes out */
    uint8_t got[STREAM];
    uint64_t got_len; /* offset behind the last piece */
    uint64_t data_len;
    uint64_t gap_len;
    uint32_t gaps;
    uint32_t others;        /* further copies of delivered bytes that came out */
    uint64_t others_len;    /* their bytes, */
    uint64_t others_differ; /* and those of them that differ from what was delivered */
    struct pf_piece other;  /* the last of them; its data is not valid any more */
    uint64_t number;        /* of the last packet sent */
    struct pf_piece last;
    uint32_t isn;
};

static struct rig rig; /* large; one test at a time */

static inline void open_rig(uint32_t isn, uint32_t max_held, size_t budget)
{
    memset(&rig, 0, sizeof rig);
    rig.budget.limit = budget;
    rig.isn = isn;
    pf_reasm_env_init(&rig.env, &rig.budget, max_held);
    pf_reasm_init(&rig.r, &rig.env);
    for (size_t i = 0; i < STREAM; i++) {
        rig.stream[i] = pf_test_byte(i);
    }
}

static inline int setup(void **state)
{
    (void)state;
    open_rig(1000, PF_REASM_MAX_HELD, 64 * MIB);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    pf_reasm_fini(&rig.r);
    assert_int_equal(rig.r.held, 0);
    assert_int_equal(rig.r.segs, 0);
    assert_int_equal(rig.r.other_segs, 0);
    assert_int_equal(rig.r.other_held, 0);
    pf_reasm_env_fini(&rig.env);
    assert_int_equal(rig.budget.used, 0);
    return 0;
}

static inline void note_other(const struct pf_piece *p)
{
    assert_int_equal(p->off + p->behind, rig.got_len);
    assert_true(p->len > 0 && p->len <= p->behind);
    for (uint64_t i = 0; i < p->len; i++) {
        rig.others_differ += rig.got[p->off + i] != p->data[i] ? 1 : 0;
    }
    rig.others++;
    rig.others_len += p->len;
    rig.other = *p;
}

/* Pieces follow each other without hole or overlap, whatever happens. */
static inline void drain(void)
{
    struct pf_piece p;
    while (pf_reasm_pop(&rig.r, &p)) {
        if (p.kind == PF_PIECE_OTHER) {
            note_other(&p);
            continue;
        }
        assert_int_equal(p.off, rig.got_len);
        assert_true(p.len > 0);
        assert_true(p.off + p.len <= STREAM);
        if (p.kind == PF_PIECE_DATA) {
            memcpy(rig.got + p.off, p.data, p.len);
            rig.data_len += p.len;
        } else {
            assert_null(p.data);
            rig.gap_len += p.len;
            rig.gaps++;
        }
        rig.got_len = p.off + p.len;
        rig.last = p;
    }
}

static inline void send_pkt(struct pf_pkt p)
{
    p.number = ++rig.number;
    p.ts_ns = (int64_t)p.number * 10;
    pf_reasm_push(&rig.r, &p);
    drain();
}

static inline void send_bytes(uint32_t off, const uint8_t *data, uint32_t len)
{
    send_pkt(pf_test_data(0, rig.isn + 1 + off, data, len));
}

/* The stream's own bytes from..to. */
static inline void send_range(uint32_t from, uint32_t to)
{
    send_bytes(from, rig.stream + from, to - from);
}

static inline void send_flags(uint8_t flags, uint32_t off)
{
    send_pkt(pf_test_pkt(0, flags, rig.isn + 1 + off, 0));
}

static inline void send_syn(void)
{
    send_pkt(pf_test_pkt(0, PF_TCP_SYN, rig.isn, 0));
}

static inline void assert_whole(uint64_t len)
{
    assert_int_equal(rig.got_len, len);
    assert_int_equal(rig.data_len, len);
    assert_memory_equal(rig.got, rig.stream, len);
    assert_int_equal(rig.r.segs, 0);
}

#endif
