// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what is said of a flow: its status, the reason, and what opened it. Closed lists, the
 *          contract with those who read flows.jsonl.
 * Owns:    nothing.
 * Threads: constants.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_BASE_VERDICT_H
#define PF_BASE_VERDICT_H

/* X(NAME, name, one line for people) */
#define PF_FLOW_STATUS_LIST(X)                                                                     \
    X(DECRYPTED, decrypted, "everything that was captured was decrypted")                          \
    X(PARTIAL, partial, "decrypted, with parts missing")                                           \
    X(LOCKED, locked, "nothing was decrypted")

#define PF_REASON_LIST(X)                                                                          \
    X(NO_PRIVATE_KEY, no_private_key, "RSA key exchange, and no given key is the server's")        \
    X(NO_SESSION_SECRET, no_session_secret, "forward-secret, and not in a key log")                \
    X(SESSION_NOT_SEEN, session_not_seen, "resumed, and its full handshake was not captured")      \
    X(NO_HANDSHAKE, no_handshake, "the capture starts in mid-connection")                          \
    X(HANDSHAKE_CUT, handshake_cut, "packets of the handshake are missing")                        \
    X(HANDSHAKE_FAILED, handshake_failed, "client and server did not agree")                       \
    X(KEY_REJECTED, key_rejected, "the key tied to this server does not fit")                      \
    X(UNSUPPORTED_SUITE, unsupported_suite, "a cipher suite that is not opened")                   \
    X(UNSUPPORTED_PROTOCOL, unsupported_protocol, "SSL 2.0, DTLS or QUIC")                         \
    X(BYTES_MISSING, bytes_missing, "packets were lost in the capture")                            \
    X(RECORD_REJECTED, record_rejected, "a record's tag or MAC did not verify")                    \
    X(LIMIT_REACHED, limit_reached, "given up at a memory limit")

#define PF_OPENED_BY_LIST(X)                                                                       \
    X(RSA_KEY, rsa_key)                                                                            \
    X(KEYLOG, keylog)                                                                              \
    X(DSB, dsb)                                                                                    \
    X(SESSION, session)                                                                            \
    X(PSK, psk)

enum pf_flow_status {
#define X(NAME, name, text) PF_FLOW_##NAME,
    PF_FLOW_STATUS_LIST(X)
#undef X
        PF_FLOW_STATUS_COUNT
};

enum pf_reason {
    PF_REASON_NONE = 0,
#define X(NAME, name, text) PF_REASON_##NAME,
    PF_REASON_LIST(X)
#undef X
        PF_REASON_COUNT
};

enum pf_opened_by {
    PF_OPENED_BY_NONE = 0,
#define X(NAME, name) PF_OPENED_BY_##NAME,
    PF_OPENED_BY_LIST(X)
#undef X
        PF_OPENED_BY_COUNT
};

#endif
