// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a stream's held bytes given away as a whole, and taken back.
 * Owns:    nothing of its own; buffers change hands.
 * Threads: the stream's owner.
 * Errors:  PF_ERR_LIMIT (cap or budget), PF_ERR_NOMEM.
 * Limits:  -
 */
#ifndef PF_TLS_HANDOVER_H
#define PF_TLS_HANDOVER_H

#include "base/buf.h"
#include "base/status.h"
#include "tls/stream.h"

/*
 * Lets go of everything before pos by giving the whole buffer away: it changes places with `spare`
 * (empty, of the same budget), into which the bytes from pos on are copied. *start: where the first
 * held byte lies in what was given away. On error nothing has changed.
 */
PF_MUST_USE enum pf_status pf_stream_detach(struct pf_stream *s, uint64_t pos, struct pf_buf *spare,
                                            size_t *start);

/* Takes bytes back that lay directly before pf_stream_at, with the marks of their packets. */
PF_MUST_USE enum pf_status pf_stream_unread(struct pf_stream *s, struct pf_span bytes,
                                            const struct pf_mark *marks, size_t count);

#endif
