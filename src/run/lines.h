// SPDX-License-Identifier: Apache-2.0
/*
 * What:    text that one worker has to say of its flows, kept until the end of the run and then
 *          merged with the other workers': by first packet, whatever order the flows ended in.
 * Owns:    an unlinked temporary file in $TMPDIR (or /tmp), mode 0600; or, for secrets, memory that
 *          is kept out of core dumps and wiped when freed.
 * Threads: one worker's until closed, then the merging thread's.
 * Errors:  PF_ERR_LIMIT: max_bytes, or a text beyond PF_LINES_TEXT_MAX: the text is not kept, all
 *          else is; PF_ERR_NOMEM; PF_ERR_IO with the directory and errno in err (sticky).
 * Limits:  max_bytes of memory: 24 bytes per text and, for secrets, the texts.
 */
#ifndef PF_RUN_LINES_H
#define PF_RUN_LINES_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PF_LINES_TEXT_MAX = 1 << 20, PF_LINES_SECRET_MAX = 1 << 16 };

struct pf_lines;

/* secret: nothing goes to a file; a text is at most PF_LINES_SECRET_MAX bytes. */
PF_MUST_USE enum pf_status pf_lines_new(bool secret, size_t max_bytes, struct pf_lines **out,
                                        struct pf_error *err);
void pf_lines_free(struct pf_lines *l);

/* A text of the flow that began in first_packet. Several of one flow stay in this order. */
PF_MUST_USE enum pf_status pf_lines_append(struct pf_lines *l, uint64_t first_packet,
                                           const struct pf_flow_key *key, struct pf_span text,
                                           struct pf_error *err);

/* Nothing is appended afterwards. */
PF_MUST_USE enum pf_status pf_lines_close(struct pf_lines *l, struct pf_error *err);

/* The next text over all closed spools, borrowed until the next call; PF_END behind the last. */
PF_MUST_USE enum pf_status pf_lines_next(struct pf_lines *const *all, size_t count,
                                         struct pf_span *text, uint64_t *first_packet,
                                         struct pf_error *err);

/* The next text is the first again. */
void pf_lines_rewind(struct pf_lines *l);

/* Texts of flows that began before this packet, in all closed spools. */
uint64_t pf_lines_before(struct pf_lines *const *all, size_t count, uint64_t first_packet);

#endif
