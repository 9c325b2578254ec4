// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one TCP connection as its two ends send it: opening, data in segments with the other
 *          side's acknowledgements, retransmissions, closing.
 * Owns:    the connection's sequence numbers and lane; the frame that is being built.
 * Threads: -
 * Errors:  -
 * Limits:  no congestion, no windows: what one end sends, the other has.
 */
#ifndef FORGE_SENDER_H
#define FORGE_SENDER_H

#include "forge/impair.h"
#include "forge/packets.h"

struct forge_sender {
    const struct forge_options *options;
    struct forge_impair impair;
    struct forge_rng rng;
    uint8_t frame[FORGE_FRAME_MAX];
};

struct forge_conn {
    struct forge_link link;
    struct forge_lane lane;
    uint64_t sent[FORGE_DIRS];    /* TCP payload bytes, without retransmissions */
    unsigned unacked[FORGE_DIRS]; /* segments since the other side's last acknowledgement */
    uint64_t overlaps;
    bool handshake; /* TLS's handshake goes on: may be cut small */
};

void forge_sender_init(struct forge_sender *s, const struct forge_options *o,
                       struct forge_writer *w);

/* Ends and addresses of flow `index` (0, 1, 2 …), as the options say. */
void forge_conn_init(struct forge_conn *c, struct forge_sender *s, uint64_t index);
void forge_conn_fini(struct forge_conn *c);

void forge_sender_open(struct forge_sender *s, struct forge_conn *c);
void forge_sender_data(struct forge_sender *s, struct forge_conn *c, enum pf_dir dir,
                       const uint8_t *data, size_t len);
void forge_sender_close(struct forge_sender *s, struct forge_conn *c);

/* Time passes: the next packet comes `ns` later. */
void forge_sender_wait(struct forge_sender *s, uint32_t ns);

#endif
