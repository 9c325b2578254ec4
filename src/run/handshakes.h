// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one connection's handshake told step by step, and what would open it.
 * Owns:    nothing.
 * Threads: the worker's.
 * Errors:  PF_ERR_LIMIT: longer than out may become; PF_ERR_NOMEM.
 * Limits:  see tls/watch.h and run/codes.h.
 */
#ifndef PF_RUN_HANDSHAKES_H
#define PF_RUN_HANDSHAKES_H

#include "base/buf.h"
#include "run/triage.h"
#include "tls/certcache.h"
#include "tls/conn.h"

#include <stdbool.h>

/* What is told, all borrowed. */
struct pf_handshake_story {
    struct pf_flow_key key;
    uint8_t client; /* side of the key */
    uint64_t first_packet;
    int64_t first_ts_ns;
    uint64_t packets;
    uint64_t payload; /* bytes */
    const struct pf_conn_report *report;
    const struct pf_keyring *keyring;
    struct pf_cert_cache *certs;
};

/* Appends the connection's text; where it names a flow, see run/facts.h. */
PF_MUST_USE enum pf_status pf_handshakes_tell(const struct pf_handshake_story *s, bool json,
                                              struct pf_buf *out, struct pf_triage_row *row);

#endif
