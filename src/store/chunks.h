// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one worker's data file and its index: packed plaintext appended chunk by chunk, each
 *          chunk chained to the one before it of the same flow and direction.
 * Owns:    data/NNN.lz4 (or .raw) and data/NNN.idx, with their write buffers.
 * Threads: one worker's; nothing is shared with other workers.
 * Errors:  PF_ERR_IO with path and errno in err (sticky: every later call fails too);
 *          PF_ERR_INTERNAL when the caller breaks a limit or the records do not add up.
 * Limits:  PF_CHUNK_MAX plaintext bytes and PF_CHUNK_RECORDS records per chunk.
 *
 *     data/000.lz4   | frame | frame | frame | frame | ...
 *                        ^               ^
 *     data/000.idx   | chunk | chunk | chunk | gap | chunk | ...
 *                        ^---------------'      (distance back to the same flow and direction)
 *
 * The format is written down in store/index.h.
 */
#ifndef PF_STORE_CHUNKS_H
#define PF_STORE_CHUNKS_H

#include "base/pkt.h"
#include "base/status.h"
#include "store/file.h"
#include "store/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_chunks;

/* One TLS record of a chunk, in stream order. */
struct pf_record_entry {
    uint64_t packet; /* number of the packet that completed it */
    int64_t ts_ns;   /* that packet's time */
    uint64_t seq;    /* TLS sequence number; 0 where there is none */
    uint32_t len;    /* plaintext bytes; the records of a chunk add up to its plaintext */
    uint8_t type;    /* TLS content type */
};

#define PF_UNKNOWN UINT64_MAX /* a count that cannot be known */

/* Something of the stream is not there. */
struct pf_gap_entry {
    uint64_t offset;        /* plaintext offset at which it is missing; set by pf_chunks_gap */
    uint64_t records;       /* lost, or PF_UNKNOWN */
    uint64_t bytes;         /* plaintext lost, or PF_UNKNOWN */
    uint64_t cipher_bytes;  /* TCP payload lost */
    uint64_t packet_before; /* last packet before it, 0 if none */
    uint64_t packet_after;  /* first packet after it, 0 if none */
};

/* Where a flow stands in its worker's files. Kept by the caller in its flow; starts as zeroes. */
struct pf_flow_ref {
    struct {
        uint64_t last;    /* index position of the last entry; 0: none */
        uint64_t bytes;   /* plaintext appended */
        uint64_t records; /* records appended */
    } dir[2];
};

/* Room for a packed chunk of len bytes where it will lie: pf_pack_to may write there, and
 * pf_chunks_append comes next. Larger than what there can be: PF_ERR_INTERNAL. */
PF_MUST_USE enum pf_status pf_chunks_room(struct pf_chunks *c, size_t len, uint8_t **room,
                                          struct pf_error *err);

/*
 * Appends one chunk. packed is what pf_pack made of plain_len bytes; it may come from any packer
 * and is not kept. n may be 0 only if plain_len is 0, which does nothing. ref is only changed on
 * success.
 */
PF_MUST_USE enum pf_status pf_chunks_append(struct pf_chunks *c, struct pf_flow_ref *ref,
                                            enum pf_dir dir, struct pf_span packed,
                                            size_t plain_len, const struct pf_record_entry *records,
                                            size_t n, struct pf_error *err);

/* As pf_chunks_append for bytes that were never encrypted: they take no place in the direction's
 * plaintext and are not counted in ref. */
PF_MUST_USE enum pf_status pf_chunks_clear(struct pf_chunks *c, struct pf_flow_ref *ref,
                                           enum pf_dir dir, struct pf_span packed, size_t plain_len,
                                           const struct pf_record_entry *records, size_t n,
                                           struct pf_error *err);

/* Notes a gap at the direction's present offset (chunks before it must have been appended). */
PF_MUST_USE enum pf_status pf_chunks_gap(struct pf_chunks *c, struct pf_flow_ref *ref,
                                         enum pf_dir dir, const struct pf_gap_entry *gap,
                                         struct pf_error *err);

/* ---- for store/store.c ---- */

PF_MUST_USE enum pf_status pf_chunks_new(const struct pf_place *data, unsigned number,
                                         enum pf_store_codec codec, bool sha256,
                                         struct pf_chunks **out, struct pf_error *err);

/* Writes out what there is of both files, for who commits them. */
PF_MUST_USE enum pf_status pf_chunks_send(struct pf_chunks *c, struct pf_error *err);
void pf_chunks_free(struct pf_chunks *c);

/* The data file (0) or the index (1). */
struct pf_file *pf_chunks_file(struct pf_chunks *c, unsigned which);

#endif
