// SPDX-License-Identifier: Apache-2.0
#include "capture/packet.h"
#include "support/frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct pf_decoder *dec;
static struct fr f;
static struct pf_pkt pkt;

static int setup(void **state)
{
    (void)state;
    return pf_decoder_new(1 << 20, &dec) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_decoder_free(dec);
    return 0;
}

static enum pf_drop decode(void)
{
    return pf_decoder_packet(dec, 101, fr_ptr(&f), fr_len(&f), fr_len(&f), 5, &pkt);
}

static void inner(unsigned family)
{
    fr_payload(&f, "hello", 5);
    fr_tcp(&f, 40000, 443, 1000, 2000, PF_TCP_ACK);
    if (family == 4) {
        fr_ip4(&f, "10.0.0.1", "10.0.0.2", 6);
    } else {
        fr_ip6(&f, "fe80::1", "fe80::2", 6);
    }
}

static void outer(uint8_t proto)
{
    fr_ip4(&f, "192.0.2.1", "192.0.2.2", proto);
}

static void assert_inner(unsigned family)
{
    assert_int_equal(decode(), PF_DROP_NONE);
    assert_int_equal(pkt.key.family, family);
    assert_int_equal(pkt.key.proto, 6);
    assert_int_equal(pkt.key.port[0], 40000);
    assert_int_equal(pkt.len, 5);
    assert_memory_equal(pkt.data, "hello", 5);
}

static void assert_plain_udp(uint16_t port, uint32_t len)
{
    fr_udp(&f, 5555, port);
    outer(17);
    assert_int_equal(decode(), PF_DROP_NONE);
    assert_int_equal(pkt.key.proto, 17);
    assert_int_equal(pkt.len, len);
}

/* A wrong header on a tunnel's port is simply UDP; every cut of a right one is survived. */
static void test_not_quite_tunnels_are_udp(void **state)
{
    (void)state;
    static const uint16_t ports[] = {4789, 8472, 6081, 2152};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        for (size_t len = 0; len < 20; len++) {
            fr_payload(
                &f, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00",
                len);
            assert_plain_udp(ports[i], (uint32_t)len);
        }
    }
    inner(4);
    fr_eth(&f, 0x0800);
    fr_vxlan(&f, 7);
    fr_ptr(&f)[7] = 1; /* reserved */
    assert_plain_udp(4789, fr_len(&f));
    inner(4);
    fr_geneve(&f, 0x0801, 0);
    assert_plain_udp(6081, fr_len(&f));
    inner(4);
    fr_gtp(&f, 0, 0);
    fr_ptr(&f)[1] = 1; /* echo request */
    assert_plain_udp(2152, fr_len(&f));
    inner(4);
    fr_push(&f, 4)[0] = 0; /* an extension header of no length */
    fr_gtp(&f, 4, 0xc0);
    assert_plain_udp(2152, fr_len(&f));
}

static void test_ip_in_ip(void **state)
{
    (void)state;
    inner(4);
    outer(4);
    assert_inner(4);
    inner(6);
    outer(41);
    assert_inner(6);
    inner(4);
    fr_ip6(&f, "2001:db8::1", "2001:db8::2", 4);
    assert_inner(4);
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = 0; depth <= 100; depth++) {
        inner(4);
        for (int i = 0; i < depth; i++) {
            outer(4);
        }
        assert_int_equal(decode(), depth <= 8 ? PF_DROP_NONE : PF_DROP_TUNNEL_TOO_DEEP);
    }
}

static void test_gre(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, 0x8000, 0x2000, 0x1000, 0xb000};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        inner(4);
        fr_gre(&f, flags[i], 0x0800);
        outer(47);
        assert_inner(4);
        inner(6);
        fr_eth(&f, 0x86dd);
        fr_gre(&f, flags[i], 0x6558);
        outer(47);
        assert_inner(6);
    }
    inner(4);
    fr_gre(&f, 0x4000, 0x0800); /* routing */
    outer(47);
    assert_int_equal(decode(), PF_DROP_NOT_IP);
    fr_payload(&f, "\x20", 1);
    outer(47);
    assert_int_equal(decode(), PF_DROP_MALFORMED);
}

static void test_erspan(void **state)
{
    (void)state;
    inner(4);
    fr_eth(&f, 0x0800);
    fr_gre(&f, 0, 0x88be); /* type I */
    outer(47);
    assert_inner(4);
    inner(4);
    fr_eth(&f, 0x0800);
    fr_push(&f, 8)[0] = 0x10; /* type II */
    fr_gre(&f, 0x1000, 0x88be);
    outer(47);
    assert_inner(4);
    inner(4);
    fr_eth(&f, 0x0800);
    fr_push(&f, 20)[11] = 1; /* type III with a platform header */
    fr_gre(&f, 0x1000, 0x22eb);
    outer(47);
    assert_inner(4);
}

static void test_pptp(void **state)
{
    (void)state;
    static const uint8_t ppp[4] = {0xff, 0x03, 0x00, 0x21};
    inner(4);
    fr_push_bytes(&f, ppp, sizeof ppp);
    fr_gre(&f, 0x3001, 0x880b);
    outer(47);
    assert_inner(4);
    fr_payload(&f, NULL, 0);
    fr_gre(&f, 0x2001, 0x880b);
    outer(47);
    assert_int_equal(decode(), PF_DROP_NOT_IP);
}

static void test_vxlan_and_geneve(void **state)
{
    (void)state;
    static const uint16_t ports[] = {4789, 8472};
    for (int i = 0; i < 2; i++) {
        inner(6);
        fr_vlan(&f, 5, 0x86dd);
        fr_eth(&f, 0x8100);
        fr_vxlan(&f, 7);
        fr_udp(&f, 5555, ports[i]);
        outer(17);
        assert_inner(6);
    }
    for (unsigned options = 0; options <= 63; options += 21) {
        inner(4);
        fr_eth(&f, 0x0800);
        fr_geneve(&f, 0x6558, options);
        fr_udp(&f, 5555, 6081);
        outer(17);
        assert_inner(4);
    }
    inner(6);
    fr_geneve(&f, 0x86dd, 0);
    fr_udp(&f, 5555, 6081);
    outer(17);
    assert_inner(6);
}

static void test_gtp(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        inner(4);
        fr_gtp(&f, flags, 0);
        fr_udp(&f, 2152, 2152);
        outer(17);
        assert_inner(4);
    }
    inner(6);
    uint8_t *container = fr_push(&f, 8); /* PDU session container, of 2 words */
    container[0] = 2;
    fr_gtp(&f, 4, 0x85);
    fr_udp(&f, 2152, 2152);
    outer(17);
    assert_inner(6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_not_quite_tunnels_are_udp),
        T(test_ip_in_ip),
        T(test_depth),
        T(test_gre),
        T(test_erspan),
        T(test_pptp),
        T(test_vxlan_and_geneve),
        T(test_gtp),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
