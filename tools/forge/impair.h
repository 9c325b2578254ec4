// SPDX-License-Identifier: Apache-2.0
/*
 * What:    between the sender and the file: loss, reordering, duplicates, clock steps.
 * Owns:    the capture clock, the packet count before damage, each lane's delayed frames and lists
 *          of lost and resent packets.
 * Threads: -
 * Errors:  -
 * Limits:  FORGE_HELD_MAX frames of one flow delayed at a time.
 */
#ifndef FORGE_IMPAIR_H
#define FORGE_IMPAIR_H

#include "base/pkt.h"
#include "forge/common.h"
#include "forge/options.h"
#include "forge/writer.h"

enum { FORGE_HELD_MAX = 16 };

struct forge_impair {
    const struct forge_options *options;
    struct forge_writer *writer;
    struct forge_rng rng;
    int64_t now_ns;       /* true time */
    int64_t clock_off_ns; /* how wrong the capture's clock is */
    uint64_t sent;        /* packets before damage */
    uint64_t flows_seen;
    uint64_t dropped;
};

struct forge_held {
    uint8_t *frame;
    size_t len;
    uint32_t due; /* in packets of the lane */
};

/* A packet that was lost, or a retransmission that was not. */
struct forge_parcel {
    uint64_t index;  /* 1, 2, 3 … among the packets before damage */
    uint64_t offset; /* of its first payload byte in the TCP stream */
    uint32_t len;
    enum pf_dir dir;
    bool again; /* a retransmission */
};

struct forge_parcels {
    struct forge_parcel *list;
    size_t count;
    size_t cap;
};

/* What the damage of one flow came to. */
struct forge_lane {
    uint64_t number; /* 1, 2, 3 … by first packet in the capture; 0 before it */
    int64_t first_ns;
    struct forge_held held[FORGE_HELD_MAX];
    size_t held_count;
    struct forge_parcels dropped;
    struct forge_parcels resent;  /* only where packets may be lost */
    uint64_t packets[FORGE_DIRS]; /* in the capture */
    uint64_t reordered;
    uint64_t duplicated;
};

struct forge_sent {
    const uint8_t *frame;
    size_t frame_len;
    enum pf_dir dir;
    uint64_t offset; /* of the payload in its TCP stream */
    uint32_t len;    /* payload */
    bool handshake;  /* TCP's or TLS's */
    bool again;      /* a retransmission */
};

void forge_impair_init(struct forge_impair *im, const struct forge_options *o,
                       struct forge_writer *w);

/* The frame is written, kept as a copy, or lost. */
void forge_impair_packet(struct forge_impair *im, struct forge_lane *lane,
                         const struct forge_sent *s);

/* Writes what the lane still delays. */
void forge_impair_flush(struct forge_impair *im, struct forge_lane *lane);
void forge_lane_fini(struct forge_lane *lane);

#endif
