// SPDX-License-Identifier: Apache-2.0
/*
 * What:    several captures read as one, in the order given.
 * Owns:    the open capture, the filter, a description of every input.
 * Threads: one reader; only pf_source_bytes may be called from another thread meanwhile.
 * Errors:  an input that cannot be read, or not to its end, is described in its pf_input; the
 *          others are still read.
 * Limits:  -
 */
#ifndef PF_CAPTURE_SOURCE_H
#define PF_CAPTURE_SOURCE_H

#include "base/status.h"
#include "capture/item.h"

#include <stddef.h>
#include <stdint.h>

struct pf_source;

enum { PF_INPUT_LINKTYPES = 16 };

/* One capture, as far as it was read. */
struct pf_source_input {
    const char *path;            /* as given; owned by the source */
    const char *format;          /* "pcap", "pcapng"; NULL until it was opened, or if not known */
    const char *compression;     /* "gzip", "zstd", "lz4"; NULL: none */
    enum pf_status status;       /* PF_OK: nothing wrong so far */
    char message[PF_ERROR_TEXT]; /* for people: names the file and what was kept; "" with PF_OK */
    uint64_t bytes;              /* read from the file */
    uint64_t total_bytes;        /* size of the file; 0: unknown */
    uint64_t packets;
    uint64_t filtered;                      /* of these, packets that did not pass the filter */
    uint64_t secrets;                       /* blocks of TLS secrets */
    uint64_t other_secrets;                 /* blocks of secrets for other protocols: skipped */
    uint32_t linktypes[PF_INPUT_LINKTYPES]; /* in order of appearance; more are not listed */
    uint32_t n_linktypes;
};

/*
 * paths are copied; "-" is standard input. filter: a pcap filter expression, or NULL. PF_ERR_USAGE:
 * a filter that libpcap does not understand (err has its message). PF_ERR_NOMEM. A path that cannot
 * be read is no error here: its input says so at once, and pf_source_next passes over it.
 */
PF_MUST_USE enum pf_status pf_source_new(const char *const *paths, size_t n, const char *filter,
                                         struct pf_source **out, struct pf_error *err);
void pf_source_free(struct pf_source *s);

/*
 * The next frame that passes the filter, or the next secrets. PF_OK or PF_END, nothing else. What
 * item points to is valid until the next call.
 */
PF_MUST_USE enum pf_status pf_source_next(struct pf_source *s, struct pf_item *item);

size_t pf_source_inputs(const struct pf_source *s);

/* i < pf_source_inputs; valid as long as the source. Only for the reader's thread. */
const struct pf_source_input *pf_source_input(const struct pf_source *s, size_t i);

/* Packets read so far over all inputs: the number of the last frame. */
uint64_t pf_source_packets(const struct pf_source *s);

/*
 * For a progress line, from any thread: bytes read from the files so far, and the sum of their
 * sizes (0: unknown, a pipe is among them). done lags a little behind what the reader has.
 */
void pf_source_bytes(const struct pf_source *s, uint64_t *done, uint64_t *total);

/* From any thread, also from a signal handler: a read that waits for a pipe ends. */
void pf_source_stop(struct pf_source *s);

#endif
