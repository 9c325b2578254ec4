// SPDX-License-Identifier: Apache-2.0
/*
 * What:    plain data that crosses the floors: span, direction, flow key, decoded packet.
 * Owns:    nothing; spans borrow.
 * Threads: plain data.
 * Errors:  -
 * Limits:  no functions here.
 */
#ifndef PF_BASE_PKT_H
#define PF_BASE_PKT_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; each user says until when they are valid. */
struct pf_span {
    const uint8_t *ptr;
    size_t len;
};

/* Direction of a TLS connection: the client is whoever sent the ClientHello. */
enum pf_dir { PF_C2S = 0, PF_S2C = 1 };

/* PF_KEY_SECRETS: no packet, but text of a key log that stood between two. */
enum { PF_KEY_SECRETS = 0, PF_KEY_TCP = 6, PF_KEY_UDP = 17 };

/*
 * Both ends of a flow in canonical order: end 0 is the one whose (address, port) is lower, so that
 * both directions have the same key. IPv4 addresses fill addr[][0..3], the rest is zero. There are
 * no padding bytes: keys may be compared as memory. VLAN and tunnel are not part of it: traffic
 * mirrored inside and outside a tunnel is one flow.
 */
struct pf_flow_key {
    uint8_t addr[2][16];
    uint16_t port[2]; /* host byte order */
    uint8_t family;   /* 4 or 6 */
    uint8_t proto;    /* PF_KEY_TCP, PF_KEY_UDP */
    uint8_t zero[2];
};

enum {
    PF_TCP_FIN = 0x01,
    PF_TCP_SYN = 0x02,
    PF_TCP_RST = 0x04,
    PF_TCP_PSH = 0x08,
    PF_TCP_ACK = 0x10,
    PF_TCP_URG = 0x20
};

/* Hints: reasons to believe a packet less. Honest captures have them too (checksum offload). */
enum {
    PF_HINT_BAD_IP_SUM = 0x01,
    PF_HINT_BAD_TCP_SUM = 0x02, /* only computed when asked for; see capture/packet.h */
    PF_HINT_HAS_TSOPT = 0x04    /* the TCP timestamp option was there */
};

/* One decoded packet of a flow. */
struct pf_pkt {
    struct pf_flow_key key;
    uint64_t hash;       /* symmetric and seeded: the same for both directions */
    uint64_t number;     /* 1, 2, 3 … over all captures of the run */
    int64_t ts_ns;       /* capture time, ns since 1970; as the capture says it */
    int64_t clock_ns;    /* the highest ts_ns so far in the run: never goes back */
    const uint8_t *data; /* captured payload bytes; valid as long as the batch they are in */
    uint32_t len;        /* captured payload bytes */
    uint32_t missing;    /* payload bytes after them that were cut off by the snap length */
    uint32_t seq;        /* TCP sequence number of data[0] (of the SYN if flags has it) */
    uint32_t ack;
    uint32_t tsval; /* TCP timestamp value when PF_HINT_HAS_TSOPT */
    uint16_t window;
    uint8_t side;  /* which end of the key sent it: 0 or 1 */
    uint8_t flags; /* PF_TCP_* */
    uint8_t ttl;   /* TTL or hop limit */
    uint8_t hints; /* PF_HINT_* */
};

#endif
