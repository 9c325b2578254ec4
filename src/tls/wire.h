// SPDX-License-Identifier: Apache-2.0
/*
 * What:    TLS wire constants (RFC 5246, 8446 and the IANA registries), with their names in wire.c.
 * Owns:    nothing.
 * Threads: constants.
 * Errors:  -
 * Limits:  only what plainflow looks at.
 */
#ifndef PF_TLS_WIRE_H
#define PF_TLS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PF_VERSION_SSL2 = 0x0002,
    PF_VERSION_SSL3 = 0x0300,
    PF_VERSION_TLS10 = 0x0301,
    PF_VERSION_TLS11 = 0x0302,
    PF_VERSION_TLS12 = 0x0303,
    PF_VERSION_TLS13 = 0x0304,
    PF_VERSION_TLS13_DRAFT = 0x7f00, /* 0x7f12 is draft 18 */
    PF_VERSION_TLS13_FIZZ = 0xfb00   /* 0xfb1a: draft 26, as Facebook's clients and servers say it */
};

/* RFC 8446 section 5.1; heartbeat RFC 6520. */
enum pf_content_type {
    PF_CT_CHANGE_CIPHER_SPEC = 20,
    PF_CT_ALERT = 21,
    PF_CT_HANDSHAKE = 22,
    PF_CT_APPLICATION_DATA = 23,
    PF_CT_HEARTBEAT = 24
};

enum pf_hs_type {
    PF_HS_HELLO_REQUEST = 0,
    PF_HS_CLIENT_HELLO = 1,
    PF_HS_SERVER_HELLO = 2,
    PF_HS_NEW_SESSION_TICKET = 4,
    PF_HS_END_OF_EARLY_DATA = 5,
    PF_HS_HELLO_RETRY_REQUEST = 6, /* drafts before 22 */
    PF_HS_ENCRYPTED_EXTENSIONS = 8,
    PF_HS_CERTIFICATE = 11,
    PF_HS_SERVER_KEY_EXCHANGE = 12,
    PF_HS_CERTIFICATE_REQUEST = 13,
    PF_HS_SERVER_HELLO_DONE = 14,
    PF_HS_CERTIFICATE_VERIFY = 15,
    PF_HS_CLIENT_KEY_EXCHANGE = 16,
    PF_HS_FINISHED = 20,
    PF_HS_CERTIFICATE_URL = 21,
    PF_HS_CERTIFICATE_STATUS = 22,
    PF_HS_KEY_UPDATE = 24,
    PF_HS_COMPRESSED_CERTIFICATE = 25,
    PF_HS_NEXT_PROTOCOL = 67
};

enum {
    PF_RECORD_HEADER_LEN = 5,
    PF_PLAINTEXT_MAX = 1 << 14,           /* RFC 5246 section 6.2.1 */
    PF_RECORD_MAX = (1 << 14) + 2048,     /* RFC 5246 section 6.2.3: the body */
    PF_RECORD_MAX_TLS13 = (1 << 14) + 256, /* RFC 8446 section 5.2 */
    PF_RANDOM_LEN = 32,
    PF_MASTER_LEN = 48,
    PF_SESSION_ID_MAX = 32,
    PF_SECRET_MAX = 64, /* a TLS 1.3 secret: the hash's length, SHA-384 at most; room for SHA-512 */
    PF_BLOCK_MAX = 16,
    PF_DIGEST_MAX = 64
};

/* A draft of TLS 1.3; its number is the low byte. */
bool pf_version_is_draft(uint16_t version);

/* "TLSv12" and so on, as in flows.jsonl; NULL for a version that has no name there. */
const char *pf_version_name(uint16_t version);

/* "handshake_failure" and so on; "unknown" otherwise. */
const char *pf_alert_name(uint8_t description);

/* "client_hello" and so on; "unknown" otherwise. */
const char *pf_hs_name(uint8_t hs_type);

#endif
