// SPDX-License-Identifier: Apache-2.0
/*
 * Frames made by hand, from the inside out: payload first, then each header in front of it.
 *
 *     struct fr f;
 *     fr_payload(&f, "hello", 5);
 *     fr_tcp(&f, 40000, 443, 1000, 2000, PF_TCP_ACK);
 *     fr_ip4(&f, "10.0.0.1", "10.0.0.2", 6);
 *     fr_eth(&f, 0x0800);
 *     ... fr_ptr(&f), fr_len(&f) ...
 *
 * Nothing is checked: these make wrong frames as willingly as right ones.
 */
#ifndef PF_TESTS_FRAMES_H
#define PF_TESTS_FRAMES_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FR_HEAD = 4096, FR_DATA = 280000 };

struct fr {
    size_t start;
    size_t end;
    uint8_t mem[FR_HEAD + FR_DATA];
};

static inline uint8_t *fr_ptr(struct fr *f)
{
    return f->mem + f->start;
}

static inline uint32_t fr_len(const struct fr *f)
{
    return (uint32_t)(f->end - f->start);
}

static inline void fr_set16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void fr_set32(uint8_t *p, uint32_t v)
{
    fr_set16(p, v >> 16);
    fr_set16(p + 2, v & 0xffff);
}

/* Begins a frame with its innermost bytes; data NULL: a counting pattern. */
static inline void fr_payload(struct fr *f, const void *data, size_t len)
{
    if (len > FR_DATA) {
        abort();
    }
    f->start = FR_HEAD;
    f->end = FR_HEAD + len;
    for (size_t i = 0; data == NULL && i < len; i++) {
        f->mem[FR_HEAD + i] = (uint8_t)(i * 7 + i / 251);
    }
    if (data != NULL && len > 0) {
        memcpy(f->mem + FR_HEAD, data, len);
    }
}

/* n zero bytes in front. */
static inline uint8_t *fr_push(struct fr *f, size_t n)
{
    if (n > f->start) {
        abort();
    }
    f->start -= n;
    memset(fr_ptr(f), 0, n);
    return fr_ptr(f);
}

static inline void fr_push_bytes(struct fr *f, const void *data, size_t n)
{
    memcpy(fr_push(f, n), data, n);
}

/* n bytes behind: an Ethernet trailer. */
static inline void fr_trailer(struct fr *f, size_t n)
{
    if (n > sizeof f->mem - f->end) {
        abort();
    }
    memset(f->mem + f->end, 0xee, n);
    f->end += n;
}

/* options: NULL, or len bytes, a multiple of 4. */
static inline void fr_tcp_options(struct fr *f, uint16_t sport, uint16_t dport, uint32_t seq,
                                  uint32_t ack, unsigned flags, const void *options, size_t len)
{
    if (len > 0) {
        fr_push_bytes(f, options, len);
    }
    uint8_t *p = fr_push(f, 20);
    fr_set16(p, sport);
    fr_set16(p + 2, dport);
    fr_set32(p + 4, seq);
    fr_set32(p + 8, ack);
    p[12] = (uint8_t)((5 + len / 4) << 4);
    p[13] = (uint8_t)flags;
    fr_set16(p + 14, 29200);
}

static inline void fr_tcp(struct fr *f, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
                          unsigned flags)
{
    fr_tcp_options(f, sport, dport, seq, ack, flags, NULL, 0);
}

static inline void fr_udp(struct fr *f, uint16_t sport, uint16_t dport)
{
    uint32_t len = fr_len(f) + 8;
    uint8_t *p = fr_push(f, 8);
    fr_set16(p, sport);
    fr_set16(p + 2, dport);
    fr_set16(p + 4, len > 65535 ? 0 : len);
}

static inline void fr_ip4_sum(uint8_t *header)
{
    uint32_t sum = 0;
    fr_set16(header + 10, 0);
    for (int i = 0; i < (header[0] & 15) * 4; i += 2) {
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    fr_set16(header + 10, ~sum & 0xffff);
}

/* offset in bytes, a multiple of 8. Total length 0 where it does not fit. */
static inline void fr_ip4_fragment(struct fr *f, const char *src, const char *dst, uint8_t proto,
                                   uint16_t id, unsigned offset, int more)
{
    uint8_t *p = fr_push(f, 20);
    p[0] = 0x45;
    fr_set16(p + 2, fr_len(f) > 65535 ? 0 : fr_len(f));
    fr_set16(p + 4, id);
    fr_set16(p + 6, (more ? 0x2000U : 0) | offset / 8);
    p[8] = 64;
    p[9] = proto;
    inet_pton(AF_INET, src, p + 12);
    inet_pton(AF_INET, dst, p + 16);
    fr_ip4_sum(p);
}

static inline void fr_ip4(struct fr *f, const char *src, const char *dst, uint8_t proto)
{
    fr_ip4_fragment(f, src, dst, proto, 1, 0, 0);
}

static inline void fr_ip6(struct fr *f, const char *src, const char *dst, uint8_t next)
{
    uint32_t len = fr_len(f);
    uint8_t *p = fr_push(f, 40);
    p[0] = 0x60;
    fr_set16(p + 4, len > 65535 ? 0 : len);
    p[6] = next;
    p[7] = 64;
    inet_pton(AF_INET6, src, p + 8);
    inet_pton(AF_INET6, dst, p + 24);
}

/* Hop-by-hop, routing, destination options: 8 bytes; to be followed by fr_ip6 with its number. */
static inline void fr_ip6_extension(struct fr *f, uint8_t next)
{
    uint8_t *p = fr_push(f, 8);
    p[0] = next;
    p[2] = 1; /* PadN */
    p[3] = 4;
}

static inline void fr_ip6_fragment(struct fr *f, uint8_t next, uint32_t id, unsigned offset,
                                   int more)
{
    uint8_t *p = fr_push(f, 8);
    p[0] = next;
    fr_set16(p + 2, offset | (more ? 1U : 0));
    fr_set32(p + 4, id);
}

static inline void fr_eth(struct fr *f, unsigned type)
{
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    fr_set16(fr_push(f, 2), type);
    fr_push_bytes(f, macs, sizeof macs);
}

/* What goes behind the EtherType 0x8100 (0x88a8, 0x9100): tag and the next type. */
static inline void fr_vlan(struct fr *f, unsigned vid, unsigned type)
{
    uint8_t *p = fr_push(f, 4);
    fr_set16(p, vid);
    fr_set16(p + 2, type);
}

static inline void fr_mpls(struct fr *f, uint32_t label, int bottom)
{
    fr_set32(fr_push(f, 4), label << 12 | (bottom ? 0x100 : 0) | 64);
}

/* Behind EtherType 0x8864; ppp is 0x0021 for IPv4, 0x0057 for IPv6. */
static inline void fr_pppoe(struct fr *f, unsigned ppp)
{
    uint32_t len = fr_len(f) + 2;
    uint8_t *p = fr_push(f, 8);
    p[0] = 0x11;
    fr_set16(p + 2, 7);
    fr_set16(p + 4, len);
    fr_set16(p + 6, ppp);
}

/* flags: 0x8000 checksum, 0x2000 key, 0x1000 sequence. */
static inline void fr_gre(struct fr *f, unsigned flags, unsigned type)
{
    size_t words = 1U + ((flags >> 15) & 1) + ((flags >> 13) & 1) + ((flags >> 12) & 1);
    uint8_t *p = fr_push(f, 4 * words);
    fr_set16(p, flags);
    fr_set16(p + 2, type);
}

static inline void fr_vxlan(struct fr *f, uint32_t vni)
{
    uint8_t *p = fr_push(f, 8);
    p[0] = 0x08;
    fr_set32(p + 4, vni << 8);
}

static inline void fr_geneve(struct fr *f, unsigned type, unsigned option_words)
{
    uint8_t *p = fr_push(f, 8 + 4 * (size_t)option_words);
    p[0] = (uint8_t)option_words;
    fr_set16(p + 2, type);
}

/* flags: low bits of the first byte: 4 extension headers, 2 sequence, 1 N-PDU. */
static inline void fr_gtp(struct fr *f, unsigned flags, uint8_t next)
{
    uint32_t len = fr_len(f) + (flags != 0 ? 4 : 0);
    uint8_t *p = fr_push(f, flags != 0 ? 12 : 8);
    p[0] = (uint8_t)(0x30 | flags);
    p[1] = 255;
    fr_set16(p + 2, len);
    if (flags != 0) {
        p[11] = next;
    }
}

/* The common case: Ethernet, IPv4, TCP with ACK and PSH. */
static inline void fr_segment(struct fr *f, const char *src, uint16_t sport, const char *dst,
                              uint16_t dport, uint32_t seq, const void *data, size_t len)
{
    fr_payload(f, data, len);
    fr_tcp(f, sport, dport, seq, 1, 0x18);
    fr_ip4(f, src, dst, 6);
    fr_eth(f, 0x0800);
}

#endif
