// SPDX-License-Identifier: Apache-2.0
/*
 * What:    master secrets that can be resumed, by session id or ticket: the one thing that workers
 *          share.
 * Owns:    the secrets; wiped when dropped or freed.
 * Threads: any thread at any time; striped mutexes, touched once or twice per handshake.
 * Errors:  PF_ERR_NOMEM. At the ceiling the oldest go first and are counted.
 * Limits:  max_bytes, given at birth.
 *
 * Every entry says by which packet it became known. A look-up is for a packet, and sees only what
 * was known by then: so the answer does not depend on which worker is ahead. (The caller waits
 * until every worker has passed that packet before it takes a miss as final.)
 */
#ifndef PF_TLS_SESSION_H
#define PF_TLS_SESSION_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_sessions;

struct pf_session {
    struct pf_master master;
    uint64_t packet;      /* in which it became known: ServerHello's or NewSessionTicket's */
    uint64_t flow_packet; /* names the flow of the full handshake; 0: nobody asks */
    uint16_t version;
    uint16_t suite;
    bool extended_master;
    uint8_t opened_by;    /* the caller's; handed back as it was */
    uint8_t key_spki[32]; /* the RSA key that opened the full handshake; zero if none */
    uint8_t cert_spki[32];
};

/* By client random: for a later pass over the same captures, which finds every handshake again. */
enum pf_session_kind { PF_SESSION_ID, PF_SESSION_TICKET, PF_SESSION_CLIENT_RANDOM };

PF_MUST_USE enum pf_status pf_sessions_new(size_t max_bytes, struct pf_sessions **out);
void pf_sessions_free(struct pf_sessions *s);

/*
 * id: the session id, or the ticket; of either only a SHA-256 is kept. An empty one is not kept.
 * Several sessions may have the same id (two servers; a renegotiation): the earliest 4 are kept, so
 * that what a look-up for a packet sees does not depend on how far other workers are. The same
 * master secret again under the same id is no new session, but may be known from an earlier packet
 * on. *is_new (may be NULL): a look-up may find now what it did not find before.
 */
PF_MUST_USE enum pf_status pf_sessions_put(struct pf_sessions *s, enum pf_session_kind kind,
                                           struct pf_span id, const struct pf_session *session,
                                           bool *is_new);

/* The nth candidate (0 = the latest; of one packet, the one with the higher master secret) that was
 * known by packet. False when there is none. */
bool pf_sessions_get(struct pf_sessions *s, enum pf_session_kind kind, struct pf_span id,
                     uint64_t packet, unsigned nth, struct pf_session *out);

/* Sessions given up so far: at the ceiling (the one not used for longest goes first), or as fifth.
 */
uint64_t pf_sessions_evicted(const struct pf_sessions *s);

#endif
