// SPDX-License-Identifier: Apache-2.0
#include "capture/walk.h"

enum {
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_TIMESTAMP = 8,
    TIMESTAMP_LEN = 10,
    TIMESTAMP_ALIGNED = 0x0101080a /* NOP, NOP, kind, length: RFC 7323 appendix A */
};

/* Both directions of a flow get the same key: end 0 is the lower (address, port). */
static void fill_key(const struct pf_walk *w, uint8_t proto, uint16_t sport, uint16_t dport)
{
    struct pf_pkt *p = w->pkt;
    size_t n = w->family == 4 ? 4 : 16;
    int order = memcmp(w->src, w->dst, n);
    unsigned side = order > 0 || (order == 0 && sport > dport) ? 1 : 0;
    *p = (struct pf_pkt){
        .key = {.family = w->family, .proto = proto},
        .ts_ns = w->ts_ns,
        .ttl = w->ttl,
        .hints = w->hints,
        .side = (uint8_t)side,
    };
    if (n == 4) {
        memcpy(p->key.addr[side], w->src, 4);
        memcpy(p->key.addr[!side], w->dst, 4);
    } else {
        memcpy(p->key.addr[side], w->src, 16);
        memcpy(p->key.addr[!side], w->dst, 16);
    }
    p->key.port[side] = sport;
    p->key.port[!side] = dport;
}

static void fill_payload(struct pf_walk *w)
{
    w->pkt->data = w->cur.ptr;
    w->pkt->len = (uint32_t)w->cur.left; /* a frame is at most PF_FRAME_MAX */
    w->pkt->missing = w->missing < UINT32_MAX ? (uint32_t)w->missing : UINT32_MAX;
    w->next = PF_NEXT_DONE;
}

static void found_timestamp(struct pf_pkt *p, struct pf_cur value)
{
    if (pf_cur_u32(&value, &p->tsval)) {
        p->hints |= PF_HINT_HAS_TSOPT;
    }
}

/* Options cut off or malformed end the list: all that is wanted of them is a hint. */
static void read_options(struct pf_pkt *p, struct pf_cur c)
{
    struct pf_cur look = c;
    uint32_t head;
    if (pf_cur_u32(&look, &head) && head == TIMESTAMP_ALIGNED) {
        found_timestamp(p, look);
        return;
    }
    uint8_t kind;
    while (pf_cur_u8(&c, &kind) && kind != OPTION_END) {
        struct pf_cur value;
        uint8_t len;
        if (kind == OPTION_NOP) {
            continue;
        }
        if (!pf_cur_u8(&c, &len) || len < 2 || !pf_cur_sub(&c, len - 2U, &value)) {
            return;
        }
        if (kind == OPTION_TIMESTAMP && len == TIMESTAMP_LEN) {
            found_timestamp(p, value);
        }
    }
}

enum pf_drop pf_transport_tcp(struct pf_walk *w)
{
    struct pf_pkt *p = w->pkt;
    uint16_t sport;
    uint16_t dport;
    uint32_t seq;
    uint32_t ack;
    uint16_t offset_flags;
    uint16_t window;
    if (!pf_cur_u16(&w->cur, &sport) || !pf_cur_u16(&w->cur, &dport) ||
        !pf_cur_u32(&w->cur, &seq) || !pf_cur_u32(&w->cur, &ack) ||
        !pf_cur_u16(&w->cur, &offset_flags) || !pf_cur_u16(&w->cur, &window) ||
        !pf_cur_skip(&w->cur, 4)) {
        return pf_walk_short(w);
    }
    size_t header = 4 * (size_t)(offset_flags >> 12);
    if (header < TCP_HEADER || header - TCP_HEADER > w->cur.left + w->missing) {
        return PF_DROP_MALFORMED;
    }
    size_t options = header - TCP_HEADER;
    size_t here = options < w->cur.left ? options : w->cur.left;
    struct pf_cur list;
    if (!pf_cur_sub(&w->cur, here, &list)) {
        return PF_DROP_MALFORMED;
    }
    w->missing -= options - here; /* options cut off are no payload */
    fill_key(w, PF_PROTO_TCP, sport, dport);
    p->seq = seq;
    p->ack = ack;
    p->flags = (uint8_t)(offset_flags & 0xff);
    p->window = window;
    if (here > 0) {
        read_options(p, list);
    }
    fill_payload(w);
    return PF_DROP_NONE;
}

enum pf_drop pf_transport_udp(struct pf_walk *w)
{
    uint16_t sport;
    uint16_t dport;
    uint16_t len;
    if (!pf_cur_u16(&w->cur, &sport) || !pf_cur_u16(&w->cur, &dport) ||
        !pf_cur_u16(&w->cur, &len) || !pf_cur_skip(&w->cur, 2)) {
        return pf_walk_short(w);
    }
    if (len != 0) { /* 0: longer than 64 KiB (RFC 2675 section 4) */
        if (len < UDP_HEADER || len - UDP_HEADER > (int64_t)(w->cur.left + w->missing)) {
            return PF_DROP_MALFORMED;
        }
        pf_walk_limit(w, len - (size_t)UDP_HEADER);
    }
    enum pf_drop d;
    if (pf_tunnel_udp(w, dport, &d)) {
        return d;
    }
    fill_key(w, PF_PROTO_UDP, sport, dport);
    fill_payload(w);
    return PF_DROP_NONE;
}
