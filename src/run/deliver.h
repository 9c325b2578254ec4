// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the files that a run for secrets leaves: the key log, and the captures as one pcapng
 *          with the secrets inside.
 * Owns:    both files, from their making on; what was not written whole is removed when freed.
 * Threads: one at a time.
 * Errors:  PF_ERR_USAGE: a file is there already, or is one that is read; PF_ERR_IO with the
 *          file's name: it cannot be written, or a capture has changed.
 * Limits:  -
 */
#ifndef PF_RUN_DELIVER_H
#define PF_RUN_DELIVER_H

#include "base/status.h"
#include "capture/source.h"
#include "run/answers.h"
#include "run/board.h"

struct pf_options; /* plainflow.h */
struct pf_delivery;

/* Makes the files that o asks for, for their owner alone. */
PF_MUST_USE enum pf_status pf_delivery_new(const struct pf_options *o, struct pf_delivery **out,
                                           struct pf_error *err);
void pf_delivery_free(struct pf_delivery *d);

/*
 * Writes all answers, and reads all captures of `read` again. A run that was stopped leaves the key
 * log of what it has seen, and no capture.
 */
PF_MUST_USE enum pf_status pf_delivery_write(struct pf_delivery *d, struct pf_answers *answers,
                                             const struct pf_source *read, const char *filter,
                                             const struct pf_board *board, struct pf_error *err);

#endif
