// SPDX-License-Identifier: Apache-2.0
#include "capture/walk.h"

enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_12 = 12,
    LINK_RAW_14 = 14,
    LINK_PPP_HDLC = 50,
    LINK_PPPOE = 51,
    LINK_RAW = 101,
    LINK_CISCO_HDLC = 104,
    LINK_WLAN = 105,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_WLAN_RADIOTAP = 127,
    LINK_IP4 = 228,
    LINK_IP6 = 229,
    LINK_NFLOG = 239,
    LINK_SLL2 = 276,

    LENGTH_MAX = 0x0600, /* IEEE 802.3: below it the field is a length */
    SNAP = 0xaaaa03,
    NFLOG_PAYLOAD = 9,
    NFLOG_ATTRIBUTES_MAX = 64,
    LABELS_MAX = 8,
    LABEL_BOTTOM = 0x100,
    PPP_IP4 = 0x0021,
    PPP_IP6 = 0x0057,
    PPP_MPLS = 0x0281
};

static enum pf_drop at_type(struct pf_walk *w, uint32_t type)
{
    w->type = type;
    w->next = type == PF_TYPE_IP4 ? PF_NEXT_IP4 : PF_NEXT_TYPE;
    return PF_DROP_NONE;
}

/* A header of fixed length that ends in, or holds, an EtherType. */
static enum pf_drop typed_header(struct pf_walk *w, size_t before, size_t after)
{
    uint16_t type;
    if (!pf_cur_skip(&w->cur, before) || !pf_cur_u16(&w->cur, &type) ||
        !pf_cur_skip(&w->cur, after)) {
        return pf_walk_short(w);
    }
    return at_type(w, type);
}

/* The address family in the byte order of the capturing host, or of the network for LOOP. */
static enum pf_drop null_header(struct pf_walk *w)
{
    uint32_t family;
    if (!pf_cur_u32(&w->cur, &family)) {
        return pf_walk_short(w);
    }
    switch (family > 0xffff ? __builtin_bswap32(family) : family) {
    case 2:
        return at_type(w, PF_TYPE_IP4);
    case 10: /* AF_INET6: Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS */
    case 23:
    case 24:
    case 28:
    case 30:
        return at_type(w, PF_TYPE_IP6);
    default:
        return PF_DROP_NOT_IP;
    }
}

static enum pf_drop pppoe_header(struct pf_walk *w)
{
    uint16_t version_type_code;
    uint16_t len;
    if (!pf_cur_u16(&w->cur, &version_type_code) || !pf_cur_skip(&w->cur, 2) ||
        !pf_cur_u16(&w->cur, &len)) {
        return pf_walk_short(w);
    }
    if (version_type_code != 0x1100) { /* RFC 2516 section 4: version 1, type 1, session data */
        return PF_DROP_NOT_IP;
    }
    w->next = PF_NEXT_PPP;
    return PF_DROP_NONE;
}

/*
 * Attributes of a length that counts its own 4 bytes, a type, and a value padded to 4; in the byte
 * order of the capturing host, which shows in the type: none is above 255.
 */
static enum pf_drop nflog_header(struct pf_walk *w)
{
    uint16_t len;
    uint16_t type;
    if (!pf_cur_skip(&w->cur, 4)) {
        return pf_walk_short(w);
    }
    for (int i = 0; i < NFLOG_ATTRIBUTES_MAX; i++) {
        if (!pf_cur_u16(&w->cur, &len) || !pf_cur_u16(&w->cur, &type)) {
            return pf_walk_short(w);
        }
        if (type > 0xff) {
            len = __builtin_bswap16(len);
            type = __builtin_bswap16(type);
        }
        if (type == NFLOG_PAYLOAD) {
            w->next = PF_NEXT_IP;
            return PF_DROP_NONE;
        }
        if (len < 4 || !pf_cur_skip(&w->cur, (len - 4U + 3) & ~3U)) {
            return len < 4 ? PF_DROP_MALFORMED : pf_walk_short(w);
        }
    }
    return PF_DROP_NOT_IP;
}

static enum pf_drop start_at(struct pf_walk *w, enum pf_next next)
{
    w->next = next;
    return PF_DROP_NONE;
}

enum pf_drop pf_link_start(struct pf_walk *w, uint32_t linktype)
{
    switch (linktype) {
    case LINK_ETHERNET:
        return start_at(w, PF_NEXT_ETHERNET);
    case LINK_SLL:
        return typed_header(w, 14, 0);
    case LINK_SLL2:
        return typed_header(w, 0, 18);
    case LINK_CISCO_HDLC:
        return typed_header(w, 2, 0);
    case LINK_WLAN:
        return pf_wlan_frame(w);
    case LINK_WLAN_RADIOTAP:
        return pf_wlan_radiotap(w);
    case LINK_NFLOG:
        return nflog_header(w);
    case LINK_NULL:
    case LINK_LOOP:
        return null_header(w);
    case LINK_RAW:
    case LINK_RAW_12:
    case LINK_RAW_14:
        return start_at(w, PF_NEXT_IP);
    case LINK_IP4:
        return start_at(w, PF_NEXT_IP4);
    case LINK_IP6:
        return start_at(w, PF_NEXT_IP6);
    case LINK_PPP:
    case LINK_PPP_HDLC:
        return start_at(w, PF_NEXT_PPP);
    case LINK_PPPOE:
        return pppoe_header(w);
    default:
        return PF_DROP_LINK_TYPE;
    }
}

enum pf_drop pf_link_ethernet(struct pf_walk *w)
{
    return typed_header(w, 12, 0);
}

static enum pf_drop vlan_tag(struct pf_walk *w)
{
    if (++w->tags > PF_TAGS_MAX) {
        return PF_DROP_TUNNEL_TOO_DEEP;
    }
    return typed_header(w, 2, 0);
}

/* IEEE 802.2 SNAP with an EtherType behind it; other protocols there are not IP. */
static enum pf_drop llc(struct pf_walk *w)
{
    uint32_t header;
    uint32_t organisation;
    uint16_t type;
    if (!pf_cur_u24(&w->cur, &header)) {
        return pf_walk_short(w);
    }
    if (header != SNAP) {
        return PF_DROP_NOT_IP;
    }
    if (!pf_cur_u24(&w->cur, &organisation) || !pf_cur_u16(&w->cur, &type)) {
        return pf_walk_short(w);
    }
    if (organisation != 0 || type < LENGTH_MAX) {
        return PF_DROP_NOT_IP;
    }
    return at_type(w, type);
}

enum pf_drop pf_link_type(struct pf_walk *w)
{
    switch (w->type) {
    case PF_TYPE_IP4:
        return start_at(w, PF_NEXT_IP4);
    case PF_TYPE_IP6:
        return start_at(w, PF_NEXT_IP6);
    case PF_TYPE_VLAN:
    case PF_TYPE_QINQ:
    case PF_TYPE_QINQ_OLD:
        return vlan_tag(w);
    case PF_TYPE_MPLS:
    case PF_TYPE_MPLS_MULTICAST:
        return start_at(w, PF_NEXT_MPLS);
    case PF_TYPE_PPPOE:
        return pppoe_header(w);
    case PF_TYPE_PPP:
        return start_at(w, PF_NEXT_PPP);
    case PF_TYPE_ETHERNET:
        return pf_walk_enter(w, PF_NEXT_ETHERNET);
    default:
        return w->type < LENGTH_MAX ? llc(w) : PF_DROP_NOT_IP;
    }
}

/* RFC 3032. What is inside is not said: an IP version, or a pseudowire's control word (RFC 4385
 * section 3: a nibble of 0) and Ethernet behind it. */
enum pf_drop pf_link_mpls(struct pf_walk *w)
{
    uint32_t label = 0;
    for (int i = 0; i < LABELS_MAX && (label & LABEL_BOTTOM) == 0; i++) {
        if (!pf_cur_u32(&w->cur, &label)) {
            return pf_walk_short(w);
        }
    }
    if ((label & LABEL_BOTTOM) == 0) {
        return PF_DROP_TUNNEL_TOO_DEEP;
    }
    struct pf_cur look = w->cur;
    uint8_t first;
    if (!pf_cur_u8(&look, &first)) {
        return pf_walk_short(w);
    }
    if (first >> 4 == 0) {
        return pf_cur_skip(&w->cur, 4) ? pf_walk_enter(w, PF_NEXT_ETHERNET) : pf_walk_short(w);
    }
    return start_at(w, PF_NEXT_IP);
}

/*
 * RFC 1661 and RFC 1662: address and control (ff 03) may be left out, and so may the first byte of
 * the protocol, which is even where the second is odd. 0f 00 and 8f 00 begin Cisco HDLC.
 */
enum pf_drop pf_link_ppp(struct pf_walk *w)
{
    struct pf_cur look = w->cur;
    uint16_t head;
    if (!pf_cur_u16(&look, &head)) {
        return pf_walk_short(w);
    }
    if (head == 0x0f00 || head == 0x8f00) {
        return typed_header(w, 2, 0);
    }
    if (head == 0xff03) {
        w->cur = look;
    }
    uint8_t first;
    uint8_t second = 0;
    if (!pf_cur_u8(&w->cur, &first) || (first % 2 == 0 && !pf_cur_u8(&w->cur, &second))) {
        return pf_walk_short(w);
    }
    switch (first % 2 != 0 ? first : (unsigned)first << 8 | second) {
    case PPP_IP4:
        return start_at(w, PF_NEXT_IP4);
    case PPP_IP6:
        return start_at(w, PF_NEXT_IP6);
    case PPP_MPLS:
        return start_at(w, PF_NEXT_MPLS);
    default:
        return PF_DROP_NOT_IP;
    }
}
