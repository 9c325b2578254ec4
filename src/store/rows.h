// SPDX-License-Identifier: Apache-2.0
/*
 * What:    where the texts of flows lie in a spool, in the order in which the flows began.
 * Owns:    nothing: the rows are the spool's.
 * Threads: any, for rows that nobody changes meanwhile.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_STORE_ROWS_H
#define PF_STORE_ROWS_H

#include "base/pkt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that is kept of a text but itself. */
struct pf_row {
    uint64_t first_packet; /* of its flow */
    uint64_t pos;          /* in the spool; goes up with every text */
    uint32_t len;
    uint32_t tie; /* of the key: orders flows that begin in the same packet */
};

/* The same in every run. */
uint32_t pf_row_tie(const struct pf_flow_key *key);

/* Whether a's flow comes before b's, whichever spools they are in. */
bool pf_row_before(const struct pf_row *a, const struct pf_row *b);

/* In place, and no order of flows makes it slow. Several texts of one flow stay in their order. */
void pf_rows_sort(struct pf_row *rows, size_t n);

/* Of sorted rows the first whose flow does not begin before this packet. */
size_t pf_rows_from(const struct pf_row *rows, size_t n, uint64_t first_packet);

#endif
