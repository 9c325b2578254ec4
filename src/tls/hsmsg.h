// SPDX-License-Identifier: Apache-2.0
/*
 * What:    handshake message bodies -> structs of spans. One parser per message, all pure.
 * Owns:    nothing; every span lies in the input.
 * Threads: pure.
 * Errors:  PF_ERR_MALFORMED when the bytes do not fit their schema; *out is then undefined.
 * Limits:  extensions: the first PF_EXTENSIONS_MAX are looked at (a hello of 64 KiB could hold
 * 16K).
 *
 * "Body" is what follows the 4-byte handshake header. Extension blocks that are damaged behind a
 * good one: MALFORMED as well; a passive reader gains nothing from guessing. An extension of a
 * ClientHello whose frame is whole and whose contents do not fit counts as not there (the server
 * may not care for it); in what a server answers it is MALFORMED. Of one that comes twice the first
 * counts.
 */
#ifndef PF_TLS_HSMSG_H
#define PF_TLS_HSMSG_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_EXTENSIONS_MAX = 1024 };

struct pf_client_hello {
    uint16_t version; /* legacy_version */
    uint8_t
        random[PF_RANDOM_LEN]; /* SSLv2-framed: the challenge, right-aligned (RFC 5246 app. E.2) */
    struct pf_span session_id;
    struct pf_span suites; /* list of u16; SSLv2-framed: of u24 */
    struct pf_span compressions;
    struct pf_span extensions;         /* the whole block, without its length; empty if absent */
    struct pf_span server_name;        /* RFC 6066: the first host_name */
    struct pf_span alpn;               /* RFC 7301: ProtocolNameList without its length */
    struct pf_span ticket;             /* RFC 5077: contents of session_ticket, may be empty */
    struct pf_span supported_versions; /* list of u16 */
    struct pf_span supported_groups;   /* list of u16 */
    struct pf_span psk_identity;       /* RFC 8446 4.2.11: the first identity */
    uint16_t record_size_limit;        /* RFC 8449; 0: not offered */
    uint8_t max_fragment_length;       /* RFC 6066 code 1-4; 0: not offered */
    bool has_ticket;                   /* the extension was there, even if empty */
    bool extended_master;              /* RFC 7627 */
    bool encrypt_then_mac;             /* RFC 7366 */
    bool early_data;
    bool ech;   /* RFC 9849 (draft) encrypted_client_hello: this is the outer hello */
    bool sslv2; /* came in SSLv2 framing */
};

PF_MUST_USE enum pf_status pf_hs_client_hello(struct pf_span body, struct pf_client_hello *out);

/* An SSLv2-framed CLIENT-HELLO (RFC 5246 appendix E.2): record = from its msg_type byte on. */
PF_MUST_USE enum pf_status pf_hs_sslv2_client_hello(struct pf_span record,
                                                    struct pf_client_hello *out);

struct pf_server_hello {
    uint16_t version; /* what was negotiated: supported_versions' selection if there */
    uint16_t legacy_version;
    uint8_t random[PF_RANDOM_LEN];
    struct pf_span session_id;
    struct pf_span extensions;
    struct pf_span alpn; /* the one protocol that was chosen */
    uint16_t suite;
    uint16_t key_share_group; /* 0: none */
    uint16_t record_size_limit;
    uint8_t compression;
    uint8_t max_fragment_length;
    bool ticket_promised; /* RFC 5077: the server will send NewSessionTicket */
    bool extended_master;
    bool encrypt_then_mac;
    bool psk_selected;
    bool hello_retry; /* RFC 8446 4.1.4: the special random, or message type 6 of the drafts */
};

/* Also the forms of the TLS 1.3 drafts before 22 (version 0x7fNN in the version field; no session
 * id, no compression), and their HelloRetryRequest, which has no random. */
PF_MUST_USE enum pf_status pf_hs_server_hello(struct pf_span body, struct pf_server_hello *out);

/* EncryptedExtensions (TLS 1.3): alpn, limits. */
struct pf_encrypted_extensions {
    struct pf_span alpn;
    uint16_t record_size_limit;
    bool early_data;
};

PF_MUST_USE enum pf_status pf_hs_encrypted_extensions(struct pf_span body,
                                                      struct pf_encrypted_extensions *out);

/*
 * Certificate: the end-entity certificate's DER, the first of the list. An empty list (a client
 * without a certificate) is PF_OK with an empty span.
 */
PF_MUST_USE enum pf_status pf_hs_certificate(struct pf_span body, bool tls13, struct pf_span *leaf);

/* One after the other: the chain as captured. pos starts as 0. PF_END behind the last. */
PF_MUST_USE enum pf_status pf_hs_certificate_at(struct pf_span body, bool tls13, size_t *pos,
                                                struct pf_span *der);

/* ClientKeyExchange of RSA (and RSA_PSK, behind its identity): the encrypted pre-master secret.
 * SSL 3.0 has no length in front (RFC 6101 5.6.7.1); some old TLS peers left it out as well. */
PF_MUST_USE enum pf_status pf_hs_client_key_exchange_rsa(struct pf_span body, uint16_t version,
                                                         struct pf_span *encrypted);

/* NewSessionTicket (RFC 5077 section 3.3). */
PF_MUST_USE enum pf_status pf_hs_new_session_ticket(struct pf_span body, uint32_t *lifetime_s,
                                                    struct pf_span *ticket);

/*
 * Looks at the first bytes of a stream (or of a segment) and says what they could begin.
 * PF_LOOKS_MORE: too few bytes to say; 13 are always enough. More bytes never change another
 * answer. For PF_LOOKS_RECORD the header is plausible and that is all. A hello may be cut into
 * records of one byte: then its type is all that is asked for.
 */
enum pf_looks {
    PF_LOOKS_OTHER,
    PF_LOOKS_MORE,
    PF_LOOKS_CLIENT_HELLO, /* also SSLv2-framed */
    PF_LOOKS_SERVER_HELLO,
    PF_LOOKS_RECORD, /* a TLS record header of another kind: the middle of a connection */
    PF_LOOKS_SSL2    /* an SSL 2.0 hello that offers nothing newer, or a server's answer to one */
};

enum pf_looks pf_hs_looks_like(struct pf_span bytes);

#endif
