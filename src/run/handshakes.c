// SPDX-License-Identifier: Apache-2.0
#include "run/handshakes.h"

#include "run/codes.h"
#include "run/facts.h"
#include "run/messages.h"
#include "store/flows.h"
#include "store/text.h"
#include "tls/keyring.h"
#include "tls/wire.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TITLE = 64, HEX_LEN = 2 * PF_SPKI_LEN + 1, VERDICT = 1024, HOST = INET6_ADDRSTRLEN };

#define NS_PER_S 1e9

/* ---- steps ---- */

static const char *side_name(uint8_t dir)
{
    return dir == PF_C2S ? "client" : "server";
}

static const char *level_name(uint8_t level)
{
    return level == 1 ? "warning" : level == 2 ? "fatal" : "unknown";
}

/* Before TLS 1.3 the first record under keys is Finished, and the only one of its type. */
static const char *sealed_title(const struct pf_watch_event *e, uint16_t version)
{
    switch (e->type) {
    case PF_CT_CHANGE_CIPHER_SPEC:
        return "ChangeCipherSpec";
    case PF_CT_ALERT:
        return "Alert";
    case PF_CT_HANDSHAKE:
        return "Finished";
    case PF_CT_APPLICATION_DATA:
        return version == PF_VERSION_TLS13 ? "EncryptedHandshake" : "ApplicationData";
    default:
        return "Record";
    }
}

static void step_title(const struct pf_watch *w, const struct pf_watch_event *e, uint16_t version,
                       char out[TITLE])
{
    struct pf_span bytes = pf_watch_bytes(w, e);
    const char *title = "";
    switch ((enum pf_watch_kind)e->kind) {
    case PF_WATCH_MESSAGE:
        if (bytes.len > 0) {
            pf_message_title(bytes.ptr[0], out, TITLE);
            return;
        }
        title = "Message";
        break;
    case PF_WATCH_SSLV2:
        title = "ClientHello";
        break;
    case PF_WATCH_CCS:
        title = "ChangeCipherSpec";
        break;
    case PF_WATCH_ALERT:
        title = "Alert";
        break;
    case PF_WATCH_SEALED:
        title = sealed_title(e, version);
        break;
    case PF_WATCH_GAP:
        title = "Missing";
        break;
    }
    (void)snprintf(out, TITLE, "%s", title);
}

static void step_facts(struct pf_facts *f, const struct pf_message_context *context,
                       const struct pf_watch *w, const struct pf_watch_event *e)
{
    switch ((enum pf_watch_kind)e->kind) {
    case PF_WATCH_MESSAGE:
    case PF_WATCH_SSLV2:
        pf_message_facts(f, context, w, e);
        break;
    case PF_WATCH_ALERT:
    case PF_WATCH_SEALED:
    case PF_WATCH_GAP:
    case PF_WATCH_CCS:
        break;
    }
}

/* What is short enough for the step's line. */
static void step_line(struct pf_facts *f, const struct pf_watch *w, const struct pf_watch_event *e,
                      const char *title)
{
    struct pf_span bytes = pf_watch_bytes(w, e);
    bool alert = e->kind == PF_WATCH_ALERT && bytes.len >= 2;
    pf_facts_print(f, "%s %s%s", side_name(e->dir), title, e->opened ? " (opened)" : "");
    if (alert) {
        pf_facts_print(f, ": %s %s", level_name(bytes.ptr[0]), pf_alert_name(bytes.ptr[1]));
    } else if (e->kind == PF_WATCH_SEALED) {
        pf_facts_print(f, " (encrypted, %" PRIu32 " bytes)", e->len);
    } else if (e->kind == PF_WATCH_GAP) {
        pf_facts_print(f, ": %" PRIu32 " bytes", e->len);
    }
    pf_facts_print(f, "\n");
}

/* The same for programs. */
static void step_head(struct pf_facts *f, const struct pf_watch *w, const struct pf_watch_event *e,
                      const char *title)
{
    struct pf_span bytes = pf_watch_bytes(w, e);
    pf_facts_open(f, NULL, NULL);
    pf_facts_number(f, "packet", e->packet);
    pf_facts_time(f, "ts", e->ts_ns);
    pf_facts_name(f, "from", side_name(e->dir));
    pf_facts_name(f, "step", title);
    if (e->kind == PF_WATCH_ALERT && bytes.len >= 2) {
        pf_facts_name(f, "level", level_name(bytes.ptr[0]));
        pf_facts_name(f, "alert", pf_alert_name(bytes.ptr[1]));
        pf_facts_number(f, "code", bytes.ptr[1]);
    }
    pf_facts_number_if(f, "encrypted_bytes", e->kind == PF_WATCH_SEALED ? e->len : 0);
    pf_facts_number_if(f, "missing_bytes", e->kind == PF_WATCH_GAP ? e->len : 0);
    pf_facts_flag_if(f, "opened", e->opened);
}

static void tell_step(struct pf_facts *f, const struct pf_handshake_story *s,
                      const struct pf_message_context *context, const struct pf_watch_event *e)
{
    const struct pf_watch *w = s->report->watch;
    char title[TITLE];
    step_title(w, e, context->version, title);
    pf_facts_print(f, "%12" PRIu64 "  %12.6f  ", e->packet,
                   (double)(e->ts_ns - s->first_ts_ns) / NS_PER_S);
    if (f->json) {
        step_head(f, w, e, title);
    } else {
        step_line(f, w, e, title);
    }
    step_facts(f, context, w, e);
    if (f->json) {
        pf_facts_close(f);
    }
}

/* Both directions' steps by packet; each is in order already, so that one merge does. */
static size_t next_step(const struct pf_watch *w, size_t at[2])
{
    for (int d = 0; d < 2; d++) {
        while (at[d] < w->count && w->events[at[d]].dir != d) {
            at[d]++;
        }
    }
    if (at[0] == w->count || at[1] == w->count) {
        return at[0] == w->count ? at[1]++ : at[0]++;
    }
    return w->events[at[1]].packet < w->events[at[0]].packet ? at[1]++ : at[0]++;
}

static void tell_steps(struct pf_facts *f, const struct pf_handshake_story *s)
{
    const struct pf_watch *w = s->report->watch;
    const struct pf_message_context context = {
        .version = s->report->version_code, .suite = s->report->suite, .certs = s->certs};
    size_t at[2] = {0, 0};
    pf_facts_objects(f, "handshake");
    for (size_t i = 0; w != NULL && i < w->count; i++) {
        tell_step(f, s, &context, &w->events[next_step(w, at)]);
    }
    pf_facts_objects_end(f);
    if (w != NULL) {
        pf_facts_number_if(f, "more_steps", w->missed);
    }
}

/* ---- the verdict ---- */

static enum pf_need need_of(const struct pf_conn_report *r)
{
    if (r->status != PF_FLOW_LOCKED) {
        return PF_NEED_NOTHING;
    }
    switch (r->reason) {
    case PF_REASON_NO_PRIVATE_KEY:
    case PF_REASON_KEY_REJECTED:
        return PF_NEED_RSA_KEY;
    case PF_REASON_NO_SESSION_SECRET:
        return r->suite != NULL && r->suite->kx == PF_KX_PSK ? PF_NEED_PSK : PF_NEED_KEYLOG;
    case PF_REASON_SESSION_NOT_SEEN:
        return PF_NEED_CAPTURE;
    case PF_REASON_HANDSHAKE_FAILED:
        return PF_NEED_FAILED;
    case PF_REASON_UNSUPPORTED_SUITE:
    case PF_REASON_UNSUPPORTED_PROTOCOL:
        return PF_NEED_UNSUPPORTED;
    case PF_REASON_LIMIT_REACHED:
        return PF_NEED_LIMIT;
    case PF_REASON_NONE:
    case PF_REASON_NO_HANDSHAKE:
    case PF_REASON_HANDSHAKE_CUT:
    case PF_REASON_BYTES_MISSING:
    case PF_REASON_RECORD_REJECTED:
    case PF_REASON_COUNT:
        break;
    }
    return PF_NEED_HANDSHAKE;
}

static const char *key_file(const struct pf_handshake_story *s)
{
    size_t key = s->report->key_spki != NULL ? pf_keyring_find(s->keyring, s->report->key_spki)
                                             : PF_KEY_NONE;
    return key != PF_KEY_NONE ? pf_keyring_file(s->keyring, key) : NULL;
}

static void say_opened(const struct pf_handshake_story *s, char out[VERDICT])
{
    const char *file = key_file(s);
    switch (s->report->opened_by) {
    case PF_OPENED_BY_RSA_KEY:
        (void)snprintf(out, VERDICT, "opened by %s", file != NULL ? file : "a private key");
        break;
    case PF_OPENED_BY_KEYLOG:
        (void)snprintf(out, VERDICT, "opened by the key log");
        break;
    case PF_OPENED_BY_DSB:
        (void)snprintf(out, VERDICT, "opened by the secrets in the capture");
        break;
    case PF_OPENED_BY_PSK:
        (void)snprintf(out, VERDICT, "opened by the pre-shared key");
        break;
    case PF_OPENED_BY_SESSION:
        (void)snprintf(out, VERDICT, "opened%s%s", file != NULL ? " by " : "",
                       file != NULL ? file : "");
        break;
    case PF_OPENED_BY_NONE:
    case PF_OPENED_BY_COUNT:
        (void)snprintf(out, VERDICT, "opened");
        break;
    }
}

static void say_key_needed(const struct pf_conn_report *r, char out[VERDICT])
{
    char hex[PF_TEXT_HEX];
    if (r->cert_spki == NULL) {
        (void)snprintf(out, VERDICT, "rsa_key needed: the server's certificate was not captured");
        return;
    }
    pf_text_hex(r->cert_spki, PF_SPKI_LEN, hex);
    bool subject = r->cert_subject != NULL;
    (void)snprintf(out, VERDICT, "rsa_key needed: SPKI %s%s%s", hex, subject ? ", subject " : "",
                   subject ? r->cert_subject : "");
}

static void say_need(const struct pf_handshake_story *s, enum pf_need need, char out[VERDICT])
{
    const struct pf_conn_report *r = s->report;
    const char *detail = r->detail != NULL ? r->detail : pf_reason_text(r->reason);
    switch (need) {
    case PF_NEED_NOTHING:
        say_opened(s, out);
        break;
    case PF_NEED_RSA_KEY:
        say_key_needed(r, out);
        break;
    case PF_NEED_KEYLOG:
        (void)snprintf(out, VERDICT, "key log needed");
        break;
    case PF_NEED_PSK:
        (void)snprintf(out, VERDICT, "pre-shared key or key log needed");
        break;
    case PF_NEED_CAPTURE:
        (void)snprintf(out, VERDICT,
                       "not in this capture: the full handshake of the session that is resumed");
        break;
    case PF_NEED_HANDSHAKE:
        (void)snprintf(out, VERDICT, "not in this capture: %s", detail != NULL ? detail : "");
        break;
    case PF_NEED_FAILED:
    case PF_NEED_UNSUPPORTED:
    case PF_NEED_LIMIT:
    case PF_NEED_COUNT:
        (void)snprintf(out, VERDICT, "%s", detail != NULL ? detail : "");
        break;
    }
}

static void verdict_facts(struct pf_facts *f, const struct pf_handshake_story *s, enum pf_need need,
                          const char *text)
{
    const struct pf_conn_report *r = s->report;
    pf_facts_open(f, "verdict", NULL);
    pf_facts_name(f, "need", pf_need_name(need));
    pf_facts_text(f, "text", (struct pf_span){(const uint8_t *)text, strlen(text)});
    if (r->origin_packet != 0) {
        pf_facts_flow(f, "resumes_flow", r->origin_packet);
    }
    if (need == PF_NEED_RSA_KEY && r->cert_spki != NULL) {
        pf_facts_hex(f, "spki_sha256", (struct pf_span){r->cert_spki, PF_SPKI_LEN});
    }
    pf_facts_name(f, "opened_by", pf_opened_by_name(r->opened_by));
    const char *file = key_file(s);
    if (file != NULL) {
        pf_facts_text(f, "key_file", (struct pf_span){(const uint8_t *)file, strlen(file)});
    }
    pf_facts_name(f, "reason", pf_reason_name(r->reason));
    pf_facts_close(f);
}

static void tell_verdict(struct pf_facts *f, const struct pf_handshake_story *s, enum pf_need need)
{
    char text[VERDICT];
    char safe[PF_TEXT_SAFE];
    say_need(s, need, text);
    if (f->json) {
        verdict_facts(f, s, need, text);
        return;
    }
    pf_text_safe((struct pf_span){(const uint8_t *)text, strlen(text)}, safe);
    pf_facts_print(f, "%12s  ", "verdict");
    if (s->report->origin_packet != 0) {
        pf_facts_print(f, "resumes session of flow %c%" PRIu64 "%c; ", PF_FACTS_FLOW_BEGIN,
                       s->report->origin_packet, PF_FACTS_FLOW_END);
    }
    pf_facts_print(f, "%s\n\n", safe);
}

static void fill_row(const struct pf_handshake_story *s, enum pf_need need,
                     struct pf_triage_row *row)
{
    const struct pf_conn_report *r = s->report;
    memset(row, 0, sizeof *row);
    row->bytes = s->payload;
    row->need = (uint8_t)need;
    row->kx = (uint8_t)(r->suite != NULL ? r->suite->kx : PF_KX_NULL);
    row->has_spki = r->cert_spki != NULL;
    if (r->cert_spki != NULL) {
        memcpy(row->spki, r->cert_spki, PF_SPKI_LEN);
    }
    if (r->cert_subject != NULL) {
        (void)snprintf(row->subject, sizeof row->subject, "%s", r->cert_subject);
    }
}

/* ---- the connection ---- */

static void host_text(const struct pf_flow_key *key, int side, char out[HOST])
{
    if (inet_ntop(key->family == 4 ? AF_INET : AF_INET6, key->addr[side], out, HOST) == NULL) {
        out[0] = '\0';
    }
}

static void tell_line(struct pf_facts *f, const struct pf_handshake_story *s)
{
    const struct pf_conn_report *r = s->report;
    char time[PF_TEXT_TIME];
    char host[2][HOST];
    char name[PF_TEXT_SAFE];
    bool v6 = s->key.family != 4;
    int client = s->client & 1;
    pf_text_time(s->first_ts_ns, time);
    host_text(&s->key, client, host[0]);
    host_text(&s->key, 1 - client, host[1]);
    pf_text_safe(r->server_name, name);
    pf_facts_print(f, "flow %c%" PRIu64 "%c  %s  ", PF_FACTS_FLOW_BEGIN, s->first_packet,
                   PF_FACTS_FLOW_END, time);
    pf_facts_print(f, v6 ? "[%s]:%u -> [%s]:%u" : "%s:%u -> %s:%u", host[0], s->key.port[client],
                   host[1], s->key.port[1 - client]);
    pf_facts_print(f, "  %s  %s  %s\n", r->version != NULL ? r->version : "-",
                   r->cipher != NULL ? r->cipher : "-", name[0] != '\0' ? name : "-");
}

static void line_facts(struct pf_facts *f, const struct pf_handshake_story *s)
{
    const struct pf_conn_report *r = s->report;
    char text[HOST];
    char id[PF_TEXT_COMMUNITY];
    int client = s->client & 1;
    pf_facts_flow(f, "flow", s->first_packet);
    if (pf_text_community_id(NULL, &s->key, id)) {
        pf_facts_name(f, "community_id", id);
    }
    pf_facts_time(f, "ts", s->first_ts_ns);
    pf_facts_number(f, "first_packet", s->first_packet);
    pf_facts_number(f, "packets", s->packets);
    pf_facts_number(f, "bytes", s->payload);
    host_text(&s->key, client, text);
    pf_facts_name(f, "id.orig_h", text);
    pf_facts_number(f, "id.orig_p", s->key.port[client]);
    host_text(&s->key, 1 - client, text);
    pf_facts_name(f, "id.resp_h", text);
    pf_facts_number(f, "id.resp_p", s->key.port[1 - client]);
    pf_facts_name(f, "version", r->version);
    pf_facts_name(f, "cipher", r->cipher);
    pf_facts_name(f, "key_exchange", r->suite != NULL ? pf_kx_name(r->suite->kx) : NULL);
    if (r->server_name.len > 0) {
        pf_facts_text(f, "server_name", r->server_name);
    }
    pf_facts_flag_if(f, "resumed", r->resumed);
}

enum pf_status pf_handshakes_tell(const struct pf_handshake_story *s, bool json, struct pf_buf *out,
                                  struct pf_triage_row *row)
{
    struct pf_facts f;
    enum pf_need need = need_of(s->report);
    pf_facts_init(&f, out, json);
    if (json) {
        pf_facts_open(&f, NULL, NULL);
        line_facts(&f, s);
    } else {
        tell_line(&f, s);
    }
    tell_steps(&f, s);
    tell_verdict(&f, s, need);
    if (json) {
        pf_facts_close(&f);
        pf_facts_end_line(&f);
    }
    fill_row(s, need, row);
    return f.st;
}
