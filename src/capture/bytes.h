// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a capture file as a stream of bytes, inflated if it is gzip, zstd or lz4.
 * Owns:    the file descriptor, the decompressor, its buffers: slabs that others may hold longer.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_IO, PF_ERR_TRUNCATED, PF_ERR_MALFORMED, PF_ERR_NOMEM. All bytes before the error
 *          are delivered first; then the error stays, and pf_bytes_error has its text.
 * Limits:  PF_BYTES_NEED_MAX contiguous bytes at a time.
 *
 * Never seeks: standard input and pipes are read like files.
 *
 *        head room          body (page aligned)
 *      +-----------------+--------------------------------+
 *      |          [tail] | read(2) always begins here ... |
 *      +-----------------+--------------------------------+
 *                 ^ pos                          ^ end
 *
 * What is left of the buffer is moved in front of the body before the body is filled again: the
 * kernel's copy into a destination a few bytes behind a page boundary is five times slower.
 */
#ifndef PF_CAPTURE_BYTES_H
#define PF_CAPTURE_BYTES_H

#include "base/status.h"
#include "capture/slab.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PF_BYTES_NEED_MAX = 16 << 20,
    PF_BYTES_LENT_MAX = 8 << 20 /* in slabs that others may hold */
};

struct pf_bytes;

/*
 * Opens path, or standard input for "-", and reads the first bytes to tell compression. err names
 * the cause without the path. PF_ERR_IO, PF_ERR_FORMAT (a directory), PF_ERR_NOMEM. stop (may be
 * NULL) is borrowed: once another thread has set it, a stream that would have to wait for more (a
 * pipe, a terminal) ends instead.
 */
PF_MUST_USE enum pf_status pf_bytes_open(const char *path, const atomic_bool *stop,
                                         struct pf_bytes **out, struct pf_error *err);
void pf_bytes_close(struct pf_bytes *b);

/*
 * Borrows the next n bytes (n <= PF_BYTES_NEED_MAX) without consuming them; valid until the next
 * call of need or read. PF_END: the stream ended before the first of them. PF_ERR_TRUNCATED: it
 * ended among them. Other errors: as stored.
 */
PF_MUST_USE enum pf_status pf_bytes_need(struct pf_bytes *b, size_t n, const uint8_t **out);

/* What the bytes of the last need lie in, for who wants to hold them longer; NULL: they have to be
 * copied. */
struct pf_slab *pf_bytes_slab(const struct pf_bytes *b);

/* Bytes that the last need made available: at least its n; may be looked at like them. */
size_t pf_bytes_buffered(const struct pf_bytes *b);

/* Consumes n bytes, n <= pf_bytes_buffered. Bytes borrowed before stay valid. */
void pf_bytes_skip(struct pf_bytes *b, size_t n);

/*
 * Copies up to n bytes (n > 0) out of the stream, straight from the file where nothing is buffered.
 * *got > 0 with PF_OK; PF_END at the end.
 */
PF_MUST_USE enum pf_status pf_bytes_read(struct pf_bytes *b, uint8_t *dst, size_t n, size_t *got);

/* PF_OK (also at a clean end), or the error the stream ended with. */
const struct pf_error *pf_bytes_error(const struct pf_bytes *b);

uint64_t pf_bytes_offset(const struct pf_bytes *b);         /* inflated bytes consumed */
uint64_t pf_bytes_raw(const struct pf_bytes *b);            /* bytes read from the file */
uint64_t pf_bytes_total(const struct pf_bytes *b);          /* size of the file, 0: unknown */
const char *pf_bytes_compression(const struct pf_bytes *b); /* "gzip", "zstd", "lz4" or NULL */

#endif
