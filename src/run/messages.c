// SPDX-License-Identifier: Apache-2.0
#include "run/messages.h"

#include "base/cursor.h"
#include "run/codes.h"
#include "run/hellos.h"
#include "tls/hsmsg.h"
#include "tls/names.h"
#include "tls/wire.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_LEN = 4, CURVE_NAMED = 3 /* RFC 8422 section 5.4 */ };

#define NS_PER_S ((int64_t)1000000000)

void pf_message_title(uint8_t type, char *out, size_t cap)
{
    const char *name = pf_hs_name(type);
    size_t n = 0;
    bool up = true;
    for (; *name != '\0' && n + 1 < cap; name++) {
        if (*name != '_') {
            out[n++] = up ? (char)toupper((unsigned char)*name) : *name;
        }
        up = *name == '_';
    }
    out[n] = '\0';
}

/* ---- certificates ---- */

static void certificate_facts(struct pf_facts *f, const struct pf_cert *cert)
{
    char text[PF_CODE_TEXT];
    pf_facts_text(f, "subject",
                  (struct pf_span){(const uint8_t *)cert->subject, strlen(cert->subject)});
    pf_facts_text(f, "issuer",
                  (struct pf_span){(const uint8_t *)cert->issuer, strlen(cert->issuer)});
    pf_facts_hex(f, "spki_sha256", (struct pf_span){cert->spki_sha256, PF_SPKI_LEN});
    pf_facts_time(f, "not_before", cert->not_before_s * NS_PER_S);
    pf_facts_time(f, "not_after", cert->not_after_s * NS_PER_S);
    if (cert->key_type[0] == '\0') {
        (void)snprintf(text, sizeof text, "of an unknown kind");
    } else {
        (void)snprintf(text, sizeof text, "%s %u bits", cert->key_type, cert->key_bits);
    }
    pf_facts_name(f, "key", text);
}

static bool on_certificate(struct pf_facts *f, const struct pf_message_context *context,
                           struct pf_span body)
{
    bool tls13 = context->version == PF_VERSION_TLS13;
    size_t pos = 0;
    struct pf_span der;
    enum pf_status st = PF_OK;
    char title[PF_CODE_TEXT];
    pf_facts_objects(f, "certificates");
    for (int i = 0; i < PF_CHAIN_MAX; i++) {
        st = pf_hs_certificate_at(body, tls13, &pos, &der);
        if (st != PF_OK) {
            break;
        }
        struct pf_cert cert;
        (void)snprintf(title, sizeof title, "certificate %d", i + 1);
        pf_facts_open(f, NULL, title);
        if (pf_cert_cache_parse(context->certs, der, &cert) == PF_OK) {
            certificate_facts(f, &cert);
        } else {
            pf_facts_flag(f, "malformed");
        }
        pf_facts_close(f);
    }
    pf_facts_objects_end(f);
    return st == PF_OK || st == PF_END;
}

/* ---- key exchange ---- */

static bool has_signature_scheme(const struct pf_message_context *context)
{
    return context->version == PF_VERSION_TLS12;
}

/* RFC 8422 section 5.4. */
static bool ecdhe_params(struct pf_facts *f, const struct pf_message_context *context,
                         struct pf_cur c)
{
    uint8_t type;
    uint16_t group;
    uint16_t scheme;
    struct pf_cur point;
    if (!pf_cur_u8(&c, &type) || type != CURVE_NAMED) {
        return false;
    }
    if (!pf_cur_u16(&c, &group) || !pf_cur_vec8(&c, &point)) {
        return false;
    }
    pf_code_fact(f, "group", group, pf_group_name);
    if (has_signature_scheme(context) && pf_cur_u16(&c, &scheme)) {
        pf_code_fact(f, "signature_algorithm", scheme, pf_signature_name);
    }
    return true;
}

/* RFC 5246 section 7.4.3: prime, generator, the server's public value. */
static bool dhe_params(struct pf_facts *f, const struct pf_message_context *context,
                       struct pf_cur c)
{
    struct pf_cur p;
    struct pf_cur g;
    struct pf_cur y;
    uint16_t scheme;
    if (!pf_cur_vec16(&c, &p) || !pf_cur_vec16(&c, &g) || !pf_cur_vec16(&c, &y)) {
        return false;
    }
    pf_facts_number(f, "prime_bits", 8 * (uint64_t)p.left);
    if (has_signature_scheme(context) && pf_cur_u16(&c, &scheme)) {
        pf_code_fact(f, "signature_algorithm", scheme, pf_signature_name);
    }
    return true;
}

static bool psk_hint(struct pf_facts *f, const char *key, struct pf_cur *c)
{
    struct pf_cur hint;
    if (!pf_cur_vec16(c, &hint)) {
        return false;
    }
    if (hint.left > 0) {
        pf_facts_text(f, key, pf_cur_rest(&hint));
    }
    return true;
}

static bool on_server_key_exchange(struct pf_facts *f, const struct pf_message_context *context,
                                   struct pf_span body)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur modulus;
    switch (context->suite != NULL ? context->suite->kx : PF_KX_NULL) {
    case PF_KX_ECDHE:
        return ecdhe_params(f, context, c);
    case PF_KX_ECDHE_PSK:
        return psk_hint(f, "psk_identity_hint", &c) && ecdhe_params(f, context, c);
    case PF_KX_DHE:
        return dhe_params(f, context, c);
    case PF_KX_DHE_PSK:
        return psk_hint(f, "psk_identity_hint", &c) && dhe_params(f, context, c);
    case PF_KX_PSK:
    case PF_KX_RSA_PSK:
        return psk_hint(f, "psk_identity_hint", &c);
    case PF_KX_RSA_EXPORT: /* RFC 2246 section 7.4.3: a short-lived key */
        if (pf_cur_vec16(&c, &modulus)) {
            pf_facts_number(f, "rsa_bits", 8 * (uint64_t)modulus.left);
        }
        return true;
    case PF_KX_ANON: /* of both kinds */
        return ecdhe_params(f, context, c) || dhe_params(f, context, c);
    case PF_KX_NULL:
    case PF_KX_RSA:
    case PF_KX_DH:
    case PF_KX_ECDH:
    case PF_KX_SRP:
    case PF_KX_KRB5:
    case PF_KX_TLS13:
        break;
    }
    return true;
}

static bool on_client_key_exchange(struct pf_facts *f, const struct pf_message_context *context,
                                   struct pf_span body)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_span encrypted;
    struct pf_cur identity;
    switch (context->suite != NULL ? context->suite->kx : PF_KX_NULL) {
    case PF_KX_RSA_PSK:
        if (!pf_cur_vec16(&c, &identity)) {
            return false;
        }
        pf_facts_text(f, "psk_identity", pf_cur_rest(&identity));
        body = pf_cur_rest(&c);
        break;
    case PF_KX_PSK:
    case PF_KX_DHE_PSK:
    case PF_KX_ECDHE_PSK:
        return psk_hint(f, "psk_identity", &c);
    case PF_KX_RSA:
    case PF_KX_RSA_EXPORT:
        break;
    case PF_KX_NULL:
    case PF_KX_DH:
    case PF_KX_DHE:
    case PF_KX_ECDH:
    case PF_KX_ECDHE:
    case PF_KX_ANON:
    case PF_KX_SRP:
    case PF_KX_KRB5:
    case PF_KX_TLS13:
        pf_facts_number(f, "bytes", body.len);
        return true;
    }
    if (pf_hs_client_key_exchange_rsa(body, context->version, &encrypted) != PF_OK) {
        return false;
    }
    pf_facts_number(f, "encrypted_pre_master_bytes", encrypted.len);
    return true;
}

/* ---- the others ---- */

/* RFC 5246 section 7.4.4; in TLS 1.3 a context and extensions. */
static bool on_certificate_request(struct pf_facts *f, const struct pf_message_context *context,
                                   struct pf_span body)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur types;
    struct pf_cur schemes;
    struct pf_cur names;
    struct pf_cur name;
    uint64_t n = 0;
    if (context->version == PF_VERSION_TLS13) {
        return true;
    }
    if (!pf_cur_vec8(&c, &types)) {
        return false;
    }
    if (has_signature_scheme(context)) {
        if (!pf_cur_vec16(&c, &schemes)) {
            return false;
        }
        pf_code_list(f, "signature_algorithms", pf_cur_rest(&schemes), pf_signature_name, 2);
    }
    if (!pf_cur_vec16(&c, &names)) {
        return false;
    }
    while (pf_cur_vec16(&names, &name)) {
        n++;
    }
    pf_facts_number(f, "authorities", n);
    return true;
}

static bool on_new_session_ticket(struct pf_facts *f, const struct pf_message_context *context,
                                  struct pf_span body)
{
    uint32_t lifetime_s;
    struct pf_span ticket;
    if (context->version == PF_VERSION_TLS13) {
        return true;
    }
    if (pf_hs_new_session_ticket(body, &lifetime_s, &ticket) != PF_OK) {
        return false;
    }
    pf_facts_number(f, "lifetime_s", lifetime_s);
    pf_facts_number(f, "ticket_bytes", ticket.len);
    return true;
}

static bool body_facts(struct pf_facts *f, const struct pf_message_context *context, uint8_t type,
                       struct pf_span body)
{
    switch (type) {
    case PF_HS_CLIENT_HELLO:
        return pf_hello_client(f, body);
    case PF_HS_SERVER_HELLO:
        return pf_hello_server(f, body);
    case PF_HS_ENCRYPTED_EXTENSIONS:
        return pf_hello_encrypted_extensions(f, body);
    case PF_HS_CERTIFICATE:
        return on_certificate(f, context, body);
    case PF_HS_SERVER_KEY_EXCHANGE:
        return on_server_key_exchange(f, context, body);
    case PF_HS_CLIENT_KEY_EXCHANGE:
        return on_client_key_exchange(f, context, body);
    case PF_HS_CERTIFICATE_REQUEST:
        return on_certificate_request(f, context, body);
    case PF_HS_NEW_SESSION_TICKET:
        return on_new_session_ticket(f, context, body);
    default:
        return true;
    }
}

void pf_message_facts(struct pf_facts *f, const struct pf_message_context *context,
                      const struct pf_watch *w, const struct pf_watch_event *e)
{
    struct pf_span message = pf_watch_bytes(w, e);
    bool good;
    if (e->kept < e->len) {
        pf_facts_number(f, "too_long_to_read", e->len);
        return;
    }
    if (e->kind == PF_WATCH_SSLV2) {
        good = pf_hello_sslv2(f, message);
    } else {
        good = message.len >= HEADER_LEN &&
               body_facts(f, context, message.ptr[0],
                          (struct pf_span){message.ptr + HEADER_LEN, message.len - HEADER_LEN});
    }
    pf_facts_flag_if(f, "malformed", !good);
}
