// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one Ethernet frame with IPv4 or IPv6 and TCP around given bytes.
 * Owns:    nothing; writes into the caller's frame.
 * Threads: pure functions.
 * Errors:  -
 * Limits:  the frame has room for FORGE_FRAME_MAX bytes; payload up to 65000.
 */
#ifndef FORGE_PACKETS_H
#define FORGE_PACKETS_H

#include "base/pkt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One end of a connection; all numbers in host byte order. */
struct forge_end {
    uint8_t addr[16]; /* IPv4 fills the first four */
    uint8_t mac[6];
    uint16_t port;
    uint8_t ttl;
    uint16_t ip_id;
    uint32_t next_seq;  /* of the next new byte it sends */
    uint32_t ts_offset; /* what its TCP timestamps count from */
};

struct forge_link {
    struct forge_end end[2]; /* by enum pf_dir: who sends in that direction */
    bool ipv6;
    bool checksums;
    bool timestamps;
    uint16_t vlan; /* 0: none */
    uint16_t mss;  /* said in the SYN */
};

struct forge_segment {
    enum pf_dir dir;
    uint8_t flags; /* PF_TCP_* */
    uint32_t seq;
    uint32_t ack;
    uint32_t now_ms; /* for the timestamp option */
    const uint8_t *data;
    size_t len;
};

/* The length of the frame. Counts the sender's IPv4 identification up. */
size_t forge_packet_build(struct forge_link *link, const struct forge_segment *s, uint8_t *frame);

#endif
