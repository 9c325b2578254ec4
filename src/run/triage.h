// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what each connection contributes to the table at the end of `handshakes`, and the table:
 *          flows and bytes by key exchange and by what would open them, the private keys worth
 *          looking for.
 * Owns:    the counts, and one row per private key.
 * Threads: one: the connections are added in their order, by whoever merges them.
 * Errors:  PF_ERR_NOMEM; PF_ERR_LIMIT for a table that does not fit a text.
 * Limits:  PF_TRIAGE_KEYS rows; flows that need another key are counted together. The table shows
 *          the first PF_TRIAGE_SHOWN.
 */
#ifndef PF_RUN_TRIAGE_H
#define PF_RUN_TRIAGE_H

#include "base/buf.h"
#include "base/status.h"
#include "tls/cert.h"
#include "tls/suite.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_TRIAGE_KEYS = 1 << 16, PF_TRIAGE_SHOWN = 1000 };

/* X(NAME, name, what would open it, for people) */
#define PF_NEED_LIST(X)                                                                            \
    X(NOTHING, opened, "opened by what was given")                                                 \
    X(RSA_KEY, rsa_key, "an RSA private key (or a key log)")                                       \
    X(KEYLOG, keylog, "a key log")                                                                 \
    X(PSK, psk, "the pre-shared key (or a key log)")                                               \
    X(CAPTURE, other_capture, "the capture with the full handshake (or a key log)")                \
    X(HANDSHAKE, not_captured, "nothing: the handshake is not in this capture")                    \
    X(FAILED, failed, "nothing to open: the handshake failed, or did not end")                                     \
    X(UNSUPPORTED, unsupported, "not supported")                                                   \
    X(LIMIT, limit, "more memory: given up at the limit")

enum pf_need {
#define X(NAME, name, text) PF_NEED_##NAME,
    PF_NEED_LIST(X)
#undef X
        PF_NEED_COUNT
};

const char *pf_need_name(enum pf_need need);

/* One connection. Plain data: it stands before the connection's text in the spool. */
struct pf_triage_row {
    uint64_t bytes; /* of TCP payload */
    uint8_t need;   /* enum pf_need */
    uint8_t kx;     /* enum pf_kx; PF_KX_NULL: not known */
    bool has_spki;
    uint8_t spki[PF_SPKI_LEN]; /* of the private key that it needs */
    char subject[PF_CERT_NAME];
};

struct pf_triage;

PF_MUST_USE enum pf_status pf_triage_new(struct pf_triage **out);
void pf_triage_free(struct pf_triage *t);
PF_MUST_USE enum pf_status pf_triage_add(struct pf_triage *t, const struct pf_triage_row *row);

/* Appends the table, or {"triage":...} and a newline. */
PF_MUST_USE enum pf_status pf_triage_write(struct pf_triage *t, bool json, struct pf_buf *out);

#endif
