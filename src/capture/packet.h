// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a captured frame to a TCP or UDP packet of a flow, through link layers and tunnels.
 * Owns:    a decoder owns its fragments and counters; packets borrow the frame, or the decoder's
 *          buffer where they were put together from fragments.
 * Threads: one owner at a time.
 * Errors:  none: what is no TCP or UDP packet has a reason (enum pf_drop), and is counted.
 * Limits:  8 VLAN tags, 8 tunnels, 16 IPv6 extension headers, 8 MPLS labels.
 *
 * Link types: Ethernet, Linux cooked 1 and 2, NULL, LOOP, raw IP (12, 14, 101, 228, 229), PPP (9,
 * 50, 51), Cisco HDLC, Linux NFLOG, Wi-Fi in the clear (105, and 127 with radiotap). Inside: VLAN
 * and QinQ, MPLS, PPPoE, IP in IP, GRE (also Ethernet, ERSPAN and PPTP over it), VXLAN, Geneve,
 * GTP-U; IPv4 and IPv6 fragments are put together.
 *
 * Checksums: IPv4's header is summed (PF_HINT_BAD_IP_SUM). TCP's is never computed, for captures
 * made on a sending host have it wrong throughout and a record's tag is the better judge:
 * PF_HINT_BAD_TCP_SUM is never set here.
 */
#ifndef PF_CAPTURE_PACKET_H
#define PF_CAPTURE_PACKET_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdint.h>

/* X(name, text): why no packet came out of a frame. */
#define PF_DROP_LIST(X)                                                                            \
    X(NONE, "a packet came out")                                                                   \
    X(LINK_TYPE, "link type that is not read")                                                     \
    X(NOT_IP, "not IP")                                                                            \
    X(IP_PROTO, "neither TCP nor UDP")                                                             \
    X(TRUNCATED, "headers cut off by the snap length")                                             \
    X(MALFORMED, "malformed headers")                                                              \
    X(TUNNEL_TOO_DEEP, "too many tunnels or tags inside each other")                               \
    X(FRAGMENT_PENDING, "fragment, waiting for the others")                                        \
    X(FRAGMENT_DROPPED, "fragment that cannot be used")

enum pf_drop {
#define X(name, text) PF_DROP_##name,
    PF_DROP_LIST(X)
#undef X
        PF_DROP_COUNT
};

/* "not_ip" … for machines; the text of the list for people. */
const char *pf_drop_name(enum pf_drop d);
const char *pf_drop_text(enum pf_drop d);

struct pf_decoder_counts {
    uint64_t by_drop[PF_DROP_COUNT]; /* frames; [PF_DROP_NONE]: packets that came out */
    uint64_t datagrams_joined;       /* put together from fragments */
    uint64_t datagrams_lost;         /* given up: timed out, or pushed out by the byte budget */
};

struct pf_decoder;

/* fragment_bytes: the most that unfinished fragments may hold. PF_ERR_NOMEM. */
PF_MUST_USE enum pf_status pf_decoder_new(size_t fragment_bytes, struct pf_decoder **out);
void pf_decoder_free(struct pf_decoder *d);

const struct pf_decoder_counts *pf_decoder_counts(const struct pf_decoder *d);

/*
 * Decodes one frame. PF_DROP_NONE: *out is filled but for hash, number and clock_ns (all 0);
 * out->data points into data, or into the decoder until its next call. Else *out is undefined.
 * Frames are to come in the order of the capture: fragments time out by ts_ns.
 */
enum pf_drop pf_decoder_packet(struct pf_decoder *d, uint32_t linktype, const uint8_t *data,
                               uint32_t caplen, uint32_t len, int64_t ts_ns, struct pf_pkt *out);

#endif
