// SPDX-License-Identifier: Apache-2.0
/*
 * What:    running SHA-256: of a flow's direction, an output file, a capture.
 * Owns:    a digest owns its OpenSSL context.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_NOMEM, PF_ERR_INTERNAL; PF_ERR_IO from pf_digest_fd.
 * Limits:  -
 */
#ifndef PF_STORE_DIGEST_H
#define PF_STORE_DIGEST_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { PF_SHA256_LEN = 32 };

struct pf_digest;

PF_MUST_USE enum pf_status pf_digest_new(struct pf_digest **out);
void pf_digest_free(struct pf_digest *d);

PF_MUST_USE enum pf_status pf_digest_update(struct pf_digest *d, const void *ptr, size_t len);

/* The hash of all so far; updates may go on afterwards. */
PF_MUST_USE enum pf_status pf_digest_value(const struct pf_digest *d, uint8_t out[PF_SHA256_LEN]);

/* Everything that can be read from fd, from its position to its end. */
PF_MUST_USE enum pf_status pf_digest_fd(int fd, uint8_t out[PF_SHA256_LEN]);

#endif
