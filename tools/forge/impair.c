// SPDX-License-Identifier: Apache-2.0
#include "forge/impair.h"

#include "forge/entropy.h"

#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000, STEP_MAX_MS = 2000, PARCELS_FIRST = 16 };

void forge_impair_init(struct forge_impair *im, const struct forge_options *o,
                       struct forge_writer *w)
{
    *im = (struct forge_impair){.options = o, .writer = w};
    im->now_ns = FORGE_EPOCH * 1000000000;
    forge_rng_init(&im->rng, o->seed, "damage");
}

static void step_clock(struct forge_impair *im)
{
    if (forge_rng_chance(&im->rng, im->options->clock_steps)) {
        int64_t ms = (int64_t)forge_rng_range(&im->rng, 0, 2 * STEP_MAX_MS) - STEP_MAX_MS;
        im->clock_off_ns += ms * NS_PER_MS;
    }
}

static void write_frame(struct forge_impair *im, struct forge_lane *lane, const uint8_t *frame,
                        size_t len)
{
    int64_t ts = im->now_ns + im->clock_off_ns;
    if (lane->number == 0) {
        lane->number = ++im->flows_seen;
        lane->first_ns = ts;
    }
    forge_writer_packet(im->writer, ts, frame, len);
}

static void note(const struct forge_impair *im, struct forge_parcels *p, const struct forge_sent *s)
{
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? PARCELS_FIRST : 2 * p->cap;
        p->list = forge_realloc(p->list, p->cap * sizeof *p->list);
    }
    p->list[p->count++] = (struct forge_parcel){
        .index = im->sent, .offset = s->offset, .len = s->len, .dir = s->dir, .again = s->again};
}

static void hold(struct forge_impair *im, struct forge_lane *lane, const struct forge_sent *s)
{
    struct forge_held *h = &lane->held[lane->held_count++];
    *h = (struct forge_held){.frame = forge_alloc(s->frame_len),
                             .len = s->frame_len,
                             .due = im->options->reorder.distance};
    memcpy(h->frame, s->frame, s->frame_len);
    lane->reordered++;
}

/* Writes the delayed frames whose turn has come; `all` says it has come for every one. */
static void release(struct forge_impair *im, struct forge_lane *lane, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < lane->held_count; i++) {
        struct forge_held *h = &lane->held[i];
        if (!all && --h->due > 0) {
            lane->held[kept++] = *h;
            continue;
        }
        im->now_ns += 1000;
        write_frame(im, lane, h->frame, h->len);
        free(h->frame);
    }
    lane->held_count = kept;
}

void forge_impair_packet(struct forge_impair *im, struct forge_lane *lane,
                         const struct forge_sent *s)
{
    const struct forge_options *o = im->options;
    im->sent++;
    step_clock(im);
    bool may_drop = o->loss_handshake || (s->len > 0 && !s->handshake);
    if (may_drop && forge_rng_chance(&im->rng, o->loss)) {
        im->dropped++;
        note(im, &lane->dropped, s);
        return;
    }
    if (s->again && o->loss > 0) {
        note(im, &lane->resent, s);
    }
    lane->packets[s->dir]++;
    if (s->len > 0 && lane->held_count < FORGE_HELD_MAX &&
        forge_rng_chance(&im->rng, o->reorder.rate)) {
        hold(im, lane, s);
        return;
    }
    write_frame(im, lane, s->frame, s->frame_len);
    if (forge_rng_chance(&im->rng, o->duplicate)) {
        lane->duplicated++;
        lane->packets[s->dir]++;
        im->now_ns += 500;
        write_frame(im, lane, s->frame, s->frame_len);
    }
    if (lane->held_count > 0) {
        release(im, lane, false);
    }
}

void forge_impair_flush(struct forge_impair *im, struct forge_lane *lane)
{
    release(im, lane, true);
}

void forge_lane_fini(struct forge_lane *lane)
{
    for (size_t i = 0; i < lane->held_count; i++) {
        free(lane->held[i].frame);
    }
    free(lane->dropped.list);
    free(lane->resent.list);
    *lane = (struct forge_lane){0};
}
