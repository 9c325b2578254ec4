// SPDX-License-Identifier: Apache-2.0
#include "tls/hsmsg.h"

#include "base/cursor.h"

/* RFC 8446 section 4.4.2 puts a request context in front and extensions behind each certificate. */
static bool certificate_list(struct pf_span body, bool tls13, struct pf_cur *list)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur context;
    return (!tls13 || pf_cur_vec8(&c, &context)) && pf_cur_vec24(&c, list) && pf_cur_at_end(&c);
}

enum pf_status pf_hs_certificate_at(struct pf_span body, bool tls13, size_t *pos,
                                    struct pf_span *der)
{
    struct pf_cur list;
    if (!certificate_list(body, tls13, &list)) {
        return PF_ERR_MALFORMED;
    }
    size_t list_len = list.left;
    struct pf_cur cert;
    struct pf_cur exts;
    if (!pf_cur_skip(&list, *pos)) {
        return PF_ERR_MALFORMED;
    }
    if (pf_cur_at_end(&list)) {
        return PF_END;
    }
    if (!pf_cur_vec24(&list, &cert) || cert.left == 0 || (tls13 && !pf_cur_vec16(&list, &exts))) {
        return PF_ERR_MALFORMED;
    }
    *pos = list_len - list.left;
    *der = pf_cur_rest(&cert);
    return PF_OK;
}

enum pf_status pf_hs_certificate(struct pf_span body, bool tls13, struct pf_span *leaf)
{
    size_t pos = 0;
    *leaf = (struct pf_span){0};
    enum pf_status st = pf_hs_certificate_at(body, tls13, &pos, leaf);
    return st == PF_END ? PF_OK : st;
}

/*
 * With the length or without it: the length is believed when it is exactly what follows. An SSL 3.0
 * body has none; that its first two ciphertext bytes look like one happens once in 65,536, unless
 * the body is as long as a modulus, which it then is.
 */
enum pf_status pf_hs_client_key_exchange_rsa(struct pf_span body, uint16_t version,
                                             struct pf_span *encrypted)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur inner;
    bool bare = version <= PF_VERSION_SSL3 && body.len % 8 == 0;
    if (!bare && pf_cur_vec16(&c, &inner) && pf_cur_at_end(&c)) {
        *encrypted = pf_cur_rest(&inner);
    } else {
        *encrypted = body;
    }
    return encrypted->len > 0 ? PF_OK : PF_ERR_MALFORMED;
}

enum pf_status pf_hs_new_session_ticket(struct pf_span body, uint32_t *lifetime_s,
                                        struct pf_span *ticket)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur inner;
    if (!pf_cur_u32(&c, lifetime_s) || !pf_cur_vec16(&c, &inner) || !pf_cur_at_end(&c)) {
        return PF_ERR_MALFORMED;
    }
    *ticket = pf_cur_rest(&inner);
    return PF_OK;
}

enum {
    CLIENT_HELLO_MIN =
        2 + PF_RANDOM_LEN + 1 + 4 + 2, /* no session id, one suite, one compression */
    SERVER_HELLO_MIN = 2 + PF_RANDOM_LEN + 1 + 2 + 1,
    HELLO_MAX = 2 + PF_RANDOM_LEN + 33 + 2 * (2 + 65535) + 256,
    DRAFT_MAJOR = 0x7f
};

/* A guess from a prefix: each field narrows it, and where the bytes end it stays open. */
enum guess { GUESS_NO, GUESS_OPEN, GUESS_YES };

/* The first handshake message, as far as the first record has it: type, length, version. */
static enum guess guess_hello(struct pf_cur fragment, size_t record_len, uint8_t hs_type,
                              size_t min_len)
{
    uint8_t type;
    uint32_t len;
    uint8_t major;
    if (!pf_cur_u8(&fragment, &type)) {
        return GUESS_OPEN;
    }
    if (type != hs_type) {
        return GUESS_NO;
    }
    if (record_len < 4) {
        return GUESS_YES; /* cut into tiny records: the next header stands between */
    }
    if (!pf_cur_u24(&fragment, &len)) {
        return GUESS_OPEN;
    }
    if (len < min_len || len > HELLO_MAX) {
        return GUESS_NO;
    }
    if (record_len < 5) {
        return GUESS_YES;
    }
    if (!pf_cur_u8(&fragment, &major)) {
        return GUESS_OPEN;
    }
    bool draft = hs_type == PF_HS_SERVER_HELLO && major == DRAFT_MAJOR;
    return major == 3 || draft ? GUESS_YES : GUESS_NO;
}

static enum pf_looks looks_handshake(struct pf_cur c, size_t record_len)
{
    struct pf_cur fragment = pf_cur_over(c.ptr, c.left < record_len ? c.left : record_len);
    enum guess client = guess_hello(fragment, record_len, PF_HS_CLIENT_HELLO, CLIENT_HELLO_MIN);
    enum guess server = guess_hello(fragment, record_len, PF_HS_SERVER_HELLO, SERVER_HELLO_MIN);
    if (client == GUESS_OPEN || server == GUESS_OPEN) {
        return PF_LOOKS_MORE;
    }
    if (client == GUESS_YES) {
        return PF_LOOKS_CLIENT_HELLO;
    }
    return server == GUESS_YES ? PF_LOOKS_SERVER_HELLO : PF_LOOKS_RECORD;
}

static enum pf_looks looks_tls(struct pf_cur c)
{
    uint8_t type;
    uint8_t major;
    uint8_t minor;
    uint16_t len;
    if (!pf_cur_u8(&c, &type) || !pf_cur_u8(&c, &major)) {
        return PF_LOOKS_MORE;
    }
    if (major != 3) {
        return PF_LOOKS_OTHER;
    }
    if (!pf_cur_u8(&c, &minor)) {
        return PF_LOOKS_MORE;
    }
    if (minor > 4) {
        return PF_LOOKS_OTHER;
    }
    if (!pf_cur_u16(&c, &len)) {
        return PF_LOOKS_MORE;
    }
    if (len == 0 || len > PF_RECORD_MAX) {
        return PF_LOOKS_OTHER;
    }
    return type == PF_CT_HANDSHAKE ? looks_handshake(c, len) : PF_LOOKS_RECORD;
}

/* CLIENT-HELLO behind its type: version, three lengths that must fill the record (RFC 5246 E.2). */
static enum pf_looks looks_sslv2_client(struct pf_cur c, size_t record_len)
{
    uint16_t version;
    uint16_t suites_len;
    uint16_t id_len;
    uint16_t challenge_len;
    if (!pf_cur_u16(&c, &version)) {
        return PF_LOOKS_MORE;
    }
    bool ssl2 = version == PF_VERSION_SSL2;
    if (!ssl2 && (version < PF_VERSION_SSL3 || version > PF_VERSION_TLS13)) {
        return PF_LOOKS_OTHER;
    }
    if (!pf_cur_u16(&c, &suites_len) || !pf_cur_u16(&c, &id_len) ||
        !pf_cur_u16(&c, &challenge_len)) {
        return PF_LOOKS_MORE;
    }
    if (suites_len == 0 || suites_len % 3 != 0 || id_len > PF_SESSION_ID_MAX ||
        challenge_len == 0 || challenge_len > PF_RANDOM_LEN ||
        record_len != (size_t)9 + suites_len + id_len + challenge_len) {
        return PF_LOOKS_OTHER;
    }
    return ssl2 ? PF_LOOKS_SSL2 : PF_LOOKS_CLIENT_HELLO;
}

/* SERVER-HELLO of SSL 2.0 behind its type: hit, certificate type, version, three lengths. */
static enum pf_looks looks_sslv2_server(struct pf_cur c, size_t record_len)
{
    uint8_t hit;
    uint8_t cert_type;
    uint16_t version;
    uint16_t cert_len;
    uint16_t suites_len;
    uint16_t id_len;
    if (!pf_cur_u8(&c, &hit) || !pf_cur_u8(&c, &cert_type) || !pf_cur_u16(&c, &version)) {
        return PF_LOOKS_MORE;
    }
    if (hit > 1 || cert_type > 1 || version != PF_VERSION_SSL2) {
        return PF_LOOKS_OTHER;
    }
    if (!pf_cur_u16(&c, &cert_len) || !pf_cur_u16(&c, &suites_len) || !pf_cur_u16(&c, &id_len)) {
        return PF_LOOKS_MORE;
    }
    bool fits = suites_len % 3 == 0 && id_len <= PF_SESSION_ID_MAX &&
                record_len == (size_t)11 + cert_len + suites_len + id_len;
    return fits ? PF_LOOKS_SSL2 : PF_LOOKS_OTHER;
}

/* The two-byte record header of SSL 2.0: high bit set, 15 bits of length; then the message type. */
static enum pf_looks looks_sslv2(struct pf_cur c)
{
    enum { SSL2_SERVER_HELLO = 4 };
    uint16_t header;
    uint8_t type;
    if (!pf_cur_u16(&c, &header) || !pf_cur_u8(&c, &type)) {
        return PF_LOOKS_MORE;
    }
    size_t record_len = header & 0x7fff;
    if (type == PF_HS_CLIENT_HELLO) {
        return looks_sslv2_client(c, record_len);
    }
    return type == SSL2_SERVER_HELLO ? looks_sslv2_server(c, record_len) : PF_LOOKS_OTHER;
}

enum pf_looks pf_hs_looks_like(struct pf_span bytes)
{
    struct pf_cur c = pf_cur_of(bytes);
    uint8_t first;
    if (!pf_cur_u8(&c, &first)) {
        return PF_LOOKS_MORE;
    }
    if (first >= PF_CT_CHANGE_CIPHER_SPEC && first <= PF_CT_HEARTBEAT) {
        return looks_tls(pf_cur_of(bytes));
    }
    return (first & 0x80) != 0 ? looks_sslv2(pf_cur_of(bytes)) : PF_LOOKS_OTHER;
}
