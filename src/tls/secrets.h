// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the search for a handshake's master secret (TLS 1.2 and older): candidates from every
 *          source, one after the other, until one opens a record.
 * Owns:    nothing; the state is in struct pf_handshake.
 * Threads: one owner; the key log, the keyring and the sessions are shared and say so themselves.
 * Errors:  PF_BLOCKED: messages of the handshake are still missing; PF_AGAIN: slow work has to be
 *          done first (see pf_secret_pending); PF_ERR_NOKEY: no candidate is left.
 * Limits:  -
 */
#ifndef PF_TLS_SECRETS_H
#define PF_TLS_SECRETS_H

#include "base/pkt.h"
#include "base/status.h"
#include "base/verdict.h"
#include "tls/handshake.h"
#include "tls/keylog.h"
#include "tls/keyring.h"
#include "tls/keys.h"
#include "tls/session.h"

#include <stdbool.h>
#include <stdint.h>

enum pf_secret_source {
    PF_SOURCE_KNOWN,      /* this handshake, in an earlier pass */
    PF_SOURCE_KEYLOG,     /* CLIENT_RANDOM */
    PF_SOURCE_PRE_MASTER, /* PMS_CLIENT_RANDOM */
    PF_SOURCE_ENCRYPTED,  /* RSA <encrypted pre-master> */
    PF_SOURCE_LOGGED_ID,  /* RSA Session-ID */
    PF_SOURCE_LOGGED_TICKET,
    PF_SOURCE_RSA_KEY,
    PF_SOURCE_PSK,
    PF_SOURCE_KNOWN_TICKET, /* a session of an earlier pass, wherever it began */
    PF_SOURCE_KNOWN_ID,
    PF_SOURCE_SESSION_TICKET,
    PF_SOURCE_SESSION_ID,
    PF_SOURCE_NONE
};

enum pf_secret_pending {
    PF_PENDING_NOTHING,
    PF_PENDING_UNWRAP, /* an RSA private operation */
    PF_PENDING_SESSION /* a session that another flow may still bring */
};

/* The server of a connection, for keys that are tied to one. */
struct pf_server {
    uint8_t addr[16];
    uint16_t port;
    uint8_t family;
};

/* All that secrets come from. Shared and immutable, but for sessions, which locks itself. */
struct pf_secret_sources {
    const struct pf_keylog *keylog;   /* may be NULL */
    const struct pf_keylog *dsb;      /* from Decryption Secrets Blocks; may be NULL */
    const struct pf_keylog *live;     /* of those, what came with the packets of a pipe: grows, is
                                         its user's own; may be NULL */
    const struct pf_keyring *keyring; /* may be NULL */
    const struct pf_span *psks;
    size_t psk_count;
    struct pf_sessions *sessions; /* may be NULL */
    struct pf_sessions *known;    /* an earlier pass's, which only it has changed; may be NULL */
    struct pf_sessions *learn;    /* where such a pass leaves them; may be NULL */
    uint64_t *published; /* goes up when others can find a session here that they could not find
                            before; its user's own; may be NULL */
};

enum { PF_SECRET_LOGS = 3 };

/* One key log after the other, the given files first; NULL if there is none. by: what it opens is
 * said to be opened by. */
static inline const struct pf_keylog *pf_secret_log(const struct pf_secret_sources *src, unsigned i,
                                                    enum pf_opened_by *by)
{
    const struct pf_keylog *const logs[PF_SECRET_LOGS] = {src->keylog, src->dsb, src->live};
    *by = i == 0 ? PF_OPENED_BY_KEYLOG : PF_OPENED_BY_DSB;
    return logs[i];
}

/* What pf_unwrap is to do for a pending PF_PENDING_UNWRAP. */
struct pf_unwrap_request {
    size_t key; /* of the keyring */
    struct pf_span encrypted;
};

/*
 * Finds the next candidate. PF_OK: hs->master holds it. final: no more messages will come, so what
 * is missing stays missing.
 */
PF_MUST_USE enum pf_status pf_secret_find(struct pf_handshake *hs, struct pf_kdf *kdf,
                                          const struct pf_secret_sources *src,
                                          const struct pf_server *server, bool final);

/* The pending unwrap: which key, which ciphertext. */
struct pf_unwrap_request pf_secret_unwrap_request(const struct pf_handshake *hs,
                                                  const struct pf_secret_sources *src,
                                                  const struct pf_server *server);

/* The answer: pre_master is NULL when the key did not fit. */
PF_MUST_USE enum pf_status pf_secret_unwrapped(struct pf_handshake *hs, struct pf_kdf *kdf,
                                               const struct pf_secret_sources *src,
                                               const struct pf_server *server,
                                               const uint8_t *pre_master);

/* Looks the pending session up, as of `packet`. last: all that were known by then are there, so a
 * miss is final. Before that PF_AGAIN is a miss, or that a second candidate is asked for: the first
 * one may be taken early, since the record proves it. */
PF_MUST_USE enum pf_status pf_secret_session(struct pf_handshake *hs,
                                             const struct pf_secret_sources *src, uint64_t packet,
                                             bool last);

/* The candidate did not open what it should: on to the next. */
void pf_secret_reject(struct pf_handshake *hs);

/* True if the handshake resumes a session, as far as its messages say (RFC 5246 section 7.3). */
bool pf_secret_resumed(const struct pf_handshake *hs);

/*
 * publish.c: makes the session known to others, by id and by ticket, as far as there are any. Done
 * once the secret is proved, or once it is clear that there is none (then others learn that it is
 * locked). final: what is only found at a flow's end comes at a time that depends on who is ahead,
 * so it is told to a later pass and to lines alone. lines: gets the key log lines of a secret that
 * is proved, as far as they fit; may be NULL.
 */
PF_MUST_USE enum pf_status pf_secret_publish(struct pf_handshake *hs,
                                             const struct pf_secret_sources *src, bool final,
                                             struct pf_buf *lines);

/* The session id that the handshake resumes, if it does: the server repeats what was offered. */
struct pf_span pf_secret_resumed_id(const struct pf_handshake *hs);

#endif
