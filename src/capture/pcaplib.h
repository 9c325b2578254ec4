// SPDX-License-Identifier: Apache-2.0
/*
 * What:    pcap files of every kind that libpcap knows, over a byte stream, read by libpcap.
 * Owns:    libpcap's handle and its buffers; borrows the byte stream.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_TRUNCATED, PF_ERR_MALFORMED, PF_ERR_UNSUPPORTED, PF_ERR_IO, PF_ERR_NOMEM; the
 *          text is without the file's name. After an error nothing more can be read.
 * Limits:  PF_FRAME_MAX bytes a packet: more is damage.
 */
#ifndef PF_CAPTURE_PCAPLIB_H
#define PF_CAPTURE_PCAPLIB_H

#include "base/status.h"
#include "capture/bytes.h"
#include "capture/item.h"

struct pf_pcaplib;

/* in stands at the start of the file and must outlive the reader. linktype: as its header says. */
PF_MUST_USE enum pf_status pf_pcaplib_new(struct pf_bytes *in, uint32_t linktype,
                                          struct pf_pcaplib **out, struct pf_error *err);
void pf_pcaplib_free(struct pf_pcaplib *r);

/* As pf_pcapfile_next. */
PF_MUST_USE enum pf_status pf_pcaplib_next(struct pf_pcaplib *r, struct pf_item *item,
                                           struct pf_error *err);

#endif
