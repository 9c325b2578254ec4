// SPDX-License-Identifier: Apache-2.0
/*
 * What:    writes one pcapng section (draft-ietf-opsawg-pcapng): packets as the readers hand them
 *          out, and TLS secrets.
 * Owns:    a buffer, wiped when freed; the file is the caller's.
 * Threads: one owner at a time.
 * Errors:  PF_ERR_IO with errno's text in err (nothing more can be written then), PF_ERR_NOMEM.
 * Limits:  a fixed buffer, and 4 bytes per interface of the section that is being copied.
 *
 * Of a packet its interface, time (in nanoseconds), lengths and bytes are written; of an interface
 * its link type. Names, comments, statistics and all other options and blocks are not.
 */
#ifndef PF_CAPTURE_NGWRITE_H
#define PF_CAPTURE_NGWRITE_H

#include "base/status.h"
#include "capture/item.h"

struct pf_ngwrite;

/* fd stays the caller's and must outlive it; nothing is written yet. */
PF_MUST_USE enum pf_status pf_ngwrite_new(int fd, struct pf_ngwrite **out);
void pf_ngwrite_free(struct pf_ngwrite *w);

/*
 * Key log text, whole lines, into Decryption Secrets Blocks of about a mebibyte. Secrets serve the
 * packets behind them: give them first. What is given piece by piece goes into as few blocks as it
 * can.
 */
PF_MUST_USE enum pf_status pf_ngwrite_secrets(struct pf_ngwrite *w, struct pf_span lines,
                                              struct pf_error *err);

/* A PF_ITEM_FRAME. Its interface is described when its first packet comes. */
PF_MUST_USE enum pf_status pf_ngwrite_frame(struct pf_ngwrite *w, const struct pf_item *item,
                                            struct pf_error *err);

/* Everything is written out. */
PF_MUST_USE enum pf_status pf_ngwrite_end(struct pf_ngwrite *w, struct pf_error *err);

#endif
