// SPDX-License-Identifier: Apache-2.0
/*
 * A conversation fed in any way: each operation is two bytes, what to do and how much of it. It
 * must come to an end, hand out no plaintext that was not sent, and give all memory back. Targets:
 * tls/conn.c, plain.c, keychange.c, protect.c, resync.c, stream.c, secrets.c, openrun.c, verdict.c.
 */
#include "support/connrig.h"
#include "support/tlspeer.h"

#include <openssl/pem.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OP_FEED, OP_GAP, OP_FLIP, OP_FLUSH, OP_REPEAT, OP_GARBAGE, OP_ALL, OP_GIVE_UP, OPS };

struct state {
    struct rig *r;
    const struct tp *t;
    size_t at[2];
    bool damaged;
};

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

static void feed(struct state *s, int d, size_t n)
{
    size_t left = s->t->wire[d].n - s->at[d];
    n = n < left ? n : left;
    rig_feed(s->r, (enum pf_dir)d, s->t->wire[d].b + s->at[d], n);
    s->at[d] += n;
}

static void operate(struct state *s, unsigned op, unsigned amount)
{
    int d = (op >> 3) & 1;
    size_t n = (size_t)amount * (op & 0x10 ? 16 : 1);
    size_t left = s->t->wire[d].n - s->at[d];
    uint8_t garbage[64];
    switch (op % OPS) {
    case OP_FEED:
        feed(s, d, n);
        break;
    case OP_GAP:
        rig_gap(s->r, (enum pf_dir)d, n + 1);
        s->at[d] += n + 1 < left ? n + 1 : left;
        break;
    case OP_FLIP:
        memset(garbage, (int)amount, sizeof garbage);
        rig_feed(s->r, (enum pf_dir)d, garbage, 1);
        s->at[d] += left > 0 ? 1 : 0;
        break;
    case OP_FLUSH:
        pf_conn_flush(s->r->conn);
        rig_drive(s->r);
        break;
    case OP_REPEAT:
        s->at[d] -= n < s->at[d] ? n : s->at[d];
        break;
    case OP_GARBAGE:
        memset(garbage, (int)amount, sizeof garbage);
        rig_feed(s->r, (enum pf_dir)d, garbage, amount % sizeof garbage);
        break;
    case OP_ALL:
        feed(s, d, SIZE_MAX);
        break;
    case OP_GIVE_UP:
        pf_conn_give_up(s->r->conn);
        rig_drive(s->r);
        break;
    }
}

/* Every record that comes out is one that was sent: text is made of these words. */
static void check(const struct state *s)
{
    for (int d = 0; d < 2; d++) {
        rig_check(s->r->plain_len[d] <= s->r->fed[d] * (s->t->o.deflate ? 40 : 1), "more than fed");
        for (size_t i = 0; i < s->r->plain_len[d]; i++) {
            uint8_t c = s->r->plain[d][i];
            rig_check(c == ' ' || (c >= 'a' && c <= 'z'), "not what was sent");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { KINDS = sizeof options / sizeof options[0] };
    static struct tp *talks[KINDS];
    static struct rig *rigs[KINDS];
    static EVP_PKEY *key;
    unsigned kind = size > 0 ? data[0] % KINDS : 0;
    key = key != NULL ? key : pki_rsa(2048);
    if (talks[kind] == NULL) {
        talks[kind] = talk(options[kind], key);
        rigs[kind] = rig_for(talks[kind]);
    }
    struct state s = {.r = rigs[kind], .t = talks[kind]};
    rig_begin(s.r);
    for (size_t i = 1; i + 1 < size; i += 2) {
        operate(&s, data[i], data[i + 1]);
    }
    struct pf_conn_report report;
    rig_finish(s.r, &report);
    check(&s);
    rig_check(report.status == PF_FLOW_DECRYPTED || report.detail != NULL, "no detail");
    rig_end(s.r);
    return 0;
}
