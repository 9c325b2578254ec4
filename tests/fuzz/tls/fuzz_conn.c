// SPDX-License-Identifier: Apache-2.0
/*
 * A conversation of TLS 1.0 to 1.2 fed in any way: it must come to an end, hand out no plaintext
 * that was not sent, and give all memory back. Targets: tls/conn.c, plain.c, keychange.c,
 * protect.c, resync.c, stream.c, secrets.c, openrun.c, verdict.c.
 */
#include "support/connops.h"
#include "support/tlspeer.h"

#include <openssl/pem.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tp_options options[] = {
    {.version = 0x0303, .suite = TP_AES128_GCM, .ems = true, .ticket = true},
    {.version = 0x0303, .suite = TP_AES256_SHA256, .etm = true},
    {.version = 0x0301, .suite = TP_AES128_SHA},
    {.version = 0x0303, .suite = TP_AES128_SHA, .deflate = true},
};

static struct tp *talk(struct tp_options o, EVP_PKEY *key)
{
    struct tp *t = tp_new(o, key);
    tp_full_handshake(t);
    for (int i = 0; i < 12; i++) {
        tp_text(t, i % 3 == 0 ? TP_C : TP_S, "some words of a conversation that goes on and on");
    }
    tp_alert(t, TP_S, 1, 90);
    tp_full_handshake(t);
    tp_text(t, TP_S, "under new keys");
    tp_alert(t, TP_C, 1, 0);
    return t;
}

static struct rig *rig_for(const struct tp *t)
{
    struct rig *r = rig_new(NULL);
    char line[PF_KEYLOG_LINE_MAX];
    struct pf_secret secret = {.len = 48};
    memcpy(secret.bytes, t->master, 48);
    size_t n = pf_keylog_format(PF_KEYLOG_MASTER, t->client_random, &secret, line, sizeof line);
    rig_check(pf_keylog_add_text(r->log, (struct pf_span){(uint8_t *)line, n}) == PF_OK, "key log");
    char path[] = "/tmp/pf-fuzz-XXXXXX"; /* the first handshake is opened with the key */
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    rig_check(f != NULL, "mkstemp");
    BIO *bio = BIO_new_fp(f, BIO_CLOSE);
    rig_check(PEM_write_bio_PrivateKey(bio, t->key, NULL, NULL, 0, NULL, NULL) == 1, "PEM");
    BIO_free(bio);
    struct pf_error err = {.status = PF_OK};
    rig_check(pf_keyring_add(r->ring, path, NULL, &err) == PF_OK, err.text);
    unlink(path);
    return r;
}

static void make(unsigned kind, struct connops *out)
{
    static EVP_PKEY *key;
    key = key != NULL ? key : pki_rsa(2048);
    const struct tp *t = talk(options[kind], key);
    *out = (struct connops){.r = rig_for(t),
                            .wire = {{t->wire[0].b, t->wire[0].n}, {t->wire[1].b, t->wire[1].n}},
                            .growth = t->o.deflate ? 40 : 1};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return connops_fuzz(make, sizeof options / sizeof options[0], data, size);
}
