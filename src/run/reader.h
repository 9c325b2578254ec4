// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the reader thread's work: captures -> packets -> the lane of the worker that owns the
 *          flow.
 * Owns:    the decoder (fragments), the open batches.
 * Threads: one; the board's stop flag ends it early.
 * Errors:  run-scoped ones only (PF_ERR_NOMEM); what is wrong with a capture is in its source.
 * Limits:  -
 */
#ifndef PF_RUN_READER_H
#define PF_RUN_READER_H

#include "base/status.h"
#include "capture/packet.h"
#include "capture/source.h"
#include "run/board.h"
#include "run/lane.h"

struct pf_reader {
    struct pf_source *source;
    struct pf_lane **lanes; /* one per worker */
    struct pf_board *board;
    size_t fragment_bytes;
    unsigned shard;  /* only flows of this one, 1 to shards */
    unsigned shards; /* 0: all flows */
    /* results, after pf_reader_run */
    struct pf_decoder_counts counts;
    uint64_t other_shards; /* packets of flows that are not of this shard */
    uint64_t udp; /* packets that are UDP and neither DTLS nor QUIC, as far as they show it */
    uint64_t capture_bytes; /* captured bytes of all packets */
};

/* Reads everything, hands it out, and sends each worker its last batch. */
PF_MUST_USE enum pf_status pf_reader_run(struct pf_reader *r);

#endif
