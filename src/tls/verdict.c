// SPDX-License-Identifier: Apache-2.0
/* What became of a connection, and a sentence that a person can act on. */
#include "tls/half.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HEX_LEN = 2 * PF_SPKI_LEN + 1 };

static void to_hex(const uint8_t bytes[PF_SPKI_LEN], char out[HEX_LEN])
{
    for (int i = 0; i < PF_SPKI_LEN; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static bool is_set(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return true;
        }
    }
    return false;
}

__attribute__((format(printf, 2, 3))) static void say(struct pf_conn *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = c->report->text;
    if (vsnprintf(text, PF_DETAIL_MAX, fmt, ap) < 0) {
        text[0] = '\0';
    }
    va_end(ap);
}

static const char *suite_name(const struct pf_handshake *hs)
{
    return hs->suite != NULL ? hs->suite->name : "an unknown suite";
}

/* The server's key, as someone would look for it. */
static void needed_key(struct pf_conn *c, const struct pf_handshake *hs, char *out, size_t cap)
{
    char hex[HEX_LEN];
    if (!is_set(hs->cert_spki, PF_SPKI_LEN)) {
        snprintf(out, cap, "the server's certificate was not captured");
        return;
    }
    to_hex(hs->cert_spki, hex);
    const char *subject = c->report->cert.subject;
    if (subject[0] != '\0') {
        snprintf(out, cap, "SPKI SHA-256 %s, subject %.200s", hex, subject);
    } else {
        snprintf(out, cap, "SPKI SHA-256 %s", hex);
    }
}

static bool was_given_a_key(const struct pf_conn *c)
{
    return c->env->secrets.keyring != NULL && pf_keyring_count(c->env->secrets.keyring) > 0;
}

static enum pf_reason no_rsa_key(struct pf_conn *c, const struct pf_handshake *hs)
{
    char key[400];
    needed_key(c, hs, key, sizeof key);
    if (hs->search.key_bound_failed) {
        say(c, "the key tied to this server does not fit; needed: %s", key);
        return PF_REASON_KEY_REJECTED;
    }
    if (was_given_a_key(c)) {
        say(c, "none of the given private keys is the server's; needed: %s", key);
    } else {
        say(c, "give the server's private key with --key; needed: %s", key);
    }
    return PF_REASON_NO_PRIVATE_KEY;
}

static bool needs_rsa_key(const struct pf_handshake *hs)
{
    return hs->suite->kx == PF_KX_RSA || (hs->suite->kx == PF_KX_RSA_EXPORT &&
                                          !pf_handshake_has(hs, PF_FACT_SERVER_KEY_EXCHANGE));
}

static bool keylog_was_cut(const struct pf_conn *c)
{
    const struct pf_keylog *log = c->env->secrets.keylog;
    return log != NULL && pf_keylog_counts(log).dropped > 0;
}

static enum pf_reason no_secret(struct pf_conn *c, const struct pf_handshake *hs)
{
    if (pf_secret_resumed(hs) && hs->version != PF_VERSION_TLS13 && !hs->search.origin_locked) {
        say(c, "resumes a session whose full handshake is not in the captures: add the capture "
               "that holds it (with --two-pass, in any order), or a key log with its secret");
        return PF_REASON_SESSION_NOT_SEEN;
    }
    if (needs_rsa_key(hs)) {
        return no_rsa_key(c, hs);
    }
    if (keylog_was_cut(c)) {
        say(c, "the key logs did not fit into memory, and its secret may be among what was left "
               "out: give more with --memory, or a shorter key log");
        return PF_REASON_LIMIT_REACHED;
    }
    if (hs->suite->kx == PF_KX_PSK) {
        say(c, "%s: give the pre-shared key with --psk, or a key log with --keylog",
            suite_name(hs));
    } else {
        say(c,
            "%s is forward-secret: only a key log (--keylog, or secrets inside the pcapng) of "
            "client or server opens it, no private key does",
            suite_name(hs));
    }
    return PF_REASON_NO_SESSION_SECRET;
}

/* It was captured, and not only found out. */
static bool was_seen(const struct pf_handshake *hs, uint32_t hello)
{
    return pf_handshake_has(hs, hello) && (hs->blind & hello) == 0;
}

static enum pf_reason why_no_handshake(struct pf_conn *c, const struct pf_handshake *hs)
{
    bool client = was_seen(hs, PF_FACT_CLIENT_HELLO);
    bool server = was_seen(hs, PF_FACT_SERVER_HELLO);
    bool cut = c->half[0].plain_cut || c->half[1].plain_cut;
    if (!client && !server && !cut) {
        say(c, "the capture has no hello of this connection: it begins in its middle");
        return PF_REASON_NO_HANDSHAKE;
    }
    if (c->alert_seen) {
        say(c, "%s gave up with the alert %s",
            c->alert_from == PF_C2S ? "the client" : "the server", pf_alert_name(c->alert_code));
        return PF_REASON_HANDSHAKE_FAILED;
    }
    if (cut || client != server) {
        if (!cut) {
            say(c, "only the %s's side of the handshake was captured",
                client ? "client" : "server");
        } else {
            say(c, "packets of the handshake are missing from the capture");
        }
        return PF_REASON_HANDSHAKE_CUT;
    }
    say(c, "the handshake was not finished");
    return PF_REASON_HANDSHAKE_FAILED;
}

/* What is missing of a handshake that got as far as a key change, if that is why it is locked. */
static bool is_cut(const struct pf_conn *c, const struct pf_handshake *hs)
{
    if (!was_seen(hs, PF_FACT_CLIENT_HELLO) || !was_seen(hs, PF_FACT_SERVER_HELLO)) {
        return true;
    }
    if (hs->suite == NULL || hs->version == PF_VERSION_TLS13) {
        return false;
    }
    bool lost = pf_handshake_has(hs, PF_FACT_TRANSCRIPT_LOST) || c->half[0].plain_cut ||
                c->half[1].plain_cut;
    if (pf_secret_resumed(hs)) {
        return lost && pf_secret_resumed_id(hs).len == 0; /* it may have been a full one */
    }
    return needs_rsa_key(hs) && was_given_a_key(c) &&
           (!pf_handshake_has(hs, PF_FACT_CLIENT_KEY_EXCHANGE) ||
            (hs->extended_master && (lost || !pf_handshake_has(hs, PF_FACT_SERVER_DONE))));
}

static bool wanted_keys(const struct pf_conn *c, const struct pf_handshake *hs)
{
    return c->locked || pf_handshake_has(hs, PF_FACT_CLIENT_CCS) ||
           pf_handshake_has(hs, PF_FACT_SERVER_CCS) ||
           (hs->version == PF_VERSION_TLS13 &&
            (c->half[0].phase != PF_PHASE_NONE || c->half[1].phase != PF_PHASE_NONE));
}

/* One direction held all it may, for a hello of the other one that was never captured: more memory
 * would not have brought it. */
static bool waited_in_vain(const struct pf_conn *c, const struct pf_handshake *hs)
{
    bool client = c->half[PF_C2S].limit;
    bool server = c->half[PF_S2C].limit;
    return client != server && !was_seen(hs, client ? PF_FACT_SERVER_HELLO : PF_FACT_CLIENT_HELLO);
}

static enum pf_reason why_locked(struct pf_conn *c, const struct pf_handshake *hs)
{
    bool forgot = hs->extended_master && pf_handshake_has(hs, PF_FACT_TRANSCRIPT_LOST);
    bool limit = c->half[0].limit || c->half[1].limit || forgot;
    if (limit && !waited_in_vain(c, hs)) {
        say(c, "more bytes were waiting than the memory limit allows: give more with --memory");
        return PF_REASON_LIMIT_REACHED;
    }
    if (c->unsupported || (pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && hs->suite == NULL)) {
        say(c, "cipher suite 0x%04x (%s) is not supported", hs->suite_id, suite_name(hs));
        return PF_REASON_UNSUPPORTED_SUITE;
    }
    if (!wanted_keys(c, hs) || is_cut(c, hs)) {
        return why_no_handshake(c, hs);
    }
    return no_secret(c, hs);
}

/* Of a direction that was given up behind a gap. */
static enum pf_reason why_given_up(struct pf_conn *c)
{
    if (c->half[0].search_limit || c->half[1].search_limit) {
        say(c, "packets are missing from the capture; what lies behind a gap verifies under no "
               "number that was tried: it is too far behind the last record, or not of this "
               "connection");
        return PF_REASON_BYTES_MISSING;
    }
    say(c, "packets are missing from the capture, and with them what the compression (DEFLATE) "
           "refers to: nothing behind the gap can be read");
    return PF_REASON_BYTES_MISSING;
}

static enum pf_reason why_partial(struct pf_conn *c)
{
    const struct pf_half *h = c->half;
    bool limit = h[0].limit || h[1].limit;
    uint64_t rejected = h[0].rejected + h[1].rejected;
    if (limit) {
        say(c, "a direction was given up at the memory limit: give more with --memory");
        return PF_REASON_LIMIT_REACHED;
    }
    if (c->locked || h[PF_C2S].early_locked) {
        say(c, c->locked ? "keys were renegotiated, and the new ones are not known"
                         : "early data (0-RTT) needs CLIENT_EARLY_TRAFFIC_SECRET in the key log");
        return PF_REASON_NO_SESSION_SECRET;
    }
    if (h[0].search_limit || h[1].search_limit || h[0].window_lost || h[1].window_lost) {
        return why_given_up(c);
    }
    if (rejected > 0 && rejected >= h[0].gaps + h[1].gaps) {
        say(c, "%llu records did not verify: changed on the way, or not of this connection",
            (unsigned long long)rejected);
        return PF_REASON_RECORD_REJECTED;
    }
    say(c, "packets are missing from the capture; all records that were wholly captured were "
           "opened");
    return PF_REASON_BYTES_MISSING;
}

/* TLS 1.3: a direction whose protected records could not be opened, although the other's were. */
static bool one_is_locked(const struct pf_conn *c)
{
    for (int d = 0; d < 2; d++) {
        const struct pf_half *h = &c->half[d];
        if (!h->proved && h->phase != PF_PHASE_NONE) {
            return true;
        }
    }
    return false;
}

static bool any_loss(const struct pf_conn *c)
{
    for (int d = 0; d < 2; d++) {
        const struct pf_half *h = &c->half[d];
        if (h->gaps > 0 || h->limit || h->early_locked || h->rejected > 0) {
            return true;
        }
    }
    return c->locked;
}

static void judge(struct pf_conn *c, const struct pf_handshake *hs, struct pf_conn_report *out)
{
    bool opened = c->half[0].proved || c->half[1].proved;
    if (!opened) {
        out->status = PF_FLOW_LOCKED;
        out->reason = why_locked(c, hs);
    } else if (any_loss(c)) {
        out->status = PF_FLOW_PARTIAL;
        out->reason = why_partial(c);
    } else if (one_is_locked(c)) {
        out->status = PF_FLOW_PARTIAL;
        out->reason = PF_REASON_NO_SESSION_SECRET;
        say(c, "the secrets of one direction are not known");
    } else {
        out->status = PF_FLOW_DECRYPTED;
        out->reason = PF_REASON_NONE;
    }
    out->detail = out->text[0] != '\0' ? out->text : NULL;
}

static struct pf_span text_or_null(const char *s, uint8_t len)
{
    return (struct pf_span){.ptr = len > 0 ? (const uint8_t *)s : NULL, .len = len};
}

/* A tunnel through an HTTPS proxy, or through stunnel: the analyst will want to know. */
static void name_tunnel(struct pf_conn *c, struct pf_conn_report *out)
{
    if (!c->half[PF_C2S].tls_inside && !c->half[PF_S2C].tls_inside) {
        return;
    }
    size_t len = strlen(out->text);
    snprintf(out->text + len, sizeof out->text - len, "%sanother TLS connection runs inside",
             len > 0 ? "; " : "");
    out->detail = out->text;
}

void pf_conn_report(struct pf_conn *c, struct pf_conn_report *out)
{
    const struct pf_handshake *hs = c->first != NULL ? c->first : c->hs[0];
    bool client = pf_handshake_has(hs, PF_FACT_CLIENT_HELLO);
    bool server = pf_handshake_has(hs, PF_FACT_SERVER_HELLO);
    memset(out, 0, sizeof *out);
    c->report = out;
    struct pf_span der = {hs->certificate.ptr, hs->certificate.len};
    if (der.len == 0 || pf_cert_cache_parse(c->env->certs, der, &out->cert) != PF_OK) {
        memset(&out->cert, 0, sizeof out->cert);
    }
    out->server_name = text_or_null(hs->server_name, hs->server_name_len);
    out->next_protocol = text_or_null(hs->next_protocol, hs->next_protocol_len);
    /* A random that was found out counts once it is proved. */
    client &= hs->blind == 0 || hs->search.proved;
    out->client_random = client ? hs->client_random : NULL;
    if (server) {
        out->version = pf_version_name(hs->version);
        out->version_code = hs->version;
        out->cipher = hs->suite != NULL ? hs->suite->name : NULL;
        out->server_random = was_seen(hs, PF_FACT_SERVER_HELLO) ? hs->server_random : NULL;
        out->session_id.ptr = hs->session_id_len > 0 ? hs->session_id : NULL;
        out->session_id.len = hs->session_id_len;
    }
    out->resumed_known =
        server && hs->version != PF_VERSION_TLS13 &&
        (pf_handshake_has(hs, PF_FACT_SERVER_DONE) || pf_handshake_has(hs, PF_FACT_SERVER_CCS));
    out->resumed = out->resumed_known && pf_secret_resumed(hs);
    out->cert_spki = is_set(hs->cert_spki, PF_SPKI_LEN) ? hs->cert_spki : NULL;
    out->cert_subject = out->cert.subject[0] != '\0' ? out->cert.subject : NULL;
    out->suite = server ? hs->suite : NULL;
    if (hs->search.origin_packet != c->flow_packet) { /* an earlier pass may know this very flow */
        out->origin_packet = hs->search.origin_packet;
    }
    out->watch = c->watch;
    judge(c, hs, out);
    name_tunnel(c, out);
    if (out->status != PF_FLOW_LOCKED) {
        out->opened_by = (enum pf_opened_by)hs->search.opened_by;
        out->key_spki = is_set(hs->search.key_spki, PF_SPKI_LEN) ? hs->search.key_spki : NULL;
    }
    for (int d = 0; d < 2; d++) {
        out->trials += c->half[d].trials;
        out->dir[d].missing_records = c->half[d].missing_records;
        out->dir[d].missing_bytes = c->half[d].missing_bytes;
        if (out->status == PF_FLOW_LOCKED) {
            continue; /* nothing tells which copy is true */
        }
        out->dir[d].conflicts =
            pf_copies_conflicts(&c->half[d], &out->dir[d].conflict, &out->dir[d].conflict_count);
    }
}
