// SPDX-License-Identifier: Apache-2.0
#include "capture/defrag.h"
#include "capture/packet.h"
#include "support/frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t SECOND = INT64_C(1000000000);

static struct pf_defrag *defrag;
static struct fr f;
static uint8_t proto;
static struct pf_span whole;
static uint8_t bytes[70000];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 13 + i / 256);
    }
    return pf_defrag_new(1 << 20, &defrag) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_defrag_free(defrag);
    return 0;
}

static enum pf_defrag_result add_at(uint32_t id, unsigned offset, size_t len, bool more, int64_t ts)
{
    struct pf_fragment frag = {
        .addr = {{10, 0, 0, 1}, {10, 0, 0, 2}},
        .id = id,
        .family = 4,
        .proto = 6,
        .offset = (uint16_t)offset,
        .more = more,
        .data = {bytes + offset, len},
    };
    return pf_defrag_add(defrag, &frag, ts, &whole, &proto);
}

static enum pf_defrag_result add(unsigned offset, size_t len, bool more)
{
    return add_at(1, offset, len, more, 0);
}

static void assert_whole(size_t len)
{
    assert_int_equal(whole.len, len);
    assert_memory_equal(whole.ptr, bytes, len);
    assert_int_equal(proto, 6);
}

static void test_contradictions_are_refused(void **state)
{
    (void)state;
    assert_int_equal(add(0, 0, true), PF_DEFRAG_REFUSED);
    assert_int_equal(add(0, 7, true), PF_DEFRAG_REFUSED); /* not a multiple of 8 */
    assert_int_equal(add(65528, 8, false), PF_DEFRAG_REFUSED);
    assert_int_equal(add(8, 16, false), PF_DEFRAG_PENDING); /* 24 bytes in all */
    assert_int_equal(add(24, 8, true), PF_DEFRAG_REFUSED);  /* behind the end */
    assert_int_equal(add(16, 4, false), PF_DEFRAG_REFUSED); /* another end */
    assert_int_equal(add(0, 8, true), PF_DEFRAG_WHOLE);
    assert_whole(24);
    assert_int_equal(add_at(2, 32, 8, true, 0), PF_DEFRAG_PENDING);
    assert_int_equal(add_at(2, 8, 8, false, 0),
                     PF_DEFRAG_REFUSED); /* an end before what was seen */
}

static void test_any_order(void **state)
{
    (void)state;
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 3; k++) {
            unsigned part = orders[i][k];
            enum pf_defrag_result r = add(part * 1480, part == 2 ? 101 : 1480, part != 2);
            assert_int_equal(r, k == 2 ? PF_DEFRAG_WHOLE : PF_DEFRAG_PENDING);
        }
        assert_whole(2 * 1480 + 101);
    }
    assert_int_equal(pf_defrag_lost(defrag), 0);
}

static void test_largest_and_smallest(void **state)
{
    (void)state;
    assert_int_equal(add(65520, 15, false), PF_DEFRAG_PENDING);
    for (unsigned at = 0; at < 65520; at += 8) {
        assert_int_equal(add(at, 8, true), at + 8 < 65520 ? PF_DEFRAG_PENDING : PF_DEFRAG_WHOLE);
    }
    assert_whole(65535);
}

static void test_first_copy_wins(void **state)
{
    (void)state;
    struct pf_fragment other = {
        .addr = {{10, 0, 0, 1}, {10, 0, 0, 2}},
        .id = 1,
        .family = 4,
        .proto = 6,
        .more = true,
        .data = {bytes + 1000, 24},
    };
    assert_int_equal(add(8, 8, true), PF_DEFRAG_PENDING);
    assert_int_equal(pf_defrag_add(defrag, &other, 0, &whole, &proto), PF_DEFRAG_PENDING);
    assert_int_equal(add(24, 8, false), PF_DEFRAG_WHOLE);
    assert_memory_equal(whole.ptr, bytes + 1000, 8);
    assert_memory_equal(whole.ptr + 8, bytes + 8, 8);
    assert_memory_equal(whole.ptr + 16, bytes + 1016, 8);
}

static void test_identity(void **state)
{
    (void)state;
    struct pf_fragment frag = {.family = 6, .proto = 6, .more = true, .data = {bytes, 8}};
    assert_int_equal(pf_defrag_add(defrag, &frag, 0, &whole, &proto), PF_DEFRAG_PENDING);
    frag = (struct pf_fragment){.family = 6, .proto = 60, .offset = 8, .data = {bytes + 8, 8}};
    struct pf_fragment v4 = frag;
    v4.family = 4;
    assert_int_equal(pf_defrag_add(defrag, &v4, 0, &whole, &proto), PF_DEFRAG_PENDING);
    struct pf_fragment reversed = frag;
    reversed.addr[0][15] = 1;
    assert_int_equal(pf_defrag_add(defrag, &reversed, 0, &whole, &proto), PF_DEFRAG_PENDING);
    /* IPv6: only the first fragment's next header counts */
    assert_int_equal(pf_defrag_add(defrag, &frag, 0, &whole, &proto), PF_DEFRAG_WHOLE);
    assert_whole(16);
}

static void test_timeout_and_a_clock_that_goes_back(void **state)
{
    (void)state;
    assert_int_equal(add_at(1, 0, 8, true, 100 * SECOND), PF_DEFRAG_PENDING);
    assert_int_equal(add_at(2, 0, 8, true, 0), PF_DEFRAG_PENDING);
    assert_int_equal(add_at(1, 8, 8, false, 130 * SECOND), PF_DEFRAG_WHOLE);
    assert_int_equal(add_at(2, 8, 8, false, 131 * SECOND), PF_DEFRAG_PENDING);
    assert_int_equal(pf_defrag_lost(defrag), 1);
}

/* Datagrams that never end stay within the budget, and the oldest goes first. */
static void test_budget(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 20000; id++) {
        assert_int_equal(add_at(id, 0, 1480, true, 0), PF_DEFRAG_PENDING);
    }
    assert_true(pf_defrag_lost(defrag) > 19000);
    assert_int_equal(add_at(19999, 1480, 8, false, 0), PF_DEFRAG_WHOLE);
    assert_int_equal(add_at(0, 1480, 8, false, 0), PF_DEFRAG_PENDING);
}

static void test_no_room_at_all(void **state)
{
    (void)state;
    struct pf_defrag *small;
    assert_int_equal(pf_defrag_new(100, &small), PF_OK);
    struct pf_fragment frag = {.family = 4, .more = true, .data = {bytes, 8}};
    assert_int_equal(pf_defrag_add(small, &frag, 0, &whole, &proto), PF_DEFRAG_REFUSED);
    pf_defrag_free(small);
    assert_int_equal(pf_defrag_new(8192, &small), PF_OK);
    frag.data.len = 40000;
    assert_int_equal(pf_defrag_add(small, &frag, 0, &whole, &proto), PF_DEFRAG_REFUSED);
    assert_int_equal(pf_defrag_lost(small), 1);
    pf_defrag_free(small);
}

static enum pf_drop decode(struct pf_decoder *d, struct pf_pkt *pkt)
{
    return pf_decoder_packet(d, 101, fr_ptr(&f), fr_len(&f), fr_len(&f), 0, pkt);
}

/* One TCP segment in fragments of 400 bytes, of either family, through the decoder. */
static void decode_fragments(unsigned family)
{
    struct pf_decoder *d;
    struct pf_pkt pkt;
    uint8_t segment[1020];
    assert_int_equal(pf_decoder_new(1 << 20, &d), PF_OK);
    fr_payload(&f, bytes, 1000);
    fr_tcp(&f, 1, 2, 3, 4, PF_TCP_ACK);
    memcpy(segment, fr_ptr(&f), sizeof segment);
    for (unsigned at = 0; at < 1020; at += 400) {
        size_t n = 1020 - at < 400 ? 1020 - at : 400;
        fr_payload(&f, segment + at, n);
        if (family == 4) {
            fr_ip4_fragment(&f, "10.0.0.1", "10.0.0.2", 6, 9, at, at < 800);
        } else {
            fr_ip6_fragment(&f, 6, 9, at, at < 800);
            fr_ip6(&f, "fe80::1", "fe80::2", 44);
        }
        assert_int_equal(decode(d, &pkt), at < 800 ? PF_DROP_FRAGMENT_PENDING : PF_DROP_NONE);
    }
    assert_int_equal(pkt.len, 1000);
    assert_memory_equal(pkt.data, bytes, 1000);
    assert_int_equal(pkt.missing, 0);
    assert_int_equal(pf_decoder_counts(d)->datagrams_joined, 1);
    pf_decoder_free(d);
}

static void test_through_the_decoder(void **state)
{
    (void)state;
    decode_fragments(4);
    decode_fragments(6);
}

/* A tunnel whose packets were fragmented, with fragments inside: the inner bytes lie in the outer
 * datagram. */
static void test_fragments_within_fragments(void **state)
{
    (void)state;
    struct pf_decoder *d;
    struct pf_pkt pkt;
    uint8_t segment[220];
    uint8_t inner[2][200];
    uint32_t inner_len[2];
    assert_int_equal(pf_decoder_new(1 << 20, &d), PF_OK);
    fr_payload(&f, bytes, 200);
    fr_tcp(&f, 1, 2, 3, 4, PF_TCP_ACK);
    memcpy(segment, fr_ptr(&f), sizeof segment);
    for (unsigned i = 0; i < 2; i++) {
        fr_payload(&f, segment + i * 112, i == 0 ? 112 : 108);
        fr_ip4_fragment(&f, "10.0.0.1", "10.0.0.2", 6, 9, i * 112, i == 0);
        inner_len[i] = fr_len(&f);
        memcpy(inner[i], fr_ptr(&f), fr_len(&f));
    }
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *p = inner[i / 2];
        uint32_t n = i % 2 == 0 ? 64 : inner_len[i / 2] - 64;
        fr_payload(&f, p + (i % 2 == 0 ? 0 : 64), n);
        fr_ip4_fragment(&f, "192.0.2.1", "192.0.2.2", 4, (uint16_t)(i / 2), i % 2 == 0 ? 0 : 64,
                        i % 2 == 0);
        assert_int_equal(decode(d, &pkt), i < 3 ? PF_DROP_FRAGMENT_PENDING : PF_DROP_NONE);
    }
    assert_int_equal(pkt.len, 200);
    assert_memory_equal(pkt.data, bytes, 200);
    pf_decoder_free(d);
}

static void test_cut_fragments_are_not_joined(void **state)
{
    (void)state;
    struct pf_decoder *d;
    struct pf_pkt pkt;
    assert_int_equal(pf_decoder_new(1 << 20, &d), PF_OK);
    fr_payload(&f, bytes, 400);
    fr_ip4_fragment(&f, "10.0.0.1", "10.0.0.2", 6, 9, 0, 1);
    assert_int_equal(pf_decoder_packet(d, 101, fr_ptr(&f), 100, fr_len(&f), 0, &pkt),
                     PF_DROP_TRUNCATED);
    pf_decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_contradictions_are_refused),
        T(test_any_order),
        T(test_largest_and_smallest),
        T(test_first_copy_wins),
        T(test_identity),
        T(test_timeout_and_a_clock_that_goes_back),
        T(test_budget),
        T(test_no_room_at_all),
        T(test_through_the_decoder),
        T(test_fragments_within_fragments),
        T(test_cut_fragments_are_not_joined),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
