// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a pcap filter expression, compiled once for each link type that turns up.
 * Owns:    libpcap's programs.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_USAGE with libpcap's message for an expression that no link type accepts.
 * Limits:  65,536 link types, as pcapng has.
 */
#ifndef PF_CAPTURE_FILTER_H
#define PF_CAPTURE_FILTER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct pf_filter;

/* Checks and keeps the expression. PF_ERR_USAGE, PF_ERR_NOMEM. */
PF_MUST_USE enum pf_status pf_filter_new(const char *expression, struct pf_filter **out,
                                         struct pf_error *err);
void pf_filter_free(struct pf_filter *f);

/*
 * Does the packet pass? linktype is a LINKTYPE_ value. Where the expression makes no sense for a
 * link type ("ether host" on raw IP), none of its packets pass.
 */
bool pf_filter_match(struct pf_filter *f, uint32_t linktype, const uint8_t *data, uint32_t caplen,
                     uint32_t len);

#endif
