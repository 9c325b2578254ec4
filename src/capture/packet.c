// SPDX-License-Identifier: Apache-2.0
#include "capture/packet.h"

#include "capture/defrag.h"
#include "capture/walk.h"

#include <stdlib.h>

struct pf_decoder {
    struct pf_defrag *defrag;
    struct pf_decoder_counts counts;
};

const char *pf_drop_name(enum pf_drop d)
{
    static const char *const names[PF_DROP_COUNT] = {
        [PF_DROP_NONE] = "none",
        [PF_DROP_LINK_TYPE] = "link_type",
        [PF_DROP_NOT_IP] = "not_ip",
        [PF_DROP_IP_PROTO] = "ip_proto",
        [PF_DROP_TRUNCATED] = "truncated",
        [PF_DROP_MALFORMED] = "malformed",
        [PF_DROP_TUNNEL_TOO_DEEP] = "tunnel_too_deep",
        [PF_DROP_FRAGMENT_PENDING] = "fragment_pending",
        [PF_DROP_FRAGMENT_DROPPED] = "fragment_dropped",
    };
    return names[d];
}

const char *pf_drop_text(enum pf_drop d)
{
    static const char *const texts[PF_DROP_COUNT] = {
#define X(name, text) [PF_DROP_##name] = text,
        PF_DROP_LIST(X)
#undef X
    };
    return texts[d];
}

enum pf_status pf_decoder_new(size_t fragment_bytes, struct pf_decoder **out)
{
    struct pf_decoder *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = pf_defrag_new(fragment_bytes, &d->defrag);
    if (st != PF_OK) {
        free(d);
        return st;
    }
    *out = d;
    return PF_OK;
}

void pf_decoder_free(struct pf_decoder *d)
{
    if (d != NULL) {
        pf_defrag_free(d->defrag);
        free(d);
    }
}

const struct pf_decoder_counts *pf_decoder_counts(const struct pf_decoder *d)
{
    return &d->counts;
}

static enum pf_drop step(struct pf_walk *w)
{
    switch (w->next) {
    case PF_NEXT_ETHERNET:
        return pf_link_ethernet(w);
    case PF_NEXT_TYPE:
        return pf_link_type(w);
    case PF_NEXT_MPLS:
        return pf_link_mpls(w);
    case PF_NEXT_PPP:
        return pf_link_ppp(w);
    case PF_NEXT_IP:
        return pf_ip_any(w);
    case PF_NEXT_IP4:
        return pf_ip_v4(w);
    case PF_NEXT_IP6:
        return pf_ip_v6(w);
    case PF_NEXT_PROTO:
        switch (w->type) {
        case PF_PROTO_TCP:
            return pf_transport_tcp(w);
        case PF_PROTO_UDP:
            return pf_transport_udp(w);
        case PF_PROTO_GRE:
            return pf_tunnel_gre(w);
        default:
            return pf_ip_proto(w);
        }
    case PF_NEXT_DONE:
        break;
    }
    return PF_DROP_NONE;
}

enum pf_drop pf_decoder_packet(struct pf_decoder *d, uint32_t linktype, const uint8_t *data,
                               uint32_t caplen, uint32_t len, int64_t ts_ns, struct pf_pkt *out)
{
    struct pf_walk w = {
        .cur = pf_cur_over(data, caplen),
        .missing = len > caplen ? len - caplen : 0,
        .ts_ns = ts_ns,
        .defrag = d->defrag,
        .pkt = out,
    };
    enum pf_drop drop = pf_link_start(&w, linktype);
    while (drop == PF_DROP_NONE && w.next != PF_NEXT_DONE) {
        drop = step(&w);
    }
    d->counts.by_drop[drop]++;
    d->counts.datagrams_joined += w.joined;
    d->counts.datagrams_lost = pf_defrag_lost(d->defrag);
    return drop;
}
