// SPDX-License-Identifier: Apache-2.0
/*
 * What:    pcap files over a byte stream: what nearly all of them are (version 2.4, micro- or
 *          nanoseconds, either byte order) is walked in the stream's own buffer; libpcap reads the
 *          others.
 * Owns:    libpcap's reader where there is one; borrows the byte stream.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_TRUNCATED, PF_ERR_MALFORMED, PF_ERR_UNSUPPORTED, PF_ERR_IO, PF_ERR_NOMEM; the
 *          text is without the file's name. After an error nothing more can be read.
 * Limits:  PF_FRAME_MAX bytes a packet: more is damage.
 */
#ifndef PF_CAPTURE_PCAPFILE_H
#define PF_CAPTURE_PCAPFILE_H

#include "base/status.h"
#include "capture/bytes.h"
#include "capture/item.h"

#include <stdbool.h>

struct pf_pcapfile;

/* Do the first bytes look like a pcap? */
bool pf_pcapfile_match(const uint8_t *head, size_t len);

/* in stands at the start of the file and must outlive the reader. */
PF_MUST_USE enum pf_status pf_pcapfile_new(struct pf_bytes *in, struct pf_pcapfile **out,
                                           struct pf_error *err);
void pf_pcapfile_free(struct pf_pcapfile *r);

/*
 * The next packet: kind, data, caplen, len, ts_ns and linktype of item. Its bytes are valid until
 * the next call. PF_END after the last.
 */
PF_MUST_USE enum pf_status pf_pcapfile_next(struct pf_pcapfile *r, struct pf_item *item,
                                            struct pf_error *err);

#endif
