// SPDX-License-Identifier: Apache-2.0
#include "capture/walk.h"

enum {
    V4_HEADER = 20,
    FRAGMENT_OFFSET = 0x1fff, /* in units of 8 bytes */
    FRAGMENT_MORE = 0x2000,
    EXTENSIONS_MAX = 16, /* RFC 8200 names six, each at most once or twice */

    EXT_HOP_BY_HOP = 0,
    EXT_ROUTING = 43,
    EXT_FRAGMENT = 44,
    EXT_AUTHENTICATION = 51,
    EXT_DESTINATION = 60,
    EXT_MOBILITY = 135,
    EXT_HOST_IDENTITY = 139,
    EXT_SHIM6 = 140
};

enum pf_drop pf_ip_any(struct pf_walk *w)
{
    struct pf_cur look = w->cur;
    uint8_t first;
    if (!pf_cur_u8(&look, &first)) {
        return pf_walk_short(w);
    }
    switch (first >> 4) {
    case 4:
        w->next = PF_NEXT_IP4;
        return PF_DROP_NONE;
    case 6:
        w->next = PF_NEXT_IP6;
        return PF_DROP_NONE;
    default:
        return PF_DROP_NOT_IP;
    }
}

/* RFC 1071; len is even. */
static bool sum_is_good(struct pf_span header)
{
    struct pf_cur c = pf_cur_of(header);
    uint32_t sum = 0;
    uint16_t word;
    while (pf_cur_u16(&c, &word)) {
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* A fragment goes to the others; the last missing one makes w stand at the whole datagram. */
static enum pf_drop join(struct pf_walk *w, struct pf_fragment *f)
{
    if (w->missing > 0) {
        return PF_DROP_TRUNCATED;
    }
    size_t n = w->family == 4 ? 4 : 16;
    memcpy(f->addr[0], w->src, n);
    memcpy(f->addr[1], w->dst, n);
    f->family = w->family;
    f->data = pf_cur_rest(&w->cur);
    struct pf_span whole;
    uint8_t proto;
    switch (pf_defrag_add(w->defrag, f, w->ts_ns, &whole, &proto)) {
    case PF_DEFRAG_PENDING:
        return PF_DROP_FRAGMENT_PENDING;
    case PF_DEFRAG_REFUSED:
        return PF_DROP_FRAGMENT_DROPPED;
    case PF_DEFRAG_WHOLE:
        break;
    }
    w->joined++;
    w->cur = pf_cur_of(whole);
    w->type = proto;
    w->next = PF_NEXT_PROTO;
    return PF_DROP_NONE;
}

enum pf_drop pf_ip_v4(struct pf_walk *w)
{
    struct pf_cur c = w->cur;
    struct pf_span header;
    uint8_t version_words;
    uint8_t proto;
    uint16_t total;
    uint16_t id;
    uint16_t fragment;
    if (!pf_cur_u8(&c, &version_words) || !pf_cur_skip(&c, 1) || !pf_cur_u16(&c, &total) ||
        !pf_cur_u16(&c, &id) || !pf_cur_u16(&c, &fragment) || !pf_cur_u8(&c, &w->ttl) ||
        !pf_cur_u8(&c, &proto) || !pf_cur_skip(&c, 2) || !pf_cur_copy(&c, w->src, 4) ||
        !pf_cur_copy(&c, w->dst, 4)) {
        return pf_walk_short(w);
    }
    size_t len = 4 * (size_t)(version_words & 15);
    if (version_words >> 4 != 4 || len < V4_HEADER || (total != 0 && total < len)) {
        return PF_DROP_MALFORMED;
    }
    if (!pf_cur_span(&w->cur, len, &header)) {
        return pf_walk_short(w);
    }
    w->family = 4;
    w->hints = sum_is_good(header) ? 0 : PF_HINT_BAD_IP_SUM;
    if (total != 0) { /* 0: segmentation offload on the capturing host, longer than 64 KiB */
        pf_walk_limit(w, total - len);
    }
    w->type = proto;
    w->next = PF_NEXT_PROTO;
    if ((fragment & (FRAGMENT_OFFSET | FRAGMENT_MORE)) == 0) {
        return PF_DROP_NONE;
    }
    struct pf_fragment f = {
        .id = id,
        .proto = proto,
        .offset = (uint16_t)((fragment & FRAGMENT_OFFSET) * 8U),
        .more = (fragment & FRAGMENT_MORE) != 0,
    };
    return join(w, &f);
}

enum pf_drop pf_ip_v6(struct pf_walk *w)
{
    uint32_t version_class_label;
    uint16_t payload;
    uint8_t next;
    if (!pf_cur_u32(&w->cur, &version_class_label) || !pf_cur_u16(&w->cur, &payload) ||
        !pf_cur_u8(&w->cur, &next) || !pf_cur_u8(&w->cur, &w->ttl) ||
        !pf_cur_copy(&w->cur, w->src, 16) || !pf_cur_copy(&w->cur, w->dst, 16)) {
        return pf_walk_short(w);
    }
    if (version_class_label >> 28 != 6) {
        return PF_DROP_MALFORMED;
    }
    w->family = 6;
    w->hints = 0;
    w->extensions = 0;
    if (payload != 0) { /* 0: a jumbogram (RFC 2675), or segmentation offload */
        pf_walk_limit(w, payload);
    }
    w->type = next;
    w->next = PF_NEXT_PROTO;
    return PF_DROP_NONE;
}

/* Next header, length in units of unit bytes; uncounted bytes come on top. */
static enum pf_drop skip_extension(struct pf_walk *w, size_t unit, size_t uncounted)
{
    uint8_t next;
    uint8_t len;
    if (!pf_cur_u8(&w->cur, &next) || !pf_cur_u8(&w->cur, &len) ||
        !pf_cur_skip(&w->cur, len * unit + uncounted - 2)) {
        return pf_walk_short(w);
    }
    w->type = next;
    return PF_DROP_NONE;
}

/* RFC 8200 section 4.5. */
static enum pf_drop fragment_header(struct pf_walk *w)
{
    uint8_t next;
    uint16_t offset_more;
    uint32_t id;
    if (!pf_cur_u8(&w->cur, &next) || !pf_cur_skip(&w->cur, 1) ||
        !pf_cur_u16(&w->cur, &offset_more) || !pf_cur_u32(&w->cur, &id)) {
        return pf_walk_short(w);
    }
    struct pf_fragment f = {
        .id = id,
        .proto = next,
        .offset = offset_more & 0xfff8,
        .more = (offset_more & 1) != 0,
    };
    if (f.offset == 0 && !f.more) { /* an atomic fragment is whole by itself (RFC 6946) */
        w->type = next;
        return PF_DROP_NONE;
    }
    return join(w, &f);
}

static enum pf_drop v6_extension(struct pf_walk *w)
{
    switch (w->type) {
    case EXT_HOP_BY_HOP:
    case EXT_ROUTING:
    case EXT_DESTINATION:
    case EXT_MOBILITY:
    case EXT_HOST_IDENTITY:
    case EXT_SHIM6:
        return skip_extension(w, 8, 8);
    case EXT_FRAGMENT:
        return fragment_header(w);
    default:
        return PF_DROP_IP_PROTO;
    }
}

enum pf_drop pf_ip_proto(struct pf_walk *w)
{
    if (w->type == PF_PROTO_IP4 || w->type == PF_PROTO_IP6) {
        return pf_walk_enter(w, w->type == PF_PROTO_IP4 ? PF_NEXT_IP4 : PF_NEXT_IP6);
    }
    if (++w->extensions > EXTENSIONS_MAX) {
        return PF_DROP_MALFORMED;
    }
    if (w->type == EXT_AUTHENTICATION) { /* RFC 4302 section 2.2 */
        return skip_extension(w, 4, 8);
    }
    return w->family == 6 ? v6_extension(w) : PF_DROP_IP_PROTO;
}
