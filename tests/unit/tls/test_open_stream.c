// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

#include <zlib.h>

static void rc4_suites(void **state)
{
    static const uint16_t suites[] = {0x0004, 0x0005, 0x0003, 0x0064};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        for (uint16_t v = PF_VERSION_SSL3; v <= PF_VERSION_TLS12; v++) {
            check_suite(*state, suites[i], v, false);
        }
    }
}

static void null_suites(void **state)
{
    static const uint16_t suites[] = {0x0001, 0x0002, 0x003b, 0xc03a, 0x00b1};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        for (uint16_t v = i < 2 ? PF_VERSION_SSL3 : PF_VERSION_TLS12; v <= PF_VERSION_TLS12; v++) {
            check_suite(*state, suites[i], v, false);
        }
    }
}

static void no_cipher_and_no_mac(void **state)
{
    struct sealer s;
    sealer_init(&s, 0x0000, PF_VERSION_TLS12, false);
    check_round_trip(*state, &s);
    sealer_fini(&s);
}

/* RC4 over a record that is passed by, with and without its bytes. */
static void rc4_passes(void **state)
{
    struct sealer s;
    uint8_t body[4][64];
    uint8_t out[64];
    struct pf_plain plain;
    struct pf_chain chain;
    sealer_init(&s, 0x0005, PF_VERSION_TLS12, false);
    assert_int_equal(pf_chain_init(&chain, &s.keys, 0), PF_OK);
    assert_true(pf_chain_is_sequential(&chain));
    for (uint8_t i = 0; i < 4; i++) {
        size_t n = seal(&s, i, 23, (const uint8_t *)"stream", 6, body[i]);
        struct pf_record record = seal_wire(&s, 23, body[i], n);
        if (i == 0 || i == 2) {
            pf_chain_pass(&chain, &s.keys, (struct pf_span){i == 0 ? body[i] : NULL, n});
            continue;
        }
        assert_int_equal(pf_open_record(*state, &s.keys, &chain, i, &record, out, 64, &plain),
                         PF_OK);
        assert_memory_equal(plain.data.ptr, "stream", 6);
    }
    pf_chain_fini(&chain);
    sealer_fini(&s);
}

enum { COMPRESSED_RECORDS = 6 };

struct compressed {
    struct sealer s;
    z_stream z;
    struct pf_chain chain;
    uint8_t body[PF_RECORD_MAX];
    uint8_t out[PF_RECORD_MAX];
};

static struct compressed *compressed_new(void)
{
    struct compressed *c = calloc(1, sizeof *c);
    sealer_init(&c->s, 0x002f, PF_VERSION_TLS10, false);
    assert_int_equal(deflateInit(&c->z, 9), Z_OK);
    assert_int_equal(pf_chain_init(&c->chain, &c->s.keys, 1), PF_OK);
    assert_true(pf_chain_is_sequential(&c->chain));
    return c;
}

static void compressed_free(struct compressed *c)
{
    pf_chain_fini(&c->chain);
    deflateEnd(&c->z);
    sealer_fini(&c->s);
    free(c);
}

static size_t compressed_seal(struct compressed *c, uint64_t seq, const uint8_t *text, size_t len,
                              int flush)
{
    static uint8_t packed[PF_RECORD_MAX];
    c->z.next_in = (Bytef *)(uintptr_t)text;
    c->z.avail_in = (uInt)len;
    c->z.next_out = packed;
    c->z.avail_out = sizeof packed;
    assert_int_equal(deflate(&c->z, flush), Z_OK);
    return seal(&c->s, seq, 23, packed, sizeof packed - c->z.avail_out, c->body);
}

static enum pf_status compressed_open(struct compressed *c, struct pf_crypt *crypt, uint64_t seq,
                                      size_t n, struct pf_plain *plain)
{
    struct pf_record record = seal_wire(&c->s, 23, c->body, n);
    return pf_open_record(crypt, &c->s.keys, &c->chain, seq, &record, c->out, sizeof c->out, plain);
}

static void deflated_records(void **state)
{
    static uint8_t text[PF_PLAINTEXT_MAX];
    struct compressed *c = compressed_new();
    for (uint8_t i = 0; i < COMPRESSED_RECORDS; i++) {
        struct pf_plain plain;
        size_t len = i == 5 ? sizeof text : 100U * i;
        memset(text, 'a' + i, len);
        size_t n = compressed_seal(c, i, text, len, i == 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
        assert_int_equal(compressed_open(c, *state, i, n, &plain), PF_OK);
        assert_int_equal(plain.data.len, len);
        assert_memory_equal(plain.data.ptr, text, len);
    }
    compressed_free(c);
}

static void deflate_bomb(void **state)
{
    static uint8_t text[1 << 20];
    struct compressed *c = compressed_new();
    struct pf_plain plain;
    size_t n = compressed_seal(c, 0, text, sizeof text, Z_SYNC_FLUSH);
    assert_true(n < 2048);
    assert_int_equal(compressed_open(c, *state, 0, n, &plain), PF_ERR_LIMIT);
    compressed_free(c);
}

static void deflate_not_deflate(void **state)
{
    struct compressed *c = compressed_new();
    struct pf_plain plain;
    size_t n = seal(&c->s, 0, 23, (const uint8_t *)"plain text", 10, c->body);
    assert_int_equal(compressed_open(c, *state, 0, n, &plain), PF_ERR_MALFORMED);
    compressed_free(c);
}

/* Record 1 is lost. 2 refers to it; 3 was flushed with its dictionary and stands alone. */
static void deflate_behind_a_gap(void **state)
{
    static const char *const texts[] = {"the first record", "the second, lost",
                                        "the second, lost and missed", "stands alone"};
    struct compressed *c = compressed_new();
    for (uint8_t i = 0; i < 4; i++) {
        struct pf_plain plain;
        size_t len = strlen(texts[i]);
        int flush = i == 2 ? Z_FULL_FLUSH : Z_SYNC_FLUSH;
        size_t n = compressed_seal(c, i, (const uint8_t *)texts[i], len, flush);
        if (i == 1) {
            pf_chain_pass(&c->chain, &c->s.keys, (struct pf_span){c->body, n});
            continue;
        }
        enum pf_status st = compressed_open(c, *state, i, n, &plain);
        assert_int_equal(st, i == 2 ? PF_ERR_UNSUPPORTED : PF_OK);
        assert_true(st != PF_OK || plain.data.len == len);
        assert_true(st != PF_OK || memcmp(plain.data.ptr, texts[i], len) == 0);
    }
    compressed_free(c);
}

static void unknown_compression(void **state)
{
    (void)state;
    struct sealer s;
    struct pf_chain chain;
    sealer_init(&s, 0x002f, PF_VERSION_TLS10, false);
    assert_int_equal(pf_chain_init(&chain, &s.keys, 64), PF_ERR_UNSUPPORTED); /* LZS, RFC 3943 */
    pf_chain_fini(&chain);
    sealer_fini(&s);
}

static int setup(void **state)
{
    struct pf_crypt *crypt = NULL;
    int rc = pf_crypt_new(&crypt, NULL) == PF_OK ? 0 : -1;
    *state = crypt;
    return rc;
}

static int teardown(void **state)
{
    pf_crypt_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_compression),  cmocka_unit_test(deflate_not_deflate),
        cmocka_unit_test(deflate_bomb),         cmocka_unit_test(deflate_behind_a_gap),
        cmocka_unit_test(deflated_records),     cmocka_unit_test(rc4_suites),
        cmocka_unit_test(rc4_passes),           cmocka_unit_test(null_suites),
        cmocka_unit_test(no_cipher_and_no_mac),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
