// SPDX-License-Identifier: Apache-2.0
#include "run/starttls.h"

#include "base/cursor.h"

#include <string.h>

const char *pf_starttls_name(enum pf_starttls p)
{
    static const char *const names[] = {NULL,
#define X(NAME, name) name,
                                        PF_STARTTLS_LIST(X)
#undef X
    };
    return names[p];
}

/* Text, or bytes, that a protocol's first bytes are. Client's and server's: a capture need not have
 * them in order. */
static const struct row {
    const char *text;
    uint8_t len;
    uint8_t protocol;
} rows[] = {
#define ROW(text, protocol)                                                                        \
    {                                                                                              \
        text, sizeof(text) - 1, PF_STARTTLS_##protocol                                             \
    }
    ROW("220 ", SMTP),
    ROW("220-", SMTP),
    ROW("EHLO ", SMTP),
    ROW("HELO ", SMTP),
    ROW("LHLO ", SMTP),
    ROW("AUTH TLS", FTP),
    ROW("AUTH SSL", FTP),
    ROW("* OK", IMAP),
    ROW("* PREAUTH", IMAP),
    ROW("+OK", POP3),
    ROW("STLS", POP3),
    ROW("200 ", NNTP),
    ROW("201 ", NNTP),
    ROW("<?xml", XMPP),
    ROW("<stream:stream", XMPP),
    ROW("CAP LS", IRC),
    ROW("NICK ", IRC),
    ROW("STARTTLS\r\n", IRC),
    ROW("STARTTLS\n", IRC),
    ROW("\"IMPLEMENTATION\"", SIEVE),
    ROW("\0\0\0\x08\x04\xd2\x16\x2f", POSTGRESQL), /* SSLRequest */
    ROW("\0\0\0\x08\x04\xd2\x16\x30", POSTGRESQL), /* GSSENCRequest: SSLRequest may follow */
    ROW("CONNECT ", CONNECT),
    ROW("PROXY ", PROXY),
    ROW("\r\n\r\n\0\r\nQUIT\n", PROXY),
#undef ROW
};

static enum pf_begins by_text(struct pf_span s, enum pf_starttls *protocol)
{
    enum pf_begins best = PF_BEGINS_NO;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        size_t n = s.len < r->len ? s.len : r->len;
        if (memcmp(s.ptr, r->text, n) != 0) {
            continue;
        }
        if (n == r->len) {
            *protocol = (enum pf_starttls)r->protocol;
            return PF_BEGINS_YES;
        }
        best = PF_BEGINS_MORE;
    }
    return best;
}

/* The server's first packet: 3 bytes of length, number 0, protocol 10, its version as text. */
static enum pf_begins mysql(struct pf_cur c)
{
    static const uint8_t low[] = {0, 0, 0, 0, 10, '0'};
    static const uint8_t high[] = {0xff, 3, 0, 0, 10, '9'};
    for (size_t i = 0; i < sizeof low; i++) {
        uint8_t b;
        if (!pf_cur_u8(&c, &b)) {
            return PF_BEGINS_MORE;
        }
        if (b < low[i] || b > high[i]) {
            return PF_BEGINS_NO;
        }
    }
    return PF_BEGINS_YES;
}

/* RFC 1928 section 3: the methods that are offered, and no more. */
static enum pf_begins socks5(struct pf_cur c)
{
    enum { LAST_ASSIGNED = 9, FIRST_PRIVATE = 0x80, METHODS_MAX = 16 };
    uint8_t version;
    uint8_t count;
    if (!pf_cur_u8(&c, &version) || version != 5) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_u8(&c, &count)) {
        return PF_BEGINS_MORE;
    }
    if (count == 0 || count > METHODS_MAX) {
        return PF_BEGINS_NO;
    }
    uint8_t method;
    for (uint8_t i = 0; i < count; i++) {
        if (!pf_cur_u8(&c, &method)) {
            return PF_BEGINS_MORE;
        }
        if (method > LAST_ASSIGNED && method < FIRST_PRIVATE) {
            return PF_BEGINS_NO;
        }
    }
    return PF_BEGINS_YES;
}

/* Version, CONNECT or BIND, port, address, user id up to a zero. */
static enum pf_begins socks4(struct pf_cur c)
{
    enum { USER_MAX = 48 };
    uint8_t version;
    uint8_t command;
    if (!pf_cur_u8(&c, &version) || version != 4) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_u8(&c, &command)) {
        return PF_BEGINS_MORE;
    }
    if (command != 1 && command != 2) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_skip(&c, 6)) {
        return PF_BEGINS_MORE;
    }
    size_t n = c.left < USER_MAX ? c.left : USER_MAX;
    if (n > 0 && memchr(c.ptr, 0, n) != NULL) {
        return PF_BEGINS_YES;
    }
    return n < USER_MAX ? PF_BEGINS_MORE : PF_BEGINS_NO;
}

/* TPKT (RFC 1006) with an X.224 connection request or confirm that fills it. */
static enum pf_begins rdp(struct pf_cur c)
{
    enum { TPKT = 4, REQUEST = 0xe0, CONFIRM = 0xd0 };
    uint8_t head[3];
    uint8_t len;
    uint8_t inner;
    uint8_t type;
    if (c.left == 0 || c.ptr[0] != 3) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_copy(&c, head, sizeof head) || !pf_cur_u8(&c, &len) || !pf_cur_u8(&c, &inner) ||
        !pf_cur_u8(&c, &type)) {
        return PF_BEGINS_MORE;
    }
    bool is = head[1] == 0 && head[2] == 0 && inner + TPKT + 1 == len &&
              (type == REQUEST || type == CONFIRM);
    return is ? PF_BEGINS_YES : PF_BEGINS_NO;
}

/* LDAPMessage (RFC 4511 section 4.1.1): a search (of the root, as clients do first) or an extended
 * operation. */
static enum pf_begins ldap(struct pf_cur c)
{
    enum { SEQUENCE = 0x30, INTEGER = 2, SEARCH = 0x63, EXTENDED = 0x77, EXTENDED_ANSWER = 0x78 };
    uint8_t tag;
    uint8_t len;
    if (!pf_cur_u8(&c, &tag) || tag != SEQUENCE) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_u8(&c, &len)) {
        return PF_BEGINS_MORE;
    }
    if (len > 0x84 || (len >= 0x80 && !pf_cur_skip(&c, len - 0x80U))) {
        return len > 0x84 ? PF_BEGINS_NO : PF_BEGINS_MORE;
    }
    uint8_t id[2];
    if (!pf_cur_copy(&c, id, sizeof id)) {
        return PF_BEGINS_MORE;
    }
    if (id[0] != INTEGER || id[1] == 0 || id[1] > 4) {
        return PF_BEGINS_NO;
    }
    if (!pf_cur_skip(&c, id[1]) || !pf_cur_u8(&c, &tag)) {
        return PF_BEGINS_MORE;
    }
    return tag == SEARCH || tag == EXTENDED || tag == EXTENDED_ANSWER ? PF_BEGINS_YES
                                                                      : PF_BEGINS_NO;
}

enum pf_begins pf_starttls_begins(struct pf_span first, enum pf_starttls *protocol)
{
    static const struct {
        enum pf_begins (*look)(struct pf_cur c);
        enum pf_starttls protocol;
    } binary[] = {
        {socks5, PF_STARTTLS_SOCKS5}, {socks4, PF_STARTTLS_SOCKS4}, {rdp, PF_STARTTLS_RDP},
        {ldap, PF_STARTTLS_LDAP},     {mysql, PF_STARTTLS_MYSQL},
    };
    *protocol = PF_STARTTLS_NONE;
    if (first.len == 0) {
        return PF_BEGINS_MORE;
    }
    enum pf_begins best = by_text(first, protocol);
    for (size_t i = 0; i < sizeof binary / sizeof binary[0] && best != PF_BEGINS_YES; i++) {
        enum pf_begins b = binary[i].look(pf_cur_of(first));
        if (b == PF_BEGINS_YES) {
            *protocol = binary[i].protocol;
        }
        best = b != PF_BEGINS_NO ? b : best;
    }
    return best;
}

/* Without regard to case, which is all that differs between clients. */
static bool contains(struct pf_span s, const char *upper)
{
    size_t n = strlen(upper);
    for (size_t i = 0; i + n <= s.len; i++) {
        size_t k = 0;
        while (k < n) {
            uint8_t ch = s.ptr[i + k];
            ch = ch >= 'a' && ch <= 'z' ? (uint8_t)(ch - 0x20) : ch;
            if (ch != (uint8_t)upper[k]) {
                break;
            }
            k++;
        }
        if (k == n) {
            return true;
        }
    }
    return false;
}

enum pf_starttls pf_starttls_protocol(struct pf_span client, struct pf_span server)
{
    enum pf_starttls by_client;
    enum pf_starttls by_server;
    (void)pf_starttls_begins(client, &by_client);
    (void)pf_starttls_begins(server, &by_server);
    /* a greeting says more than the client's words, and than a proxy's header in front of them */
    enum pf_starttls p = by_server != PF_STARTTLS_NONE ? by_server : by_client;
    bool ftp = contains(client, "AUTH TLS") || contains(client, "AUTH SSL");
    return p == PF_STARTTLS_SMTP && ftp ? PF_STARTTLS_FTP : p;
}

bool pf_starttls_find(struct pf_span bytes, size_t *at, enum pf_looks *looks)
{
    while (*at < bytes.len) {
        /* Only a record header counts: the two bytes of SSLv2 framing are anywhere. */
        const uint8_t *p = memchr(bytes.ptr + *at, PF_CT_HANDSHAKE, bytes.len - *at);
        if (p == NULL) {
            *at = bytes.len;
            return false;
        }
        *at = (size_t)(p - bytes.ptr);
        *looks = pf_hs_looks_like((struct pf_span){p, bytes.len - *at});
        if (*looks == PF_LOOKS_CLIENT_HELLO || *looks == PF_LOOKS_SERVER_HELLO) {
            return true;
        }
        if (*looks == PF_LOOKS_MORE) {
            return false;
        }
        ++*at;
    }
    return false;
}
