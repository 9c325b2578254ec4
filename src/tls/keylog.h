// SPDX-License-Identifier: Apache-2.0
/*
 * What:    key logs: NSS key log lines (RFC 9850, Wireshark's older ones, and our own for tickets)
 *          -> secrets, by client random, session id, ticket or encrypted pre-master secret.
 * Owns:    the secrets; wiped when freed.
 * Threads: loaded by one thread before the others start; immutable after.
 * Errors:  a line that is no key log line is counted and passed over; a file that cannot be read is
 *          PF_ERR_USAGE and is named.
 * Limits:  memory is bounded by max_bytes, what comes behind it is dropped and counted; a line
 * longer than 4 KiB is passed over, and a secret longer than PF_SECRET_MAX, or PF_PRE_MASTER_MAX
 * for a pre-master secret.
 */
#ifndef PF_TLS_KEYLOG_H
#define PF_TLS_KEYLOG_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/keys.h"
#include "tls/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enum, label): what follows the label is the client random, then the secret. */
#define PF_KEYLOG_LABELS(X)                                                                        \
    X(MASTER, "CLIENT_RANDOM")                                                                     \
    X(PRE_MASTER, "PMS_CLIENT_RANDOM")                                                             \
    X(CLIENT_EARLY, "CLIENT_EARLY_TRAFFIC_SECRET")                                                 \
    X(CLIENT_HANDSHAKE, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")                                         \
    X(SERVER_HANDSHAKE, "SERVER_HANDSHAKE_TRAFFIC_SECRET")                                         \
    X(CLIENT_TRAFFIC, "CLIENT_TRAFFIC_SECRET_0")                                                   \
    X(SERVER_TRAFFIC, "SERVER_TRAFFIC_SECRET_0")

enum {
    PF_KEYLOG_SAME_MAX = 8,   /* different secrets of one label and client random */
    PF_PRE_MASTER_MAX = 1024, /* bytes: DHE groups of 8,192 bits */
    PF_KEYLOG_LINE_MAX = 256  /* of a line that pf_keylog_format writes, with its final NUL */
};

enum pf_keylog_label {
#define X(name, label) PF_KEYLOG_##name,
    PF_KEYLOG_LABELS(X)
#undef X
        PF_KEYLOG_LABEL_COUNT
};

struct pf_keylog;

PF_MUST_USE enum pf_status pf_keylog_new(size_t max_bytes, struct pf_keylog **out);
void pf_keylog_free(struct pf_keylog *log);

/* Adds a file. Read in pieces, so that a 1 GB log needs no more memory than its secrets. What stood
 * before a failure is kept. */
PF_MUST_USE enum pf_status pf_keylog_add_file(struct pf_keylog *log, const char *path,
                                              struct pf_error *err);

/* Adds text, as from a Decryption Secrets Block; text need not end in a newline. */
PF_MUST_USE enum pf_status pf_keylog_add_text(struct pf_keylog *log, struct pf_span text);

/* Ends the adding: wipes and gives back what only reading needs. */
void pf_keylog_freeze(struct pf_keylog *log);

struct pf_keylog_counts {
    uint64_t lines;   /* all of them, comments and empty ones too */
    uint64_t secrets; /* kept; the same line again counts once */
    uint64_t foreign; /* unknown labels, malformed lines */
    uint64_t dropped; /* good ones for which there was no room (max_bytes, PF_KEYLOG_SAME_MAX) */
};

struct pf_keylog_counts pf_keylog_counts(const struct pf_keylog *log);

/* The secret logged under label for this client random. When several differ, `nth` goes through
 * them (0, 1 …; in file order); false when there is no nth one. */
bool pf_keylog_find(const struct pf_keylog *log, enum pf_keylog_label label,
                    const uint8_t client_random[PF_RANDOM_LEN], unsigned nth,
                    struct pf_secret *out);

/* Goes through the log in file order: line i of pf_keylog_size. False: of another form than label,
 * client random, secret. */
size_t pf_keylog_size(const struct pf_keylog *log);
PF_MUST_USE bool pf_keylog_line(const struct pf_keylog *log, size_t i, enum pf_keylog_label *label,
                                uint8_t client_random[PF_RANDOM_LEN], struct pf_secret *out);

/* How many different secrets are logged under label for this client random. */
unsigned pf_keylog_count(const struct pf_keylog *log, enum pf_keylog_label label,
                         const uint8_t client_random[PF_RANDOM_LEN]);

/* As pf_keylog_find for PF_KEYLOG_PRE_MASTER, whose secrets may be longer than a struct pf_secret
 * holds: *out is borrowed from the log. */
bool pf_keylog_find_pre_master(const struct pf_keylog *log,
                               const uint8_t client_random[PF_RANDOM_LEN], unsigned nth,
                               struct pf_span *out);

/* "RSA Session-ID:… Master-Key:…" lines: the master secret of a session id. */
bool pf_keylog_find_session(const struct pf_keylog *log, struct pf_span session_id,
                            struct pf_secret *out);

/*
 * "PF_TICKET <SHA-256 of the ticket> <master>" lines, our own: the master secret of the session
 * that a ticket (RFC 5077) resumes, so that runs and machines can share it. The digest stands for
 * the ticket, which may be 64 KiB long. Nothing else is needed: version, suite and randoms are
 * those of the resumed handshake, and whether the full one had an extended master secret (RFC 7627)
 * is in the value of the secret. Others pass over lines whose label they do not know (RFC 9850
 * section 2).
 */
bool pf_keylog_find_ticket(const struct pf_keylog *log, struct pf_span ticket,
                           struct pf_secret *out);

/* "RSA <first 8 bytes of the encrypted pre-master secret> <pre-master>" lines. */
bool pf_keylog_find_encrypted(const struct pf_keylog *log, struct pf_span encrypted,
                              struct pf_secret *out);

/* Writes the line of a secret, newline and final NUL included, hex in lower case (RFC 9850 section
 * 2). Returns its length without the NUL; 0 when it does not fit into cap. */
PF_MUST_USE size_t pf_keylog_format(enum pf_keylog_label label,
                                    const uint8_t client_random[PF_RANDOM_LEN],
                                    const struct pf_secret *secret, char *out, size_t cap);

/* As pf_keylog_format: the "RSA Session-ID:..." line, the "PF_TICKET" line. */
PF_MUST_USE size_t pf_keylog_format_session(struct pf_span session_id,
                                            const struct pf_master *master, char *out, size_t cap);
PF_MUST_USE size_t pf_keylog_format_ticket(struct pf_span ticket, const struct pf_master *master,
                                           char *out, size_t cap);

#endif
