// SPDX-License-Identifier: Apache-2.0
/*
 * Gaps in connections of the suites that libssl does not do any more: each packet of a direction is
 * left out in turn, and every record that it does not touch must come out.
 */
#include "unit/tls/seal.h"

#include "support/connrig.h"
#include "support/tlspeer.h"
#include "tls/keys.h"

enum { RECORDS = 40, PACKET = 311, DATA_MAX = 3000, WIRE_MAX = 1 << 17 };

struct record {
    size_t start; /* of its header in the wire */
    size_t end;
    size_t plain_at;
    size_t plain_len;
    bool clear;
};

struct flow {
    uint8_t wire[WIRE_MAX];
    size_t len;
    uint8_t plain[WIRE_MAX];
    size_t plain_len;
    struct record records[RECORDS + 8];
    size_t count;
    struct bytes other; /* the client's side */
    uint64_t sealed;    /* records under keys */
    char secret[256];
    bool deflate;
    bool chained;
    size_t mac_after; /* encrypt-then-MAC: behind the last ciphertext block */
    size_t block;
    uint16_t version;
};

static void add_record(struct flow *f, uint8_t type, const uint8_t *body, size_t len, bool clear)
{
    struct record *r = &f->records[f->count++];
    const uint8_t header[5] = {type, (uint8_t)(f->version >> 8), (uint8_t)f->version,
                               (uint8_t)(len >> 8), (uint8_t)len};
    assert_true(f->len + 5 + len <= WIRE_MAX);
    *r = (struct record){.start = f->len, .plain_at = f->plain_len, .clear = clear};
    memcpy(f->wire + f->len, header, 5);
    memcpy(f->wire + f->len + 5, body, len);
    f->len += 5 + len;
    r->end = f->len;
}

/* The records that a tp wrote in the clear. */
static void take_clear(struct flow *f, const struct bytes *wire)
{
    for (size_t at = 0; at < wire->n;) {
        size_t len = (size_t)wire->b[at + 3] << 8 | wire->b[at + 4];
        add_record(f, wire->b[at], wire->b + at + 5, len, true);
        at += 5 + len;
    }
}

static void write_secret(struct flow *f, const struct tp *t, const struct pf_master *master)
{
    size_t n = (size_t)snprintf(f->secret, sizeof f->secret, "CLIENT_RANDOM ");
    for (int i = 0; i < 32; i++) {
        n += (size_t)snprintf(f->secret + n, sizeof f->secret - n, "%02x", t->client_random[i]);
    }
    f->secret[n++] = ' ';
    for (int i = 0; i < 48; i++) {
        n += (size_t)snprintf(f->secret + n, sizeof f->secret - n, "%02x", master->bytes[i]);
    }
    f->secret[n++] = '\n';
    f->secret[n] = '\0';
}

static void make_text(uint8_t *text, size_t len, int nth)
{
    for (size_t i = 0; i < len; i++) {
        text[i] =
            (uint8_t)("plaintext of a record, "[(i + (size_t)nth) % 23] ^ (i % 97 == 0 ? nth : 0));
    }
}

/* A record under keys. */
static void add_sealed(struct flow *f, struct sealer *s, struct tp_side *zip, uint8_t type,
                       const uint8_t *text, size_t len)
{
    static uint8_t zipped[2 * DATA_MAX];
    static uint8_t body[SEAL_MAX];
    size_t in_len = f->deflate ? tp_zip(zip, text, len, zipped, sizeof zipped) : len;
    const uint8_t *in = f->deflate ? zipped : text;
    add_record(f, type, body, seal(s, f->sealed++, type, in, in_len, body), false);
}

static void add_data(struct flow *f, struct sealer *s, struct tp_side *zip)
{
    static const uint16_t lengths[] = {0, 1, 17, 300, 1200, 47, 2900, 16, 640, 5};
    static const uint8_t finished[16] = {20, 0, 0, 12};
    static uint8_t text[DATA_MAX];
    add_sealed(f, s, zip, 22, finished, sizeof finished);
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t len = lengths[i % 10] + (size_t)f->deflate; /* there is no flushing of nothing */
        make_text(text, len, (int)i);
        add_sealed(f, s, zip, 23, text, len);
        f->records[f->count - 1].plain_len = len;
        memcpy(f->plain + f->plain_len, text, len);
        f->plain_len += len;
    }
}

/* The server's direction of a connection. */
static void make_flow(struct flow *f, uint16_t suite, uint16_t version, bool etm, bool deflate)
{
    struct tp_options o = {.version = version, .suite = suite, .etm = etm, .deflate = deflate};
    EVP_PKEY *key = pki_rsa(1024);
    struct tp *t = tp_new(o, key);
    static const struct bytes nothing;
    struct pf_master master;
    struct pf_keys keys[2];
    struct pf_kdf *kdf;
    struct sealer s;
    struct tp_side zip = {.zip = NULL};
    memset(f, 0, sizeof *f);
    f->version = version;
    f->deflate = deflate;
    tp_client_hello(t, false);
    tp_server_hello(t, false);
    tp_certificate(t);
    tp_message(t, TP_S, 14, &nothing);
    tp_key_exchange(t);
    tp_record(t, TP_S, 20, "\x01", 1);
    take_clear(f, &t->wire[TP_S]);
    f->other = t->wire[TP_C];
    memset(master.bytes, 0x42, sizeof master.bytes);
    write_secret(f, t, &master);
    sealer_init(&s, suite, version, etm);
    assert_int_equal(pf_kdf_new(&kdf), PF_OK);
    assert_int_equal(pf_kdf_key_block(kdf, version, s.keys.suite, etm, &master, t->client_random,
                                      t->server_random, keys),
                     PF_OK);
    s.keys = keys[PF_S2C];
    memcpy(s.chain, s.keys.iv, sizeof s.chain);
    f->chained = s.keys.suite->bulk->mode == PF_MODE_CBC && version <= PF_VERSION_TLS10;
    f->block = s.keys.suite->bulk->block_len;
    f->mac_after = etm ? pf_hash_len(s.keys.suite->mac) : 0;
    add_data(f, &s, &zip);
    tp_unzip(&zip);
    sealer_fini(&s);
    pf_kdf_free(kdf);
    tp_free(t);
    EVP_PKEY_free(key);
}

struct lost {
    bool record[RECORDS + 8];
    size_t records; /* under keys, Finished not counted */
    size_t plain;
};

static bool meets(size_t a, size_t b, size_t from, size_t to)
{
    return a < to && b > from;
}

/* What the bytes from `from` to `to` take with them. */
static struct lost expect(const struct flow *f, size_t from, size_t to)
{
    struct lost lost = {.records = 0};
    bool gone = false; /* DEFLATE: the window */
    for (size_t i = 0; i < f->count; i++) {
        const struct record *r = &f->records[i];
        bool touched = meets(r->start, r->end, from, to);
        bool no_iv = f->chained && i > 0 && !f->records[i - 1].clear && !touched &&
                     meets(r->start - f->block - f->mac_after, r->start, from, to);
        lost.record[i] = touched || no_iv || gone;
        gone |= f->deflate && touched && !r->clear;
        bool finished = i > 0 && f->records[i - 1].clear && !r->clear;
        lost.records += lost.record[i] && !r->clear && !finished;
        lost.plain += lost.record[i] ? r->plain_len : 0;
    }
    return lost;
}

static void check_plain(const struct flow *f, const struct lost *lost, const struct rig *r)
{
    static uint8_t wanted[WIRE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct record *rec = &f->records[i];
        if (!lost->record[i]) {
            memcpy(wanted + n, f->plain + rec->plain_at, rec->plain_len);
            n += rec->plain_len;
        }
    }
    assert_int_equal(r->plain_len[PF_S2C], n);
    assert_memory_equal(r->plain[PF_S2C], wanted, n);
}

static void feed(struct rig *r, const struct flow *f, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += PACKET) {
        rig_feed(r, PF_S2C, f->wire + at, to - at < PACKET ? to - at : PACKET);
    }
}

static void without(const struct flow *f, size_t from, size_t to)
{
    struct rig *r = rig_new(NULL);
    struct pf_conn_report report;
    struct lost lost = expect(f, from, to);
    assert_int_equal(
        pf_keylog_add_text(r->log, (struct pf_span){(const uint8_t *)f->secret, strlen(f->secret)}),
        PF_OK);
    rig_begin(r);
    rig_feed(r, PF_C2S, f->other.b, f->other.n);
    feed(r, f, 0, from);
    if (to > from) {
        rig_gap(r, PF_S2C, to - from);
    }
    feed(r, f, to, f->len);
    rig_finish(r, &report);
    check_plain(f, &lost, r);
    if (lost.records == 0) {
        assert_int_equal(report.status, PF_FLOW_DECRYPTED);
    } else {
        assert_int_equal(report.status, PF_FLOW_PARTIAL);
        assert_int_equal(report.reason, PF_REASON_BYTES_MISSING);
    }
    if (!f->deflate && (to < f->len || lost.records == 0)) {
        assert_int_equal(report.dir[PF_S2C].missing_records, lost.records);
    }
    if (report.dir[PF_S2C].missing_bytes != UINT64_MAX) {
        assert_int_equal(report.dir[PF_S2C].missing_bytes, lost.plain);
    }
    rig_free(r);
}

/* Behind the server's hello, without which there are no keys. */
static void each_packet(struct flow *f)
{
    without(f, 0, 0);
    for (size_t at = f->records[0].end; at < f->len; at += PACKET) {
        size_t to = at + PACKET < f->len ? at + PACKET : f->len;
        without(f, at, to);
        without(f, at, at + 3 * PACKET < f->len ? at + 3 * PACKET : f->len);
    }
}

static void check(uint16_t suite, uint16_t version, bool etm)
{
    static struct flow f;
    make_flow(&f, suite, version, etm, false);
    each_packet(&f);
}

static void stream_ciphers(void **state)
{
    (void)state;
    check(0x0005, PF_VERSION_TLS12, false); /* RC4-SHA */
    check(0x0005, PF_VERSION_TLS10, false);
    check(0x0005, PF_VERSION_SSL3, false);
    check(0x0004, PF_VERSION_SSL3, false); /* RC4-MD5 */
}

static void no_cipher(void **state)
{
    (void)state;
    check(0x0001, PF_VERSION_SSL3, false); /* NULL-MD5 */
    check(0x0002, PF_VERSION_TLS11, false);
    check(0x003b, PF_VERSION_TLS12, false); /* NULL-SHA256 */
}

static void old_blocks(void **state)
{
    (void)state;
    check(0x000a, PF_VERSION_SSL3, false); /* 3DES */
    check(0x000a, PF_VERSION_TLS10, false);
    check(0x000a, PF_VERSION_TLS10, true);
    check(0x000a, PF_VERSION_TLS11, false);
    check(0x000a, PF_VERSION_TLS12, true);
    check(0x002f, PF_VERSION_SSL3, false);
    check(0x0096, PF_VERSION_TLS12, false); /* SEED */
}

/* What refers back over the gap cannot be read: the direction ends there, and says so. */
static void compression(void **state)
{
    (void)state;
    static struct flow f;
    make_flow(&f, 0x002f, PF_VERSION_TLS12, false, true);
    each_packet(&f);
    make_flow(&f, 0x0005, PF_VERSION_TLS10, false, true);
    each_packet(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_ciphers),
        cmocka_unit_test(no_cipher),
        cmocka_unit_test(old_blocks),
        cmocka_unit_test(compression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
