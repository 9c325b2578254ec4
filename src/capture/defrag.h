// SPDX-License-Identifier: Apache-2.0
/*
 * What:    IPv4 and IPv6 fragments to whole datagrams.
 * Owns:    unfinished datagrams, and the one handed out last.
 * Threads: one owner at a time.
 * Errors:  enum pf_defrag_result.
 * Limits:  the byte budget given at birth (the oldest unfinished datagram goes first), 30 s of
 *          capture time, 65,535 bytes a datagram. Memory is taken per datagram, not per fragment.
 *
 * Where fragments overlap the first copy wins, in units of 8 bytes, as offsets have them. RFC 5722
 * has hosts drop overlapping IPv6 fragments; a capture may hold each packet twice, so we do not.
 */
#ifndef PF_CAPTURE_DEFRAG_H
#define PF_CAPTURE_DEFRAG_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct pf_defrag;

struct pf_fragment {
    uint8_t addr[2][16]; /* source, destination; IPv4: the first 4 bytes, rest zero */
    uint32_t id;
    uint8_t family;
    uint8_t proto;   /* IPv4: protocol; IPv6: next header behind the fragment header */
    uint16_t offset; /* bytes, a multiple of 8 */
    bool more;       /* not the last */
    struct pf_span data;
};

enum pf_defrag_result {
    PF_DEFRAG_PENDING, /* kept */
    PF_DEFRAG_WHOLE,   /* *out is the datagram's payload; valid until the next call */
    PF_DEFRAG_REFUSED  /* contradicts itself or the others, or there is no room for it */
};

PF_MUST_USE enum pf_status pf_defrag_new(size_t max_bytes, struct pf_defrag **out);
void pf_defrag_free(struct pf_defrag *d);

/* ts_ns: capture time; the clock never goes back. f->data may lie in the datagram of the last call.
 */
enum pf_defrag_result pf_defrag_add(struct pf_defrag *d, const struct pf_fragment *f, int64_t ts_ns,
                                    struct pf_span *out, uint8_t *proto);

uint64_t pf_defrag_lost(const struct pf_defrag *d); /* datagrams given up so far */

#endif
