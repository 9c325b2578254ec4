// SPDX-License-Identifier: Apache-2.0
/*
 * What:    pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces of
 *          different link types and time resolutions, packets and Decryption Secrets.
 * Owns:    the section's interface table; borrows the byte stream.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_TRUNCATED, PF_ERR_MALFORMED, PF_ERR_UNSUPPORTED, PF_ERR_IO, PF_ERR_NOMEM; the
 *          text is without the file's name. After an error nothing more can be read.
 * Limits:  16 MiB a block, 65,536 interfaces a section, PF_FRAME_MAX bytes a packet (the rest of
 *          a longer one counts as not captured).
 */
#ifndef PF_CAPTURE_PCAPNG_H
#define PF_CAPTURE_PCAPNG_H

#include "base/buf.h"
#include "base/status.h"
#include "capture/bytes.h"
#include "capture/item.h"

#include <stdbool.h>

struct pf_pcapng;

/* Do the first bytes look like a pcapng? */
bool pf_pcapng_match(const uint8_t *head, size_t len);

/* in stands at the start of the file and must outlive the reader. PF_ERR_NOMEM. */
PF_MUST_USE enum pf_status pf_pcapng_new(struct pf_bytes *in, struct pf_pcapng **out,
                                         struct pf_error *err);
void pf_pcapng_free(struct pf_pcapng *r);

/*
 * The next packet (kind, data, caplen, len, ts_ns, linktype of item) or the next block of TLS
 * secrets (kind, secrets). Bytes are valid until the next call. A simple packet has no time: it
 * gets that of the packet before it, or 0. PF_END after the last.
 */
PF_MUST_USE enum pf_status pf_pcapng_next(struct pf_pcapng *r, struct pf_item *item,
                                          struct pf_error *err);

/* Decryption Secrets Blocks so far whose secrets are not a TLS key log. */
uint64_t pf_pcapng_other_secrets(const struct pf_pcapng *r);

/*
 * Appends the key-log text of every Decryption Secrets Block of the file to out, each ending with a
 * newline, so that a run knows secrets that lie behind the packets they open. What cannot be
 * scanned ahead (standard input, a pipe) or is not a pcapng appends nothing; damage ends the scan.
 * Neither is an error here: pf_source_next reports it. PF_ERR_LIMIT (out is full), PF_ERR_NOMEM.
 */
PF_MUST_USE enum pf_status pf_pcapng_scan_secrets(const char *path, struct pf_buf *out,
                                                  struct pf_error *err);

#endif
