// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a TLS 1.3 conversation of libssl with itself, in memory: what each side sent, and the
 *          key log. Every run has other keys; the lengths are always the same.
 * Owns:    what struct ssltalk holds, for good.
 * Threads: one: the key log goes through a static.
 * Errors:  abort().
 * Limits:  64 KiB per direction.
 */
#ifndef PF_TESTS_SSLTALK_H
#define PF_TESTS_SSLTALK_H

#include "support/pki.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { SSLTALK_WIRE = 64 * 1024, SSLTALK_LOG = 8192 };

struct ssltalk {
    uint8_t wire[2][SSLTALK_WIRE]; /* client's, server's */
    size_t len[2];
    char log[SSLTALK_LOG];
    size_t log_len;
};

struct ssltalk_options {
    const char *suite;
    bool retry;      /* the server asks for another group */
    bool early_data; /* resumed, with words before the ServerHello */
};

/* One connection on its way. */
struct ssltalk_pair {
    struct ssltalk *t;
    SSL *end[2];
};

static struct ssltalk *ssltalk_logged;

static inline void ssltalk_on_line(const SSL *ssl, const char *line)
{
    struct ssltalk *t = ssltalk_logged;
    (void)ssl;
    int n = snprintf(t->log + t->log_len, sizeof t->log - t->log_len, "%s\n", line);
    pki_check(n > 0 && (size_t)n < sizeof t->log - t->log_len, "room for the key log");
    t->log_len += (size_t)n;
}

static inline SSL_CTX *ssltalk_ctx(const SSL_METHOD *method, const struct ssltalk_options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    pki_check(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set_ciphersuites(ctx, o->suite) == 1 &&
                  SSL_CTX_set_max_early_data(ctx, SSLTALK_WIRE) == 1,
              "SSL_CTX");
    SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY);
    return ctx;
}

/* What one end has to say goes to the other, and is written down. */
static inline void ssltalk_carry(struct ssltalk_pair *p)
{
    for (int d = 0; d < 2; d++) {
        size_t *len = &p->t->len[d];
        int n = BIO_read(SSL_get_wbio(p->end[d]), p->t->wire[d] + *len, (int)(SSLTALK_WIRE - *len));
        if (n > 0) {
            pki_check(BIO_write(SSL_get_rbio(p->end[1 - d]), p->t->wire[d] + *len, n) == n,
                      "carry");
            *len += (size_t)n;
        }
    }
}

static inline void ssltalk_say(struct ssltalk_pair *p, int d, const char *words)
{
    char heard[256];
    size_t n = strlen(words);
    pki_check(SSL_write(p->end[d], words, (int)n) == (int)n, "SSL_write");
    ssltalk_carry(p);
    pki_check(SSL_read(p->end[1 - d], heard, sizeof heard) == (int)n, "SSL_read");
    ssltalk_carry(p);
}

static inline void ssltalk_update(struct ssltalk_pair *p, int d, int kind)
{
    pki_check(SSL_key_update(p->end[d], kind) == 1 && SSL_do_handshake(p->end[d]) == 1, "update");
    ssltalk_carry(p);
}

static inline void ssltalk_early(struct ssltalk_pair *p)
{
    char heard[256];
    size_t n;
    pki_check(SSL_write_early_data(p->end[0], "words before the hello", 22, &n) == 1, "early data");
    ssltalk_carry(p);
    pki_check(SSL_read_early_data(p->end[1], heard, sizeof heard, &n) ==
                      SSL_READ_EARLY_DATA_SUCCESS &&
                  n == 22,
              "early data is read");
    ssltalk_carry(p);
}

static inline void ssltalk_connect(struct ssltalk_pair *p, bool early)
{
    char heard[256];
    size_t n;
    bool open = early; /* the server still reads early data */
    for (int i = 0; i < 20; i++) {
        (void)SSL_do_handshake(p->end[0]);
        ssltalk_carry(p);
        if (open) {
            open = SSL_read_early_data(p->end[1], heard, sizeof heard, &n) !=
                   SSL_READ_EARLY_DATA_FINISH;
        } else {
            (void)SSL_do_handshake(p->end[1]);
        }
        ssltalk_carry(p);
    }
    pki_check(SSL_is_init_finished(p->end[0]) && SSL_is_init_finished(p->end[1]), "handshake");
}

/* From the first byte to close_notify; returns the session. */
static inline SSL_SESSION *ssltalk_hold(struct ssltalk *t, SSL_CTX *client, SSL_CTX *server,
                                        const struct ssltalk_options *o, SSL_SESSION *session)
{
    static const char *const words[] = {"some words", "of a conversation that goes on and on",
                                        "with records of many lengths", "a"};
    struct ssltalk_pair p = {.t = t, .end = {SSL_new(client), SSL_new(server)}};
    *t = (struct ssltalk){.log_len = 0};
    ssltalk_logged = t;
    for (int d = 0; d < 2; d++) {
        pki_check(p.end[d] != NULL, "SSL_new");
        SSL_set_bio(p.end[d], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        BIO_set_mem_eof_return(SSL_get_rbio(p.end[d]), -1);
    }
    SSL_set_connect_state(p.end[0]);
    SSL_set_accept_state(p.end[1]);
    pki_check(SSL_set1_groups_list(p.end[0], "X25519:P-256") == 1 &&
                  SSL_set1_groups_list(p.end[1], o->retry ? "P-256" : "X25519") == 1,
              "groups");
    if (session != NULL) {
        pki_check(SSL_set_session(p.end[0], session) == 1, "SSL_set_session");
        ssltalk_early(&p);
    }
    ssltalk_connect(&p, session != NULL);
    for (int i = 0; i < 24; i++) {
        ssltalk_say(&p, i % 3 == 0 ? 0 : 1, words[i % 4]);
        if (i % 8 == 5) {
            ssltalk_update(&p, i & 1,
                           i < 12 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        }
    }
    for (int d = 0; d < 2; d++) {
        (void)SSL_shutdown(p.end[d]);
        ssltalk_carry(&p);
    }
    SSL_SESSION *next = SSL_get1_session(p.end[0]);
    SSL_free(p.end[0]);
    SSL_free(p.end[1]);
    return next;
}

static inline struct ssltalk *ssltalk_new(const struct ssltalk_options *o, EVP_PKEY *key)
{
    struct ssltalk *t = calloc(1, sizeof *t);
    SSL_CTX *client = ssltalk_ctx(TLS_client_method(), o);
    SSL_CTX *server = ssltalk_ctx(TLS_server_method(), o);
    X509 *cert = pki_cert(key, "server");
    pki_check(t != NULL && SSL_CTX_use_certificate(server, cert) == 1 &&
                  SSL_CTX_use_PrivateKey(server, key) == 1,
              "identity");
    SSL_CTX_set_keylog_callback(client, ssltalk_on_line);
    SSL_SESSION *session = ssltalk_hold(t, client, server, o, NULL);
    if (o->early_data) {
        SSL_SESSION_free(ssltalk_hold(t, client, server, o, session));
    }
    SSL_SESSION_free(session);
    X509_free(cert);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return t;
}

#endif
