// SPDX-License-Identifier: Apache-2.0
#include "forge/packets.h"

#include <string.h>

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,
    PROTO_TCP = 6,
    WINDOW = 4096,
    WINDOW_SHIFT = 7
};

static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    return put16(put16(p, v >> 16), v & 0xffff);
}

static uint8_t *put_bytes(uint8_t *p, const uint8_t *src, size_t len)
{
    memcpy(p, src, len);
    return p + len;
}

/*
 * RFC 1071: the sum may be taken in any word size and byte order and folded at the end. Four sums
 * of 32-bit words let the compiler use vectors.
 */
static uint64_t sum_bytes(const uint8_t *p, size_t len)
{
    uint64_t sums[4] = {0};
    for (; len >= 16; p += 16, len -= 16) {
        uint32_t w[4];
        memcpy(w, p, sizeof w);
        for (size_t i = 0; i < 4; i++) {
            sums[i] += w[i];
        }
    }
    uint32_t last[4] = {0};
    memcpy(last, p, len);
    return sums[0] + sums[1] + sums[2] + sums[3] + last[0] + last[1] + last[2] + last[3];
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static uint8_t *put_ethernet(uint8_t *p, const struct forge_link *link, enum pf_dir dir)
{
    p = put_bytes(p, link->end[1 - dir].mac, 6);
    p = put_bytes(p, link->end[dir].mac, 6);
    if (link->vlan != 0) {
        p = put16(put16(p, ETHERTYPE_VLAN), link->vlan);
    }
    return put16(p, link->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
}

static uint8_t *put_ipv4(uint8_t *p, struct forge_link *link, enum pf_dir dir, size_t tcp_len)
{
    struct forge_end *from = &link->end[dir];
    uint8_t *start = p;
    p = put16(p, 0x4500);
    p = put16(p, (unsigned)(20 + tcp_len));
    p = put16(p, from->ip_id++);
    p = put16(p, 0x4000); /* don't fragment */
    *p++ = from->ttl;
    *p++ = PROTO_TCP;
    p = put16(p, 0);
    p = put_bytes(p, from->addr, 4);
    p = put_bytes(p, link->end[1 - dir].addr, 4);
    uint16_t sum = fold(sum_bytes(start, 20));
    memcpy(start + 10, &sum, sizeof sum);
    return p;
}

static uint8_t *put_ipv6(uint8_t *p, const struct forge_link *link, enum pf_dir dir, size_t tcp_len)
{
    const struct forge_end *from = &link->end[dir];
    p = put32(p, 0x60000000);
    p = put16(p, (unsigned)tcp_len);
    *p++ = PROTO_TCP;
    *p++ = from->ttl;
    p = put_bytes(p, from->addr, 16);
    return put_bytes(p, link->end[1 - dir].addr, 16);
}

/* RFC 7323 section 3.2 */
static uint8_t *put_timestamps(uint8_t *p, const struct forge_link *link,
                               const struct forge_segment *s)
{
    p = put16(p, 0x080a);
    p = put32(p, link->end[s->dir].ts_offset + s->now_ms);
    bool echoes = (s->flags & PF_TCP_ACK) != 0;
    return put32(p, echoes ? link->end[1 - s->dir].ts_offset + s->now_ms : 0);
}

static uint8_t *put_options(uint8_t *p, const struct forge_link *link,
                            const struct forge_segment *s)
{
    if ((s->flags & PF_TCP_SYN) != 0) {
        p = put16(put16(p, 0x0204), link->mss);
        p = put16(p, 0x0402); /* SACK permitted */
        p = link->timestamps ? put_timestamps(p, link, s) : put16(p, 0x0101);
        p = put16(put16(p, 0x0103), 0x0300 | WINDOW_SHIFT);
    } else if (link->timestamps) {
        p = put_timestamps(put16(p, 0x0101), link, s);
    }
    return p;
}

static uint8_t *put_tcp(uint8_t *p, const struct forge_link *link, const struct forge_segment *s)
{
    uint8_t *start = p;
    p = put16(p, link->end[s->dir].port);
    p = put16(p, link->end[1 - s->dir].port);
    p = put32(p, s->seq);
    p = put32(p, s->ack);
    p = put16(p, s->flags);
    p = put16(p, WINDOW);
    p = put32(p, 0); /* checksum, urgent pointer */
    p = put_options(p, link, s);
    start[12] = (uint8_t)((p - start) / 4 << 4);
    return p;
}

static void put_tcp_sum(uint8_t *tcp, size_t len, const struct forge_link *link)
{
    size_t addr_len = link->ipv6 ? 16 : 4;
    uint8_t pseudo[4];
    put16(put16(pseudo, PROTO_TCP), (unsigned)len);
    uint64_t sum = sum_bytes(link->end[0].addr, addr_len) + sum_bytes(link->end[1].addr, addr_len) +
                   sum_bytes(pseudo, sizeof pseudo) + sum_bytes(tcp, len);
    uint16_t folded = fold(sum);
    memcpy(tcp + 16, &folded, sizeof folded);
}

static size_t tcp_header_len(const struct forge_link *link, const struct forge_segment *s)
{
    if ((s->flags & PF_TCP_SYN) != 0) {
        return link->timestamps ? 40 : 32;
    }
    return link->timestamps ? 32 : 20;
}

size_t forge_packet_build(struct forge_link *link, const struct forge_segment *s, uint8_t *frame)
{
    size_t tcp_len = tcp_header_len(link, s) + s->len;
    uint8_t *p = put_ethernet(frame, link, s->dir);
    p = link->ipv6 ? put_ipv6(p, link, s->dir, tcp_len) : put_ipv4(p, link, s->dir, tcp_len);
    uint8_t *tcp = p;
    p = put_tcp(p, link, s);
    if (s->len > 0) {
        p = put_bytes(p, s->data, s->len);
    }
    if (link->checksums) {
        put_tcp_sum(tcp, tcp_len, link);
    }
    return (size_t)(p - frame);
}
