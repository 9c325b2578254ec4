// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what the tests of pf_conn share: keys in files, a conversation, the ways to feed it, and
 *          what has to come out.
 * Owns:    two keys and their folder, from make_keys to drop_keys.
 * Threads: -
 * Errors:  assertions.
 * Limits:  -
 */
#ifndef PF_TESTS_CONNTALK_H
#define PF_TESTS_CONNTALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/connrig.h"
#include "support/tlspeer.h"

#include <openssl/pem.h>
#include <unistd.h>

static EVP_PKEY *server_key;
static EVP_PKEY *other_key;
static char key_dir[256];

static inline void write_key(const char *name, EVP_PKEY *key)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", key_dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
}

static inline int make_keys(void **state)
{
    (void)state;
    server_key = pki_rsa(2048);
    other_key = pki_rsa(2048);
    pki_make_dir(key_dir);
    write_key("server.pem", server_key);
    write_key("other.pem", other_key);
    return 0;
}

static inline int drop_keys(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/server.pem", key_dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/other.pem", key_dir);
    unlink(path);
    rmdir(key_dir);
    EVP_PKEY_free(server_key);
    EVP_PKEY_free(other_key);
    return 0;
}

static inline void give_key(struct rig *r, const char *prefix, const char *name)
{
    char spec[340];
    struct pf_error err = {.status = PF_OK};
    snprintf(spec, sizeof spec, "%s%s/%s", prefix, key_dir, name);
    assert_int_equal(pf_keyring_add(r->ring, spec, NULL, &err), PF_OK);
}

static inline struct rig *rig_with_key(struct pf_sessions *sessions)
{
    struct rig *r = rig_new(sessions);
    give_key(r, "", "server.pem");
    rig_begin(r);
    return r;
}

static const struct tp_options tls12 = {.version = 0x0303, .suite = TP_AES128_GCM, .ems = true};

/* A handshake, and both sides talking. */
static inline struct tp *talk(struct tp_options o)
{
    struct tp *t = tp_new(o, server_key);
    tp_full_handshake(t);
    tp_text(t, TP_C, "GET / HTTP/1.1\r\n\r\n");
    tp_text(t, TP_S, "HTTP/1.1 200 OK\r\n\r\n");
    tp_text(t, TP_S, "hello");
    tp_text(t, TP_C, "GET /2 HTTP/1.1\r\n\r\n");
    tp_text(t, TP_S, "world");
    return t;
}

/* As it was sent, in pieces of at most `piece` bytes. */
static inline void feed_all(struct rig *r, const struct tp *t, size_t piece)
{
    size_t at[2] = {0, 0};
    for (size_t i = 0; i < t->part_count; i++) {
        int d = t->parts[i].dir;
        for (size_t left = t->parts[i].len; left > 0;) {
            size_t n = left < piece ? left : piece;
            rig_feed(r, (enum pf_dir)d, t->wire[d].b + at[d], n);
            at[d] += n;
            left -= n;
        }
    }
}

static inline void feed_side(struct rig *r, const struct tp *t, int d)
{
    rig_feed(r, (enum pf_dir)d, t->wire[d].b, t->wire[d].n);
}

static inline void assert_plain(const struct rig *r, const struct tp *t)
{
    for (int d = 0; d < 2; d++) {
        assert_int_equal(r->plain_len[d], t->plain[d].n);
        assert_memory_equal(r->plain[d], t->plain[d].b, t->plain[d].n);
    }
}

/* Only verified plaintext, from the front: never a byte that was not sent. */
static inline void assert_prefix(const struct rig *r, const struct tp *t)
{
    for (int d = 0; d < 2; d++) {
        assert_true(r->plain_len[d] <= t->plain[d].n);
        assert_memory_equal(r->plain[d], t->plain[d].b, r->plain_len[d]);
    }
}

static inline void assert_decrypted(struct rig *r, const struct tp *t)
{
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(report.status, PF_FLOW_DECRYPTED);
    assert_int_equal(report.reason, PF_REASON_NONE);
    assert_null(report.detail);
    assert_plain(r, t);
}

static inline enum pf_reason reason_of(struct rig *r, enum pf_flow_status status)
{
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(report.status, status);
    assert_true(report.status == PF_FLOW_DECRYPTED || report.detail != NULL);
    return report.reason;
}

static inline void done(struct rig *r, struct tp *t)
{
    rig_free(r);
    tp_free(t);
}

#endif
