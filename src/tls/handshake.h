// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the facts of one handshake, gathered from its messages: facts, not states, because a
 *          passive reader sees two streams whose mutual order it does not know.
 * Owns:    copies of what it needs of the messages, until the master secret is known.
 * Threads: one owner.
 * Errors:  PF_BLOCKED: the message needs a fact that the other direction has not brought yet: give
 *          it again later; PF_ERR_MALFORMED; PF_ERR_LIMIT; PF_ERR_NOMEM.
 * Limits:  PF_TRANSCRIPT_MAX bytes of messages are kept per direction; behind that an extended
 *          master secret (RFC 7627) cannot be computed.
 */
#ifndef PF_TLS_HANDSHAKE_H
#define PF_TLS_HANDSHAKE_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"
#include "tls/cert.h"
#include "tls/keys.h"
#include "tls/suite.h"
#include "tls/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_TRANSCRIPT_MAX = 256 * 1024, PF_NAME_MAX = 255, PF_TICKET_MAX = 1 << 16 };

enum {
    PF_FACT_CLIENT_HELLO = 1 << 0,
    PF_FACT_SERVER_HELLO = 1 << 1,
    PF_FACT_CERTIFICATE = 1 << 2,         /* the server's */
    PF_FACT_SERVER_KEY_EXCHANGE = 1 << 3, /* with RSA: an export suite's short-lived key */
    PF_FACT_SERVER_DONE = 1 << 4,
    PF_FACT_CLIENT_KEY_EXCHANGE = 1 << 5,
    PF_FACT_SERVER_CCS = 1 << 6,
    PF_FACT_CLIENT_CCS = 1 << 7,
    PF_FACT_NEW_TICKET = 1 << 8,
    PF_FACT_TRANSCRIPT_LOST = 1 << 9, /* longer than is kept */
    PF_FACT_HELLO_RETRY = 1 << 10,
    PF_FACT_EARLY_DATA = 1 << 11 /* the client offered it */
};

/* Where the search for the secret stands; see secrets.h. */
struct pf_secret_search {
    uint8_t source;                /* enum pf_secret_source */
    uint8_t pending;               /* enum pf_secret_pending */
    uint8_t opened_by;             /* enum pf_opened_by of the present candidate */
    bool found;                    /* master holds the present candidate */
    bool proved;                   /* a record was opened with it */
    bool origin_locked;            /* resumed: the full handshake was seen, but not opened */
    bool early;                    /* a session was taken before all that may be there were */
    unsigned nth;                  /* candidate of the present source */
    unsigned generation;           /* goes up with every candidate that was dropped */
    uint8_t key_spki[PF_SPKI_LEN]; /* of the RSA key behind the candidate; zero if none */
    bool key_bound_failed;         /* a key was tied to the server and did not fit */
    uint64_t origin_packet;        /* resumed: flow_packet of the full handshake; 0: not known */
};

struct pf_handshake {
    uint32_t facts;
    uint16_t version; /* negotiated; 0 until ServerHello */
    uint16_t suite_id;
    uint8_t compression;
    uint8_t draft;  /* of TLS 1.3; 0: the RFC */
    uint32_t blind; /* the hellos, of the facts, that were not captured: see tls/blind.c */
    bool extended_master;
    bool encrypt_then_mac;
    bool origin_published;
    const struct pf_suite *suite; /* NULL: not in the table */
    uint8_t client_random[PF_RANDOM_LEN];
    uint8_t server_random[PF_RANDOM_LEN];
    uint8_t offered_id[PF_SESSION_ID_MAX];
    uint8_t session_id[PF_SESSION_ID_MAX]; /* the server's */
    uint8_t offered_id_len;
    uint8_t session_id_len;
    uint8_t server_name_len;
    uint8_t next_protocol_len;
    char *server_name; /* blocks of the budget's heap; NULL: none */
    char *next_protocol;
    uint8_t cert_spki[PF_SPKI_LEN];
    uint64_t client_packet; /* with which the ClientHello was complete */
    uint64_t flow_packet;   /* names the flow; 0: nobody asks */
    uint64_t known_packet;  /* the highest packet that brought a fact: see tls/session.h */
    uint64_t ticket_packet;
    struct pf_buf offered_ticket;
    struct pf_buf new_ticket;
    struct pf_buf certificate;   /* the server's, DER */
    struct pf_buf encrypted;     /* EncryptedPreMasterSecret */
    struct pf_buf transcript[3]; /* ClientHello; server's flight; client's flight */
    struct pf_master master;
    struct pf_secret_search search;
};

void pf_handshake_init(struct pf_handshake *hs, struct pf_budget *budget);
void pf_handshake_fini(struct pf_handshake *hs);

/* Lets go of what is only needed to find the secret. */
void pf_handshake_settle(struct pf_handshake *hs);

/*
 * One whole message with its 4-byte header, from the given sender; packet: that completed it.
 * A message that has no row in the rule table is taken into the transcript and that is all.
 */
PF_MUST_USE enum pf_status pf_handshake_message(struct pf_handshake *hs, enum pf_dir from,
                                                struct pf_span message, uint64_t packet);

/* A ClientHello in SSLv2 framing, from its msg_type byte on. */
PF_MUST_USE enum pf_status pf_handshake_sslv2_hello(struct pf_handshake *hs, struct pf_span record,
                                                    uint64_t packet);

/* A resumed flow may use a session that became known up to so many packets after its ClientHello:
 * captures are a little out of order. */
enum { PF_SESSION_SLACK = 8192 };

/* Up to which packet a session must have become known that this handshake resumes. */
static inline uint64_t pf_handshake_session_packet(const struct pf_handshake *hs)
{
    uint64_t room = UINT64_MAX - hs->client_packet;
    return hs->client_packet + (room < PF_SESSION_SLACK ? room : PF_SESSION_SLACK);
}

/* Something of this handshake was learnt from this packet. */
static inline void pf_handshake_saw(struct pf_handshake *hs, uint64_t packet)
{
    hs->known_packet = packet > hs->known_packet ? packet : hs->known_packet;
}

static inline bool pf_handshake_has(const struct pf_handshake *hs, uint32_t facts)
{
    return (hs->facts & facts) == facts;
}

#endif
