// SPDX-License-Identifier: Apache-2.0
/*
 * What:    turns plaintext into the bytes that go into a data file: one LZ4 frame, or as it is.
 * Owns:    a packer owns its compression state and its output buffer, both allocated once.
 * Threads: a packer belongs to one thread at a time; packing touches nothing else, so that it can
 *          be done by another thread than the one that appends.
 * Errors:  PF_ERR_NOMEM from _new, PF_ERR_INTERNAL when LZ4 refuses or the input is too long.
 * Limits:  PF_CHUNK_MAX bytes of plaintext per call.
 */
#ifndef PF_STORE_PACK_H
#define PF_STORE_PACK_H

#include "base/pkt.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PF_CHUNK_MAX = 1 << 20,     /* bytes of plaintext in one chunk; what a reader must hold */
    PF_CHUNK_RECORDS = 1 << 14, /* records in one chunk */
    PF_PACK_OVERHEAD = 64       /* how much longer than its plaintext a packed chunk can be */
};

enum pf_store_codec { PF_CODEC_RAW = 0, PF_CODEC_LZ4 = 1 };

struct pf_packer;

/* level as in `lz4 -N`: 0 or 1 the fast one, 3 to 12 slower and smaller, below 0 faster still. */
PF_MUST_USE enum pf_status pf_packer_new(enum pf_store_codec codec, int level,
                                         struct pf_packer **out);
void pf_packer_free(struct pf_packer *p);

/*
 * *out is valid until the next call on this packer; with PF_CODEC_RAW it is plain itself. Data that
 * does not shrink is stored uncompressed inside the frame (at most PF_PACK_OVERHEAD bytes longer
 * than plain); below level 3 that is seen by a sample of the bytes themselves, without trying, and
 * long repetitions inside a run of random-looking bytes are then not looked for. The same input
 * always gives the same bytes, whatever was packed before.
 */
PF_MUST_USE enum pf_status pf_pack(struct pf_packer *p, struct pf_span plain, struct pf_span *out);

/* How much room pf_pack_to needs for so many bytes. */
size_t pf_pack_bound(const struct pf_packer *p, size_t plain_len);

/* The same bytes, to where they are wanted. cap: at least pf_pack_bound. */
PF_MUST_USE enum pf_status pf_pack_to(struct pf_packer *p, struct pf_span plain, uint8_t *to,
                                      size_t cap, size_t *len);

#endif
