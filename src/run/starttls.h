// SPDX-License-Identifier: Apache-2.0
/*
 * What:    protocols that turn to TLS later than with their first byte: known by what either end
 *          sends first; and the place in such a stream where TLS begins.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_RUN_STARTTLS_H
#define PF_RUN_STARTTLS_H

#include "base/pkt.h"
#include "tls/hsmsg.h"

#include <stdbool.h>
#include <stddef.h>

/* X(enum, name in flows.jsonl) */
#define PF_STARTTLS_LIST(X)                                                                        \
    X(SMTP, "smtp")                                                                                \
    X(FTP, "ftp")                                                                                  \
    X(IMAP, "imap")                                                                                \
    X(POP3, "pop3")                                                                                \
    X(NNTP, "nntp")                                                                                \
    X(XMPP, "xmpp")                                                                                \
    X(IRC, "irc")                                                                                  \
    X(SIEVE, "sieve")                                                                              \
    X(LDAP, "ldap")                                                                                \
    X(POSTGRESQL, "postgresql")                                                                    \
    X(MYSQL, "mysql")                                                                              \
    X(RDP, "rdp")                                                                                  \
    X(SOCKS4, "socks4")                                                                            \
    X(SOCKS5, "socks5")                                                                            \
    X(CONNECT, "http_connect")                                                                     \
    X(PROXY, "proxy_protocol")

enum pf_starttls {
    PF_STARTTLS_NONE,
#define X(NAME, name) PF_STARTTLS_##NAME,
    PF_STARTTLS_LIST(X)
#undef X
};

/* NULL for _NONE. */
const char *pf_starttls_name(enum pf_starttls p);

enum pf_begins {
    PF_BEGINS_NO,
    PF_BEGINS_MORE, /* too few bytes to say; 64 are always enough */
    PF_BEGINS_YES
};

/* What either end sends first: is it one of these protocols? */
enum pf_begins pf_starttls_begins(struct pf_span first, enum pf_starttls *protocol);

/* What TLS began behind, by all that both ends sent before it. */
enum pf_starttls pf_starttls_protocol(struct pf_span client, struct pf_span server);

/*
 * Looks for a hello from offset *at on. True: *at is where it begins, *looks says whose it is.
 * False: *at is where to go on once there are more bytes.
 */
bool pf_starttls_find(struct pf_span bytes, size_t *at, enum pf_looks *looks);

#endif
