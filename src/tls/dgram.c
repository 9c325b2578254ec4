// SPDX-License-Identifier: Apache-2.0
#include "tls/dgram.h"

#include "base/cursor.h"
#include "tls/hsmsg.h"

#include <stdio.h>
#include <string.h>

enum {
    DTLS_HEADER = 13,
    DTLS_HS_HEADER = 12,
    DTLS_1_0 = 0xfeff,
    DTLS_1_2 = 0xfefd,
    DTLS_1_3 = 0xfefc,
    DTLS_OLD = 0x0100, /* OpenSSL before 0.9.8f, and Cisco AnyConnect to this day */
    DTLS_ACK = 26,     /* content types that come in the clear: RFC 9146, RFC 9147 */
    HELLO_VERIFY_REQUEST = 3,
    HELLO_MAX = 4096,
    QUIC_LONG = 0x80,
    QUIC_FIXED = 0x40,
    QUIC_CID_MAX = 20,
    GQUIC_HAS_VERSION = 0x01,
    GQUIC_HAS_CID = 0x08
};

/* ---- DTLS ---- */

static const char *dtls_name(uint16_t version)
{
    switch (version) {
    case DTLS_1_0:
        return "DTLSv10";
    case DTLS_1_2:
        return "DTLSv12";
    case DTLS_1_3:
        return "DTLSv13";
    case DTLS_OLD:
        return "DTLSv10";
    default:
        return NULL;
    }
}

static bool dtls_may_be(const uint8_t *p, size_t len)
{
    return len > DTLS_HEADER && p[0] >= PF_CT_CHANGE_CIPHER_SPEC && p[0] <= DTLS_ACK &&
           dtls_name((uint16_t)(p[1] << 8 | p[2])) != NULL;
}

struct dtls_record {
    uint8_t type;
    uint16_t version;
    uint16_t epoch;
    struct pf_cur body;
};

static bool dtls_record(struct pf_cur *c, struct dtls_record *r)
{
    return pf_cur_u8(c, &r->type) && pf_cur_u16(c, &r->version) && pf_cur_u16(c, &r->epoch) &&
           pf_cur_skip(c, 6) && pf_cur_vec16(c, &r->body) && r->body.left > 0 &&
           dtls_name(r->version) != NULL && r->type >= PF_CT_CHANGE_CIPHER_SPEC &&
           r->type <= DTLS_ACK;
}

/* Records fill the datagram; of DTLS 1.3 the ones behind the first may have other headers. */
static bool dtls_fills(struct pf_cur c)
{
    enum { UNIFIED_MASK = 0xe0, UNIFIED = 0x20 };
    struct dtls_record r;
    while (!pf_cur_at_end(&c)) {
        if ((c.ptr[0] & UNIFIED_MASK) == UNIFIED) {
            return true;
        }
        if (!dtls_record(&c, &r)) {
            return false;
        }
    }
    return true;
}

/* A DTLS ClientHello is a TLS one with a cookie (RFC 6347 section 4.2.1): without it, it is read as
 * one. */
static void client_hello(struct pf_cur body, struct pf_dgram *out)
{
    enum { BEFORE_ID = 2 + PF_RANDOM_LEN };
    uint8_t plain[HELLO_MAX];
    struct pf_client_hello hello;
    struct pf_cur c = body;
    struct pf_cur id;
    struct pf_cur cookie;
    if (body.left > HELLO_MAX || !pf_cur_skip(&c, BEFORE_ID) || !pf_cur_vec8(&c, &id)) {
        return;
    }
    size_t front = body.left - c.left;
    if (!pf_cur_vec8(&c, &cookie)) {
        return;
    }
    memcpy(plain, body.ptr, front);
    memcpy(plain + front, c.ptr, c.left);
    if (pf_hs_client_hello((struct pf_span){plain, front + c.left}, &hello) != PF_OK) {
        return;
    }
    out->has_random = true;
    memcpy(out->random, hello.random, PF_RANDOM_LEN);
    if (hello.server_name.len > 0 && hello.server_name.ptr != NULL) {
        /* behind the cookie, where the copy came from */
        size_t at = (size_t)(hello.server_name.ptr - plain) - front;
        out->server_name = (struct pf_span){c.ptr + at, hello.server_name.len};
    }
}

static void server_hello(struct pf_cur body, struct pf_dgram *out)
{
    struct pf_server_hello hello;
    if (pf_hs_server_hello(pf_cur_rest(&body), &hello) != PF_OK || hello.hello_retry) {
        return;
    }
    const char *name = dtls_name(hello.version);
    if (name != NULL) {
        snprintf(out->version, sizeof out->version, "%s", name);
        out->settled = true;
    }
    out->has_random = true;
    memcpy(out->random, hello.random, PF_RANDOM_LEN);
    out->suite = hello.suite;
}

static void dtls_handshake(struct pf_cur c, struct pf_dgram *out)
{
    uint8_t type;
    uint32_t len;
    uint32_t offset;
    uint32_t here;
    struct pf_cur body;
    if (!pf_cur_u8(&c, &type) || !pf_cur_u24(&c, &len) || !pf_cur_skip(&c, 2) ||
        !pf_cur_u24(&c, &offset) || !pf_cur_u24(&c, &here)) {
        return;
    }
    bool client = type == PF_HS_CLIENT_HELLO;
    bool server = type == PF_HS_SERVER_HELLO || type == HELLO_VERIFY_REQUEST;
    out->from = client ? PF_DGRAM_CLIENT : server ? PF_DGRAM_SERVER : PF_DGRAM_ANY;
    if (offset != 0 || here != len || !pf_cur_sub(&c, here, &body)) {
        return;
    }
    if (client) {
        client_hello(body, out);
    } else if (type == PF_HS_SERVER_HELLO) {
        server_hello(body, out);
    }
}

static void read_dtls(struct pf_cur c, struct pf_dgram *out)
{
    struct pf_cur all = c;
    struct dtls_record r;
    if (!dtls_record(&c, &r) || !dtls_fills(all)) {
        return;
    }
    out->kind = PF_DGRAM_DTLS;
    snprintf(out->version, sizeof out->version, "%s", dtls_name(r.version));
    out->settled = r.epoch > 0;
    if (r.type == PF_CT_HANDSHAKE && r.epoch == 0) {
        dtls_handshake(r.body, out);
    }
}

/* ---- QUIC ---- */

/* "" where the version says nothing but that it is QUIC; false: it is none. */
static bool quic_name(uint32_t v, char out[PF_DGRAM_VERSION])
{
    enum { DRAFT_MAX = 34 };
    uint8_t c[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    out[0] = '\0';
    if (v == 1 || v == 0x6b3343cf) {
        snprintf(out, PF_DGRAM_VERSION, "QUICv%d", v == 1 ? 1 : 2);
        return true;
    }
    if (v >> 8 == 0xff0000 && c[3] > 0 && c[3] <= DRAFT_MAX) {
        snprintf(out, PF_DGRAM_VERSION, "QUIC-draft-%02u", (unsigned)c[3]);
        return true;
    }
    if ((c[0] == 'Q' || c[0] == 'T') && c[1] == '0' && c[2] >= '0' && c[2] <= '9' && c[3] >= '0' &&
        c[3] <= '9') {
        snprintf(out, PF_DGRAM_VERSION, "gQUIC-%c%c%c%c", c[0], c[1], c[2], c[3]);
        return true;
    }
    return (v & 0x0f0f0f0f) == 0x0a0a0a0a; /* RFC 9000 section 15: to exercise negotiation */
}

static bool quic_may_be(const uint8_t *p, size_t len)
{
    char name[PF_DGRAM_VERSION];
    if (len < 7 || (p[0] & QUIC_LONG) == 0) {
        return false;
    }
    uint32_t v = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    return v == 0 || quic_name(v, name);
}

/* Versions before Q046 have a header of their own: flags, connection id, version. */
static bool gquic_may_be(const uint8_t *p, size_t len)
{
    enum { VERSION_AT = 9, NO_FLAGS = 0xc2 };
    return len > VERSION_AT + 4 && (p[0] & GQUIC_HAS_VERSION) != 0 && (p[0] & GQUIC_HAS_CID) != 0 &&
           (p[0] & NO_FLAGS) == 0 && p[VERSION_AT] == 'Q' && p[VERSION_AT + 1] == '0' &&
           p[VERSION_AT + 2] >= '0' && p[VERSION_AT + 2] <= '9' && p[VERSION_AT + 3] >= '0' &&
           p[VERSION_AT + 3] <= '9';
}

/* Version 0: the server lists what it speaks (RFC 8999 section 6). One of it must be known. */
static bool version_negotiation(struct pf_cur c)
{
    uint32_t v;
    bool known = false;
    while (pf_cur_u32(&c, &v)) {
        char name[PF_DGRAM_VERSION];
        known |= quic_name(v, name) && name[0] != '\0';
    }
    return known && pf_cur_at_end(&c);
}

static void read_quic(struct pf_cur c, struct pf_dgram *out)
{
    uint8_t first;
    uint32_t version;
    struct pf_cur destination;
    struct pf_cur source;
    char name[PF_DGRAM_VERSION];
    if (!pf_cur_u8(&c, &first) || !pf_cur_u32(&c, &version) || !pf_cur_vec8(&c, &destination) ||
        !pf_cur_vec8(&c, &source) || destination.left > QUIC_CID_MAX ||
        source.left > QUIC_CID_MAX) {
        return;
    }
    if (version == 0) {
        if (version_negotiation(c)) {
            out->kind = PF_DGRAM_QUIC;
            out->from = PF_DGRAM_SERVER;
        }
        return;
    }
    if (!quic_name(version, name) || (first & QUIC_FIXED) == 0 || c.left == 0) {
        return;
    }
    out->kind = PF_DGRAM_QUIC;
    memcpy(out->version, name, sizeof name);
    out->settled = name[0] != '\0';
}

static void read_gquic(struct pf_cur c, struct pf_dgram *out)
{
    uint32_t version;
    char name[PF_DGRAM_VERSION];
    if (pf_cur_skip(&c, 9) && pf_cur_u32(&c, &version) && quic_name(version, name)) {
        out->kind = PF_DGRAM_QUIC;
        memcpy(out->version, name, sizeof name);
        out->settled = true;
    }
}

bool pf_dgram_may_be(struct pf_span d)
{
    return dtls_may_be(d.ptr, d.len) || quic_may_be(d.ptr, d.len) || gquic_may_be(d.ptr, d.len);
}

void pf_dgram_read(struct pf_span d, struct pf_dgram *out)
{
    memset(out, 0, sizeof *out);
    if (dtls_may_be(d.ptr, d.len)) {
        read_dtls(pf_cur_of(d), out);
    } else if (quic_may_be(d.ptr, d.len)) {
        read_quic(pf_cur_of(d), out);
    } else if (gquic_may_be(d.ptr, d.len)) {
        read_gquic(pf_cur_of(d), out);
    }
}
