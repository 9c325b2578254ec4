// SPDX-License-Identifier: Apache-2.0
#include "support/reasm.h"

static void test_more_than_4_gib(void **state)
{
    (void)state;
    uint8_t *block = rig.stream;
    uint64_t off = 0;
    struct pf_piece piece;
    pf_reasm_anchor(&rig.r, 0xfffffff1U);
    for (uint32_t i = 0; i < 9 * 4096; i++) { /* 9 GiB */
        struct pf_pkt a = pf_test_data(0, (uint32_t)(off + 0xfffffff1U), block, STREAM / 2);
        struct pf_pkt b = pf_test_data(0, (uint32_t)(a.seq + STREAM / 2), block, STREAM / 2);
        bool swap = i % 1024 == 0;
        pf_reasm_push(&rig.r, swap ? &b : &a);
        uint64_t got = 0;
        while (pf_reasm_pop(&rig.r, &piece)) {
            got += piece.len;
        }
        pf_reasm_push(&rig.r, swap ? &a : &b);
        while (pf_reasm_pop(&rig.r, &piece)) {
            got += piece.len;
        }
        off += STREAM;
        assert_int_equal(got, STREAM);
        assert_int_equal(piece.off + piece.len, off);
    }
    assert_true(off > (uint64_t)2 << 32);
    assert_int_equal(rig.r.segs, 0);
}

static void test_hold_is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PF_REASM_HOLD_SEGS; i++) {
        assert_false(pf_reasm_unanchored_full(&rig.r));
        send_range(2000 - i * 10, 2010 - i * 10);
    }
    assert_true(pf_reasm_unanchored_full(&rig.r));
    assert_int_equal(rig.got_len, 0);
    uint32_t lowest = 2000 - PF_REASM_HOLD_SEGS * 10;
    memmove(rig.stream, rig.stream + lowest, 2010 - lowest); /* offsets now count from there */
    rig.isn += lowest;
    send_range(0, 10);
    assert_true(rig.r.anchored);
    assert_whole(2010 - lowest);
}

static void test_hold_is_bounded_in_bytes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 7; i++) {
        send_range(i * 9000, i * 9000 + 9000);
        assert_false(pf_reasm_unanchored_full(&rig.r));
    }
    send_range(63000, 72000);
    assert_true(pf_reasm_unanchored_full(&rig.r));
    send_range(72000, 73000);
    assert_whole(73000);
}

static void test_lowest_hole_goes_at_the_cap(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(1000, 8 * 1536, 64 * MIB);
    send_syn();
    for (uint32_t i = 1; i <= 8; i++) {
        send_range(i * 2000, i * 2000 + 1400);
    }
    assert_int_equal(rig.got_len, 0);
    assert_false(rig.r.limited);
    send_range(18000, 19400); /* the ninth */
    assert_true(rig.r.limited);
    assert_int_equal(rig.gaps, 1);
    assert_int_equal(rig.gap_len, 2000);
    assert_int_equal(rig.got_len, 3400);
    assert_int_equal(rig.r.segs, 8);
    send_range(1000, 2500); /* late, and 500 bytes delivered before */
    assert_int_equal(rig.r.late_bytes, 1000);
    assert_int_equal(rig.got_len, 3400);
    send_range(3400, 4000);
    assert_int_equal(rig.got_len, 5400);
    assert_int_equal(rig.gaps, 1);
}

static void test_cap_of_nothing_still_goes_on(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(1000, 0, 64 * MIB);
    send_syn();
    send_range(100, 200);
    assert_int_equal(rig.gap_len, 100);
    assert_int_equal(rig.got_len, 200);
    send_range(300, 100000);
    assert_int_equal(rig.gap_len, 200);
    assert_int_equal(rig.data_len, 100 + 100000 - 300);
}

static void test_budget_of_others_used_up(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(1000, PF_REASM_MAX_HELD, 64 * 1024);
    send_syn();
    for (uint32_t i = 1; i < 100; i++) {
        send_range(i * 2000, i * 2000 + 1400); /* one slab of 1536-byte blocks, 42 of them */
    }
    assert_true(rig.r.limited);
    assert_true(rig.gaps > 50);
    assert_true(rig.budget.peak <= 64 * 1024);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.data_len, 99 * 1400);
}

/* A hole at the start and much behind it: memory stays at the cap, time linear. */
static void test_hole_at_the_start(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(1000, MIB, 64 * MIB);
    struct pf_piece piece;
    uint64_t gaps = 0;
    pf_reasm_anchor(&rig.r, 0);
    for (uint32_t i = 0; i < 200000; i++) {
        struct pf_pkt p = pf_test_data(0, 5 + i * 1460, rig.stream, 1460);
        pf_reasm_push(&rig.r, &p);
        while (pf_reasm_pop(&rig.r, &piece)) {
            gaps += piece.kind == PF_PIECE_GAP ? piece.len : 0;
        }
        assert_true(rig.r.held <= MIB);
    }
    assert_int_equal(gaps, 5);
    assert_true(rig.budget.peak <= 2 * MIB);
}

enum { MANY = 1000000 };

static uint64_t steps_of(uint32_t (*order)(uint32_t))
{
    teardown(NULL);
    open_rig(1000, UINT32_MAX, (size_t)256 * MIB);
    struct pf_piece piece;
    uint64_t got = 0;
    pf_reasm_anchor(&rig.r, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t off = order(i);
        uint8_t byte = pf_test_byte(off);
        struct pf_pkt p = pf_test_data(0, off, &byte, 1);
        pf_reasm_push(&rig.r, &p);
        while (pf_reasm_pop(&rig.r, &piece)) {
            if (piece.off != got || piece.len != 1 || piece.data[0] != pf_test_byte(got)) {
                fail();
            }
            got++;
        }
    }
    assert_int_equal(got, MANY);
    return rig.env.steps;
}

static uint32_t reversed(uint32_t i)
{
    return MANY - 1 - i;
}

static uint32_t odd_then_even(uint32_t i)
{
    return i < MANY / 2 ? i * 2 + 1 : (i - MANY / 2) * 2;
}

static uint32_t odd_then_even_reversed(uint32_t i)
{
    return i < MANY / 2 ? i * 2 + 1 : MANY - 2 - (i - MANY / 2) * 2;
}

static uint32_t scattered(uint32_t i) /* a permutation: the multiplier and MANY have no divisor */
{
    return (uint32_t)((uint64_t)i * 618033 % MANY);
}

/* Steps are counted, not seconds: log2 of a million is 20. */
static void test_million_segments_stay_flat(void **state)
{
    (void)state;
    assert_true(steps_of(reversed) < (uint64_t)MANY * 6);
    assert_true(steps_of(odd_then_even) < (uint64_t)MANY * 6);
    assert_true(steps_of(odd_then_even_reversed) < (uint64_t)MANY * 12);
    assert_true(steps_of(scattered) < (uint64_t)MANY * 80);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_more_than_4_gib),
        T(test_hold_is_bounded),
        T(test_hold_is_bounded_in_bytes),
        T(test_lowest_hole_goes_at_the_cap),
        T(test_cap_of_nothing_still_goes_on),
        T(test_budget_of_others_used_up),
        T(test_hole_at_the_start),
        T(test_million_segments_stay_flat),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
