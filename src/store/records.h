// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a flow's plaintext record by record: one direction in stream order, or both in capture
 *          order.
 * Owns:    its chains and the chunks they have in memory.
 * Threads: one thread at a time.
 * Errors:  as store/walkback.h.
 * Limits:  two chunks in memory.
 */
#ifndef PF_STORE_RECORDS_H
#define PF_STORE_RECORDS_H

#include "base/pkt.h"
#include "base/status.h"
#include "store/chunks.h"
#include "store/result.h"

#include <stdbool.h>
#include <stdint.h>

struct pf_records;

struct pf_records_item {
    enum pf_dir dir;
    bool is_gap;
    bool is_clear;                 /* a record that was never encrypted; its offset means nothing */
    uint64_t offset;               /* in the direction's plaintext */
    struct pf_span plain;          /* of a record; borrowed until the next call */
    struct pf_record_entry record; /* of a record */
    struct pf_gap_entry gap;       /* of a gap */
};

PF_MUST_USE enum pf_status pf_records_new(struct pf_records **out);
void pf_records_free(struct pf_records *r);

/* Begins with a flow; s must outlive what is read of it. want[d]: direction d is asked for. */
PF_MUST_USE enum pf_status pf_records_start(struct pf_records *r, struct pf_stored *s,
                                            const struct pf_flows_row *row, const bool want[2],
                                            struct pf_error *err);

/* Also what was captured in the clear before TLS began; after _start. Else it is passed over. */
void pf_records_want_clear(struct pf_records *r);

/*
 * The next record or gap. Of two directions the one whose packet number is lower comes first, then
 * client to server; a gap comes where the first packet after it comes. PF_END after the last.
 */
PF_MUST_USE enum pf_status pf_records_next(struct pf_records *r, struct pf_records_item *out,
                                           struct pf_error *err);

#endif
