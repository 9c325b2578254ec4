// SPDX-License-Identifier: Apache-2.0
/*
 * What:    gzip, zstd and lz4 (frame format) as a stream, one step at a time.
 * Owns:    the decompressor's state.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_MALFORMED (damaged data), PF_ERR_NOMEM; after one only pf_decompress_free.
 * Limits:  zstd windows up to 128 MiB (2^27); output is bounded by what the caller offers, so a
 *          decompression bomb costs time, not memory.
 *
 * The only files that name zlib, libzstd and liblz4 in this folder.
 */
#ifndef PF_CAPTURE_DECOMPRESS_H
#define PF_CAPTURE_DECOMPRESS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pf_codec { PF_CODEC_NONE, PF_CODEC_GZIP, PF_CODEC_ZSTD, PF_CODEC_LZ4 };

enum { PF_CODEC_SNIFF = 4 }; /* bytes that pf_codec_sniff wants to see */

struct pf_decompress;

/* What the first bytes say. Fewer than PF_CODEC_SNIFF bytes: PF_CODEC_NONE. */
enum pf_codec pf_codec_sniff(const uint8_t *head, size_t len);

/* "gzip", "zstd", "lz4"; NULL for PF_CODEC_NONE. */
const char *pf_codec_name(enum pf_codec codec);

/* codec is not PF_CODEC_NONE. PF_ERR_NOMEM. */
PF_MUST_USE enum pf_status pf_decompress_new(enum pf_codec codec, struct pf_decompress **out);
void pf_decompress_free(struct pf_decompress *z);

/*
 * One step. On entry *in_len and *out_len are what is offered, on return what was consumed and
 * produced; both may be 0 when more input is needed. Concatenated members and frames are one
 * stream. The last call of a stream is made with *in_len 0, for what the library still holds back.
 */
PF_MUST_USE enum pf_status pf_decompress_step(struct pf_decompress *z, const uint8_t *in, size_t *in_len,
                                           uint8_t *out, size_t *out_len);

/* The stream may end here: no member or frame is open. */
bool pf_decompress_at_boundary(const struct pf_decompress *z);

#endif
