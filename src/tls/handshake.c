// SPDX-License-Identifier: Apache-2.0
#include "tls/handshake.h"

#include "base/cursor.h"
#include "base/heap.h"
#include "tls/hsmsg.h"

#include <string.h>

enum { HEADER_LEN = 4 };

/* Which of the three transcript runs a message belongs to. */
enum transcript { T_CLIENT_HELLO = 0, T_SERVER = 1, T_CLIENT = 2, T_NONE = 3 };

void pf_handshake_init(struct pf_handshake *hs, struct pf_budget *budget)
{
    memset(hs, 0, sizeof *hs);
    pf_buf_init(&hs->offered_ticket, PF_TICKET_MAX, budget);
    pf_buf_init(&hs->new_ticket, PF_TICKET_MAX, budget);
    pf_buf_init(&hs->certificate, PF_TRANSCRIPT_MAX, budget);
    pf_buf_init(&hs->encrypted, PF_TICKET_MAX, budget);
    for (int i = 0; i < 3; i++) {
        pf_buf_init(&hs->transcript[i], PF_TRANSCRIPT_MAX, budget);
    }
}

void pf_handshake_settle(struct pf_handshake *hs)
{
    pf_buf_fini(&hs->offered_ticket);
    pf_buf_fini(&hs->encrypted);
    for (int i = 0; i < 3; i++) {
        pf_buf_fini(&hs->transcript[i]);
    }
}

void pf_handshake_fini(struct pf_handshake *hs)
{
    pf_handshake_settle(hs);
    struct pf_budget *budget = hs->certificate.budget;
    pf_heap_put(budget, hs->server_name, hs->server_name_len);
    pf_heap_put(budget, hs->next_protocol, hs->next_protocol_len);
    hs->server_name = NULL;
    hs->next_protocol = NULL;
    pf_buf_fini(&hs->new_ticket);
    pf_buf_fini(&hs->certificate);
    pf_wipe(&hs->master, sizeof hs->master);
}

static enum pf_status replace(struct pf_buf *b, struct pf_span s)
{
    b->len = 0;
    return pf_buf_append(b, s.ptr, s.len);
}

static uint8_t copy_short(void *dst, size_t cap, struct pf_span s)
{
    size_t n = s.len < cap ? s.len : cap;
    if (n > 0) {
        memcpy(dst, s.ptr, n);
    }
    return (uint8_t)n;
}

/* A name takes the place of the one before. */
static enum pf_status keep_name(struct pf_handshake *hs, char **name, uint8_t *len,
                                struct pf_span s)
{
    struct pf_budget *budget = hs->certificate.budget;
    size_t n = s.len < PF_NAME_MAX ? s.len : PF_NAME_MAX;
    void *block = NULL;
    pf_heap_put(budget, *name, *len);
    *name = NULL;
    *len = 0;
    if (n == 0) {
        return PF_OK;
    }
    enum pf_status st = pf_heap_get(budget, n, &block);
    if (st == PF_OK) {
        memcpy(block, s.ptr, n);
        *name = block;
        *len = (uint8_t)n;
    }
    return st;
}

static enum pf_status keep_client_hello(struct pf_handshake *hs, const struct pf_client_hello *m,
                                        uint64_t packet)
{
    memcpy(hs->client_random, m->random, PF_RANDOM_LEN);
    hs->offered_id_len = copy_short(hs->offered_id, sizeof hs->offered_id, m->session_id);
    enum pf_status st = keep_name(hs, &hs->server_name, &hs->server_name_len, m->server_name);
    hs->client_packet = packet;
    hs->facts &= ~(uint32_t)PF_FACT_EARLY_DATA; /* a second hello does not repeat the offer */
    if (m->early_data) {
        hs->facts |= PF_FACT_EARLY_DATA;
    }
    return st == PF_OK ? replace(&hs->offered_ticket, m->ticket) : st;
}

static enum pf_status on_client_hello(struct pf_handshake *hs, struct pf_span body, uint64_t packet)
{
    struct pf_client_hello m;
    enum pf_status st = pf_hs_client_hello(body, &m);
    return st == PF_OK ? keep_client_hello(hs, &m, packet) : st;
}

/* Drafts of TLS 1.3 differ in their number and, before the RFC, in little else that matters here.
 */
static void set_version(struct pf_handshake *hs, uint16_t version)
{
    bool draft = pf_version_is_draft(version);
    hs->version = draft ? PF_VERSION_TLS13 : version;
    hs->draft = draft ? (uint8_t)(version & 0xff) : 0;
}

static enum pf_status on_server_hello(struct pf_handshake *hs, struct pf_span body, uint64_t packet)
{
    (void)packet;
    struct pf_server_hello m;
    enum pf_status st = pf_hs_server_hello(body, &m);
    if (st != PF_OK) {
        return st;
    }
    if (m.hello_retry) {
        hs->facts |= PF_FACT_HELLO_RETRY;
        return PF_AGAIN; /* the ServerHello proper is still to come */
    }
    set_version(hs, m.version);
    memcpy(hs->server_random, m.random, PF_RANDOM_LEN);
    hs->session_id_len = copy_short(hs->session_id, sizeof hs->session_id, m.session_id);
    hs->suite_id = m.suite;
    hs->suite = pf_suite_find(m.suite);
    hs->compression = m.compression;
    hs->extended_master = m.extended_master;
    hs->encrypt_then_mac = m.encrypt_then_mac;
    return keep_name(hs, &hs->next_protocol, &hs->next_protocol_len, m.alpn);
}

static enum pf_status on_encrypted_extensions(struct pf_handshake *hs, struct pf_span body,
                                              uint64_t packet)
{
    (void)packet;
    struct pf_encrypted_extensions m;
    enum pf_status st = pf_hs_encrypted_extensions(body, &m);
    return st == PF_OK ? keep_name(hs, &hs->next_protocol, &hs->next_protocol_len, m.alpn) : st;
}

static enum pf_status on_certificate(struct pf_handshake *hs, struct pf_span body, uint64_t packet)
{
    (void)packet;
    struct pf_span leaf;
    enum pf_status st = pf_hs_certificate(body, hs->version == PF_VERSION_TLS13, &leaf);
    if (st != PF_OK) {
        return st;
    }
    st = pf_cert_spki(leaf, hs->cert_spki);
    return st == PF_OK ? replace(&hs->certificate, leaf) : st;
}

static enum pf_status on_client_key_exchange(struct pf_handshake *hs, struct pf_span body,
                                             uint64_t packet)
{
    (void)packet;
    if (hs->suite == NULL || (hs->suite->kx != PF_KX_RSA && hs->suite->kx != PF_KX_RSA_EXPORT)) {
        return PF_OK;
    }
    struct pf_span encrypted;
    enum pf_status st = pf_hs_client_key_exchange_rsa(body, hs->version, &encrypted);
    return st == PF_OK ? replace(&hs->encrypted, encrypted) : st;
}

static enum pf_status on_new_session_ticket(struct pf_handshake *hs, struct pf_span body,
                                            uint64_t packet)
{
    uint32_t lifetime_s;
    struct pf_span ticket;
    enum pf_status st = pf_hs_new_session_ticket(body, &lifetime_s, &ticket);
    if (st != PF_OK) {
        return st;
    }
    hs->ticket_packet = packet;
    return replace(&hs->new_ticket, ticket);
}

typedef enum pf_status handler(struct pf_handshake *hs, struct pf_span body, uint64_t packet);

/*
 * The messages that matter. A message is only taken once all that it needs has been seen, from
 * whichever side; what it gives is noted. Those not listed go into the sender's transcript run.
 */
static const struct rule {
    enum pf_dir from;
    uint8_t type;
    uint8_t transcript;
    uint32_t needs;
    uint32_t gives;
    handler *handle;
} rules[] = {
    {PF_C2S, PF_HS_CLIENT_HELLO, T_CLIENT_HELLO, 0, PF_FACT_CLIENT_HELLO, on_client_hello},
    {PF_S2C, PF_HS_HELLO_REQUEST, T_NONE, 0, 0, NULL},
    {PF_S2C, PF_HS_SERVER_HELLO, T_SERVER, 0, PF_FACT_SERVER_HELLO, on_server_hello},
    {PF_S2C, PF_HS_HELLO_RETRY_REQUEST, T_SERVER, 0, PF_FACT_HELLO_RETRY, NULL},
    {PF_S2C, PF_HS_ENCRYPTED_EXTENSIONS, T_NONE, PF_FACT_SERVER_HELLO, 0, on_encrypted_extensions},
    {PF_S2C, PF_HS_CERTIFICATE, T_SERVER, PF_FACT_SERVER_HELLO, PF_FACT_CERTIFICATE,
     on_certificate},
    {PF_S2C, PF_HS_SERVER_KEY_EXCHANGE, T_SERVER, PF_FACT_SERVER_HELLO, PF_FACT_SERVER_KEY_EXCHANGE,
     NULL},
    {PF_S2C, PF_HS_SERVER_HELLO_DONE, T_SERVER, PF_FACT_SERVER_HELLO, PF_FACT_SERVER_DONE, NULL},
    {PF_S2C, PF_HS_NEW_SESSION_TICKET, T_NONE, PF_FACT_SERVER_HELLO, PF_FACT_NEW_TICKET,
     on_new_session_ticket},
    {PF_S2C, PF_HS_FINISHED, T_NONE, 0, 0, NULL},
    {PF_C2S, PF_HS_CLIENT_KEY_EXCHANGE, T_CLIENT, PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO,
     PF_FACT_CLIENT_KEY_EXCHANGE, on_client_key_exchange},
    {PF_C2S, PF_HS_CERTIFICATE_VERIFY, T_NONE, 0, 0, NULL}, /* behind ClientKeyExchange */
    {PF_C2S, PF_HS_FINISHED, T_NONE, 0, 0, NULL},
};

static const struct rule *find_rule(enum pf_dir from, uint8_t type)
{
    static const struct rule others[2] = {
        [PF_C2S] = {.from = PF_C2S, .transcript = T_CLIENT},
        [PF_S2C] = {.from = PF_S2C, .transcript = T_SERVER},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].from == from && rules[i].type == type) {
            return &rules[i];
        }
    }
    return &others[from];
}

/* Only the session hash of RFC 7627 needs the messages themselves. */
static void keep_transcript(struct pf_handshake *hs, const struct rule *rule,
                            struct pf_span message)
{
    if (rule->transcript == T_NONE || hs->version == PF_VERSION_TLS13 ||
        hs->version == PF_VERSION_SSL3) {
        return;
    }
    struct pf_buf *run = &hs->transcript[rule->transcript];
    if (rule->transcript == T_CLIENT_HELLO) {
        run->len = 0;
    }
    if (pf_buf_append(run, message.ptr, message.len) != PF_OK) {
        hs->facts |= PF_FACT_TRANSCRIPT_LOST;
    }
}

enum pf_status pf_handshake_message(struct pf_handshake *hs, enum pf_dir from,
                                    struct pf_span message, uint64_t packet)
{
    struct pf_cur c = pf_cur_of(message);
    uint8_t type;
    if (message.len < HEADER_LEN || !pf_cur_u8(&c, &type) || !pf_cur_skip(&c, HEADER_LEN - 1)) {
        return PF_ERR_MALFORMED;
    }
    const struct rule *rule = find_rule(from, type);
    if ((hs->facts & rule->needs) != rule->needs) {
        return PF_BLOCKED;
    }
    if (rule->handle != NULL) {
        enum pf_status st = rule->handle(hs, pf_cur_rest(&c), packet);
        if (st == PF_AGAIN) {
            return PF_OK;
        }
        if (st != PF_OK) {
            return st;
        }
    }
    hs->facts |= rule->gives;
    pf_handshake_saw(hs, packet);
    keep_transcript(hs, rule, message);
    return PF_OK;
}

enum pf_status pf_handshake_sslv2_hello(struct pf_handshake *hs, struct pf_span record,
                                        uint64_t packet)
{
    struct pf_client_hello m;
    enum pf_status st = pf_hs_sslv2_client_hello(record, &m);
    if (st != PF_OK) {
        return st;
    }
    hs->facts |= PF_FACT_CLIENT_HELLO;
    st = keep_client_hello(hs, &m, packet);
    return st == PF_OK ? replace(&hs->transcript[T_CLIENT_HELLO], record) : st;
}
