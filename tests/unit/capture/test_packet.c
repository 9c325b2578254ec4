// SPDX-License-Identifier: Apache-2.0
#include "capture/packet.h"
#include "support/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

static struct pf_decoder *dec;
static struct fr f;
static struct pf_pkt pkt;
static uint8_t *copy;

static int setup(void **state)
{
    (void)state;
    return pf_decoder_new(1 << 20, &dec) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_decoder_free(dec);
    free(copy);
    copy = NULL;
    return 0;
}

/* The captured bytes are copied to their exact size, so that ASan sees a read behind them. */
static enum pf_drop decode_cut(uint32_t linktype, uint32_t caplen)
{
    free(copy);
    copy = malloc(caplen > 0 ? caplen : 1);
    assert_non_null(copy);
    memcpy(copy, fr_ptr(&f), caplen);
    return pf_decoder_packet(dec, linktype, copy, caplen, fr_len(&f), 5, &pkt);
}

static enum pf_drop decode(uint32_t linktype)
{
    return decode_cut(linktype, fr_len(&f));
}

static void segment(size_t len)
{
    fr_segment(&f, "10.0.0.2", 443, "10.0.0.1", 40000, 1000, NULL, len);
}

static void assert_hello(void)
{
    assert_int_equal(pkt.len, 5);
    assert_memory_equal(pkt.data, "hello", 5);
    assert_int_equal(pkt.missing, 0);
}

static void hello(void)
{
    fr_payload(&f, "hello", 5);
    fr_tcp(&f, 40000, 443, 1000, 2000, PF_TCP_ACK);
}

static void hello4(void)
{
    hello();
    fr_ip4(&f, "10.0.0.1", "10.0.0.2", 6);
}

static void hello6(void)
{
    hello();
    fr_ip6(&f, "fe80::1", "fe80::2", 6);
}

static void test_every_cut_is_survived(void **state)
{
    (void)state;
    segment(20);
    for (uint32_t cut = 0; cut < 54; cut++) {
        assert_int_equal(decode_cut(1, cut), PF_DROP_TRUNCATED);
    }
    for (uint32_t cut = 54; cut <= 74; cut++) {
        assert_int_equal(decode_cut(1, cut), PF_DROP_NONE);
        assert_int_equal(pkt.len, cut - 54);
        assert_int_equal(pkt.missing, 74 - cut);
    }
}

static void test_bad_ip4_headers(void **state)
{
    (void)state;
    segment(20);
    fr_ptr(&f)[14] = 0x44; /* header of 16 bytes */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
    segment(20);
    fr_ptr(&f)[14] = 0x55; /* version 5 */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
    segment(20);
    fr_set16(fr_ptr(&f) + 16, 19); /* shorter than its header */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
    segment(20);
    fr_set16(fr_ptr(&f) + 16, 39); /* cuts the TCP header */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
    segment(0);
    fr_ptr(&f)[14] = 0x4f; /* 60 bytes of header where 40 are */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
}

static void test_bad_tcp_headers(void **state)
{
    (void)state;
    for (int words = 0; words < 5; words++) {
        segment(40);
        fr_ptr(&f)[46] = (uint8_t)(words << 4);
        assert_int_equal(decode(1), PF_DROP_MALFORMED);
    }
    segment(0);
    fr_ptr(&f)[46] = 0xf0; /* options where none are */
    assert_int_equal(decode(1), PF_DROP_MALFORMED);
}

static void test_bad_udp_lengths(void **state)
{
    (void)state;
    for (unsigned len = 1; len < 20; len++) {
        fr_payload(&f, "hello", 5);
        fr_udp(&f, 1, 2);
        fr_set16(fr_ptr(&f) + 4, len);
        fr_ip4(&f, "10.0.0.1", "10.0.0.2", 17);
        enum pf_drop d = decode(101);
        assert_int_equal(d, len < 8 || len > 13 ? PF_DROP_MALFORMED : PF_DROP_NONE);
        if (d == PF_DROP_NONE) {
            assert_int_equal(pkt.len, len - 8);
        }
    }
}

static void test_what_is_not_tcp_is_named(void **state)
{
    (void)state;
    fr_payload(&f, NULL, 28);
    fr_eth(&f, 0x0806);
    assert_int_equal(decode(1), PF_DROP_NOT_IP);
    fr_payload(&f, NULL, 8);
    fr_ip4(&f, "10.0.0.1", "10.0.0.2", 1);
    assert_int_equal(decode(101), PF_DROP_IP_PROTO);
    fr_payload(&f, NULL, 8);
    fr_ip6(&f, "fe80::1", "fe80::2", 58);
    assert_int_equal(decode(101), PF_DROP_IP_PROTO);
    assert_int_equal(decode(999), PF_DROP_LINK_TYPE);
    assert_int_equal(pf_decoder_counts(dec)->by_drop[PF_DROP_NOT_IP], 1);
    assert_int_equal(pf_decoder_counts(dec)->by_drop[PF_DROP_IP_PROTO], 2);
    assert_int_equal(pf_decoder_counts(dec)->by_drop[PF_DROP_LINK_TYPE], 1);
    for (int d = 0; d < PF_DROP_COUNT; d++) {
        assert_non_null(pf_drop_name((enum pf_drop)d));
        assert_non_null(pf_drop_text((enum pf_drop)d));
    }
}

static void test_fields(void **state)
{
    (void)state;
    fr_segment(&f, "10.0.0.2", 443, "10.0.0.1", 40000, 0xfffffff0, "hello", 5);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
    static const struct pf_flow_key key = {
        .addr = {{10, 0, 0, 1}, {10, 0, 0, 2}}, .port = {40000, 443}, .family = 4, .proto = 6};
    assert_memory_equal(&pkt.key, &key, sizeof key);
    assert_int_equal(pkt.side, 1);
    assert_int_equal(pkt.seq, 0xfffffff0);
    assert_int_equal(pkt.ack, 1);
    assert_int_equal(pkt.flags, PF_TCP_ACK | PF_TCP_PSH);
    assert_int_equal(pkt.window, 29200);
    assert_int_equal(pkt.ttl, 64);
    assert_int_equal(pkt.hints, 0);
    assert_int_equal(pkt.ts_ns, 5);
    assert_int_equal(pkt.hash, 0);
}

static void test_both_directions_have_one_key(void **state)
{
    (void)state;
    static const char *const ends[][2] = {{"10.0.0.1", "10.0.0.2"}, {"10.0.0.9", "10.0.0.9"}};
    for (int i = 0; i < 2; i++) {
        fr_segment(&f, ends[i][0], 50000, ends[i][1], 443, 1, "hello", 5);
        assert_int_equal(decode(1), PF_DROP_NONE);
        struct pf_pkt first = pkt;
        fr_segment(&f, ends[i][1], 443, ends[i][0], 50000, 1, "hello", 5);
        assert_int_equal(decode(1), PF_DROP_NONE);
        assert_memory_equal(&pkt.key, &first.key, sizeof pkt.key);
        assert_int_not_equal(pkt.side, first.side);
    }
}

static void test_trailer_is_no_payload(void **state)
{
    (void)state;
    hello4();
    fr_eth(&f, 0x0800);
    fr_trailer(&f, 9);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
    hello6();
    fr_eth(&f, 0x86dd);
    fr_trailer(&f, 9);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
}

/* Segmentation offload: the total length does not fit, or is 0. */
static void test_frames_longer_than_64k(void **state)
{
    (void)state;
    segment(200000);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_int_equal(pkt.len, 200000);
    assert_int_equal(decode_cut(1, 100054), PF_DROP_NONE);
    assert_int_equal(pkt.len, 100000);
    assert_int_equal(pkt.missing, 100000);
    fr_payload(&f, NULL, 150000);
    fr_tcp(&f, 1, 2, 3, 4, PF_TCP_ACK);
    fr_ip6(&f, "fe80::1", "fe80::2", 6);
    assert_int_equal(decode(229), PF_DROP_NONE);
    assert_int_equal(pkt.len, 150000);
}

static void test_bad_checksum_is_a_hint(void **state)
{
    (void)state;
    segment(20);
    fr_ptr(&f)[24] ^= 1;
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_int_equal(pkt.hints, PF_HINT_BAD_IP_SUM);
}

static void timestamp(const uint8_t *options, size_t len, unsigned hints, uint32_t tsval)
{
    fr_payload(&f, "hello", 5);
    fr_tcp_options(&f, 1, 2, 3, 4, PF_TCP_ACK, options, len);
    fr_ip4(&f, "10.0.0.1", "10.0.0.2", 6);
    assert_int_equal(decode(228), PF_DROP_NONE);
    assert_hello();
    assert_int_equal(pkt.hints, hints);
    assert_int_equal(pkt.tsval, tsval);
}

static void test_tcp_options(void **state)
{
    (void)state;
    static const uint8_t zero_len[4] = {8, 0, 1, 1};
    static const uint8_t overrun[8] = {1, 1, 1, 1, 1, 1, 8, 10};
    static const uint8_t ended[16] = {0, 0, 0, 0, 1, 1, 8, 10, 1, 2, 3, 4};
    static const uint8_t aligned[12] = {1, 1, 8, 10, 1, 2, 3, 4};
    static const uint8_t behind[20] = {2, 4, 5, 180, 4, 2, 8, 10, 9, 8, 7, 6};
    timestamp(zero_len, sizeof zero_len, 0, 0);
    timestamp(overrun, sizeof overrun, 0, 0);
    timestamp(ended, sizeof ended, 0, 0);
    timestamp(aligned, sizeof aligned, PF_HINT_HAS_TSOPT, 0x01020304);
    timestamp(behind, sizeof behind, PF_HINT_HAS_TSOPT, 0x09080706);
}

/* Cut inside the TCP options: they are not payload. */
static void test_options_cut_off(void **state)
{
    (void)state;
    static const uint8_t options[12] = {1, 1, 8, 10, 1, 2, 3, 4};
    fr_payload(&f, "hello", 5);
    fr_tcp_options(&f, 1, 2, 3, 4, PF_TCP_ACK, options, sizeof options);
    fr_ip4(&f, "10.0.0.1", "10.0.0.2", 6);
    for (uint32_t cut = 40; cut <= 52; cut++) {
        assert_int_equal(decode_cut(228, cut), PF_DROP_NONE);
        assert_int_equal(pkt.len, 0);
        assert_int_equal(pkt.missing, 5);
    }
}

static void test_vlan_depth(void **state)
{
    (void)state;
    static const unsigned tpids[3] = {0x8100, 0x88a8, 0x9100};
    for (int depth = 0; depth <= 10; depth++) {
        hello4();
        unsigned type = 0x0800;
        for (int i = 0; i < depth; i++) {
            fr_vlan(&f, 100, type);
            type = tpids[i % 3];
        }
        fr_eth(&f, type);
        assert_int_equal(decode(1), depth <= 8 ? PF_DROP_NONE : PF_DROP_TUNNEL_TOO_DEEP);
    }
}

static void test_mpls(void **state)
{
    (void)state;
    for (int labels = 1; labels <= 10; labels++) {
        hello6();
        for (int i = 0; i < labels; i++) {
            fr_mpls(&f, 16, i == 0);
        }
        fr_eth(&f, 0x8847);
        assert_int_equal(decode(1), labels <= 8 ? PF_DROP_NONE : PF_DROP_TUNNEL_TOO_DEEP);
    }
    hello4();
    fr_eth(&f, 0x0800);
    fr_push(&f, 4); /* control word of a pseudowire */
    fr_mpls(&f, 17, 1);
    fr_eth(&f, 0x8847);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
}

static void test_pppoe_and_ppp(void **state)
{
    (void)state;
    static const uint8_t hdlc[4] = {0xff, 0x03, 0x00, 0x21};
    static const uint8_t compressed[1] = {0x57};
    static const uint8_t cisco[4] = {0x0f, 0x00, 0x08, 0x00};
    hello4();
    fr_pppoe(&f, 0x0021);
    assert_int_equal(decode(51), PF_DROP_NONE);
    fr_eth(&f, 0x8864);
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
    hello4();
    fr_push_bytes(&f, hdlc, sizeof hdlc);
    assert_int_equal(decode(9), PF_DROP_NONE);
    assert_int_equal(decode(50), PF_DROP_NONE);
    hello6();
    fr_push_bytes(&f, compressed, sizeof compressed);
    assert_int_equal(decode(9), PF_DROP_NONE);
    hello4();
    fr_push_bytes(&f, cisco, sizeof cisco);
    assert_int_equal(decode(50), PF_DROP_NONE);
    assert_int_equal(decode(104), PF_DROP_NONE);
    fr_payload(&f, "\xc0\x21\x09\x01", 4); /* LCP */
    assert_int_equal(decode(9), PF_DROP_NOT_IP);
}

static void test_raw_link_types(void **state)
{
    (void)state;
    static const uint32_t raw[] = {12, 14, 101};
    for (int i = 0; i < 3; i++) {
        hello4();
        assert_int_equal(decode(raw[i]), PF_DROP_NONE);
        hello6();
        assert_int_equal(decode(raw[i]), PF_DROP_NONE);
        fr_payload(&f, "\x50", 1);
        assert_int_equal(decode(raw[i]), PF_DROP_NOT_IP);
    }
    hello4();
    assert_int_equal(decode(228), PF_DROP_NONE);
    assert_int_equal(decode(229), PF_DROP_MALFORMED);
    hello6();
    assert_int_equal(decode(229), PF_DROP_NONE);
    assert_int_equal(decode(228), PF_DROP_MALFORMED);
}

static void test_loopback_families(void **state)
{
    (void)state;
    static const uint8_t v6[] = {10, 23, 24, 28, 30};
    for (int big = 0; big < 2; big++) {
        for (size_t i = 0; i < sizeof v6; i++) {
            hello6();
            fr_push(&f, 4)[big ? 3 : 0] = v6[i];
            assert_int_equal(decode(0), PF_DROP_NONE);
        }
        hello4();
        fr_push(&f, 4)[big ? 3 : 0] = 2;
        assert_int_equal(decode(0), PF_DROP_NONE);
        assert_int_equal(decode(108), PF_DROP_NONE);
        hello4();
        fr_push(&f, 4)[big ? 3 : 0] = 7;
        assert_int_equal(decode(0), PF_DROP_NOT_IP);
    }
}

static void test_cooked(void **state)
{
    (void)state;
    hello6();
    fr_set16(fr_push(&f, 16) + 14, 0x86dd);
    assert_int_equal(decode(113), PF_DROP_NONE);
    assert_hello();
    hello4();
    fr_set16(fr_push(&f, 20), 0x0800);
    assert_int_equal(decode(276), PF_DROP_NONE);
    assert_hello();
}

static void test_snap(void **state)
{
    (void)state;
    static const uint8_t snap[8] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
    hello4();
    fr_push_bytes(&f, snap, sizeof snap);
    fr_eth(&f, fr_len(&f));
    assert_int_equal(decode(1), PF_DROP_NONE);
    assert_hello();
    hello4();
    fr_eth(&f, 60); /* 802.2 without SNAP */
    assert_int_equal(decode(1), PF_DROP_NOT_IP);
}

/* kind and flags: the frame control field; extra: bytes of header beyond the fixed 24. */
static enum pf_drop wlan(uint8_t kind, uint8_t flags, size_t extra, bool radiotap)
{
    static const uint8_t snap[8] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
    hello4();
    fr_trailer(&f, 4); /* frame check sequence */
    fr_push_bytes(&f, snap, sizeof snap);
    fr_push(&f, 24 + extra);
    fr_ptr(&f)[0] = kind;
    fr_ptr(&f)[1] = flags;
    if (radiotap) {
        fr_push(&f, 13)[2] = 13;
    }
    return decode(radiotap ? 127 : 105);
}

static void test_wlan(void **state)
{
    (void)state;
    assert_int_equal(wlan(0x80, 0, 0, false), PF_DROP_NOT_IP);    /* beacon */
    assert_int_equal(wlan(0x48, 1, 0, false), PF_DROP_NOT_IP);    /* data without data */
    assert_int_equal(wlan(0x08, 0x41, 0, false), PF_DROP_NOT_IP); /* encrypted */
    assert_int_equal(wlan(0x08, 0x04, 0, false), PF_DROP_NOT_IP); /* fragment */
    for (int radiotap = 0; radiotap < 2; radiotap++) {
        assert_int_equal(wlan(0x08, 1, 0, radiotap), PF_DROP_NONE);
        assert_hello();
        assert_int_equal(wlan(0x08, 3, 6, radiotap), PF_DROP_NONE);
        assert_hello();
        assert_int_equal(wlan(0x88, 0x82, 6, radiotap), PF_DROP_NONE);
        assert_hello();
    }
    fr_ptr(&f)[2] = 3; /* radiotap of less than its header */
    assert_int_equal(decode(127), PF_DROP_MALFORMED);
    for (uint32_t cut = 0; cut < 50; cut++) {
        (void)wlan(0x88, 0x83, 12, true);
        assert_int_equal(decode_cut(127, cut), PF_DROP_TRUNCATED);
    }
}

static void test_nflog(void **state)
{
    (void)state;
    static const uint8_t little[12] = {2, 0, 0, 0, 4 + 1, 0, 10, 0, 'p', 0, 0, 0};
    static const uint8_t big[12] = {2, 0, 0, 0, 0, 4 + 1, 0, 10, 'p', 0, 0, 0};
    for (int i = 0; i < 2; i++) {
        hello4();
        fr_push(&f, 4)[i == 0 ? 2 : 3] = 9;
        fr_push_bytes(&f, i == 0 ? little : big, 12);
        assert_int_equal(decode(239), PF_DROP_NONE);
        assert_hello();
        fr_ptr(&f)[i == 0 ? 4 : 5] = 3;
        assert_int_equal(decode(239), PF_DROP_MALFORMED);
    }
}

static void test_ip6_extensions(void **state)
{
    (void)state;
    for (int n = 0; n <= 1000; n = n < 20 ? n + 1 : n * 2) {
        hello();
        uint8_t next = 6;
        for (int i = 0; i < n && i < 400; i++) {
            fr_ip6_extension(&f, next);
            next = i % 2 == 0 ? 60 : 43;
        }
        fr_ip6(&f, "fe80::1", "fe80::2", next);
        assert_int_equal(decode(101), n <= 16 ? PF_DROP_NONE : PF_DROP_MALFORMED);
    }
    hello();
    fr_ip6_fragment(&f, 6, 77, 0, 0); /* atomic: whole by itself */
    fr_ip6(&f, "fe80::1", "fe80::2", 44);
    assert_int_equal(decode(101), PF_DROP_NONE);
    assert_hello();
    hello();
    uint8_t *ah = fr_push(&f, 24);
    ah[0] = 6;
    ah[1] = 4;
    fr_ip4(&f, "10.0.0.1", "10.0.0.2", 51);
    assert_int_equal(decode(101), PF_DROP_NONE);
    assert_hello();
    fr_payload(&f, NULL, 8);
    fr_ip6(&f, "fe80::1", "fe80::2", 59); /* no next header */
    assert_int_equal(decode(101), PF_DROP_IP_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_every_cut_is_survived),
        T(test_bad_ip4_headers),
        T(test_bad_tcp_headers),
        T(test_bad_udp_lengths),
        T(test_what_is_not_tcp_is_named),
        T(test_fields),
        T(test_both_directions_have_one_key),
        T(test_trailer_is_no_payload),
        T(test_frames_longer_than_64k),
        T(test_bad_checksum_is_a_hint),
        T(test_tcp_options),
        T(test_options_cut_off),
        T(test_vlan_depth),
        T(test_mpls),
        T(test_pppoe_and_ppp),
        T(test_raw_link_types),
        T(test_loopback_families),
        T(test_cooked),
        T(test_snap),
        T(test_wlan),
        T(test_nflog),
        T(test_ip6_extensions),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
