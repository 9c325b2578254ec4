// SPDX-License-Identifier: Apache-2.0
/*
 * What:    differing copies of the same stream bytes: kept until the records they lie in verify.
 * Owns:    a half's copies, and the list of what was found to be forged.
 * Threads: the connection's owner.
 * Errors:  PF_ERR_NOMEM; at a limit a copy is forgotten.
 * Limits:  PF_COPIES_PER_BYTE copies over a byte, PF_COPIES_BYTES bytes of a direction, all from
 *          the budget; PF_TRIALS_PER_RECORD and PF_TRIALS_PER_FLOW trials, and never more bytes in
 *          trials than the direction had up to there, and a little.
 *
 * In the stream lies the copy that came first. When a record does not verify, sets of packets whose
 * copies are to be put in place of it are tried: all; those without doubt; then one, two, three ...
 * of them, those that are doubted least first. A true packet is true as a whole. If none fits, the
 * record waits for as long as a copy of its bytes can still come: until PF_STREAM_RECENT bytes were
 * delivered behind it.
 */
#ifndef PF_TLS_COPIES_H
#define PF_TLS_COPIES_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_conn;
struct pf_half;
struct pf_copies;

enum {
    PF_COPIES_PER_BYTE = 4,
    PF_COPIES_BYTES = 256 * 1024,
    PF_COPIES_MAX = 4096,
    PF_CONFLICTS_KEPT = 1024,
    PF_TRIALS_PER_RECORD = 64,
    PF_TRIALS_PER_FLOW = 4096,
    PF_TRIAL_BYTES_FREE = 192 * 1024
};

/* A packet that was not true; or, with true_packet 0, one of two of which neither is proved: what
 * carries them did not verify, or came before keys. */
struct pf_conflict {
    uint64_t packet;
    uint64_t true_packet; /* that brought these bytes as they verified */
    uint64_t offset;      /* of the first byte that differs, in the direction's captured bytes */
};

/* One further copy of bytes; see pf_conn_other. */
struct pf_copy_of {
    uint64_t behind; /* from its first byte to the end of the stream */
    struct pf_span data;
    uint64_t packet;
    int64_t ts_ns;
    uint8_t doubt; /* 0: none. The higher, the later it is tried */
    bool probe;    /* a keep-alive: no evidence of anything */
};

void pf_copies_free(struct pf_copies *copies);

/* Compares the copy with what came first, and keeps it if it differs. */
PF_MUST_USE enum pf_status pf_copies_add(struct pf_conn *c, enum pf_dir dir,
                                         const struct pf_copy_of *copy);

/* At the beginning of each step: PF_OK: go on; PF_AGAIN: the direction waits for a copy; PF_END:
 * one was found that verifies and is in its place. */
PF_MUST_USE enum pf_status pf_copies_wait(struct pf_conn *c, enum pf_dir dir);

/*
 * The record at h->framed, or what should be one, does not verify; it ends at `end`. PF_END:
 * another copy does and is in its place: frame it again. PF_AGAIN: the direction waits.
 * PF_ERR_REJECTED: there is none. Not while runs are detached.
 */
PF_MUST_USE enum pf_status pf_copies_judge(struct pf_conn *c, enum pf_dir dir, uint64_t end);

/* Whether there are copies that are not settled: then runs are opened in place, and soon. */
bool pf_copies_any(const struct pf_half *h);

/* Everything before pos was verified, or passed over and not verified: its copies are settled. */
void pf_copies_verified(struct pf_half *h, uint64_t pos);
void pf_copies_passed(struct pf_half *h, uint64_t pos);

/* The end: what is still open stays so. */
void pf_copies_close(struct pf_half *h);

/* How many packets conflicted, and those of them that are listed, by packet. */
uint64_t pf_copies_conflicts(const struct pf_half *h, const struct pf_conflict **list,
                             size_t *count);

#endif
