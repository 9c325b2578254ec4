// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one direction of one flow, read back: its chunks and gaps in stream order, and their
 *          plaintext.
 * Owns:    a chain owns its two files (kept open while the worker is the same) and its buffers.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_MALFORMED, PF_ERR_TRUNCATED: the files say things that cannot be;
 *          PF_ERR_IO, PF_ERR_NOMEM. With the file's name in err.
 * Limits:  the files may be damaged or hostile: lengths are checked against the files' and the
 *          format's before they are used. 8 bytes of memory per chunk of the direction, beside one
 *          chunk.
 */
#ifndef PF_STORE_WALKBACK_H
#define PF_STORE_WALKBACK_H

#include "base/status.h"
#include "store/file.h"
#include "store/index.h"

#include <stdint.h>

struct pf_walkback;

PF_MUST_USE enum pf_status pf_walkback_new(struct pf_walkback **out);
void pf_walkback_free(struct pf_walkback *c);

/*
 * Goes to the direction whose last entry is at `last` in the index of `worker`; 0 is a direction
 * without any. data is borrowed until the next start.
 */
PF_MUST_USE enum pf_status pf_walkback_start(struct pf_walkback *c, const struct pf_place *data,
                                             uint32_t worker, enum pf_dir dir, uint64_t last,
                                             struct pf_error *err);

/* The same over open files, which stay the caller's; for tests. */
struct pf_walkback_files {
    int index_fd;
    int data_fd;
    uint64_t index_size;
    uint64_t data_size;
};
PF_MUST_USE enum pf_status pf_walkback_start_files(struct pf_walkback *c,
                                                   struct pf_walkback_files files, enum pf_dir dir,
                                                   uint64_t last, struct pf_error *err);

/*
 * The next entry, checked: offsets are without holes, records add up. PF_END after the last.
 * Borrowed until the next call.
 */
PF_MUST_USE enum pf_status
pf_walkback_next(struct pf_walkback *c, const struct pf_index_entry **out, struct pf_error *err);

/* The plaintext (or, of PF_INDEX_CLEAR, the clear bytes) of the chunk that pf_walkback_next gave;
 * borrowed until the next pf_walkback_plain. */
PF_MUST_USE enum pf_status pf_walkback_plain(struct pf_walkback *c, struct pf_span *out,
                                             struct pf_error *err);

/* The next entry will be the one that holds offset, or the last one before it. */
PF_MUST_USE enum pf_status pf_walkback_seek(struct pf_walkback *c, uint64_t offset,
                                            struct pf_error *err);

#endif
