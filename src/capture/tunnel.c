// SPDX-License-Identifier: Apache-2.0
#include "capture/walk.h"

enum {
    PORT_GTP_U = 2152,
    PORT_VXLAN = 4789,
    PORT_VXLAN_LINUX = 8472,
    PORT_GENEVE = 6081,

    ETHERNET_HEADER = 14,

    GRE_CHECKSUM = 0x8000,
    GRE_ROUTING = 0x4000,
    GRE_KEY = 0x2000,
    GRE_SEQUENCE = 0x1000,
    GRE_ACK = 0x0080, /* version 1 alone */
    GRE_VERSION = 0x0007,
    TYPE_ERSPAN = 0x88be,
    TYPE_ERSPAN3 = 0x22eb,
    ERSPAN2_HEADER = 8,
    ERSPAN3_HEADER = 12,
    ERSPAN3_SUBHEADER = 8,

    GTP_VERSION_TYPE = 0xf0, /* version 1, GTP (not GTP'), and a reserved bit that is 0 */
    GTP_V1 = 0x30,
    GTP_OPTIONAL = 0x07,
    GTP_EXTENDED = 0x04,
    GTP_USER_DATA = 255,
    GTP_EXTENSIONS_MAX = 8
};

/* Inside a tunnel whose header named an EtherType. */
static enum pf_drop enter_type(struct pf_walk *w, uint32_t type)
{
    w->type = type;
    return pf_walk_enter(w, type == PF_TYPE_ETHERNET ? PF_NEXT_ETHERNET : PF_NEXT_TYPE);
}

/* Type I has no header and no GRE sequence number; type II has both; type III its own EtherType. */
static enum pf_drop enter_erspan(struct pf_walk *w, uint16_t type, bool has_sequence)
{
    bool ok = true;
    if (type == TYPE_ERSPAN3) {
        uint32_t last;
        ok = pf_cur_skip(&w->cur, ERSPAN3_HEADER - 4) && pf_cur_u32(&w->cur, &last) &&
             ((last & 1) == 0 || pf_cur_skip(&w->cur, ERSPAN3_SUBHEADER));
    } else if (has_sequence) {
        ok = pf_cur_skip(&w->cur, ERSPAN2_HEADER);
    }
    return ok ? pf_walk_enter(w, PF_NEXT_ETHERNET) : pf_walk_short(w);
}

/* RFC 2784 and RFC 2890; version 1 is PPTP's, RFC 2637 section 4.1. */
enum pf_drop pf_tunnel_gre(struct pf_walk *w)
{
    uint16_t flags;
    uint16_t type;
    if (!pf_cur_u16(&w->cur, &flags) || !pf_cur_u16(&w->cur, &type)) {
        return pf_walk_short(w);
    }
    unsigned version = flags & GRE_VERSION;
    if ((flags & GRE_ROUTING) != 0 || version > 1) {
        return PF_DROP_NOT_IP;
    }
    size_t len = 0;
    len += (flags & GRE_CHECKSUM) != 0 ? 4 : 0;
    len += (flags & GRE_KEY) != 0 ? 4 : 0;
    len += (flags & GRE_SEQUENCE) != 0 ? 4 : 0;
    len += version == 1 && (flags & GRE_ACK) != 0 ? 4 : 0;
    if (!pf_cur_skip(&w->cur, len)) {
        return pf_walk_short(w);
    }
    if (type == TYPE_ERSPAN || type == TYPE_ERSPAN3) {
        return enter_erspan(w, type, (flags & GRE_SEQUENCE) != 0);
    }
    if (version == 1 && (flags & GRE_SEQUENCE) == 0) { /* an acknowledgement without payload */
        return PF_DROP_NOT_IP;
    }
    return enter_type(w, type);
}

/* RFC 7348 section 5, and the group policy extension's flag. */
static bool vxlan(struct pf_walk *w, enum pf_drop *d)
{
    uint8_t flags;
    uint8_t reserved;
    if (!pf_cur_u8(&w->cur, &flags) || !pf_cur_skip(&w->cur, 6) || !pf_cur_u8(&w->cur, &reserved) ||
        (flags & 0x7f) != 0x08 || reserved != 0 || w->cur.left < ETHERNET_HEADER) {
        return false;
    }
    *d = pf_walk_enter(w, PF_NEXT_ETHERNET);
    return true;
}

/* RFC 8926 section 3.4. */
static bool geneve(struct pf_walk *w, enum pf_drop *d)
{
    uint8_t version_options;
    uint16_t type;
    uint8_t reserved;
    if (!pf_cur_u8(&w->cur, &version_options) || !pf_cur_skip(&w->cur, 1) ||
        !pf_cur_u16(&w->cur, &type) || !pf_cur_skip(&w->cur, 3) || !pf_cur_u8(&w->cur, &reserved) ||
        version_options >> 6 != 0 || reserved != 0 ||
        !pf_cur_skip(&w->cur, 4 * (size_t)version_options)) {
        return false;
    }
    if (type != PF_TYPE_ETHERNET && type != PF_TYPE_IP4 && type != PF_TYPE_IP6) {
        return false;
    }
    *d = enter_type(w, type);
    return true;
}

/* 3GPP TS 29.281 section 5.2: length in units of 4 bytes, its own and the next type's included. */
static bool skip_gtp_extensions(struct pf_walk *w, uint8_t type)
{
    for (int i = 0; i < GTP_EXTENSIONS_MAX && type != 0; i++) {
        uint8_t len;
        if (!pf_cur_u8(&w->cur, &len) || len == 0 || !pf_cur_skip(&w->cur, 4 * (size_t)len - 2) ||
            !pf_cur_u8(&w->cur, &type)) {
            return false;
        }
    }
    return type == 0;
}

/* 3GPP TS 29.281 section 5.1. */
static bool gtp_u(struct pf_walk *w, enum pf_drop *d)
{
    uint8_t flags;
    uint8_t message;
    uint8_t next = 0;
    if (!pf_cur_u8(&w->cur, &flags) || !pf_cur_u8(&w->cur, &message) || !pf_cur_skip(&w->cur, 6) ||
        (flags & GTP_VERSION_TYPE) != GTP_V1 || message != GTP_USER_DATA) {
        return false;
    }
    if ((flags & GTP_OPTIONAL) != 0 && (!pf_cur_skip(&w->cur, 3) || !pf_cur_u8(&w->cur, &next))) {
        return false;
    }
    if ((flags & GTP_EXTENDED) != 0 && !skip_gtp_extensions(w, next)) {
        return false;
    }
    struct pf_cur look = w->cur;
    uint8_t first;
    if (!pf_cur_u8(&look, &first) || (first >> 4 != 4 && first >> 4 != 6)) {
        return false;
    }
    *d = pf_walk_enter(w, PF_NEXT_IP);
    return true;
}

bool pf_tunnel_udp(struct pf_walk *w, uint16_t port, enum pf_drop *d)
{
    struct pf_cur saved = w->cur;
    bool entered = false;
    switch (port) {
    case PORT_VXLAN:
    case PORT_VXLAN_LINUX:
        entered = vxlan(w, d);
        break;
    case PORT_GENEVE:
        entered = geneve(w, d);
        break;
    case PORT_GTP_U:
        entered = gtp_u(w, d);
        break;
    default:
        break;
    }
    if (!entered) {
        w->cur = saved;
    }
    return entered;
}
