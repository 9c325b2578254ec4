// SPDX-License-Identifier: Apache-2.0
/*
 * What:    DEFLATE between records (RFC 3749): one zlib stream per direction, flushed per record.
 * Owns:    the zlib state and the plaintext of the record inflated last.
 * Threads: moves with its chain.
 * Errors:  PF_ERR_UNSUPPORTED: behind a gap, and the record refers to what was lost;
 *          PF_ERR_MALFORMED: not DEFLATE; PF_ERR_LIMIT: more than PF_PLAINTEXT_MAX bytes.
 * Limits:  PF_PLAINTEXT_MAX bytes per record, whatever it claims to expand to.
 */
#ifndef PF_TLS_INFLATE_H
#define PF_TLS_INFLATE_H

#include "base/pkt.h"
#include "base/status.h"

struct pf_inflate;

struct pf_inflate *pf_inflate_new(void); /* NULL: no memory */
void pf_inflate_free(struct pf_inflate *inflate);

/* A record was lost. From here on each is tried by itself: senders that flush their dictionary
 * with every record can still be read, and zlib notices a reference to what is not there. */
void pf_inflate_lose(struct pf_inflate *inflate);

/* out: valid until the next call. */
PF_MUST_USE enum pf_status pf_inflate_run(struct pf_inflate *inflate, struct pf_span in,
                                          struct pf_span *out);

#endif
