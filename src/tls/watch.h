// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what a connection's two ends said until its keys were settled, message by message, for
 *          those who want to read the handshake rather than the data. Kept raw; read afterwards.
 * Owns:    copies of the messages.
 * Threads: the connection's.
 * Errors:  none: what finds no room is counted.
 * Limits:  PF_WATCH_EVENTS events and PF_WATCH_BYTES of messages, within the worker's budget.
 */
#ifndef PF_TLS_WATCH_H
#define PF_TLS_WATCH_H

#include "base/buf.h"
#include "base/pkt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PF_WATCH_EVENTS = 64, PF_WATCH_BYTES = 64 * 1024 };

enum pf_watch_kind {
    PF_WATCH_MESSAGE, /* a handshake message with its header */
    PF_WATCH_SSLV2,   /* a ClientHello in SSLv2 framing, from its msg_type byte on */
    PF_WATCH_CCS,     /* ChangeCipherSpec */
    PF_WATCH_ALERT,   /* level and description */
    PF_WATCH_SEALED,  /* a record under keys that was not opened */
    PF_WATCH_GAP      /* bytes are missing from the capture here */
};

struct pf_watch_event {
    uint64_t packet; /* that completed it */
    int64_t ts_ns;
    uint32_t offset; /* of what was kept */
    uint32_t kept;   /* all of it, or nothing */
    uint32_t len;
    uint8_t kind; /* enum pf_watch_kind */
    uint8_t dir;  /* enum pf_dir */
    uint8_t type; /* PF_WATCH_SEALED: of the record */
    bool opened;  /* came under keys */
};

struct pf_watch {
    struct pf_watch_event events[PF_WATCH_EVENTS]; /* per direction in stream order */
    size_t count;
    uint64_t missed; /* events that found no room */
    struct pf_buf bytes;
};

void pf_watch_init(struct pf_watch *w, struct pf_budget *budget);
void pf_watch_fini(struct pf_watch *w);

/* e->offset and e->kept are set here; e->len is bytes.len. bytes are copied. */
void pf_watch_note(struct pf_watch *w, struct pf_watch_event e, struct pf_span bytes);

struct pf_span pf_watch_bytes(const struct pf_watch *w, const struct pf_watch_event *e);

#endif
