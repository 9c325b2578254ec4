// SPDX-License-Identifier: Apache-2.0
#include "run/reader.h"

#include "flow/key.h"
#include "run/config.h"
#include "tls/dgram.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* No worker is left behind the others' packets by more than this many: flows that wait for a
 * session would hold their bytes for longer. */
enum { FLUSH_PACKETS = 8192, SECRETS_PIECE = 64 * 1024 };

struct hand_out {
    struct pf_reader *r;
    struct pf_batch *open[PF_JOBS_MAX]; /* one per worker */
    unsigned workers;
    uint8_t seed[PF_KEY_SEED_LEN];
    int64_t clock_ns;
    uint64_t number;         /* of the last packet read */
    uint32_t looked_at;      /* input */
    bool announced;          /* the workers know that secrets may come */
    uint64_t flushed;        /* number at the last flush */
    struct pf_flow_key last; /* packet's key, and its hash: packets of a flow come in trains */
    uint64_t last_hash;
};

static void send_batch(struct hand_out *h, unsigned w, bool last)
{
    struct pf_batch *b = h->open[w];
    b->upto = last ? PF_POSITION_END : h->number;
    b->clock_ns = h->clock_ns;
    b->last = last;
    pf_lane_send(h->r->lanes[w], b);
    h->open[w] = last ? NULL : pf_lane_take(h->r->lanes[w]);
}

static void flush_all(struct hand_out *h, bool last)
{
    for (unsigned w = 0; w < h->workers; w++) {
        send_batch(h, w, last);
    }
    h->flushed = h->number;
    pf_board_add(&h->r->board->packets, h->number - pf_board_read(&h->r->board->packets));
}

static void hand_to(struct hand_out *h, unsigned w, const struct pf_pkt *pkt, struct pf_slab *slab)
{
    if (!pf_batch_add(h->open[w], pkt, slab)) {
        h->number--; /* this packet is not in the batch yet */
        send_batch(h, w, false);
        h->number++;
        if (!pf_batch_add(h->open[w], pkt, slab)) {
            abort(); /* an empty batch has room for any packet */
        }
    }
}

static void hand_packet(struct hand_out *h, struct pf_pkt *pkt, struct pf_slab *slab)
{
    if (memcmp(&pkt->key, &h->last, sizeof h->last) != 0) {
        h->last = pkt->key;
        h->last_hash = pf_key_hash(&pkt->key, h->seed);
    }
    pkt->hash = h->last_hash;
    hand_to(h, (unsigned)((pkt->hash >> 32) % h->workers), pkt, slab);
}

/* How much of the text fits into a packet: whole lines. */
static size_t whole_lines(struct pf_span text)
{
    if (text.len <= SECRETS_PIECE) {
        return text.len;
    }
    const uint8_t *end = memrchr(text.ptr, '\n', SECRETS_PIECE);
    return end != NULL ? (size_t)(end - text.ptr) + 1 : SECRETS_PIECE;
}

/*
 * Secrets from a pipe, which could not be read beforehand: every worker gets them, where they stood
 * between its packets, so that what they open does not depend on how many there are. An empty text
 * says that some may come.
 */
static void hand_secrets(struct hand_out *h, struct pf_span text)
{
    do {
        const struct pf_pkt pkt = {.data = text.ptr,
                                   .len = (uint32_t)whole_lines(text),
                                   .number = h->number,
                                   .key = {.proto = PF_KEY_SECRETS},
                                   .clock_ns = h->clock_ns};
        for (unsigned w = 0; w < h->workers; w++) {
            hand_to(h, w, &pkt, NULL);
        }
        text.ptr += pkt.len;
        text.len -= pkt.len;
    } while (text.len > 0);
}

static bool is_piped(const struct pf_source_input *in)
{
    return in->total_bytes == 0 || strcmp(in->path, "-") == 0;
}

static void on_secrets(struct hand_out *h, const struct pf_item *item)
{
    if (is_piped(pf_source_input(h->r->source, item->input))) {
        hand_secrets(h, item->secrets);
        h->announced = true;
    }
}

/* The first frame of a capture that may have secrets behind it. */
static void announce_secrets(struct hand_out *h, uint32_t input)
{
    const struct pf_source_input *in = pf_source_input(h->r->source, input);
    if (!h->announced && input != h->looked_at) {
        h->looked_at = input;
        if (is_piped(in) && in->format != NULL && strcmp(in->format, "pcapng") == 0) {
            hand_secrets(h, (struct pf_span){(const uint8_t *)"", 0});
            h->announced = true;
        }
    }
}

/* Of UDP only what may be DTLS or QUIC; the rest is counted and that is all. */
static bool is_wanted(const struct pf_pkt *pkt)
{
    return pkt->key.proto == PF_KEY_TCP || pf_dgram_may_be((struct pf_span){pkt->data, pkt->len});
}

/* A flow's shard is the same on every machine: the hash that chooses it has no seed. */
static bool is_in_shard(const struct pf_reader *r, const struct pf_pkt *pkt)
{
    static const uint8_t no_seed[PF_KEY_SEED_LEN];
    return r->shards == 0 || (pf_key_hash(&pkt->key, no_seed) >> 32) % r->shards == r->shard - 1;
}

static void on_frame(struct hand_out *h, struct pf_decoder *decoder, const struct pf_item *item)
{
    struct pf_pkt pkt;
    h->number = item->number;
    h->clock_ns = item->ts_ns > h->clock_ns ? item->ts_ns : h->clock_ns;
    h->r->capture_bytes += item->caplen;
    enum pf_drop drop = pf_decoder_packet(decoder, item->linktype, item->data, item->caplen,
                                          item->len, item->ts_ns, &pkt);
    if (drop == PF_DROP_NONE && !is_in_shard(h->r, &pkt)) {
        h->r->other_shards++;
    } else if (drop == PF_DROP_NONE && is_wanted(&pkt)) {
        pkt.number = item->number;
        pkt.ts_ns = item->ts_ns;
        pkt.clock_ns = h->clock_ns;
        hand_packet(h, &pkt, item->slab);
    } else if (drop == PF_DROP_NONE) {
        h->r->udp++;
    }
    if (h->number - h->flushed >= FLUSH_PACKETS) {
        flush_all(h, false);
    }
}

static bool is_stopped(const struct pf_board *b)
{
    /* relaxed: a moment later is soon enough */
    return atomic_load_explicit(&b->stop, memory_order_relaxed) != 0;
}

/* A capture that was not read to its end for want of memory says nothing of the capture. */
static enum pf_status memory_status(const struct pf_source *source)
{
    for (size_t i = 0; i < pf_source_inputs(source); i++) {
        if (pf_source_input(source, i)->status == PF_ERR_NOMEM) {
            return PF_ERR_NOMEM;
        }
    }
    return PF_OK;
}

enum pf_status pf_reader_run(struct pf_reader *r)
{
    struct hand_out h = {
        .r = r, .workers = r->board->workers, .clock_ns = INT64_MIN, .looked_at = UINT32_MAX};
    struct pf_decoder *decoder = NULL;
    for (unsigned w = 0; w < h.workers; w++) {
        h.open[w] = pf_lane_take(r->lanes[w]);
    }
    enum pf_status st = pf_decoder_new(r->fragment_bytes, &decoder);
    if (st == PF_OK && getrandom(h.seed, sizeof h.seed, 0) != (ssize_t)sizeof h.seed) {
        st = PF_ERR_IO;
    }
    struct pf_item item;
    while (st == PF_OK && !is_stopped(r->board) && pf_source_next(r->source, &item) == PF_OK) {
        switch (item.kind) {
        case PF_ITEM_FRAME:
            announce_secrets(&h, item.input);
            on_frame(&h, decoder, &item);
            break;
        case PF_ITEM_SECRETS:
            on_secrets(&h, &item);
            break;
        }
    }
    st = st == PF_OK ? memory_status(r->source) : st;
    flush_all(&h, true);
    if (decoder != NULL) {
        r->counts = *pf_decoder_counts(decoder);
    }
    pf_decoder_free(decoder);
    return st;
}
