// SPDX-License-Identifier: Apache-2.0
/* What a handshake that is over has to tell: to resumed flows, to a later pass, to a key log. */
#include "tls/secrets.h"

#include "base/verdict.h"

#include <string.h>

static struct pf_session session_of(const struct pf_handshake *hs, uint64_t packet)
{
    struct pf_session session = {
        .packet = packet > hs->known_packet ? packet : hs->known_packet,
        .version = hs->version,
        .suite = hs->suite_id,
        .extended_master = hs->extended_master,
        .flow_packet = hs->search.origin_packet != 0 ? hs->search.origin_packet : hs->flow_packet,
        .opened_by = hs->search.found ? hs->search.opened_by : PF_OPENED_BY_NONE,
    };
    memcpy(session.key_spki, hs->search.key_spki, PF_SPKI_LEN);
    memcpy(session.cert_spki, hs->cert_spki, PF_SPKI_LEN);
    if (hs->search.found) {
        session.master = hs->master;
    }
    return session;
}

static enum pf_status tell(const struct pf_handshake *hs, const struct pf_secret_sources *src,
                           bool final, enum pf_session_kind kind, struct pf_span id,
                           uint64_t packet)
{
    struct pf_sessions *const to[2] = {final ? NULL : src->sessions, src->learn};
    struct pf_session session = session_of(hs, packet);
    enum pf_status st = PF_OK;
    for (int i = 0; i < 2 && st == PF_OK; i++) {
        if (to[i] != NULL && id.len > 0) {
            bool is_new;
            st = pf_sessions_put(to[i], kind, id, &session, &is_new);
            if (src->published != NULL) {
                *src->published += is_new ? 1 : 0;
            }
        }
    }
    pf_wipe(&session, sizeof session);
    return st;
}

/* A line that does not fit any more is left out. */
static enum pf_status add_line(struct pf_buf *lines, const char *line, size_t len)
{
    enum pf_status st = pf_buf_append(lines, line, len);
    return st == PF_ERR_LIMIT ? PF_OK : st;
}

static enum pf_status log_ticket(const struct pf_handshake *hs, struct pf_span ticket,
                                 struct pf_buf *lines)
{
    char line[PF_KEYLOG_LINE_MAX];
    if (lines == NULL || ticket.len == 0 || !hs->search.proved) {
        return PF_OK;
    }
    size_t len = pf_keylog_format_ticket(ticket, &hs->master, line, sizeof line);
    enum pf_status st = add_line(lines, line, len);
    pf_wipe(line, sizeof line);
    return st;
}

static enum pf_status log_secret(const struct pf_handshake *hs, struct pf_span id,
                                 struct pf_buf *lines)
{
    char line[PF_KEYLOG_LINE_MAX];
    struct pf_secret secret = {.len = PF_MASTER_LEN};
    if (lines == NULL || !hs->search.proved) {
        return PF_OK;
    }
    memcpy(secret.bytes, hs->master.bytes, PF_MASTER_LEN);
    size_t len = pf_keylog_format(PF_KEYLOG_MASTER, hs->client_random, &secret, line, sizeof line);
    enum pf_status st = add_line(lines, line, len);
    if (st == PF_OK && id.len > 0) {
        len = pf_keylog_format_session(id, &hs->master, line, sizeof line);
        st = add_line(lines, line, len);
    }
    pf_wipe(line, sizeof line);
    pf_wipe(&secret, sizeof secret);
    return st;
}

/*
 * What this handshake's session can be resumed by from the start: the id that the server gave it.
 * One that is itself resumed says nothing new, unless its secret came from elsewhere than from the
 * session's: then the id, or the ticket, serves those that resume the session too.
 */
static void names_of(const struct pf_handshake *hs, struct pf_span *id, struct pf_span *ticket)
{
    bool resumed = pf_secret_resumed(hs);
    *ticket = (struct pf_span){NULL, 0};
    *id = (struct pf_span){hs->session_id, resumed ? 0 : hs->session_id_len};
    if (!resumed || !hs->search.proved || hs->search.opened_by == PF_OPENED_BY_SESSION) {
        return;
    }
    *ticket = (struct pf_span){hs->offered_ticket.ptr, hs->offered_ticket.len};
    if (ticket->len == 0) {
        *id = pf_secret_resumed_id(hs);
    }
}

static enum pf_status publish_origin(struct pf_handshake *hs, const struct pf_secret_sources *src,
                                     bool final, struct pf_buf *lines)
{
    struct pf_span random = {hs->client_random, PF_RANDOM_LEN};
    struct pf_span id;
    struct pf_span ticket;
    enum pf_status st = PF_OK;
    names_of(hs, &id, &ticket);
    hs->origin_published = true;
    st = tell(hs, src, final, PF_SESSION_ID, id, hs->known_packet);
    if (st == PF_OK) {
        st = tell(hs, src, final, PF_SESSION_TICKET, ticket, hs->known_packet);
    }
    if (st == PF_OK && hs->search.proved && src->learn != NULL) {
        st = tell(hs, src, true, PF_SESSION_CLIENT_RANDOM, random, hs->known_packet);
    }
    st = st == PF_OK ? log_secret(hs, id, lines) : st;
    return st == PF_OK ? log_ticket(hs, ticket, lines) : st;
}

enum pf_status pf_secret_publish(struct pf_handshake *hs, const struct pf_secret_sources *src,
                                 bool final, struct pf_buf *lines)
{
    if (hs->version == PF_VERSION_TLS13 || hs->suite == NULL) {
        return PF_OK;
    }
    final |= hs->known_packet == UINT64_MAX; /* its last byte came out when the flow had ended */
    if (!hs->origin_published) {
        enum pf_status st = publish_origin(hs, src, final, lines);
        if (st != PF_OK) {
            return st;
        }
    }
    if (hs->new_ticket.len == 0) {
        return PF_OK;
    }
    struct pf_span ticket = {hs->new_ticket.ptr, hs->new_ticket.len};
    enum pf_status st = tell(hs, src, final, PF_SESSION_TICKET, ticket, hs->ticket_packet);
    st = st == PF_OK ? log_ticket(hs, ticket, lines) : st;
    pf_buf_fini(&hs->new_ticket);
    return st;
}
