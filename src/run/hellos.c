// SPDX-License-Identifier: Apache-2.0
#include "run/hellos.h"

#include "base/cursor.h"
#include "run/codes.h"
#include "tls/hsmsg.h"
#include "tls/names.h"
#include "tls/wire.h"

enum { EXT_SIGNATURE_ALGORITHMS = 13, EXT_PRE_SHARED_KEY = 41, EXT_KEY_SHARE = 51 };

static const char *compression_name(uint16_t method)
{
    return method == 0 ? "null" : method == 1 ? "DEFLATE" : method == 64 ? "LZS" : NULL;
}

static void compression_list(struct pf_facts *f, struct pf_span methods)
{
    char text[PF_CODE_TEXT];
    if (methods.len == 0 || (methods.len == 1 && methods.ptr[0] == 0)) {
        return;
    }
    pf_facts_list(f, "compression_methods");
    for (size_t i = 0; i < methods.len; i++) {
        pf_facts_item(f, pf_code(methods.ptr[i], compression_name, text));
    }
    pf_facts_list_end(f);
}

static void extension_list(struct pf_facts *f, struct pf_span block)
{
    struct pf_cur c = pf_cur_of(block);
    char text[PF_CODE_TEXT];
    uint16_t type;
    struct pf_cur data;
    if (block.len == 0) {
        return;
    }
    pf_facts_list(f, "extensions");
    for (int i = 0; i < PF_LIST_MAX && pf_cur_u16(&c, &type) && pf_cur_vec16(&c, &data); i++) {
        pf_facts_item(f, pf_code(type, pf_extension_name, text));
    }
    pf_facts_list_end(f);
}

static bool find_extension(struct pf_span block, uint16_t wanted, struct pf_cur *data)
{
    struct pf_cur c = pf_cur_of(block);
    uint16_t type;
    while (pf_cur_u16(&c, &type) && pf_cur_vec16(&c, data)) {
        if (type == wanted) {
            return true;
        }
    }
    return false;
}

/* RFC 7301: names behind their length. */
static void alpn_list(struct pf_facts *f, struct pf_span names)
{
    struct pf_cur c = pf_cur_of(names);
    struct pf_cur name;
    if (names.len == 0) {
        return;
    }
    pf_facts_list(f, "alpn");
    for (int i = 0; i < PF_LIST_MAX && pf_cur_vec8(&c, &name); i++) {
        pf_facts_captured_item(f, pf_cur_rest(&name));
    }
    pf_facts_list_end(f);
}

static void key_share_list(struct pf_facts *f, struct pf_span block)
{
    struct pf_cur data;
    struct pf_cur shares;
    struct pf_cur key;
    uint16_t group;
    char text[PF_CODE_TEXT];
    if (!find_extension(block, EXT_KEY_SHARE, &data) || !pf_cur_vec16(&data, &shares)) {
        return;
    }
    pf_facts_list(f, "key_share");
    for (int i = 0; i < PF_LIST_MAX && pf_cur_u16(&shares, &group) && pf_cur_vec16(&shares, &key);
         i++) {
        pf_facts_item(f, pf_code(group, pf_group_name, text));
    }
    pf_facts_list_end(f);
}

static void signature_list(struct pf_facts *f, struct pf_span block)
{
    struct pf_cur data;
    struct pf_cur list;
    if (find_extension(block, EXT_SIGNATURE_ALGORITHMS, &data) && pf_cur_vec16(&data, &list)) {
        pf_code_list(f, "signature_algorithms", pf_cur_rest(&list), pf_signature_name, 2);
    }
}

static void psk_offer(struct pf_facts *f, struct pf_span block)
{
    struct pf_cur data;
    struct pf_cur list;
    struct pf_cur identity;
    uint32_t age;
    uint64_t n = 0;
    if (find_extension(block, EXT_PRE_SHARED_KEY, &data) && pf_cur_vec16(&data, &list)) {
        while (pf_cur_vec16(&list, &identity) && pf_cur_u32(&list, &age)) {
            n++;
        }
        pf_facts_number(f, "psk_identities", n);
    }
}

/* RFC 6066 section 4: codes 1 to 4. */
static void max_fragment(struct pf_facts *f, uint8_t n)
{
    pf_facts_number_if(f, "max_fragment_length", n == 0 ? 0 : (uint64_t)256 << n);
}

static void client_hello_facts(struct pf_facts *f, const struct pf_client_hello *h)
{
    char text[PF_CODE_TEXT];
    pf_facts_name(f, "version", pf_code_version(h->version, text));
    pf_facts_flag_if(f, "sslv2_framing", h->sslv2);
    pf_facts_hex(f, "random", (struct pf_span){h->random, PF_RANDOM_LEN});
    pf_facts_hex_if(f, "session_id", h->session_id);
    pf_code_list(f, "cipher_suites", h->suites, pf_code_suite_name, h->sslv2 ? 3 : 2);
    compression_list(f, h->compressions);
    extension_list(f, h->extensions);
    if (h->server_name.len > 0) {
        pf_facts_text(f, "server_name", h->server_name);
    }
    alpn_list(f, h->alpn);
    pf_code_list(f, "supported_versions", h->supported_versions, pf_code_version_name, 2);
    pf_code_list(f, "supported_groups", h->supported_groups, pf_group_name, 2);
    key_share_list(f, h->extensions);
    signature_list(f, h->extensions);
    if (h->has_ticket) {
        pf_facts_number(f, "session_ticket_bytes", h->ticket.len);
    }
    psk_offer(f, h->extensions);
    pf_facts_flag_if(f, "extended_master_secret", h->extended_master);
    pf_facts_flag_if(f, "encrypt_then_mac", h->encrypt_then_mac);
    max_fragment(f, h->max_fragment_length);
    pf_facts_number_if(f, "record_size_limit", h->record_size_limit);
    pf_facts_flag_if(f, "early_data", h->early_data);
    pf_facts_flag_if(f, "encrypted_client_hello", h->ech);
}

bool pf_hello_client(struct pf_facts *f, struct pf_span body)
{
    struct pf_client_hello h;
    bool good = pf_hs_client_hello(body, &h) == PF_OK;
    if (good) {
        client_hello_facts(f, &h);
    }
    return good;
}

bool pf_hello_server(struct pf_facts *f, struct pf_span body)
{
    struct pf_server_hello h;
    char text[PF_CODE_TEXT];
    if (pf_hs_server_hello(body, &h) != PF_OK) {
        return false;
    }
    pf_facts_flag_if(f, "hello_retry_request", h.hello_retry);
    pf_facts_name(f, "version", pf_code_version(h.version, text));
    pf_facts_hex(f, "random", (struct pf_span){h.random, PF_RANDOM_LEN});
    pf_facts_hex_if(f, "session_id", h.session_id);
    pf_code_fact(f, "cipher_suite", h.suite, pf_code_suite_name);
    if (h.compression != 0) {
        pf_code_fact(f, "compression_method", h.compression, compression_name);
    }
    extension_list(f, h.extensions);
    if (h.alpn.len > 0) {
        pf_facts_text(f, "alpn", h.alpn);
    }
    if (h.key_share_group != 0) {
        pf_code_fact(f, "key_share", h.key_share_group, pf_group_name);
    }
    pf_facts_flag_if(f, "pre_shared_key", h.psk_selected);
    pf_facts_flag_if(f, "session_ticket", h.ticket_promised);
    pf_facts_flag_if(f, "extended_master_secret", h.extended_master);
    pf_facts_flag_if(f, "encrypt_then_mac", h.encrypt_then_mac);
    max_fragment(f, h.max_fragment_length);
    pf_facts_number_if(f, "record_size_limit", h.record_size_limit);
    return true;
}

bool pf_hello_encrypted_extensions(struct pf_facts *f, struct pf_span body)
{
    struct pf_encrypted_extensions h;
    if (pf_hs_encrypted_extensions(body, &h) != PF_OK) {
        return false;
    }
    if (h.alpn.len > 0) {
        pf_facts_text(f, "alpn", h.alpn);
    }
    pf_facts_number_if(f, "record_size_limit", h.record_size_limit);
    pf_facts_flag_if(f, "early_data", h.early_data);
    return true;
}

bool pf_hello_sslv2(struct pf_facts *f, struct pf_span record)
{
    struct pf_client_hello h;
    bool good = pf_hs_sslv2_client_hello(record, &h) == PF_OK;
    if (good) {
        client_hello_facts(f, &h);
    }
    return good;
}
