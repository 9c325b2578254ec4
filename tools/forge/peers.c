// SPDX-License-Identifier: Apache-2.0
#include "forge/peers.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum { PIPE_FIRST = 1 << 17 };

static const char HOST[] = "www.example.org";

static noreturn void die_tls(const char *what)
{
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    forge_die("%s: %s", what, text);
}

static void must(long ok, const char *what)
{
    if (ok != 1) {
        die_tls(what);
    }
}

static int pipe_write(BIO *bio, const char *src, int len)
{
    struct forge_tap *tap = BIO_get_data(bio);
    struct forge_pipe *p = tap->out;
    size_t n = len > 0 ? (size_t)len : 0;
    if (n > p->cap - p->len) {
        size_t cap = p->cap == 0 ? PIPE_FIRST : 2 * p->cap;
        while (cap - p->len < n) {
            cap *= 2;
        }
        p->ptr = forge_realloc(p->ptr, cap);
        p->cap = cap;
    }
    memcpy(p->ptr + p->len, src, n);
    p->len += n;
    return len;
}

static int pipe_read(BIO *bio, char *dst, int len)
{
    struct forge_tap *tap = BIO_get_data(bio);
    struct forge_pipe *p = tap->in;
    size_t n = p->sent - p->taken;
    BIO_clear_retry_flags(bio);
    if (n == 0 || len <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    n = n < (size_t)len ? n : (size_t)len;
    memcpy(dst, p->ptr + p->taken, n);
    p->taken += n;
    return (int)n;
}

static long pipe_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int pipe_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *forge_pipe_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "forge pipe");
    if (m == NULL) {
        forge_die("out of memory");
    }
    must(BIO_meth_set_write(m, pipe_write), "BIO");
    must(BIO_meth_set_read(m, pipe_read), "BIO");
    must(BIO_meth_set_ctrl(m, pipe_ctrl), "BIO");
    must(BIO_meth_set_create(m, pipe_create), "BIO");
    return m;
}

void forge_pipe_settle(struct forge_pipe *p)
{
    if (p->unread) {
        p->taken = p->sent;
    }
    if (p->sent == p->len && p->taken == p->len) {
        p->len = p->sent = p->taken = 0;
    }
}

static void on_keylog(const SSL *ssl, const char *line)
{
    struct forge_profile *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    fprintf(p->keylog, "%s\n", line);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct forge_profile *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int len = i2d_SSL_SESSION(session, NULL);
    if (len <= 0) {
        die_tls("keeping a session");
    }
    free(p->session);
    p->session = forge_alloc((size_t)len);
    unsigned char *end = p->session;
    p->session_len = (size_t)i2d_SSL_SESSION(session, &end);
    return 0; /* no reference kept */
}

/*
 * Each flow resumes a copy that was written out and read again: libssl marks a TLS 1.3 session as
 * used up once it was resumed, and 3.0 also those that it makes from it.
 */
static void resume_session(SSL *client, const struct forge_profile *p)
{
    const unsigned char *der = p->session;
    SSL_SESSION *copy = d2i_SSL_SESSION(NULL, &der, (long)p->session_len);
    if (copy == NULL) {
        die_tls("reading a session");
    }
    must(SSL_set_session(client, copy), "resuming a session");
    SSL_SESSION_free(copy);
}

static size_t psk_bytes(const SSL *ssl, unsigned char *dst, size_t cap)
{
    const struct forge_profile *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    size_t n = 0;
    if (OPENSSL_hexstr2buf_ex(dst, cap, &n, p->psk, '\0') != 1) {
        forge_die("--psk: not hexadecimal, or too long");
    }
    return n;
}

static unsigned on_psk_client(SSL *ssl, const char *hint, char *identity, unsigned identity_cap,
                              unsigned char *psk, unsigned psk_cap)
{
    (void)hint;
    snprintf(identity, identity_cap, "forge");
    return (unsigned)psk_bytes(ssl, psk, psk_cap);
}

static unsigned on_psk_server(SSL *ssl, const char *identity, unsigned char *psk, unsigned psk_cap)
{
    (void)identity;
    return (unsigned)psk_bytes(ssl, psk, psk_cap);
}

static int accept_any_cert(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    (void)store;
    return 1;
}

static SSL_CTX *make_ctx(struct forge_profile *p, const struct forge_options *o,
                         const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL) {
        die_tls("SSL_CTX_new");
    }
    const char *name = SSL_CIPHER_get_name(p->suite.cipher);
    SSL_CTX_set_security_level(ctx, 0);
    if (p->suite.version == TLS1_3_VERSION) {
        must(SSL_CTX_set_ciphersuites(ctx, name), name);
    } else {
        must(SSL_CTX_set_cipher_list(ctx, name), name);
    }
    must(SSL_CTX_set_min_proto_version(ctx, p->suite.version), "TLS version");
    must(SSL_CTX_set_max_proto_version(ctx, p->suite.version), "TLS version");
    uint64_t options = o->resume_by == FORGE_ID ? SSL_OP_NO_TICKET : 0;
    /* The hash of an RC4 suite's handshake is of other hellos than those on the wire (RFC 7627). */
    options |= o->ems && p->suite.rc4 == 0 ? 0 : SSL_OP_NO_EXTENDED_MASTER_SECRET;
    options |= o->etm ? 0 : SSL_OP_NO_ENCRYPT_THEN_MAC;
    SSL_CTX_set_options(ctx, options | SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    if (o->max_fragment != 0) {
        must(SSL_CTX_set_max_send_fragment(ctx, (long)o->max_fragment), "--max-fragment");
    }
    SSL_CTX_set_app_data(ctx, p);
    return ctx;
}

static void use_key(SSL_CTX *ctx, const struct forge_key *k)
{
    must(SSL_CTX_use_certificate(ctx, k->cert), "certificate");
    must(SSL_CTX_use_PrivateKey(ctx, k->pkey), "private key");
}

static void set_up_psk(struct forge_profile *p)
{
    if (p->psk == NULL) {
        forge_die("%s needs --psk", SSL_CIPHER_get_name(p->suite.cipher));
    }
    SSL_CTX_set_psk_client_callback(p->client, on_psk_client);
    SSL_CTX_set_psk_server_callback(p->server, on_psk_server);
}

void forge_profile_init(struct forge_profile *p, const struct forge_options *o,
                        const struct forge_suite *suite, const struct forge_identities *ids,
                        FILE *keylog)
{
    *p = (struct forge_profile){.suite = *suite, .psk = o->psk, .keylog = keylog};
    if (suite->rc4 != 0 && o->renegotiate > 0) {
        forge_die("%s does not go with --renegotiate", suite->name);
    }
    p->client = make_ctx(p, o, TLS_client_method());
    p->server = make_ctx(p, o, TLS_server_method());
    use_key(p->server, suite->ecdsa ? &ids->ec : &ids->rsa);
    SSL_CTX_set_keylog_callback(p->client, on_keylog);
    must(SSL_CTX_set_dh_auto(p->server, 1), "DH parameters");
    must(SSL_CTX_set_session_id_context(p->server, (const unsigned char *)"forge", 5), "sessions");
    if (suite->psk) {
        set_up_psk(p);
    }
    if (o->client_cert) {
        use_key(p->client, &ids->client);
        SSL_CTX_set_verify(p->server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           accept_any_cert);
    }
    if (o->resume > 0) {
        SSL_CTX_set_session_cache_mode(p->client,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(p->client, on_session);
    } else {
        SSL_CTX_set_session_cache_mode(p->server, SSL_SESS_CACHE_OFF);
    }
}

void forge_profile_fini(struct forge_profile *p)
{
    free(p->session);
    SSL_CTX_free(p->client);
    SSL_CTX_free(p->server);
    *p = (struct forge_profile){0};
}

static SSL *make_end(SSL_CTX *ctx, BIO_METHOD *method, struct forge_tap *tap)
{
    SSL *ssl = SSL_new(ctx);
    BIO *bio = BIO_new(method);
    if (ssl == NULL || bio == NULL) {
        die_tls("SSL_new");
    }
    BIO_set_data(bio, tap);
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

void forge_peers_init(struct forge_peers *peers, struct forge_profile *p, BIO_METHOD *method,
                      bool resume)
{
    *peers = (struct forge_peers){0};
    struct forge_pipe *c2s = &peers->pipe[PF_C2S];
    struct forge_pipe *s2c = &peers->pipe[PF_S2C];
    peers->tap[PF_C2S] = (struct forge_tap){.in = s2c, .out = c2s};
    peers->tap[PF_S2C] = (struct forge_tap){.in = c2s, .out = s2c};
    peers->client = make_end(p->client, method, &peers->tap[PF_C2S]);
    peers->server = make_end(p->server, method, &peers->tap[PF_S2C]);
    SSL_set_connect_state(peers->client);
    SSL_set_accept_state(peers->server);
    must(SSL_set_tlsext_host_name(peers->client, HOST), "server name");
    if (resume) {
        resume_session(peers->client, p);
    }
}

void forge_peers_fini(struct forge_peers *peers)
{
    SSL_free(peers->client);
    SSL_free(peers->server);
    free(peers->pipe[PF_C2S].ptr);
    free(peers->pipe[PF_S2C].ptr);
    *peers = (struct forge_peers){0};
}

bool forge_peers_shake(SSL *end)
{
    int rc = SSL_do_handshake(end);
    if (rc == 1) {
        return true;
    }
    if (SSL_get_error(end, rc) != SSL_ERROR_WANT_READ) {
        die_tls(SSL_is_server(end) ? "handshake of the server" : "handshake of the client");
    }
    return false;
}

size_t forge_peers_read(SSL *end, void *dst, size_t cap)
{
    size_t n = 0;
    int rc = SSL_read_ex(end, dst, cap, &n);
    if (rc == 1) {
        return n;
    }
    int why = SSL_get_error(end, rc);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN) {
        die_tls("reading");
    }
    return 0;
}

void forge_peers_write(SSL *end, const uint8_t *src, size_t len)
{
    size_t n = 0;
    if (SSL_write_ex(end, src, len, &n) != 1 || n != len) {
        die_tls("writing");
    }
}
