// SPDX-License-Identifier: Apache-2.0
#include "tls/secrets.h"

#include "base/verdict.h"

#include <string.h>

enum { BLIND_LINES = 1 << 15 }; /* of a key log, without a ClientHello */

bool pf_secret_resumed(const struct pf_handshake *hs)
{
    return !pf_handshake_has(hs, PF_FACT_SERVER_DONE) &&
           !pf_handshake_has(hs, PF_FACT_CLIENT_KEY_EXCHANGE) &&
           !pf_handshake_has(hs, PF_FACT_CERTIFICATE);
}

static bool is_rsa_kx(const struct pf_handshake *hs)
{
    return hs->suite->kx == PF_KX_RSA || (hs->suite->kx == PF_KX_RSA_EXPORT &&
                                          !pf_handshake_has(hs, PF_FACT_SERVER_KEY_EXCHANGE));
}

static void next_source(struct pf_secret_search *s)
{
    s->source++;
    s->nth = 0;
    s->early = false;
}

static void set_found(struct pf_handshake *hs, enum pf_opened_by by)
{
    hs->search.found = true;
    hs->search.opened_by = (uint8_t)by;
}

void pf_secret_reject(struct pf_handshake *hs)
{
    struct pf_secret_search *s = &hs->search;
    s->found = false;
    s->generation++;
    s->nth++;
    memset(s->key_spki, 0, sizeof s->key_spki);
}

static enum pf_status master_from(struct pf_handshake *hs, struct pf_kdf *kdf,
                                  struct pf_span pre_master)
{
    if (!hs->extended_master) {
        return pf_kdf_master(kdf, hs->version, hs->suite, pre_master, hs->client_random,
                             hs->server_random, &hs->master);
    }
    struct pf_span transcript[3];
    for (int i = 0; i < 3; i++) {
        transcript[i] = (struct pf_span){hs->transcript[i].ptr, hs->transcript[i].len};
    }
    return pf_kdf_extended_master(kdf, hs->version, hs->suite, pre_master, transcript, &hs->master);
}

/* A pre-master secret is only of use with all that the master secret is computed over. */
static bool can_derive(const struct pf_handshake *hs)
{
    uint32_t needed = PF_FACT_CLIENT_KEY_EXCHANGE;
    if (hs->extended_master) {
        needed |= PF_FACT_SERVER_DONE;
    }
    return pf_handshake_has(hs, needed) &&
           !(hs->extended_master && pf_handshake_has(hs, PF_FACT_TRANSCRIPT_LOST));
}

/* Secrets of 48 bytes are masters; other lengths are no TLS 1.2 secret. */
static bool take_master(struct pf_handshake *hs, const struct pf_secret *secret)
{
    if (secret->len != PF_MASTER_LEN) {
        return false;
    }
    memcpy(hs->master.bytes, secret->bytes, PF_MASTER_LEN);
    return true;
}

/* Which log has the nth secret over all of them; *nth becomes its number there. */
static const struct pf_keylog *log_of(const struct pf_secret_sources *src,
                                      enum pf_keylog_label label, const struct pf_handshake *hs,
                                      unsigned *nth, enum pf_opened_by *by)
{
    unsigned skip = *nth;
    for (unsigned i = 0; i < PF_SECRET_LOGS; i++) {
        const struct pf_keylog *log = pf_secret_log(src, i, by);
        unsigned n = log != NULL ? pf_keylog_count(log, label, hs->client_random) : 0;
        if (skip < n) {
            *nth = skip;
            return log;
        }
        skip -= n;
    }
    return NULL;
}

static bool log_find(const struct pf_secret_sources *src, enum pf_keylog_label label,
                     const struct pf_handshake *hs, unsigned nth, struct pf_secret *out,
                     enum pf_opened_by *by)
{
    const struct pf_keylog *log = log_of(src, label, hs, &nth, by);
    return log != NULL && pf_keylog_find(log, label, hs->client_random, nth, out);
}

/* The ClientHello was not captured: every line's random with its secret, one after the other. */
static enum pf_status from_any_line(struct pf_handshake *hs, const struct pf_secret_sources *src)
{
    const struct pf_keylog *const logs[2] = {src->keylog, src->dsb};
    size_t lines = logs[0] != NULL ? pf_keylog_size(logs[0]) : 0;
    size_t all = lines + (logs[1] != NULL ? pf_keylog_size(logs[1]) : 0);
    for (; hs->search.nth < all && hs->search.nth < BLIND_LINES; hs->search.nth++) {
        bool first = hs->search.nth < lines;
        enum pf_keylog_label label;
        struct pf_secret secret;
        bool good = pf_keylog_line(logs[first ? 0 : 1], hs->search.nth - (first ? 0 : lines),
                                   &label, hs->client_random, &secret) &&
                    label == PF_KEYLOG_MASTER && take_master(hs, &secret);
        pf_wipe(&secret, sizeof secret);
        if (good) {
            set_found(hs, first ? PF_OPENED_BY_KEYLOG : PF_OPENED_BY_DSB);
            return PF_OK;
        }
    }
    hs->search.source = PF_SOURCE_NONE - 1; /* the others need the ClientHello */
    return PF_ERR_NOKEY;
}

static enum pf_status from_keylog(struct pf_handshake *hs, const struct pf_secret_sources *src)
{
    struct pf_secret secret;
    enum pf_opened_by by;
    if ((hs->blind & PF_FACT_CLIENT_HELLO) != 0) {
        return from_any_line(hs, src);
    }
    while (log_find(src, PF_KEYLOG_MASTER, hs, hs->search.nth, &secret, &by)) {
        bool good = take_master(hs, &secret);
        pf_wipe(&secret, sizeof secret);
        if (good) {
            set_found(hs, by);
            return PF_OK;
        }
        hs->search.nth++;
    }
    return PF_ERR_NOKEY;
}

static enum pf_status from_pre_master(struct pf_handshake *hs, struct pf_kdf *kdf,
                                      const struct pf_secret_sources *src)
{
    struct pf_span secret;
    enum pf_opened_by by;
    unsigned nth = hs->search.nth;
    const struct pf_keylog *log = log_of(src, PF_KEYLOG_PRE_MASTER, hs, &nth, &by);
    if (!can_derive(hs) || log == NULL ||
        !pf_keylog_find_pre_master(log, hs->client_random, nth, &secret)) {
        return PF_ERR_NOKEY;
    }
    enum pf_status st = master_from(hs, kdf, secret);
    if (st == PF_OK) {
        set_found(hs, by);
    }
    return st;
}

static enum pf_status from_encrypted(struct pf_handshake *hs, struct pf_kdf *kdf,
                                     const struct pf_secret_sources *src)
{
    struct pf_span encrypted = {hs->encrypted.ptr, hs->encrypted.len};
    struct pf_secret secret;
    if (!can_derive(hs) || encrypted.len == 0) {
        return PF_ERR_NOKEY;
    }
    for (unsigned i = hs->search.nth; i < PF_SECRET_LOGS; i++) {
        enum pf_opened_by by;
        const struct pf_keylog *log = pf_secret_log(src, i, &by);
        hs->search.nth = i;
        if (log == NULL || !pf_keylog_find_encrypted(log, encrypted, &secret)) {
            continue;
        }
        enum pf_status st = master_from(hs, kdf, (struct pf_span){secret.bytes, secret.len});
        pf_wipe(&secret, sizeof secret);
        if (st == PF_OK) {
            set_found(hs, by);
        }
        return st;
    }
    return PF_ERR_NOKEY;
}

/* Master secrets that are logged under a session id, or a ticket. */
typedef bool find_logged(const struct pf_keylog *log, struct pf_span key, struct pf_secret *out);

static enum pf_status from_logged_session(struct pf_handshake *hs,
                                          const struct pf_secret_sources *src, struct pf_span key,
                                          find_logged *find)
{
    for (unsigned i = hs->search.nth; i < PF_SECRET_LOGS && key.len > 0; i++) {
        struct pf_secret secret;
        enum pf_opened_by by;
        const struct pf_keylog *log = pf_secret_log(src, i, &by);
        hs->search.nth = i;
        if (log != NULL && find(log, key, &secret)) {
            bool good = take_master(hs, &secret);
            pf_wipe(&secret, sizeof secret);
            if (good) {
                set_found(hs, by);
                return PF_OK;
            }
        }
    }
    return PF_ERR_NOKEY;
}

static enum pf_status from_logged_id(struct pf_handshake *hs, const struct pf_secret_sources *src)
{
    struct pf_span id = {hs->session_id, hs->session_id_len};
    return from_logged_session(hs, src, id, pf_keylog_find_session);
}

static enum pf_status from_logged_ticket(struct pf_handshake *hs,
                                         const struct pf_secret_sources *src)
{
    struct pf_span ticket = {hs->offered_ticket.ptr, hs->offered_ticket.len};
    return pf_secret_resumed(hs) ? from_logged_session(hs, src, ticket, pf_keylog_find_ticket)
                                 : PF_ERR_NOKEY;
}

static bool serves(const struct pf_secret_sources *src, const struct pf_server *server, size_t key)
{
    return key != PF_KEY_NONE &&
           pf_keyring_serves(src->keyring, key, server->family, server->addr, server->port);
}

/*
 * The nth key to try: the one whose public key is in the certificate; the one tied to the server;
 * and, when no certificate was captured, every other one. Keys tied to other servers do not count.
 */
static size_t nth_key(const struct pf_handshake *hs, const struct pf_secret_sources *src,
                      const struct pf_server *server, unsigned nth)
{
    size_t matched = PF_KEY_NONE;
    bool certificate = pf_handshake_has(hs, PF_FACT_CERTIFICATE);
    if (certificate) {
        matched = pf_keyring_find(src->keyring, hs->cert_spki);
    }
    size_t bound = pf_keyring_bound(src->keyring, server->family, server->addr, server->port);
    size_t first[2] = {matched, bound != matched ? bound : PF_KEY_NONE};
    for (int i = 0; i < 2; i++) {
        if (serves(src, server, first[i]) && nth-- == 0) {
            return first[i];
        }
    }
    for (size_t i = 0; i < pf_keyring_count(src->keyring) && !certificate; i++) {
        if (i != bound && serves(src, server, i) && nth-- == 0) {
            return i;
        }
    }
    return PF_KEY_NONE;
}

static enum pf_status from_rsa_key(struct pf_handshake *hs, const struct pf_secret_sources *src,
                                   const struct pf_server *server)
{
    if (src->keyring == NULL || !is_rsa_kx(hs) || !can_derive(hs) || hs->encrypted.len == 0 ||
        nth_key(hs, src, server, hs->search.nth) == PF_KEY_NONE) {
        return PF_ERR_NOKEY;
    }
    hs->search.pending = PF_PENDING_UNWRAP;
    return PF_AGAIN;
}

struct pf_unwrap_request pf_secret_unwrap_request(const struct pf_handshake *hs,
                                                  const struct pf_secret_sources *src,
                                                  const struct pf_server *server)
{
    return (struct pf_unwrap_request){
        .key = nth_key(hs, src, server, hs->search.nth),
        .encrypted = {hs->encrypted.ptr, hs->encrypted.len},
    };
}

enum pf_status pf_secret_unwrapped(struct pf_handshake *hs, struct pf_kdf *kdf,
                                   const struct pf_secret_sources *src,
                                   const struct pf_server *server, const uint8_t *pre_master)
{
    hs->search.pending = PF_PENDING_NOTHING;
    size_t key = nth_key(hs, src, server, hs->search.nth);
    if (pre_master == NULL) {
        hs->search.key_bound_failed |=
            key == pf_keyring_bound(src->keyring, server->family, server->addr, server->port);
        hs->search.nth++;
        return PF_OK;
    }
    enum pf_status st = master_from(hs, kdf, (struct pf_span){pre_master, PF_MASTER_LEN});
    if (st == PF_OK) {
        memcpy(hs->search.key_spki, pf_keyring_spki(src->keyring, key), PF_SPKI_LEN);
        set_found(hs, PF_OPENED_BY_RSA_KEY);
    }
    return st;
}

/* Plain PSK (RFC 4279 section 2): the other secret is as many zeros as the key is long. */
static enum pf_status from_psk(struct pf_handshake *hs, struct pf_kdf *kdf,
                               const struct pf_secret_sources *src)
{
    uint8_t pre_master[1024];
    size_t len;
    if (hs->suite->kx != PF_KX_PSK || !can_derive(hs) || hs->search.nth >= src->psk_count) {
        return PF_ERR_NOKEY;
    }
    enum pf_status st = pf_psk_pre_master(src->psks[hs->search.nth], (struct pf_span){NULL, 0},
                                          pre_master, sizeof pre_master, &len);
    if (st == PF_OK) {
        st = master_from(hs, kdf, (struct pf_span){pre_master, len});
    }
    pf_wipe(pre_master, sizeof pre_master);
    if (st == PF_OK) {
        set_found(hs, PF_OPENED_BY_PSK);
    }
    return st;
}

struct pf_span pf_secret_resumed_id(const struct pf_handshake *hs)
{
    bool repeated = hs->session_id_len == hs->offered_id_len &&
                    memcmp(hs->session_id, hs->offered_id, hs->session_id_len) == 0;
    return (struct pf_span){hs->session_id, repeated ? hs->session_id_len : 0};
}

/* What the present source looks sessions up by. */
static struct pf_span session_key(const struct pf_handshake *hs, enum pf_session_kind *kind)
{
    if (hs->search.source == PF_SOURCE_SESSION_TICKET ||
        hs->search.source == PF_SOURCE_KNOWN_TICKET) {
        *kind = PF_SESSION_TICKET;
        return (struct pf_span){hs->offered_ticket.ptr, hs->offered_ticket.len};
    }
    *kind = PF_SESSION_ID;
    return pf_secret_resumed_id(hs);
}

static enum pf_status from_session(struct pf_handshake *hs, const struct pf_secret_sources *src)
{
    enum pf_session_kind kind;
    if (src->sessions == NULL || !pf_secret_resumed(hs) || session_key(hs, &kind).len == 0) {
        return PF_ERR_NOKEY;
    }
    hs->search.pending = PF_PENDING_SESSION;
    return PF_AGAIN;
}

/* A session's secret is a candidate, unless nothing is known but that the session began. */
static void take_session(struct pf_handshake *hs, const struct pf_session *session,
                         enum pf_opened_by by)
{
    memcpy(hs->search.key_spki, session->key_spki, PF_SPKI_LEN);
    memcpy(hs->cert_spki, session->cert_spki, PF_SPKI_LEN);
    hs->search.origin_packet = session->flow_packet;
    if (session->opened_by == PF_OPENED_BY_NONE) {
        hs->search.origin_locked = true;
        hs->search.nth++;
        return;
    }
    hs->master = session->master;
    set_found(hs, by);
}

/* The next candidate. One that was taken early, and opened nothing, need not have been the first of
 * all: they are gone through once more, in their final order, but for that one if it comes first
 * again. */
static bool next_session(struct pf_handshake *hs, const struct pf_secret_sources *src,
                         uint64_t packet, struct pf_session *out)
{
    enum pf_session_kind kind;
    struct pf_span key = session_key(hs, &kind);
    struct pf_secret_search *s = &hs->search;
    bool once_more = s->nth > 0 && s->early;
    s->nth = once_more ? 0 : s->nth;
    s->early = false;
    bool found = pf_sessions_get(src->sessions, kind, key, packet, s->nth, out);
    if (once_more && found && memcmp(&out->master, &hs->master, sizeof hs->master) == 0) {
        s->nth++;
        found = pf_sessions_get(src->sessions, kind, key, packet, s->nth, out);
    }
    return found;
}

enum pf_status pf_secret_session(struct pf_handshake *hs, const struct pf_secret_sources *src,
                                 uint64_t packet, bool last)
{
    struct pf_session session;
    if (hs->search.nth > 0 && !last) {
        return PF_AGAIN; /* which comes second is known when all are there */
    }
    if (!next_session(hs, src, packet, &session)) {
        if (last) {
            hs->search.pending = PF_PENDING_NOTHING;
            next_source(&hs->search);
        }
        return last ? PF_OK : PF_AGAIN;
    }
    hs->search.pending = PF_PENDING_NOTHING;
    hs->search.early = !last;
    take_session(hs, &session, PF_OPENED_BY_SESSION);
    pf_wipe(&session, sizeof session);
    return PF_OK;
}

/* The session as an earlier pass knows it, from any packet on. */
static enum pf_status from_known_session(struct pf_handshake *hs,
                                         const struct pf_secret_sources *src)
{
    enum pf_session_kind kind;
    struct pf_span key = session_key(hs, &kind);
    struct pf_session session;
    if (src->known == NULL || !pf_secret_resumed(hs) ||
        !pf_sessions_get(src->known, kind, key, UINT64_MAX, hs->search.nth, &session)) {
        return PF_ERR_NOKEY;
    }
    take_session(hs, &session, PF_OPENED_BY_SESSION);
    pf_wipe(&session, sizeof session);
    return PF_OK;
}

/* The very handshake as an earlier pass opened it: nothing has to be unwrapped twice. */
static enum pf_status from_known(struct pf_handshake *hs, const struct pf_secret_sources *src)
{
    struct pf_span key = {hs->client_random, PF_RANDOM_LEN};
    struct pf_session session;
    if (src->known == NULL || !pf_sessions_get(src->known, PF_SESSION_CLIENT_RANDOM, key,
                                               UINT64_MAX, hs->search.nth, &session)) {
        return PF_ERR_NOKEY;
    }
    take_session(hs, &session, (enum pf_opened_by)session.opened_by);
    pf_wipe(&session, sizeof session);
    return PF_OK;
}

/*
 * Whether the handshake is full or resumed must be clear before its secret is looked for elsewhere
 * than in a key log: the server's flight says so.
 */
static bool shape_is_clear(const struct pf_handshake *hs)
{
    return pf_handshake_has(hs, PF_FACT_SERVER_DONE) ||
           (pf_handshake_has(hs, PF_FACT_SERVER_CCS) &&
            !pf_handshake_has(hs, PF_FACT_CERTIFICATE)) ||
           (pf_handshake_has(hs, PF_FACT_CLIENT_KEY_EXCHANGE) &&
            !pf_handshake_has(hs, PF_FACT_SERVER_HELLO));
}

static enum pf_status try_source(struct pf_handshake *hs, struct pf_kdf *kdf,
                                 const struct pf_secret_sources *src,
                                 const struct pf_server *server)
{
    switch ((enum pf_secret_source)hs->search.source) {
    case PF_SOURCE_KNOWN:
        return from_known(hs, src);
    case PF_SOURCE_KEYLOG:
        return from_keylog(hs, src);
    case PF_SOURCE_PRE_MASTER:
        return from_pre_master(hs, kdf, src);
    case PF_SOURCE_ENCRYPTED:
        return from_encrypted(hs, kdf, src);
    case PF_SOURCE_LOGGED_ID:
        return from_logged_id(hs, src);
    case PF_SOURCE_LOGGED_TICKET:
        return from_logged_ticket(hs, src);
    case PF_SOURCE_RSA_KEY:
        return from_rsa_key(hs, src, server);
    case PF_SOURCE_PSK:
        return from_psk(hs, kdf, src);
    case PF_SOURCE_KNOWN_TICKET:
    case PF_SOURCE_KNOWN_ID:
        return from_known_session(hs, src);
    case PF_SOURCE_SESSION_TICKET:
    case PF_SOURCE_SESSION_ID:
        return from_session(hs, src);
    case PF_SOURCE_NONE:
        break;
    }
    return PF_ERR_NOKEY;
}

static bool may_wait(const struct pf_handshake *hs)
{
    bool needs_both = hs->search.source > PF_SOURCE_KEYLOG;
    bool full = pf_handshake_has(hs, PF_FACT_SERVER_DONE);
    return needs_both &&
           (!shape_is_clear(hs) || (full && !pf_handshake_has(hs, PF_FACT_CLIENT_KEY_EXCHANGE)));
}

enum pf_status pf_secret_find(struct pf_handshake *hs, struct pf_kdf *kdf,
                              const struct pf_secret_sources *src, const struct pf_server *server,
                              bool final)
{
    if (!pf_handshake_has(hs, PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO)) {
        return final ? PF_ERR_NOKEY : PF_BLOCKED;
    }
    if (hs->suite == NULL || !hs->suite->bulk->supported) {
        return PF_ERR_UNSUPPORTED;
    }
    while (!hs->search.found && hs->search.source != PF_SOURCE_NONE) {
        if (hs->search.pending != PF_PENDING_NOTHING) {
            return PF_AGAIN;
        }
        if (!final && may_wait(hs)) {
            return PF_BLOCKED;
        }
        enum pf_status st = try_source(hs, kdf, src, server);
        if (st == PF_ERR_NOKEY) {
            next_source(&hs->search);
        } else if (st != PF_OK) {
            return st;
        }
    }
    return hs->search.found ? PF_OK : PF_ERR_NOKEY;
}
