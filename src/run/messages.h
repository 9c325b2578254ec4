// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what a handshake message says, as facts.
 * Owns:    nothing.
 * Threads: the worker's.
 * Errors:  a message that is malformed, or was too long to be kept, says so.
 * Limits:  PF_CHAIN_MAX certificates of a chain; see run/codes.h.
 */
#ifndef PF_RUN_MESSAGES_H
#define PF_RUN_MESSAGES_H

#include "run/facts.h"
#include "tls/certcache.h"
#include "tls/suite.h"
#include "tls/watch.h"

enum { PF_CHAIN_MAX = 16 };

/* What a message has to be read by. */
struct pf_message_context {
    uint16_t version;             /* that was negotiated; 0: not known */
    const struct pf_suite *suite; /* NULL: not known */
    struct pf_cert_cache *certs;  /* may be NULL */
};

/* "ClientHello" and so on, from a message's type. */
void pf_message_title(uint8_t type, char *out, size_t cap);

/* The facts of PF_WATCH_MESSAGE and PF_WATCH_SSLV2, without the message's name. */
void pf_message_facts(struct pf_facts *f, const struct pf_message_context *context,
                      const struct pf_watch *w, const struct pf_watch_event *e);

#endif
