// SPDX-License-Identifier: Apache-2.0
#include "flow/track.h"
#include "support/flow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { C = 0, S = 1, DATA = PF_TCP_ACK | PF_TCP_PSH, SYNACK = PF_TCP_SYN | PF_TCP_ACK };

#define SECOND ((int64_t)1000000000)

/* One flow and the clock; setup makes them new. */
static struct pf_flow flow;
static int64_t now;
static uint64_t number;

static int setup(void **state)
{
    (void)state;
    memset(&flow, 0, sizeof flow);
    now = 1000 * SECOND;
    number = 0;
    return 0;
}

static enum pf_track see(uint8_t side, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    struct pf_pkt p = pf_test_pkt(side, flags, seq, ack);
    p.len = len;
    p.number = ++number;
    p.ts_ns = now;
    p.clock_ns = now;
    return pf_track(&flow, &p, PF_TRACK_IDLE_NS);
}

#define SAME(...) assert_int_equal(see(__VA_ARGS__), PF_TRACK_SAME)
#define NEW(...) assert_int_equal(see(__VA_ARGS__), PF_TRACK_NEW_INCARNATION)
#define IGNORED(...) assert_int_equal(see(__VA_ARGS__), PF_TRACK_IGNORE)

/* Handshake and some data both ways: client next is c + 501, server next is s + 1001. */
static void open_connection(uint32_t c, uint32_t s)
{
    NEW(C, PF_TCP_SYN, c, 0, 0);
    SAME(S, SYNACK, s, c + 1, 0);
    SAME(C, PF_TCP_ACK, c + 1, s + 1, 0);
    SAME(C, DATA, c + 1, s + 1, 500);
    SAME(S, DATA, s + 1, c + 501, 1000);
}

static void close_connection(uint32_t c, uint32_t s)
{
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, c + 501, s + 1001, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, s + 1001, c + 502, 0);
    SAME(C, PF_TCP_ACK, c + 502, s + 1002, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
}

static void test_stray_syn_changes_nothing(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(C, PF_TCP_SYN, 5000000, 0, 0);
    IGNORED(S, PF_TCP_SYN, 77777777, 0, 0);
    IGNORED(S, SYNACK, 87777777, 4, 0);
    SAME(S, PF_TCP_ACK, 901001, 1501, 0); /* the challenge ACK of RFC 5961 */
    SAME(C, DATA, 1501, 901001, 500);
    SAME(S, DATA, 901001, 2001, 500);
    assert_int_equal(flow.side[C].isn, 1000);
    assert_int_equal(flow.side[S].isn, 900000);
    assert_int_equal(flow.first_packet, 1);
    assert_int_equal(flow.packets, 8);
}

/* A SYN forged just ahead of the stream: the real data reaches that place later. */
static void test_stray_syn_inside_the_window(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(C, PF_TCP_SYN, 11500, 0, 0);
    for (uint32_t seq = 1501; seq < 100000; seq += 500) {
        SAME(C, DATA, seq, 901001, 500);
        SAME(S, PF_TCP_ACK, 901001, seq + 500, 0);
    }
    IGNORED(C, PF_TCP_SYN, 50000, 0, 0); /* behind */
    SAME(C, DATA, 50001, 901001, 500);
}

static void test_retransmitted_syns(void **state)
{
    (void)state;
    NEW(C, PF_TCP_SYN, 1000, 0, 0);
    SAME(C, PF_TCP_SYN, 1000, 0, 0);
    SAME(S, SYNACK, 9000, 1001, 0);
    SAME(S, SYNACK, 9000, 1001, 0);
    SAME(C, DATA, 1001, 9001, 500);
    SAME(C, PF_TCP_SYN, 1000, 0, 0);
    SAME(S, SYNACK, 9000, 1001, 0);
    assert_int_equal(flow.packets, 7);
    assert_int_equal(flow.side[C].next, 1501);
}

static void test_fin_and_rst_out_of_window_do_not_close(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    SAME(C, PF_TCP_RST, 400000000, 0, 0);
    SAME(S, PF_TCP_RST, 3, 0, 0);
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, 400000000, 0, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, 400000000, 0, 0);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

/* Three GB into the stream its beginning is no longer in the window. */
static void test_window_does_not_reach_back_forever(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    for (uint32_t i = 0; i < 3000; i++) {
        SAME(C, DATA, 1501 + i * 1000000, 901001, 1000000);
    }
    SAME(C, PF_TCP_RST, 1501, 0, 0);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

static void test_old_fin_does_not_close(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, 1200, 901001, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, 901001, 1501, 0);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

static void test_forged_data_far_away_is_no_connection(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    SAME(C, DATA, 1000000000, 1, 500);
    assert_int_equal(flow.side[C].next, 1501);
    close_connection(1000, 900000);
    SAME(C, PF_TCP_ACK, 1000000000, 1, 0);
    assert_int_equal(flow.packets, 10);
}

/* The SYN that this answers is not in the capture; the one that is may be forged. */
static void test_answer_to_another_syn(void **state)
{
    (void)state;
    NEW(C, PF_TCP_SYN, 1000, 0, 0);
    IGNORED(S, SYNACK, 9000, 700000001, 0);
    assert_false(flow.side[S].seen & PF_SIDE_SYN);
    SAME(S, SYNACK, 9000, 1001, 0);
    assert_int_equal(flow.side[S].isn, 9000);
}

/* One direction only: what it acknowledges says where the other one is. */
static void test_stray_syn_of_a_side_not_captured(void **state)
{
    (void)state;
    NEW(S, DATA, 9001, 1501, 800);
    IGNORED(C, PF_TCP_SYN, 800000000, 0, 0);
    SAME(C, PF_TCP_SYN, 1500, 0, 0);
}

/* Injected RST, then FIN on both sides; the connection goes on and a stray SYN finds it open. */
static void test_data_beyond_rst_and_fin_opens_again(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    SAME(S, PF_TCP_RST, 901001, 0, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    SAME(S, DATA, 900001, 1501, 1000); /* a retransmission proves nothing */
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    SAME(S, DATA, 901001, 1501, 1000);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, 1501, 0, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, 902001, 0, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    SAME(C, DATA, 1501, 902001, 100);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
    IGNORED(C, PF_TCP_SYN, 500000000, 0, 0);
    SAME(C, DATA, 1601, 902001, 100);
}

static void test_tombstone_takes_late_packets(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    close_connection(1000, 900000);
    SAME(S, DATA, 900001, 1501, 1000);
    SAME(C, PF_TCP_SYN, 1000, 0, 0);
    SAME(S, SYNACK, 900000, 1001, 0);
    SAME(C, PF_TCP_RST, 1502, 0, 0);
    SAME(S, PF_TCP_ACK, 901002, 1502, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    assert_int_equal(flow.first_packet, 1);
}

static void test_reuse_a_thousand_times(void **state)
{
    (void)state;
    uint32_t isn = 1;
    for (int i = 0; i < 1000; i++) {
        isn = isn * 2654435761U + 12345;
        open_connection(isn, isn * 7);
        assert_int_equal(flow.side[C].isn, isn);
        assert_int_equal(flow.side[S].isn, isn * 7);
        assert_int_equal(flow.packets, 5);
        close_connection(isn, isn * 7);
    }
}

/* What is left over from before, between the SYN of the next connection and its answer. */
static void test_late_packets_after_reuse(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    close_connection(1000, 900000);
    flow.tag = 7;
    NEW(C, PF_TCP_SYN, 300000000, 0, 0);
    assert_int_equal(flow.tag, 0);
    IGNORED(C, PF_TCP_ACK, 1502, 901002, 0);
    IGNORED(S, PF_TCP_ACK, 901002, 1502, 0);
    IGNORED(S, PF_TCP_FIN | PF_TCP_ACK, 901001, 1502, 0);
    IGNORED(S, DATA, 900001, 1501, 1000);
    IGNORED(C, PF_TCP_RST, 1502, 0, 0);
    SAME(C, PF_TCP_ACK, 70000, 77777, 0); /* from nowhere: its acknowledgement is not learnt */
    SAME(S, SYNACK, 400000000, 300000001, 0);
    assert_int_equal(flow.side[C].isn, 300000000);
    assert_int_equal(flow.side[S].isn, 400000000);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

/* Reused as often, but no FIN was captured: the server's answer commits. */
static void test_reuse_without_close(void **state)
{
    (void)state;
    uint32_t isn = 1;
    open_connection(isn, isn * 7);
    for (int i = 0; i < 1000; i++) {
        isn = isn * 2654435761U + 12345;
        IGNORED(C, PF_TCP_SYN, isn, 0, 0);
        NEW(S, SYNACK, isn * 7, isn + 1, 0);
        assert_int_equal(flow.side[C].isn, isn);
        assert_int_equal(flow.side[S].isn, isn * 7);
        SAME(C, DATA, isn + 1, isn * 7 + 1, 500);
        SAME(S, DATA, isn * 7 + 1, isn + 501, 1000);
    }
}

/* Linux reuses a 5-tuple from TIME_WAIT with an ISN 65,537 above the last number. */
static void test_reuse_inside_the_window(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(C, PF_TCP_SYN, 1501 + 65537, 0, 0);
    NEW(S, SYNACK, 40000000, 1501 + 65538, 0);
    IGNORED(C, DATA, 1001, 900001, 500); /* of the one before */
    IGNORED(C, PF_TCP_FIN | PF_TCP_ACK, 1501, 901001, 0);
    SAME(C, DATA, 1501 + 65538, 40000001, 100);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
    assert_int_equal(flow.side[C].isn, 1501 + 65537);
}

/* Who forges a SYN can forge data behind it: that does not end a connection of which both sides are
 * there. */
static void test_forged_syn_and_data(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(C, PF_TCP_SYN, 500000000, 0, 0);
    IGNORED(C, DATA, 500000001, 70000001, 300);
    SAME(C, DATA, 1501, 901001, 100);
    SAME(S, DATA, 901001, 1601, 100);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

static void test_fins_count_once_they_are_acknowledged(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, 1501, 901001, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, 901001, 1501, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    assert_false(pf_track_is_ended(&flow));
    SAME(C, PF_TCP_ACK, 1502, 901002, 0);
    assert_false(pf_track_is_ended(&flow));
    SAME(S, PF_TCP_ACK, 901002, 1502, 0);
    assert_true(pf_track_is_ended(&flow));
    SAME(C, DATA, 1501, 901001, 10); /* it went on: the FIN was not the end */
    assert_false(pf_track_is_ended(&flow));
}

static void test_candidate_confirmed_by_data_of_its_side(void **state)
{
    (void)state;
    NEW(C, PF_TCP_SYN, 1000, 0, 0); /* only one side was captured */
    SAME(C, PF_TCP_ACK, 1001, 900001, 0);
    SAME(C, DATA, 1001, 900001, 500);
    IGNORED(C, PF_TCP_SYN, 500000000, 0, 0);
    SAME(C, PF_TCP_ACK, 500000001, 1, 0); /* no data: not enough */
    NEW(C, DATA, 500000001, 70000001, 300);
    assert_int_equal(flow.side[C].isn, 500000000);
    assert_true(flow.side[C].seen & PF_SIDE_SYN);
    assert_false(flow.side[S].seen & PF_SIDE_SYN);
}

static void test_candidate_confirmed_by_acknowledgement(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(C, PF_TCP_SYN, 500000000, 0, 0);
    NEW(S, PF_TCP_ACK, 70000001, 500000301, 0);
    assert_int_equal(flow.side[C].isn, 500000000);
}

/* SYN+ACK captured before its SYN, the old connection still open: the third packet decides. */
static void test_candidates_of_both_sides(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    IGNORED(S, SYNACK, 70000000, 500000001, 0);
    IGNORED(C, PF_TCP_SYN, 500000000, 0, 0);
    NEW(C, PF_TCP_ACK, 500000001, 70000001, 0);
    assert_int_equal(flow.side[C].isn, 500000000);
    assert_int_equal(flow.side[S].isn, 70000000);
}

static void test_shuffled_handshake(void **state)
{
    (void)state;
    NEW(C, DATA, 1001, 9001, 500);
    SAME(S, DATA, 9001, 1501, 800);
    SAME(S, SYNACK, 9000, 1001, 0);
    SAME(C, PF_TCP_SYN, 1000, 0, 0);
    assert_int_equal(flow.side[C].isn, 1000);
    assert_int_equal(flow.side[S].isn, 9000);
    assert_int_equal(flow.side[C].next, 1501);
    assert_int_equal(flow.side[S].next, 9801);
}

static void test_syn_after_bare_acks_begins(void **state)
{
    (void)state;
    NEW(C, PF_TCP_ACK, 5000, 6000, 0);
    SAME(S, PF_TCP_ACK, 6000, 5000, 0);
    assert_int_equal(flow.state, PF_FLOW_NEW);
    NEW(C, PF_TCP_SYN, 800000000, 0, 0);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

static void test_capture_starts_in_mid_connection(void **state)
{
    (void)state;
    NEW(S, DATA, 9001, 1501, 800);
    SAME(C, DATA, 1501, 9801, 800);
    IGNORED(C, PF_TCP_SYN, 800000000, 0, 0);
    IGNORED(S, SYNACK, 800000000, 1, 0);
    SAME(S, DATA, 9801, 2301, 800);
    assert_false(flow.side[C].seen & PF_SIDE_SYN);
}

static void test_connection_refused_then_accepted(void **state)
{
    (void)state;
    NEW(C, PF_TCP_SYN, 1000, 0, 0);
    SAME(S, PF_TCP_RST | PF_TCP_ACK, 0, 1001, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
    open_connection(50000000, 60000000);
}

static void test_lost_syn_after_close(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    close_connection(1000, 900000);
    NEW(C, DATA, 800000000, 70000000, 300);
    SAME(S, DATA, 70000000, 800000300, 300);
    SAME(C, PF_TCP_SYN, 799999999, 0, 0); /* late, not lost */
    assert_int_equal(flow.side[C].isn, 799999999);
    assert_int_equal(flow.state, PF_FLOW_OPEN);
}

static void test_sequence_numbers_wrap(void **state)
{
    (void)state;
    open_connection(0xfffffff0U, 0xffffffffU);
    IGNORED(C, PF_TCP_SYN, 0x40000000, 0, 0);
    uint32_t seq = 0xfffffff0U + 501;
    for (uint32_t i = 0; i < 6000; i++) { /* 6 GB */
        SAME(C, DATA, seq, 1000, 1000000);
        seq += 1000000;
    }
    SAME(C, PF_TCP_FIN | PF_TCP_ACK, seq, 1000, 0);
    SAME(S, PF_TCP_FIN | PF_TCP_ACK, 1000, seq, 0);
    assert_int_equal(flow.state, PF_FLOW_CLOSED);
}

static void test_idle_begins_anew(void **state)
{
    (void)state;
    open_connection(1000, 900000);
    now += PF_TRACK_IDLE_NS;
    assert_false(pf_track_expired(&flow, now, PF_TRACK_IDLE_NS));
    SAME(C, DATA, 1501, 901001, 100);
    now += PF_TRACK_IDLE_NS + 1;
    assert_true(pf_track_expired(&flow, now, PF_TRACK_IDLE_NS));
    NEW(C, DATA, 1601, 901001, 100);
    assert_false(flow.side[C].seen & PF_SIDE_SYN);
    assert_int_equal(flow.first_ts_ns, now);
    assert_int_equal(flow.packets, 1);
}

static void test_expiry_at_the_ends_of_time(void **state)
{
    (void)state;
    now = INT64_MIN;
    NEW(C, DATA, 1, 1, 1);
    assert_true(pf_track_expired(&flow, INT64_MAX, PF_TRACK_IDLE_NS));
    now = INT64_MAX;
    NEW(C, DATA, 1, 1, 1);
    assert_false(pf_track_expired(&flow, INT64_MIN, PF_TRACK_IDLE_NS));
}

static void test_times_are_the_packets(void **state)
{
    (void)state;
    struct pf_pkt p = pf_test_pkt(C, PF_TCP_SYN, 1, 0);
    p.ts_ns = 500;
    p.clock_ns = 500;
    p.number = 9;
    assert_int_equal(pf_track(&flow, &p, PF_TRACK_IDLE_NS), PF_TRACK_NEW_INCARNATION);
    p.ts_ns = 900;
    p.clock_ns = 900;
    assert_int_equal(pf_track(&flow, &p, PF_TRACK_IDLE_NS), PF_TRACK_SAME);
    p.ts_ns = 100; /* back in time */
    assert_int_equal(pf_track(&flow, &p, PF_TRACK_IDLE_NS), PF_TRACK_SAME);
    assert_int_equal(flow.first_packet, 9);
    assert_int_equal(flow.first_ts_ns, 500);
    assert_int_equal(flow.last_ts_ns, 900);
    assert_int_equal(flow.last_clock_ns, 900);
    assert_int_equal(flow.packets, 3);
}

/* A sweep that frees a flow as soon as it may gives the same verdicts as none. */
static void test_sweeping_early_changes_nothing(void **state)
{
    (void)state;
    struct pf_flow swept = {0};
    uint32_t random = 1;
    for (uint32_t i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t r = random >> 8;
        struct pf_pkt p = pf_test_pkt(r & 1, (uint8_t)(1U << (r >> 1) % 5), (r >> 4 & 7) << 28, 0);
        p.len = (r >> 8 & 3) * 100;
        p.ack = (r >> 10 & 7) << 28;
        p.number = i + 1;
        now += (r >> 13 & 7) == 0 ? 2 * PF_TRACK_IDLE_NS : SECOND;
        p.clock_ns = now;
        if (swept.packets > 0 && pf_track_expired(&swept, now, PF_TRACK_IDLE_NS)) {
            memset(&swept, 0, sizeof swept);
        }
        assert_int_equal(pf_track(&flow, &p, PF_TRACK_IDLE_NS),
                         pf_track(&swept, &p, PF_TRACK_IDLE_NS));
        assert_int_equal(flow.first_packet, swept.first_packet);
        assert_int_equal(flow.packets, swept.packets);
        assert_memory_equal(flow.side, swept.side, sizeof flow.side);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(test_stray_syn_changes_nothing),
        T(test_stray_syn_inside_the_window),
        T(test_retransmitted_syns),
        T(test_fin_and_rst_out_of_window_do_not_close),
        T(test_window_does_not_reach_back_forever),
        T(test_old_fin_does_not_close),
        T(test_forged_data_far_away_is_no_connection),
        T(test_answer_to_another_syn),
        T(test_stray_syn_of_a_side_not_captured),
        T(test_late_packets_after_reuse),
        T(test_data_beyond_rst_and_fin_opens_again),
        T(test_tombstone_takes_late_packets),
        T(test_reuse_a_thousand_times),
        T(test_reuse_without_close),
        T(test_reuse_inside_the_window),
        T(test_forged_syn_and_data),
        T(test_fins_count_once_they_are_acknowledged),
        T(test_candidate_confirmed_by_data_of_its_side),
        T(test_candidate_confirmed_by_acknowledgement),
        T(test_candidates_of_both_sides),
        T(test_shuffled_handshake),
        T(test_syn_after_bare_acks_begins),
        T(test_capture_starts_in_mid_connection),
        T(test_connection_refused_then_accepted),
        T(test_lost_syn_after_close),
        T(test_sequence_numbers_wrap),
        T(test_idle_begins_anew),
        T(test_expiry_at_the_ends_of_time),
        T(test_times_are_the_packets),
        T(test_sweeping_early_changes_nothing),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
