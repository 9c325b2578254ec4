// SPDX-License-Identifier: Apache-2.0
#include "store/records.h"

#include <stdlib.h>

/* One direction: the chunk that is being handed out, and the item at its head. */
struct lane {
    struct pf_walkback *chain;
    bool ready; /* head is set */
    bool ended;
    struct pf_records_item head;
    struct pf_cur entries; /* records of the chunk that are left */
    struct pf_cur plain;   /* their plaintext */
    uint32_t left;
    bool first;
    bool want_clear;
    bool clear; /* so is the chunk */
    uint64_t offset;
};

struct pf_records {
    struct lane lanes[2];
};

enum pf_status pf_records_new(struct pf_records **out)
{
    *out = NULL;
    struct pf_records *r = calloc(1, sizeof(*r));
    if (r == NULL || pf_walkback_new(&r->lanes[0].chain) != PF_OK ||
        pf_walkback_new(&r->lanes[1].chain) != PF_OK) {
        pf_records_free(r);
        return PF_ERR_NOMEM;
    }
    *out = r;
    return PF_OK;
}

void pf_records_free(struct pf_records *r)
{
    if (r != NULL) {
        pf_walkback_free(r->lanes[0].chain);
        pf_walkback_free(r->lanes[1].chain);
        free(r);
    }
}

enum pf_status pf_records_start(struct pf_records *r, struct pf_stored *s,
                                const struct pf_flows_row *row, const bool want[2],
                                struct pf_error *err)
{
    for (unsigned d = 0; d < 2; d++) {
        struct lane *lane = &r->lanes[d];
        *lane = (struct lane){.chain = lane->chain, .ended = !want[d]};
        if (want[d]) {
            enum pf_status st = pf_stored_chain(s, row, (enum pf_dir)d, lane->chain, err);
            if (st != PF_OK) {
                lane->ended = true;
                return st;
            }
        }
    }
    return PF_OK;
}

static void take_gap(struct lane *lane, const struct pf_index_entry *e)
{
    lane->head =
        (struct pf_records_item){.dir = e->dir, .is_gap = true, .offset = e->offset, .gap = e->gap};
    lane->ready = true;
}

/* A record of the chunk. The chain has checked that all of them fit. */
static enum pf_status take_record(struct lane *lane, struct pf_error *err)
{
    struct pf_records_item *h = &lane->head;
    struct pf_record_entry before = h->record;
    if (!pf_index_record(&lane->entries, lane->first, &before, &h->record) ||
        !pf_cur_span(&lane->plain, h->record.len, &h->plain)) {
        return pf_error_set(err, PF_ERR_INTERNAL, "a chunk was not checked");
    }
    h->offset = lane->offset;
    h->is_clear = lane->clear;
    lane->offset += h->record.len;
    lane->first = false;
    lane->left--;
    lane->ready = true;
    return PF_OK;
}

static enum pf_status take_entry(struct lane *lane, struct pf_error *err)
{
    const struct pf_index_entry *e;
    enum pf_status st = pf_walkback_next(lane->chain, &e, err);
    if (st != PF_OK) {
        lane->ended = st == PF_END;
        return st == PF_END ? PF_OK : st;
    }
    if (e->kind == PF_INDEX_GAP) {
        take_gap(lane, e);
        return PF_OK;
    }
    if (e->kind == PF_INDEX_CLEAR && !lane->want_clear) {
        return PF_OK;
    }
    struct pf_span plain;
    st = pf_walkback_plain(lane->chain, &plain, err);
    if (st != PF_OK) {
        return st;
    }
    lane->head = (struct pf_records_item){.dir = e->dir};
    lane->entries = e->chunk.bytes;
    lane->plain = pf_cur_of(plain);
    lane->left = e->chunk.records;
    lane->first = true;
    lane->offset = e->offset;
    lane->clear = e->kind == PF_INDEX_CLEAR;
    return PF_OK;
}

static enum pf_status fill(struct lane *lane, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    while (st == PF_OK && !lane->ready && !lane->ended) {
        st = lane->left > 0 ? take_record(lane, err) : take_entry(lane, err);
    }
    return st;
}

void pf_records_want_clear(struct pf_records *r)
{
    r->lanes[0].want_clear = true;
    r->lanes[1].want_clear = true;
}

static uint64_t packet_of(const struct lane *lane)
{
    if (!lane->head.is_gap) {
        return lane->head.record.packet;
    }
    /* No packet behind it: what is missing at the end comes last. */
    return lane->head.gap.packet_after != 0 ? lane->head.gap.packet_after : UINT64_MAX;
}

enum pf_status pf_records_next(struct pf_records *r, struct pf_records_item *out,
                               struct pf_error *err)
{
    struct lane *best = NULL;
    for (unsigned d = 0; d < 2; d++) {
        struct lane *lane = &r->lanes[d];
        enum pf_status st = fill(lane, err);
        if (st != PF_OK) {
            return st;
        }
        if (lane->ready && (best == NULL || packet_of(lane) < packet_of(best))) {
            best = lane;
        }
    }
    if (best == NULL) {
        return PF_END;
    }
    best->ready = false;
    *out = best->head;
    return PF_OK;
}
