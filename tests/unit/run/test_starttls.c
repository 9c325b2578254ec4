// SPDX-License-Identifier: Apache-2.0
#include "run/starttls.h"

#include "support/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum pf_begins begins(const char *text, size_t len, enum pf_starttls *protocol)
{
    uint8_t *exact = bytes_exact(text, len);
    enum pf_begins b = pf_starttls_begins((struct pf_span){exact, len}, protocol);
    free(exact);
    return b;
}

static void test_others(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\n",
                                        "HTTP/1.1 200 OK\r\n",
                                        "SSH-2.0-x\r\n",
                                        "POST / HTTP/1.1\r\n",
                                        "CONNECTED",
                                        "PROXYING",
                                        "221 bye\r\n",
                                        "-OK",
                                        "*OK"};
    enum pf_starttls p;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(begins(texts[i], strlen(texts[i]), &p), PF_BEGINS_NO);
        assert_int_equal(p, PF_STARTTLS_NONE);
    }
    assert_int_equal(begins("", 0, &p), PF_BEGINS_MORE);
    assert_null(pf_starttls_name(PF_STARTTLS_NONE));
}

#define BYTES(text) text, sizeof(text) - 1

static void test_binary_others(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        {BYTES("\x05\x00\x05\x00\x00\x01")},             /* SOCKS 5: a server's choice */
        {BYTES("\x05\xff")},                             /* SOCKS 5: more methods than there are */
        {BYTES("\x05\x02\x00\x20")},                     /* no such method */
        {BYTES("\x04\x03\x01\xbb\x7f\x00\x00\x01\x00")}, /* SOCKS 4: no such command */
        {BYTES("\x03\x00\x00\x13\x0f\xe0")},             /* RDP: lengths that do not fit */
        {BYTES("\x30\x0c\x02\x01\x01\x60\x07")},         /* LDAP: a bind, no search */
        {BYTES("\x30\x0c\x04\x01\x01\x63\x07")},         /* no message id */
        {BYTES("\x4a\x00\x00\x00\x09\x35")},             /* MySQL: not protocol 10 */
        {BYTES("\x00\x00\x00\x08\x04\xd2\x16\x2e")},     /* PostgreSQL: cancel request */
    };
    enum pf_starttls p;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(begins(rows[i].text, rows[i].len, &p), PF_BEGINS_NO);
    }
}

/* Told by the whole beginning, and not refused by less of it. */
static void test_known(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum pf_starttls protocol;
    } rows[] = {
        {BYTES("220 "), PF_STARTTLS_SMTP},
        {BYTES("220-"), PF_STARTTLS_SMTP},
        {BYTES("LHLO "), PF_STARTTLS_SMTP},
        {BYTES("* OK"), PF_STARTTLS_IMAP},
        {BYTES("+OK"), PF_STARTTLS_POP3},
        {BYTES("201 "), PF_STARTTLS_NNTP},
        {BYTES("<?xml"), PF_STARTTLS_XMPP},
        {BYTES("CAP LS"), PF_STARTTLS_IRC},
        {BYTES("\"IMPLEMENTATION\""), PF_STARTTLS_SIEVE},
        {BYTES("CONNECT "), PF_STARTTLS_CONNECT},
        {BYTES("PROXY "), PF_STARTTLS_PROXY},
        {BYTES("\r\n\r\n\0\r\nQUIT\n"), PF_STARTTLS_PROXY},
        {BYTES("\0\0\0\x08\x04\xd2\x16\x2f"), PF_STARTTLS_POSTGRESQL},
        {BYTES("\x5b\0\0\0\x0a\x35"), PF_STARTTLS_MYSQL},
        {BYTES("\x05\x02\x00\x02"), PF_STARTTLS_SOCKS5},
        {BYTES("\x04\x01\x01\xbb\x7f\0\0\x01\0"), PF_STARTTLS_SOCKS4},
        {BYTES("\x30\x1d\x02\x01\x01\x77"), PF_STARTTLS_LDAP},
        {BYTES("\x30\x84\0\0\0\x1d\x02\x01\x01\x63"), PF_STARTTLS_LDAP},
        {BYTES("\x03\0\0\x13\x0e\xe0"), PF_STARTTLS_RDP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum pf_starttls p;
        for (size_t n = 0; n < rows[i].len; n++) {
            assert_int_equal(begins(rows[i].text, n, &p), PF_BEGINS_MORE);
        }
        assert_int_equal(begins(rows[i].text, rows[i].len, &p), PF_BEGINS_YES);
        assert_int_equal(p, rows[i].protocol);
        assert_non_null(pf_starttls_name(p));
    }
}

static enum pf_starttls named(const char *client, const char *server)
{
    return pf_starttls_protocol((struct pf_span){(const uint8_t *)client, strlen(client)},
                                (struct pf_span){(const uint8_t *)server, strlen(server)});
}

static void test_protocol(void **state)
{
    (void)state;
    assert_int_equal(named("", ""), PF_STARTTLS_NONE);
    assert_int_equal(named("whatever", "it is"), PF_STARTTLS_NONE);
    assert_int_equal(named("EHLO x\r\nSTARTTLS\r\n", "220 x\r\n"), PF_STARTTLS_SMTP);
    assert_int_equal(named("auth tls\r\n", "220 x\r\n"), PF_STARTTLS_FTP);
    assert_int_equal(named("STARTTLS\r\n", ":irc 670 x\r\n"), PF_STARTTLS_IRC);
    assert_int_equal(named("STARTTLS\r\n", "\"IMPLEMENTATION\""), PF_STARTTLS_SIEVE);
    assert_int_equal(named("PROXY TCP4 1 2 3 4\r\n", ""), PF_STARTTLS_PROXY);
    assert_int_equal(named("PROXY TCP4 1 2 3 4\r\nEHLO x\r\n", "220 x\r\n"), PF_STARTTLS_SMTP);
}

/* Not by text, nor by two bytes that look like SSLv2 framing; a beginning waits for its rest. */
static void test_find(void **state)
{
    static const char hello[] = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03";
    static const char text[] = "250 \x16\x16\x03 \x80\x2e\x01\x03\x01\r\n";
    enum pf_looks looks;
    size_t at = 0;
    (void)state;
    struct bytes *o = calloc(1, sizeof *o);
    assert_non_null(o);
    bytes_raw(o, BYTES(text));
    assert_false(pf_starttls_find(bytes_span(o), &at, &looks));
    assert_int_equal(at, o->n);
    for (size_t n = 1; n < 10; n++) {
        o->n = sizeof text - 1;
        bytes_raw(o, hello, n);
        assert_false(pf_starttls_find(bytes_span(o), &at, &looks));
        assert_int_equal(at, sizeof text - 1);
    }
    o->n = sizeof text - 1;
    bytes_raw(o, BYTES(hello));
    assert_true(pf_starttls_find(bytes_span(o), &at, &looks));
    assert_int_equal(at, sizeof text - 1);
    assert_int_equal(looks, PF_LOOKS_CLIENT_HELLO);
    o->b[at + 5] = 2;
    assert_true(pf_starttls_find(bytes_span(o), &at, &looks));
    assert_int_equal(looks, PF_LOOKS_SERVER_HELLO);
    free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others), cmocka_unit_test(test_binary_others),
        cmocka_unit_test(test_known),  cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
