// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the walk through the headers of one frame: its state, and one step per kind of header.
 * Owns:    nothing; borrows the frame.
 * Threads: one owner at a time.
 * Errors:  a step returns PF_DROP_NONE and sets next, or the reason to stop.
 * Limits:  see packet.h. Every step consumes bytes or counts in depth, so a walk ends.
 *
 * Private to packet.c, link.c, wlan.c, ip.c, transport.c and tunnel.c.
 */
#ifndef PF_CAPTURE_WALK_H
#define PF_CAPTURE_WALK_H

#include "base/cursor.h"
#include "base/pkt.h"
#include "capture/defrag.h"
#include "capture/packet.h"

/* What cur stands at. */
enum pf_next {
    PF_NEXT_ETHERNET,
    PF_NEXT_TYPE, /* behind the EtherType, which is in type */
    PF_NEXT_MPLS,
    PF_NEXT_PPP,
    PF_NEXT_IP, /* version 4 or 6, as the first nibble says */
    PF_NEXT_IP4,
    PF_NEXT_IP6,
    PF_NEXT_PROTO, /* behind an IP header; its protocol is in type */
    PF_NEXT_DONE   /* *pkt is filled */
};

struct pf_walk {
    struct pf_cur cur;
    size_t missing; /* bytes on the wire behind cur that were not captured */
    enum pf_next next;
    uint32_t type;
    unsigned depth; /* tunnels */
    unsigned tags;  /* VLAN tags of this Ethernet */
    unsigned extensions;

    uint8_t src[16]; /* the innermost IP header's addresses; IPv4: 4 bytes. Copies, for */
    uint8_t dst[16]; /* a datagram put together from fragments replaces the one around it */
    uint8_t family;
    uint8_t ttl;
    uint8_t hints;

    int64_t ts_ns;
    struct pf_defrag *defrag;
    uint64_t joined; /* datagrams put together from fragments */
    struct pf_pkt *pkt;
};

enum {
    PF_TYPE_IP4 = 0x0800,
    PF_TYPE_IP6 = 0x86dd,
    PF_TYPE_VLAN = 0x8100,
    PF_TYPE_QINQ = 0x88a8,
    PF_TYPE_QINQ_OLD = 0x9100,
    PF_TYPE_MPLS = 0x8847,
    PF_TYPE_MPLS_MULTICAST = 0x8848,
    PF_TYPE_PPPOE = 0x8864,
    PF_TYPE_ETHERNET = 0x6558, /* transparent Ethernet bridging */
    PF_TYPE_PPP = 0x880b,

    PF_PROTO_IP4 = 4,
    PF_PROTO_TCP = 6,
    PF_PROTO_UDP = 17,
    PF_PROTO_IP6 = 41,
    PF_PROTO_GRE = 47,

    PF_TUNNELS_MAX = 8,
    PF_TAGS_MAX = 8
};

/* The reason for a header that does not fit: cut off by the snap length, or wrong. */
static inline enum pf_drop pf_walk_short(const struct pf_walk *w)
{
    return w->missing > 0 ? PF_DROP_TRUNCATED : PF_DROP_MALFORMED;
}

/* One more tunnel; then what is inside begins anew. */
PF_MUST_USE static inline enum pf_drop pf_walk_enter(struct pf_walk *w, enum pf_next next)
{
    if (++w->depth > PF_TUNNELS_MAX) {
        return PF_DROP_TUNNEL_TOO_DEEP;
    }
    w->next = next;
    w->tags = 0;
    return PF_DROP_NONE;
}

/* Cuts what lies behind len bytes of the wire: padding. What of the len was not captured is
 * missing. */
static inline void pf_walk_limit(struct pf_walk *w, size_t len)
{
    if (len <= w->cur.left) {
        w->cur.left = len;
        w->missing = 0;
    } else {
        w->missing = len - w->cur.left;
    }
}

enum pf_drop pf_link_start(struct pf_walk *w, uint32_t linktype);
enum pf_drop pf_link_ethernet(struct pf_walk *w);
enum pf_drop pf_link_type(struct pf_walk *w);
enum pf_drop pf_link_mpls(struct pf_walk *w);
enum pf_drop pf_link_ppp(struct pf_walk *w);

enum pf_drop pf_wlan_radiotap(struct pf_walk *w);
enum pf_drop pf_wlan_frame(struct pf_walk *w);

enum pf_drop pf_ip_any(struct pf_walk *w);
enum pf_drop pf_ip_v4(struct pf_walk *w);
enum pf_drop pf_ip_v6(struct pf_walk *w);
/* Extension headers (IPv6, and AH of IPv4) and IP in IP; other protocols go on from here. */
enum pf_drop pf_ip_proto(struct pf_walk *w);

enum pf_drop pf_transport_tcp(struct pf_walk *w);
enum pf_drop pf_transport_udp(struct pf_walk *w);

enum pf_drop pf_tunnel_gre(struct pf_walk *w);

/*
 * Is the payload of a UDP packet to this port a tunnel? True: *d is the result of entering it, and
 * w stands at the inside. False: w is as it was.
 */
bool pf_tunnel_udp(struct pf_walk *w, uint16_t port, enum pf_drop *d);

#endif
