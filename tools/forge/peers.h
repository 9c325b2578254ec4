// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a TLS client and a TLS server of libssl in this process, and the bytes between them.
 * Owns:    a profile the two SSL_CTX of one suite and the session to resume; peers the two SSL
 *          and the pipes between them.
 * Threads: -
 * Errors:  what libssl refuses ends the program with its reason.
 * Limits:  a pipe grows to what is written before it is sent.
 */
#ifndef FORGE_PEERS_H
#define FORGE_PEERS_H

#include "base/pkt.h"
#include "forge/common.h"
#include "forge/keys.h"
#include "forge/options.h"
#include "forge/suites.h"

#include <openssl/ssl.h>
#include <stdio.h>

struct forge_identities {
    struct forge_key rsa;
    struct forge_key ec;     /* only when a suite signs with ECDSA */
    struct forge_key client; /* only with --client-cert */
};

struct forge_profile {
    struct forge_suite suite;
    SSL_CTX *client;
    SSL_CTX *server;
    uint8_t *session; /* the newest one that can be resumed, in DER, or NULL */
    size_t session_len;
    const char *psk;
    FILE *keylog;
    bool used; /* a flow of it was started */
};

/* Bytes of one direction: [0, sent) are on the wire, [0, taken) the receiver has read. */
struct forge_pipe {
    uint8_t *ptr;
    size_t cap;
    size_t len;
    size_t sent;
    size_t taken;
    bool unread; /* the receiver does not read any more: bytes only go to the wire */
};

struct forge_tap {
    struct forge_pipe *in;
    struct forge_pipe *out;
};

/* Not to be moved: the taps point into it. */
struct forge_peers {
    SSL *client;
    SSL *server;
    struct forge_pipe pipe[FORGE_DIRS];
    struct forge_tap tap[FORGE_DIRS]; /* of client, server */
};

BIO_METHOD *forge_pipe_method(void);

void forge_profile_init(struct forge_profile *p, const struct forge_options *o,
                        const struct forge_suite *suite, const struct forge_identities *ids,
                        FILE *keylog);
void forge_profile_fini(struct forge_profile *p);

void forge_peers_init(struct forge_peers *peers, struct forge_profile *p, BIO_METHOD *method,
                      bool resume);
void forge_peers_fini(struct forge_peers *peers);

/* One step of the handshake of one end: true when that end is done. */
bool forge_peers_shake(SSL *end);

/* What one end can read now, 0 if nothing; also lets it handle tickets, key updates. */
size_t forge_peers_read(SSL *end, void *dst, size_t cap);
void forge_peers_write(SSL *end, const uint8_t *src, size_t len);

/* After `sent` was raised: forgets what nobody needs. */
void forge_pipe_settle(struct forge_pipe *p);

#endif
