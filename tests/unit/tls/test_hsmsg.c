// SPDX-License-Identifier: Apache-2.0
#include "support/bytes.h"
#include "tls/hsmsg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_span(struct pf_span s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

static void put_ext(struct bytes *o, uint16_t type, const void *data, size_t len)
{
    bytes_num(o, 2, type);
    size_t v = bytes_open(o, 2);
    bytes_raw(o, data, len);
    bytes_close(o, 2, v);
}

#define PUT_EXT(o, type, literal) put_ext(o, type, literal, sizeof(literal) - 1)

static void put_client_head(struct bytes *o, uint16_t version)
{
    o->n = 0;
    bytes_num(o, 2, version);
    bytes_fill(o, 0xc1, 32);
    size_t v = bytes_open(o, 1);
    bytes_raw(o, "sessionid", 9);
    bytes_close(o, 1, v);
    v = bytes_open(o, 2);
    bytes_num(o, 2, 0x002f);
    bytes_num(o, 2, 0x1301);
    bytes_close(o, 2, v);
    v = bytes_open(o, 1);
    bytes_num(o, 1, 0);
    bytes_close(o, 1, v);
}

static void put_client_exts(struct bytes *o)
{
    size_t v = bytes_open(o, 2);
    PUT_EXT(o, 0x0a0a, "grease");
    PUT_EXT(o, 0,
            "\0\x0e\0\0\x0b"
            "example.org");
    PUT_EXT(o, 1, "\4");
    PUT_EXT(o, 10, "\0\4\0\x1d\0\x17");
    PUT_EXT(o, 16, "\0\x0c\2h2\x08http/1.1");
    PUT_EXT(o, 22, "");
    PUT_EXT(o, 23, "");
    PUT_EXT(o, 28, "\x40\1");
    PUT_EXT(o, 35, "ticket!");
    PUT_EXT(o, 42, "");
    PUT_EXT(o, 43, "\4\3\4\3\3");
    PUT_EXT(o, 0xfe0d, "\0rest");
    PUT_EXT(o, 0xfafa, "");
    PUT_EXT(o, 41,
            "\0\x0b\0\5psk-1\0\0\0\0\0\x21\x20"
            "01234567890123456789012345678901");
    bytes_close(o, 2, v);
}

typedef bool parse_fn(struct pf_span s);

/* Whatever is cut off must be noticed, and nothing be read behind the cut. */
static void assert_no_prefix_parses(const struct bytes *o, parse_fn *parses, size_t also_good)
{
    assert_true(parses(bytes_span(o)));
    for (size_t n = 0; n < o->n; n++) {
        uint8_t *cut = bytes_exact(o->b, n);
        bool good = parses((struct pf_span){.ptr = cut, .len = n});
        free(cut);
        assert_int_equal(good, n == also_good);
    }
}

static bool parses_client(struct pf_span s)
{
    struct pf_client_hello h;
    return pf_hs_client_hello(s, &h) == PF_OK;
}

static bool parses_sslv2(struct pf_span s)
{
    struct pf_client_hello h;
    return pf_hs_sslv2_client_hello(s, &h) == PF_OK;
}

static bool parses_server(struct pf_span s)
{
    struct pf_server_hello h;
    return pf_hs_server_hello(s, &h) == PF_OK;
}

static bool parses_encrypted(struct pf_span s)
{
    struct pf_encrypted_extensions e;
    return pf_hs_encrypted_extensions(s, &e) == PF_OK;
}

static bool parses_certificate13(struct pf_span s)
{
    struct pf_span leaf;
    return pf_hs_certificate(s, true, &leaf) == PF_OK;
}

static bool parses_certificate12(struct pf_span s)
{
    struct pf_span leaf;
    return pf_hs_certificate(s, false, &leaf) == PF_OK;
}

static bool parses_ticket(struct pf_span s)
{
    struct pf_span ticket;
    uint32_t lifetime;
    return pf_hs_new_session_ticket(s, &lifetime, &ticket) == PF_OK;
}

static void test_client_hello_cut(void **state)
{
    static struct bytes o;
    (void)state;
    put_client_head(&o, 0x0303);
    size_t without_extensions = o.n; /* which is a whole hello of its own */
    put_client_exts(&o);
    assert_no_prefix_parses(&o, parses_client, without_extensions);
    bytes_num(&o, 1, 0);
    assert_false(parses_client(bytes_span(&o)));
}

static void test_client_hello_refused(void **state)
{
    static struct bytes o;
    (void)state;
    enum { ID_LEN_AT = 34, SUITES_LEN_AT = 44, COMPRESSIONS_LEN_AT = 50 };
    put_client_head(&o, 0x0303);
    assert_true(parses_client(bytes_span(&o)));
    o.b[SUITES_LEN_AT + 1] = 3; /* odd */
    assert_false(parses_client(bytes_span(&o)));
    put_client_head(&o, 0x0303);
    assert_int_equal(o.b[COMPRESSIONS_LEN_AT], 1);
    o.b[COMPRESSIONS_LEN_AT] = 0;
    assert_false(parses_client(bytes_span(&o)));

    o.n = 0; /* a session id of 33 bytes */
    bytes_num(&o, 2, 0x0303);
    bytes_fill(&o, 1, 32);
    bytes_num(&o, 1, 33);
    bytes_fill(&o, 2, 33);
    bytes_num(&o, 2, 2);
    bytes_num(&o, 2, 0x2f);
    bytes_num(&o, 2, 0x0100);
    assert_false(parses_client(bytes_span(&o)));

    o.n = 0; /* no suites */
    bytes_num(&o, 2, 0x0303);
    bytes_fill(&o, 1, 32);
    bytes_num(&o, 1, 0);
    bytes_num(&o, 2, 0);
    bytes_num(&o, 2, 0x0100);
    assert_false(parses_client(bytes_span(&o)));
}

/* The frame of an extension counts, and those of its contents that a server may not care about
 * are no reason to lose the flow. */
static void test_client_hello_misfit_extension(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    (void)state;
    put_client_head(&o, 0x0303);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 0, "\0\xff\0");
    PUT_EXT(&o, 1, "\5");
    PUT_EXT(&o, 10, "\0\3abc");
    PUT_EXT(&o, 16, "\0\x09");
    PUT_EXT(&o, 28, "\0\x3f");
    PUT_EXT(&o, 41, "\0\4\0\5");
    PUT_EXT(&o, 43, "\3\3\3\3");
    PUT_EXT(&o, 23, "");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_client_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.server_name.len + h.alpn.len + h.supported_groups.len, 0);
    assert_int_equal(h.psk_identity.len + h.supported_versions.len, 0);
    assert_int_equal(h.max_fragment_length + h.record_size_limit, 0);
    assert_true(h.extended_master);
}

static void test_client_hello_extension_overruns(void **state)
{
    static struct bytes o;
    (void)state;
    put_client_head(&o, 0x0303);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 23, "");
    bytes_num(&o, 2, 35);
    bytes_num(&o, 2, 1);
    bytes_close(&o, 2, v);
    assert_false(parses_client(bytes_span(&o)));
}

static void test_client_hello(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    (void)state;
    put_client_head(&o, 0x0303);
    put_client_exts(&o);
    assert_int_equal(pf_hs_client_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x0303);
    assert_int_equal(h.random[31], 0xc1);
    assert_span(h.session_id, "sessionid");
    assert_int_equal(h.suites.len, 4);
    assert_int_equal(h.suites.ptr[2], 0x13);
    assert_int_equal(h.compressions.len, 1);
    assert_span(h.server_name, "example.org");
    assert_span(h.alpn, "\2h2\x08http/1.1");
    assert_span(h.ticket, "ticket!");
    assert_span(h.psk_identity, "psk-1");
    assert_int_equal(h.supported_versions.len, 4);
    assert_int_equal(h.supported_groups.len, 4);
    assert_int_equal(h.record_size_limit, 0x4001);
    assert_int_equal(h.max_fragment_length, 4);
    assert_true(h.has_ticket && h.extended_master && h.encrypt_then_mac && h.early_data && h.ech);
    assert_false(h.sslv2);
}

static void test_client_hello_without_extensions(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    (void)state;
    put_client_head(&o, 0x0300);
    assert_int_equal(pf_hs_client_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x0300);
    assert_int_equal(h.extensions.len, 0);
    assert_false(h.has_ticket || h.extended_master || h.encrypt_then_mac);
}

static void test_first_of_two_extensions_counts(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    (void)state;
    put_client_head(&o, 0x0303);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 35, "first");
    PUT_EXT(&o, 35, "second");
    PUT_EXT(&o, 0, "\0\4\0\0\1a");
    PUT_EXT(&o, 0, "\0\4\0\0\1b");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_client_hello(bytes_span(&o), &h), PF_OK);
    assert_span(h.ticket, "first");
    assert_span(h.server_name, "a");
}

static void test_extensions_are_bounded(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    (void)state;
    put_client_head(&o, 0x0303);
    size_t v = bytes_open(&o, 2);
    for (int i = 0; i < PF_EXTENSIONS_MAX; i++) {
        PUT_EXT(&o, 0x0a0a, "");
    }
    PUT_EXT(&o, 23, "");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_client_hello(bytes_span(&o), &h), PF_OK);
    assert_false(h.extended_master);
}

static void put_sslv2(struct bytes *o, uint16_t version, unsigned challenge_len)
{
    o->n = 0;
    bytes_num(o, 1, 1);
    bytes_num(o, 2, version);
    bytes_num(o, 2, 6);
    bytes_num(o, 2, 0);
    bytes_num(o, 2, challenge_len);
    bytes_raw(o, "\0\0\x2f\1\0\x80", 6);
    bytes_fill(o, 0xcc, challenge_len);
}

static void test_sslv2_refused(void **state)
{
    static struct bytes o;
    (void)state;
    put_sslv2(&o, 0x0301, 16);
    assert_no_prefix_parses(&o, parses_sslv2, SIZE_MAX);
    o.b[4] = 5; /* not a multiple of three */
    assert_false(parses_sslv2(bytes_span(&o)));
    put_sslv2(&o, 0x0301, 33);
    assert_false(parses_sslv2(bytes_span(&o)));
    put_sslv2(&o, 0x0301, 0);
    assert_false(parses_sslv2(bytes_span(&o)));
    put_sslv2(&o, 0x0301, 16);
    o.b[0] = 2;
    assert_false(parses_sslv2(bytes_span(&o)));
}

static void test_sslv2_client_hello(void **state)
{
    static struct bytes o;
    struct pf_client_hello h;
    static const uint8_t zero[16] = {0};
    (void)state;
    put_sslv2(&o, 0x0301, 16);
    assert_int_equal(pf_hs_sslv2_client_hello(bytes_span(&o), &h), PF_OK);
    assert_true(h.sslv2);
    assert_int_equal(h.version, 0x0301);
    assert_memory_equal(h.random, zero, 16);
    assert_int_equal(h.random[16], 0xcc);
    assert_int_equal(h.random[31], 0xcc);
    assert_int_equal(h.suites.len, 6);
    assert_int_equal(h.extensions.len, 0);
}

static void put_server_head(struct bytes *o, uint16_t version, uint16_t suite)
{
    o->n = 0;
    bytes_num(o, 2, version);
    bytes_fill(o, 0x5e, 32);
    bytes_num(o, 1, 4);
    bytes_raw(o, "sess", 4);
    bytes_num(o, 2, suite);
    bytes_num(o, 1, 1);
}

static void test_server_hello_cut(void **state)
{
    static struct bytes o;
    (void)state;
    put_server_head(&o, 0x0303, 0x2f);
    size_t without_extensions = o.n;
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 23, "");
    PUT_EXT(&o, 16, "\0\3\2h2");
    bytes_close(&o, 2, v);
    assert_no_prefix_parses(&o, parses_server, without_extensions);
}

static void test_server_hello_refused(void **state)
{
    static const struct {
        uint16_t type;
        const char *data;
        size_t len;
    } bad[] = {{43, "\3", 1},         {43, "\3\4\0", 3}, {51, "\0", 1}, {16, "\0\2\2h", 4},
               {16, "\0\4\1a\1b", 6}, {28, "\0\x20", 2}, {1, "\0", 1}};
    static struct bytes o;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_server_head(&o, 0x0303, 0x1301);
        size_t v = bytes_open(&o, 2);
        put_ext(&o, bad[i].type, bad[i].data, bad[i].len);
        bytes_close(&o, 2, v);
        assert_false(parses_server(bytes_span(&o)));
    }
}

static void test_server_hello_tls12(void **state)
{
    static struct bytes o;
    struct pf_server_hello h;
    (void)state;
    put_server_head(&o, 0x0303, 0x2f);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 0, "");
    PUT_EXT(&o, 1, "\2");
    PUT_EXT(&o, 16, "\0\3\2h2");
    PUT_EXT(&o, 22, "");
    PUT_EXT(&o, 23, "");
    PUT_EXT(&o, 35, "");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x0303);
    assert_int_equal(h.legacy_version, 0x0303);
    assert_int_equal(h.suite, 0x2f);
    assert_int_equal(h.compression, 1);
    assert_span(h.session_id, "sess");
    assert_span(h.alpn, "h2");
    assert_int_equal(h.max_fragment_length, 2);
    assert_true(h.encrypt_then_mac && h.extended_master && h.ticket_promised);
    assert_false(h.hello_retry || h.psk_selected);
}

static void test_server_hello_tls13(void **state)
{
    static struct bytes o;
    struct pf_server_hello h;
    (void)state;
    put_server_head(&o, 0x0303, 0x1302);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 43, "\3\4");
    PUT_EXT(&o, 51, "\0\x1d\0\2ke");
    PUT_EXT(&o, 41, "\0\0");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x0304);
    assert_int_equal(h.legacy_version, 0x0303);
    assert_int_equal(h.key_share_group, 0x1d);
    assert_true(h.psk_selected);
    assert_false(h.hello_retry);
}

static void test_hello_retry(void **state)
{
    static const uint8_t random[] =
        "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
        "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
    static struct bytes o;
    struct pf_server_hello h;
    (void)state;
    put_server_head(&o, 0x0303, 0x1301);
    memcpy(o.b + 2, random, 32);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 43, "\3\4");
    PUT_EXT(&o, 51, "\0\x17");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_true(h.hello_retry);
    assert_int_equal(h.key_share_group, 0x17);
}

static void test_server_hello_of_drafts(void **state)
{
    static struct bytes o;
    struct pf_server_hello h;
    (void)state;
    o.n = 0; /* draft 18: no session id, no compression */
    bytes_num(&o, 2, 0x7f12);
    bytes_fill(&o, 0x5e, 32);
    bytes_num(&o, 2, 0x1301);
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 40, "\0\x1d\0\2ke");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x7f12);
    assert_int_equal(h.suite, 0x1301);
    assert_int_equal(h.key_share_group, 0x1d);

    o.n = 0; /* HelloRetryRequest of draft 18 */
    bytes_num(&o, 2, 0x7f12);
    v = bytes_open(&o, 2);
    PUT_EXT(&o, 40, "\0\x17");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_true(h.hello_retry);
    assert_int_equal(h.key_share_group, 0x17);

    o.b[1] = 0x15; /* draft 21 has a suite there */
    assert_false(parses_server(bytes_span(&o)));

    put_server_head(&o, 0x0303, 0x1301); /* draft 23 looks like the final one */
    v = bytes_open(&o, 2);
    PUT_EXT(&o, 43, "\x7f\x17");
    bytes_close(&o, 2, v);
    assert_int_equal(pf_hs_server_hello(bytes_span(&o), &h), PF_OK);
    assert_int_equal(h.version, 0x7f17);
}

static void test_encrypted_extensions(void **state)
{
    static struct bytes o;
    struct pf_encrypted_extensions e;
    (void)state;
    o.n = 0;
    size_t v = bytes_open(&o, 2);
    PUT_EXT(&o, 16, "\0\3\2h3");
    PUT_EXT(&o, 28, "\x10\0");
    PUT_EXT(&o, 42, "");
    PUT_EXT(&o, 10, "\0\2\0\x1d");
    bytes_close(&o, 2, v);
    assert_no_prefix_parses(&o, parses_encrypted, SIZE_MAX);
    assert_int_equal(pf_hs_encrypted_extensions(bytes_span(&o), &e), PF_OK);
    assert_span(e.alpn, "h3");
    assert_int_equal(e.record_size_limit, 0x1000);
    assert_true(e.early_data);
}

static void put_certificates(struct bytes *o, bool tls13, unsigned count)
{
    o->n = 0;
    if (tls13) {
        bytes_num(o, 1, 0);
    }
    size_t list = bytes_open(o, 3);
    for (unsigned i = 0; i < count; i++) {
        size_t v = bytes_open(o, 3);
        bytes_raw(o, "cert", 4);
        bytes_num(o, 1, '0' + i);
        bytes_close(o, 3, v);
        if (tls13) {
            bytes_num(o, 2, 3);
            bytes_fill(o, 0xee, 3);
        }
    }
    bytes_close(o, 3, list);
}

static void walk_certificates(bool tls13)
{
    static struct bytes o;
    struct pf_span der;
    size_t pos = 0;
    put_certificates(&o, tls13, 3);
    assert_int_equal(pf_hs_certificate(bytes_span(&o), tls13, &der), PF_OK);
    assert_span(der, "cert0");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_hs_certificate_at(bytes_span(&o), tls13, &pos, &der), PF_OK);
        assert_int_equal(der.ptr[4], '0' + i);
    }
    assert_int_equal(pf_hs_certificate_at(bytes_span(&o), tls13, &pos, &der), PF_END);
    pos = 1 << 20;
    assert_int_equal(pf_hs_certificate_at(bytes_span(&o), tls13, &pos, &der), PF_ERR_MALFORMED);
}

static void test_certificate(void **state)
{
    static struct bytes o;
    struct pf_span der;
    (void)state;
    put_certificates(&o, false, 2);
    assert_no_prefix_parses(&o, parses_certificate12, SIZE_MAX);
    put_certificates(&o, true, 2);
    assert_no_prefix_parses(&o, parses_certificate13, SIZE_MAX);
    walk_certificates(false);
    walk_certificates(true);
    put_certificates(&o, false, 0);
    assert_int_equal(pf_hs_certificate(bytes_span(&o), false, &der), PF_OK);
    assert_int_equal(der.len, 0);
    assert_false(
        parses_certificate12((struct pf_span){.ptr = (const uint8_t *)"\0\0\3\0\0\0", .len = 6}));
}

static size_t encrypted_len(const struct bytes *o, uint16_t version)
{
    struct pf_span s;
    return pf_hs_client_key_exchange_rsa(bytes_span(o), version, &s) == PF_OK ? s.len : 0;
}

static void test_client_key_exchange(void **state)
{
    static struct bytes o;
    (void)state;
    o.n = 0;
    assert_int_equal(encrypted_len(&o, 0x0303), 0);
    bytes_num(&o, 2, 0);
    assert_int_equal(encrypted_len(&o, 0x0303), 0);
    o.n = 0;
    bytes_num(&o, 2, 256);
    bytes_fill(&o, 0x77, 256);
    assert_int_equal(encrypted_len(&o, 0x0303), 256);
    assert_int_equal(encrypted_len(&o, 0x0300), 256); /* SSL 3.0 with a length all the same */
    o.n = 0;
    bytes_fill(&o, 0x77, 256); /* TLS without one */
    assert_int_equal(encrypted_len(&o, 0x0301), 256);
    assert_int_equal(encrypted_len(&o, 0x0300), 256);
    o.b[0] = 0; /* ciphertext that looks like its own length */
    o.b[1] = 254;
    assert_int_equal(encrypted_len(&o, 0x0300), 256);
}

static void test_new_session_ticket(void **state)
{
    static struct bytes o;
    struct pf_span ticket;
    uint32_t lifetime;
    (void)state;
    o.n = 0;
    bytes_num(&o, 4, 7200);
    bytes_num(&o, 2, 6);
    bytes_raw(&o, "ticket", 6);
    assert_no_prefix_parses(&o, parses_ticket, SIZE_MAX);
    assert_int_equal(pf_hs_new_session_ticket(bytes_span(&o), &lifetime, &ticket), PF_OK);
    assert_int_equal(lifetime, 7200);
    assert_span(ticket, "ticket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_hello_cut),
        cmocka_unit_test(test_client_hello_refused),
        cmocka_unit_test(test_client_hello_misfit_extension),
        cmocka_unit_test(test_client_hello_extension_overruns),
        cmocka_unit_test(test_client_hello),
        cmocka_unit_test(test_client_hello_without_extensions),
        cmocka_unit_test(test_first_of_two_extensions_counts),
        cmocka_unit_test(test_extensions_are_bounded),
        cmocka_unit_test(test_sslv2_refused),
        cmocka_unit_test(test_sslv2_client_hello),
        cmocka_unit_test(test_server_hello_cut),
        cmocka_unit_test(test_server_hello_refused),
        cmocka_unit_test(test_server_hello_tls12),
        cmocka_unit_test(test_server_hello_tls13),
        cmocka_unit_test(test_hello_retry),
        cmocka_unit_test(test_server_hello_of_drafts),
        cmocka_unit_test(test_encrypted_extensions),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_client_key_exchange),
        cmocka_unit_test(test_new_session_ticket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
