// SPDX-License-Identifier: Apache-2.0
#include "support/reasm.h"

static void test_nothing_comes_of_nothing(void **state)
{
    (void)state;
    struct pf_piece p;
    uint32_t seq;
    struct pf_span span;
    assert_false(pf_reasm_pop(&rig.r, &p));
    assert_false(pf_reasm_peek_lowest(&rig.r, &seq, &span));
    pf_reasm_flush(&rig.r);
    assert_false(pf_reasm_pop(&rig.r, &p));
    send_flags(PF_TCP_ACK, 0);
    send_flags(PF_TCP_FIN | PF_TCP_ACK, 0);
    assert_int_equal(rig.got_len, 0);
}

static void test_forged_segment_far_ahead_is_dropped(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 100);
    uint32_t far = 100 + PF_REASM_WILD + 1;
    send_bytes(far, rig.stream, 50);
    assert_int_equal(rig.r.wild, 1);
    assert_int_equal(rig.r.held, 0);
    send_bytes(far + 51, rig.stream, 50); /* not where the other one ended */
    assert_int_equal(rig.r.wild, 2);
    send_bytes(far, rig.stream, 50); /* sent again: no confirmation */
    assert_int_equal(rig.r.wild, 3);
    send_range(100, 200);
    assert_whole(200);
}

static void test_far_segment_is_believed_with_a_neighbour(void **state)
{
    (void)state;
    send_syn();
    uint32_t far = PF_REASM_WILD + 1;
    send_bytes(far, rig.stream, 50);
    send_bytes(far + 50, rig.stream, 50);
    send_bytes(far + 100, rig.stream, 50);
    assert_int_equal(rig.r.wild, 1);
    assert_int_equal(rig.r.segs, 2);
    send_range(0, 200);
    assert_int_equal(rig.got_len, 200);
}

/* What the snap length cut off belongs to a segment: its neighbour begins behind that. */
static void test_far_segment_that_was_cut(void **state)
{
    (void)state;
    send_syn();
    uint32_t far = PF_REASM_WILD + 1;
    struct pf_pkt p = pf_test_data(0, rig.isn + 1 + far, rig.stream, 50);
    p.missing = 10;
    send_pkt(p);
    send_bytes(far + 60, rig.stream, 50);
    assert_int_equal(rig.r.wild, 1);
    assert_int_equal(rig.r.segs, 1);
}

/* Sequence number 0 is not special. */
static void test_first_far_segment_at_zero(void **state)
{
    (void)state;
    uint32_t far = PF_REASM_WILD + 1;
    rig.isn = 0U - far - 1;
    send_syn();
    send_bytes(far, rig.stream, 50);
    assert_int_equal(rig.r.wild, 1);
    assert_int_equal(rig.r.segs, 0);
}

static void test_exactly_the_wild_distance_is_held(void **state)
{
    (void)state;
    send_syn();
    send_bytes(PF_REASM_WILD, rig.stream, 50);
    assert_int_equal(rig.r.wild, 0);
    assert_int_equal(rig.r.segs, 1);
}

static void test_behind_the_beginning_is_dropped(void **state)
{
    (void)state;
    send_syn();
    send_bytes((uint32_t)-500, rig.stream, 100);
    assert_int_equal(rig.got_len, 0);
    assert_int_equal(rig.r.segs, 0);
    uint8_t both[20] = {0};
    memcpy(both + 10, rig.stream, 10);
    send_bytes((uint32_t)-10, both, 20); /* ten before, ten of the stream */
    assert_whole(10);
}

static void test_in_order_is_in_place(void **state)
{
    (void)state;
    send_syn();
    struct pf_pkt p = pf_test_data(0, rig.isn + 1, rig.stream, 1460);
    p.number = 77;
    p.ts_ns = 123456;
    struct pf_piece piece;
    pf_reasm_push(&rig.r, &p);
    assert_true(pf_reasm_pop(&rig.r, &piece));
    assert_int_equal(piece.kind, PF_PIECE_DATA);
    assert_ptr_equal(piece.data, rig.stream);
    assert_int_equal(piece.len, 1460);
    assert_int_equal(piece.off, 0);
    assert_int_equal(piece.packet, 77);
    assert_int_equal(piece.ts_ns, 123456);
    assert_false(pf_reasm_pop(&rig.r, &piece));
    assert_int_equal(rig.budget.peak, 0);
}

static void test_early_segment_waits_and_keeps_its_origin(void **state)
{
    (void)state;
    send_syn();
    send_range(100, 200); /* packet 2 */
    assert_int_equal(rig.got_len, 0);
    send_range(0, 100);
    assert_whole(200);
    assert_int_equal(rig.last.packet, 2);
    assert_int_equal(rig.last.ts_ns, 20);
}

static void test_retransmission_with_other_boundaries(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 1000);
    send_range(0, 1000);
    send_range(500, 1500);
    send_range(10, 20);
    send_range(1400, 1600);
    assert_whole(1600);
    assert_int_equal(rig.r.conflicts, 0);
    assert_int_equal(rig.r.late_bytes, 0);
}

/* Held [40,60) and a second segment in every relation to it; then the hole is filled. */
static void test_every_overlap_of_two_first_copy_wins(void **state)
{
    (void)state;
    static const uint32_t cut[] = {10, 30, 40, 50, 60, 70, 90};
    enum { CUTS = sizeof cut / sizeof cut[0] };
    uint8_t other[100];
    memset(other, 0xee, sizeof other);
    for (size_t a = 0; a < CUTS; a++) {
        for (size_t b = a + 1; b < CUTS; b++) {
            for (int same = 0; same < 2; same++) {
                setup(NULL);
                uint8_t want[100];
                memcpy(want, rig.stream, sizeof want);
                send_syn();
                send_range(40, 60);
                const uint8_t *second = same ? rig.stream + cut[a] : other;
                send_bytes(cut[a], second, cut[b] - cut[a]);
                for (uint32_t i = cut[a]; i < cut[b] && !same; i++) {
                    want[i] = i >= 40 && i < 60 ? rig.stream[i] : 0xee;
                }
                send_range(0, 100);
                assert_int_equal(rig.got_len, 100);
                assert_memory_equal(rig.got, want, 100);
                /* with the one held, and the fill with what lies on each side of it */
                uint32_t conflicts = (cut[a] < 60 && cut[b] > 40 ? 1U : 0U) +
                                     (cut[a] < 40 ? 1U : 0U) + (cut[b] > 60 ? 1U : 0U);
                assert_int_equal(rig.r.conflicts, same ? 0 : conflicts);
                teardown(NULL);
            }
        }
    }
    setup(NULL);
}

static void test_packet_over_several_held(void **state)
{
    (void)state;
    send_syn();
    for (uint32_t i = 10; i < 1000; i += 20) {
        send_range(i, i + 10);
    }
    send_range(5, 1005); /* early itself: fills every hole but the first */
    assert_int_equal(rig.got_len, 0);
    send_range(0, 5);
    assert_whole(1005);
    assert_int_equal(rig.r.conflicts, 0);
}

static void test_large_packet_is_split(void **state)
{
    (void)state;
    send_syn();
    send_range(1, 200000);
    assert_true(rig.r.segs > 20);
    send_range(0, 1);
    assert_whole(200000);
}

static void test_keepalives_and_window_probes(void **state)
{
    (void)state;
    uint8_t garbage = 0;
    send_syn();
    send_bytes((uint32_t)-1, &garbage, 1);
    send_range(0, 100);
    send_bytes(99, &garbage, 1);
    send_bytes(99, NULL, 0);
    send_bytes(99, rig.stream + 99, 1);
    assert_whole(100);
    send_range(100, 101); /* window probe with the next byte, three times */
    send_range(100, 101);
    send_range(100, 101);
    send_range(100, 300);
    assert_whole(300);
}

static void test_data_on_syn(void **state)
{
    (void)state;
    struct pf_pkt p = pf_test_data(0, rig.isn, rig.stream, 50);
    p.flags = PF_TCP_SYN;
    send_pkt(p);
    send_pkt(p);
    send_range(50, 80);
    assert_whole(80);
}

static void test_data_behind_fin_and_rst(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 50);
    send_flags(PF_TCP_FIN | PF_TCP_ACK, 50);
    send_flags(PF_TCP_RST, 50);
    send_range(50, 90);
    pf_reasm_flush(&rig.r);
    drain();
    assert_whole(90);
}

static void test_bytes_missing_before_fin(void **state)
{
    (void)state;
    send_syn();
    send_range(0, 50);
    send_flags(PF_TCP_FIN | PF_TCP_ACK, 80);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.gap_len, 30);
    assert_int_equal(rig.got_len, 80);
    assert_int_equal(rig.last.packet, 0);
}

static void test_cut_packets_leave_holes(void **state)
{
    (void)state;
    send_syn();
    for (uint32_t i = 0; i < 3; i++) {
        struct pf_pkt p = pf_test_data(0, rig.isn + 1 + i * 100, rig.stream + i * 100, 60);
        p.missing = 40;
        send_pkt(p);
    }
    assert_int_equal(rig.got_len, 60);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.got_len, 300);
    assert_int_equal(rig.gaps, 3);
    assert_int_equal(rig.gap_len, 120);
    assert_memory_equal(rig.got + 200, rig.stream + 200, 60);
}

static void test_cut_packet_sent_again_does_not_move_the_end(void **state)
{
    (void)state;
    static const uint32_t off[] = {100, 0};
    send_syn();
    for (size_t i = 0; i < 2; i++) {
        struct pf_pkt p = pf_test_data(0, rig.isn + 1 + off[i], rig.stream + off[i], 60);
        p.missing = 40;
        send_pkt(p);
    }
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.got_len, 200);
    assert_int_equal(rig.gap_len, 80);
}

static void test_sequence_numbers_wrap(void **state)
{
    (void)state;
    teardown(NULL);
    open_rig(0xfffffff0U, PF_REASM_MAX_HELD, 64 * MIB);
    send_syn();
    send_range(20, 50); /* on the other side of the wrap */
    send_range(10, 20);
    send_range(0, 10);
    assert_whole(50);
}

static void test_held_before_the_anchor(void **state)
{
    (void)state;
    uint32_t seq;
    struct pf_span span;
    send_range(100, 200);
    send_range(50, 100);
    send_range(0, 50);
    assert_int_equal(rig.got_len, 0);
    assert_true(pf_reasm_peek_lowest(&rig.r, &seq, &span));
    assert_int_equal(seq, rig.isn + 1);
    assert_int_equal(span.len, 50);
    assert_memory_equal(span.ptr, rig.stream, 50);
    send_syn();
    assert_whole(200);
}

static void test_anchor_inside_what_is_held(void **state)
{
    (void)state;
    send_pkt(pf_test_data(0, 900, rig.stream, 50)); /* all below */
    send_pkt(pf_test_data(0, 950, rig.stream, 60)); /* ten bytes above */
    rig.isn = 999;
    for (size_t i = 0; i < 10; i++) {
        rig.stream[i] = pf_test_byte(50 + i);
    }
    send_range(10, 20);
    pf_reasm_anchor(&rig.r, 1000);
    drain();
    assert_whole(20);
}

static void test_anchor_above_everything(void **state)
{
    (void)state;
    send_pkt(pf_test_data(0, 900, rig.stream, 50));
    pf_reasm_anchor(&rig.r, rig.isn + 1);
    pf_reasm_anchor(&rig.r, 5); /* once is for good */
    drain();
    send_range(0, 10);
    assert_whole(10);
}

static void test_flush_anchors(void **state)
{
    (void)state;
    send_range(300, 400);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.got_len, 100);
    assert_memory_equal(rig.got, rig.stream + 300, 100);
}

static void test_flush_gives_gaps_between(void **state)
{
    (void)state;
    send_syn();
    send_range(300, 400);
    send_range(100, 200);
    pf_reasm_flush(&rig.r);
    drain();
    assert_int_equal(rig.got_len, 400);
    assert_int_equal(rig.gaps, 2);
    assert_int_equal(rig.gap_len, 200);
    assert_false(rig.r.limited);
    assert_memory_equal(rig.got + 300, rig.stream + 300, 100);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_nothing_comes_of_nothing),
        T(test_forged_segment_far_ahead_is_dropped),
        T(test_far_segment_is_believed_with_a_neighbour),
        T(test_far_segment_that_was_cut),
        T(test_first_far_segment_at_zero),
        T(test_exactly_the_wild_distance_is_held),
        T(test_behind_the_beginning_is_dropped),
        T(test_in_order_is_in_place),
        T(test_early_segment_waits_and_keeps_its_origin),
        T(test_retransmission_with_other_boundaries),
        T(test_every_overlap_of_two_first_copy_wins),
        T(test_packet_over_several_held),
        T(test_large_packet_is_split),
        T(test_keepalives_and_window_probes),
        T(test_data_on_syn),
        T(test_data_behind_fin_and_rst),
        T(test_bytes_missing_before_fin),
        T(test_cut_packets_leave_holes),
        T(test_cut_packet_sent_again_does_not_move_the_end),
        T(test_sequence_numbers_wrap),
        T(test_held_before_the_anchor),
        T(test_anchor_inside_what_is_held),
        T(test_anchor_above_everything),
        T(test_flush_anchors),
        T(test_flush_gives_gaps_between),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
