// SPDX-License-Identifier: Apache-2.0
/* Further copies of bytes: which are handed on, when, and within which bounds. */
#include "support/reasm.h"

static void send_other(uint32_t from, uint32_t len)
{
    uint8_t forged[9000];
    assert_true(len <= sizeof forged);
    memset(forged, 0xee, sizeof forged);
    send_bytes(from, forged, len);
}

static void test_a_clean_stream_has_none(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 1000);
    send_range(2000, 3000);
    send_range(1000, 2000);
    send_flags(PF_TCP_ACK, 3000);
    assert_whole(3000);
    assert_int_equal(rig.others, 0);
}

static void test_a_retransmission_is_handed_on_in_place(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 1000);
    struct pf_pkt p = pf_test_data(0, rig.isn + 1 + 500, rig.stream + 500, 700);
    p.number = 9;
    struct pf_piece piece;
    pf_reasm_push(&rig.r, &p);
    assert_true(pf_reasm_pop(&rig.r, &piece));
    assert_int_equal(piece.kind, PF_PIECE_OTHER);
    assert_ptr_equal(piece.data, p.data);
    assert_int_equal(piece.off, 500);
    assert_int_equal(piece.len, 500);
    assert_int_equal(piece.behind, 500);
    assert_int_equal(piece.packet, 9);
    assert_true(pf_reasm_pop(&rig.r, &piece)); /* what is new of it */
    assert_int_equal(piece.kind, PF_PIECE_DATA);
    assert_int_equal(piece.off, 1000);
    assert_int_equal(piece.len, 200);
    assert_false(pf_reasm_pop(&rig.r, &piece));
    assert_int_equal(rig.budget.peak, 0);
}

static void test_a_copy_of_delivered_bytes_that_differs(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 1000);
    send_other(100, 50);
    assert_whole(1000);
    assert_int_equal(rig.others, 1);
    assert_int_equal(rig.others_differ, 50);
}

static void test_a_copy_of_held_bytes_waits_for_its_place(void **state)
{
    (void)state;
    send_syn();
    send_range(500, 1000);
    send_other(600, 100); /* packet 3 */
    assert_int_equal(rig.r.conflicts, 1);
    assert_int_equal(rig.others, 0);
    send_range(0, 500);
    assert_whole(1000);
    assert_int_equal(rig.others, 1);
    assert_int_equal(rig.other.off, 600);
    assert_int_equal(rig.other.len, 100);
    assert_int_equal(rig.other.packet, 3);
    assert_int_equal(rig.others_differ, 100);
}

static void test_an_equal_copy_of_held_bytes_is_not_kept(void **state)
{
    (void)state;
    send_syn();
    send_range(500, 1000);
    send_range(600, 700);
    send_range(0, 500);
    assert_whole(1000);
    assert_int_equal(rig.others, 0);
}

/* The forged one came early, the true one in order: both come out. */
static void test_a_packet_over_a_held_one(void **state)
{
    (void)state;
    send_syn();
    send_other(50, 20);
    send_range(0, 100);
    assert_int_equal(rig.got_len, 100);
    assert_int_equal(rig.others, 1);
    assert_int_equal(rig.other.off, 50);
    assert_int_equal(rig.other.len, 20);
    assert_int_equal(rig.got[50], 0xee);
}

static void test_before_the_anchor(void **state)
{
    (void)state;
    send_range(100, 200);
    send_other(100, 20);
    send_other(150, 20);
    assert_int_equal(rig.got_len, 0);
    pf_reasm_anchor(&rig.r, rig.isn + 1 + 100); /* offset 0 is now the stream's byte 100 */
    struct pf_piece p;
    uint64_t others = 0;
    while (pf_reasm_pop(&rig.r, &p)) {
        others += p.kind == PF_PIECE_OTHER ? p.len : 0;
    }
    assert_int_equal(others, 40);
}

static void test_below_the_anchor_is_dropped(void **state)
{
    (void)state;
    send_range(100, 200);
    send_other(100, 20);
    send_other(100, 5);
    pf_reasm_anchor(&rig.r, rig.isn + 1 + 110);
    struct pf_piece p;
    uint64_t others = 0;
    while (pf_reasm_pop(&rig.r, &p)) {
        others += p.kind == PF_PIECE_OTHER ? p.len : 0;
    }
    assert_int_equal(others, 10);
    assert_int_equal(rig.r.other_segs, 0);
}

static void test_only_what_is_recent(void **state)
{
    (void)state;
    send_syn();
    for (uint32_t at = 0; at < 4 * PF_REASM_RECENT; at += 1024) {
        send_range(at, at + 1024);
    }
    send_range(0, 3 * PF_REASM_RECENT);
    assert_int_equal(rig.others, 0);
    send_range(0, 3 * PF_REASM_RECENT + 10);
    assert_int_equal(rig.others, 1);
    assert_int_equal(rig.others_len, 10);
    assert_int_equal(rig.other.behind, PF_REASM_RECENT);
    send_range(0, 4 * PF_REASM_RECENT);
    assert_int_equal(rig.others_len, 10 + PF_REASM_RECENT);
}

static void test_nothing_from_before_a_gap(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 100);
    send_range(200, 300);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.gap_len, 100);
    send_range(0, 300);
    assert_int_equal(rig.others, 1);
    assert_int_equal(rig.other.off, 200);
    assert_int_equal(rig.others_len, 100);
}

static void test_bounds_on_what_is_kept(void **state)
{
    (void)state;
    send_syn();
    send_range(1000, 2000);
    for (uint32_t i = 0; i < 3 * PF_REASM_OTHERS; i++) {
        send_other(1000 + i, 500);
    }
    assert_int_equal(rig.r.other_segs, PF_REASM_OTHERS);
    assert_int_equal(rig.r.forgotten, 2 * PF_REASM_OTHERS);
    assert_true(rig.r.held < 2 * PF_REASM_OTHER_BYTES);
    send_range(0, 1000);
    assert_whole(2000);
    assert_int_equal(rig.others, PF_REASM_OTHERS);
    send_range(3000, STREAM / 4);
    for (uint32_t i = 0; i < PF_REASM_OTHERS; i++) {
        send_other(3000, 9000);
    }
    assert_true(rig.r.other_held <= PF_REASM_OTHER_BYTES + 9216);
}

static void test_given_back_when_the_flow_goes(void **state)
{
    (void)state;
    send_syn();
    send_range(500, 1000);
    send_other(500, 500);
    assert_int_equal(rig.r.other_segs, 1); /* teardown demands that nothing is left */
}

static void test_over_the_wrap(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(0xffffff00U, PF_REASM_MAX_HELD, 64 * MIB);
    send_syn();
    send_range(0, 1000);
    send_other(200, 200);
    send_range(1500, 2000);
    send_other(1500, 10);
    send_range(1000, 1500);
    assert_whole(2000);
    assert_int_equal(rig.others, 2);
    assert_int_equal(rig.others_len, 210);
}

static void test_a_keep_alive_byte_is_told_apart(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 100);
    send_other(99, 1);
    assert_true((rig.other.doubt & PF_DOUBT_PROBE) != 0);
    send_other(98, 1);
    assert_true((rig.other.doubt & PF_DOUBT_PROBE) == 0);
}

static void test_doubts(void **state)
{
    (void)state;
    send_syn();
    for (uint32_t i = 0; i < 5; i++) {
        struct pf_pkt p = pf_test_data(0, rig.isn + 1 + i * 10, rig.stream + i * 10, 10);
        p.ttl = 60;
        p.hints = PF_HINT_HAS_TSOPT;
        send_pkt(p);
        assert_int_equal(rig.last.doubt, 0);
    }
    struct pf_pkt p = pf_test_data(0, rig.isn + 1 + 20, rig.stream, 10);
    p.ttl = 61;
    p.hints = PF_HINT_HAS_TSOPT;
    send_pkt(p);
    assert_int_equal(rig.other.doubt, PF_DOUBT_TTL);
    p.ttl = 60;
    p.hints = PF_HINT_BAD_IP_SUM;
    send_pkt(p);
    assert_int_equal(rig.other.doubt, PF_DOUBT_IP_SUM | PF_DOUBT_TIMESTAMP);
}

static void test_a_tiny_segment_among_large_ones_is_doubted(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 1400);
    send_other(700, 10);
    assert_int_equal(rig.other.doubt, PF_DOUBT_SIZE);
    send_other(700, 100);
    assert_int_equal(rig.other.doubt, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_clean_stream_has_none),
        T(test_a_retransmission_is_handed_on_in_place),
        T(test_a_copy_of_delivered_bytes_that_differs),
        T(test_a_copy_of_held_bytes_waits_for_its_place),
        T(test_an_equal_copy_of_held_bytes_is_not_kept),
        T(test_a_packet_over_a_held_one),
        T(test_before_the_anchor),
        T(test_below_the_anchor_is_dropped),
        T(test_only_what_is_recent),
        T(test_nothing_from_before_a_gap),
        T(test_bounds_on_what_is_kept),
        T(test_given_back_when_the_flow_goes),
        T(test_over_the_wrap),
        T(test_a_keep_alive_byte_is_told_apart),
        T(test_doubts),
        T(test_a_tiny_segment_among_large_ones_is_doubted),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
