// SPDX-License-Identifier: Apache-2.0
#include "forge/sender.h"

#include "forge/entropy.h"

#include <string.h>

enum {
    ACK_EVERY = 2, /* RFC 9293 section 3.8.6.3: at least every second full-sized segment */
    NS_PER_PACKET = 300,
    SPLIT_HELLO_MAX = 100,
    FIRST_PORT = 1024
};

void forge_sender_init(struct forge_sender *s, const struct forge_options *o,
                       struct forge_writer *w)
{
    s->options = o;
    forge_impair_init(&s->impair, o, w);
    forge_rng_init(&s->rng, o->seed, "network");
}

void forge_sender_wait(struct forge_sender *s, uint32_t ns)
{
    s->impair.now_ns += ns;
}

static void set_addresses(struct forge_conn *c, uint32_t client)
{
    /* 2001:db8::/32 and 192.0.2.0/24 are for documentation (RFC 3849, RFC 5737) */
    static const uint8_t SERVER6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x0a};
    static const uint8_t SERVER4[4] = {192, 0, 2, 10};
    uint8_t host[3] = {(uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client};
    uint8_t *from = c->link.end[PF_C2S].addr;
    if (c->link.ipv6) {
        memcpy(from, SERVER6, 4);
        from[7] = 1;
        memcpy(from + 13, host, sizeof host);
        memcpy(c->link.end[PF_S2C].addr, SERVER6, sizeof SERVER6);
    } else {
        from[0] = 10;
        memcpy(from + 1, host, sizeof host);
        memcpy(c->link.end[PF_S2C].addr, SERVER4, sizeof SERVER4);
    }
}

void forge_conn_init(struct forge_conn *c, struct forge_sender *s, uint64_t index)
{
    const struct forge_options *o = s->options;
    *c = (struct forge_conn){.handshake = true};
    c->link.ipv6 = forge_rng_chance(&s->rng, o->ipv6);
    c->link.checksums = !o->no_checksums;
    c->link.timestamps = !o->no_timestamps;
    c->link.vlan = (uint16_t)o->vlan;
    c->link.mss = (uint16_t)o->mss;
    set_addresses(c, 1 + (uint32_t)(index % o->clients));
    for (size_t i = 0; i < 2; i++) {
        struct forge_end *end = &c->link.end[i];
        end->mac[0] = 0x02; /* locally administered */
        end->mac[5] = (uint8_t)(i + 1);
        end->ttl = i == PF_C2S ? 64 : 57;
        end->ip_id = (uint16_t)forge_rng_next(&s->rng);
        end->next_seq = (uint32_t)forge_rng_next(&s->rng);
        end->ts_offset = (uint32_t)forge_rng_next(&s->rng);
    }
    uint64_t turn = index / o->clients % (65536 - FIRST_PORT);
    c->link.end[PF_C2S].port = (uint16_t)(65535 - (turn + 15535) % (65536 - FIRST_PORT));
    c->link.end[PF_S2C].port = (uint16_t)o->server_port;
}

void forge_conn_fini(struct forge_conn *c)
{
    forge_lane_fini(&c->lane);
}

struct piece {
    enum pf_dir dir;
    uint8_t flags;
    uint32_t seq;
    uint64_t offset;
    const uint8_t *data;
    size_t len;
    bool again;
};

static void send_piece(struct forge_sender *s, struct forge_conn *c, const struct piece *p)
{
    struct forge_segment seg = {.dir = p->dir, .flags = p->flags, .seq = p->seq};
    seg.ack = (p->flags & PF_TCP_ACK) != 0 ? c->link.end[1 - p->dir].next_seq : 0;
    seg.now_ms = (uint32_t)(s->impair.now_ns / 1000000 - FORGE_EPOCH * 1000);
    seg.data = p->data;
    seg.len = p->len;
    struct forge_sent sent = {.frame = s->frame, .dir = p->dir, .offset = p->offset};
    sent.frame_len = forge_packet_build(&c->link, &seg, s->frame);
    sent.len = (uint32_t)p->len;
    sent.handshake = c->handshake;
    sent.again = p->again;
    s->impair.now_ns += NS_PER_PACKET + (int64_t)sent.frame_len;
    forge_impair_packet(&s->impair, &c->lane, &sent);
}

/* A packet without payload; SYN and FIN take a sequence number. */
static void send_bare(struct forge_sender *s, struct forge_conn *c, enum pf_dir dir, unsigned flags)
{
    struct forge_end *from = &c->link.end[dir];
    struct piece p = {.dir = dir, .flags = (uint8_t)flags, .seq = from->next_seq};
    p.offset = c->sent[dir];
    if ((flags & (PF_TCP_SYN | PF_TCP_FIN)) != 0) {
        from->next_seq++;
    }
    c->unacked[1 - dir] = 0;
    send_piece(s, c, &p);
}

void forge_sender_open(struct forge_sender *s, struct forge_conn *c)
{
    send_bare(s, c, PF_C2S, PF_TCP_SYN);
    forge_sender_wait(s, forge_rng_range(&s->rng, 50000, 500000));
    send_bare(s, c, PF_S2C, PF_TCP_SYN | PF_TCP_ACK);
    forge_sender_wait(s, forge_rng_range(&s->rng, 20000, 100000));
    send_bare(s, c, PF_C2S, PF_TCP_ACK);
}

/* How many of `left` bytes go into the next segment. */
static size_t segment_len(struct forge_sender *s, const struct forge_conn *c, size_t left)
{
    uint32_t len = left < s->options->mss ? (uint32_t)left : s->options->mss;
    if (c->handshake && s->options->split_hello && len > 1) {
        return forge_rng_range(&s->rng, 1, len < SPLIT_HELLO_MAX ? len : SPLIT_HELLO_MAX);
    }
    if (len > 1 && forge_rng_chance(&s->rng, s->options->split)) {
        return forge_rng_range(&s->rng, 1, len - 1);
    }
    return len;
}

/* Sends again some of what ends at `done`, from another boundary, perhaps with new bytes behind. */
static void send_overlap(struct forge_sender *s, struct forge_conn *c, const struct piece *p,
                         const uint8_t *data, size_t done, size_t len)
{
    uint32_t reach = done < 2 * (size_t)s->options->mss ? (uint32_t)done : 2 * s->options->mss;
    uint32_t back = forge_rng_range(&s->rng, 1, reach);
    size_t start = done - back;
    size_t room = len - start;
    uint32_t most = room < s->options->mss ? (uint32_t)room : s->options->mss;
    struct piece again = *p;
    again.seq = p->seq + (uint32_t)p->len - back;
    again.offset = p->offset + p->len - back;
    again.data = data + start;
    again.len = forge_rng_range(&s->rng, 1, most);
    again.again = true;
    c->overlaps++;
    send_piece(s, c, &again);
}

void forge_sender_data(struct forge_sender *s, struct forge_conn *c, enum pf_dir dir,
                       const uint8_t *data, size_t len)
{
    struct forge_end *from = &c->link.end[dir];
    enum pf_dir back = 1 - dir;
    for (size_t done = 0; done < len;) {
        struct piece p = {.dir = dir, .flags = PF_TCP_ACK, .seq = from->next_seq};
        p.offset = c->sent[dir];
        p.data = data + done;
        p.len = segment_len(s, c, len - done);
        done += p.len;
        if (done == len) {
            p.flags |= PF_TCP_PSH;
        }
        c->unacked[back] = 0; /* data carries an acknowledgement */
        from->next_seq += (uint32_t)p.len;
        c->sent[dir] += p.len;
        send_piece(s, c, &p);
        if (forge_rng_chance(&s->rng, s->options->overlap)) {
            send_overlap(s, c, &p, data, done, len);
        }
        if (++c->unacked[dir] >= ACK_EVERY) {
            send_bare(s, c, back, PF_TCP_ACK);
        }
    }
}

void forge_sender_close(struct forge_sender *s, struct forge_conn *c)
{
    send_bare(s, c, PF_S2C, PF_TCP_FIN | PF_TCP_ACK);
    forge_sender_wait(s, forge_rng_range(&s->rng, 20000, 100000));
    send_bare(s, c, PF_C2S, PF_TCP_FIN | PF_TCP_ACK);
    send_bare(s, c, PF_S2C, PF_TCP_ACK);
    forge_impair_flush(&s->impair, &c->lane);
}
