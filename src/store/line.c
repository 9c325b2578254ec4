// SPDX-License-Identifier: Apache-2.0
#include "store/line.h"

#include "store/text.h"

#include <string.h>

static void set_own_text(struct pf_json *j, const char *name, const char *s)
{
    struct pf_span span = {.ptr = (const uint8_t *)s, .len = s == NULL ? 0 : strlen(s)};
    pf_json_text(j, name, span);
}

static void set_end(struct pf_json *j, const char *host, const char *port,
                    const struct pf_flow_key *key, unsigned side)
{
    char text[PF_TEXT_ADDRESS];
    pf_text_address(key, side, text);
    pf_json_word(j, host, text);
    pf_json_number(j, port, key->port[side]);
}

/* False: there is no SHA-1 to be had for the community id. */
static bool set_identity(struct pf_json *j, const struct pf_flow_info *info,
                         struct pf_text_sha1 *sha1)
{
    char text[PF_TEXT_TIME];
    char id[PF_TEXT_COMMUNITY];
    if (!pf_text_community_id(sha1, &info->key, id)) {
        return false;
    }
    pf_json_word(j, "community_id", id);
    pf_text_time(info->first_ns, text);
    pf_json_word(j, "ts", text);
    pf_json_signed(j, "ts_ns", info->first_ns);
    bool forward = info->last_ns > info->first_ns;
    pf_json_number(j, "duration_ns",
                   forward ? (uint64_t)info->last_ns - (uint64_t)info->first_ns : 0);
    pf_json_number(j, "first_packet", info->first_packet);
    pf_json_number(j, "packets", info->packets);
    unsigned orig = info->orig_side & 1u;
    set_end(j, "id.orig_h", "id.orig_p", &info->key, orig);
    set_end(j, "id.resp_h", "id.resp_p", &info->key, orig ^ 1);
    return true;
}

static void set_handshake(struct pf_json *j, const struct pf_flow_info *info)
{
    set_own_text(j, "version", info->version);
    set_own_text(j, "cipher", info->cipher);
    pf_json_text(j, "server_name", info->server_name);
    pf_json_text(j, "next_protocol", info->next_protocol);
    if (info->starttls != NULL) {
        pf_json_word(j, "starttls", info->starttls);
    }
    pf_json_hex(j, "client_random", info->client_random, 32);
    pf_json_hex(j, "server_random", info->server_random, 32);
    pf_json_hex(j, "session_id", info->session_id.ptr, info->session_id.len);
    if (info->resumed == PF_NOT_KNOWN) {
        pf_json_null(j, "resumed");
    } else {
        pf_json_bool(j, "resumed", info->resumed == PF_YES);
    }
    pf_json_hex(j, "cert_spki_sha256", info->cert_spki_sha256, 32);
    pf_json_text(j, "cert_subject", info->cert_subject);
    pf_json_word(j, "opened_by", pf_opened_by_name(info->opened_by));
    pf_json_hex(j, "key_spki_sha256", info->key_spki_sha256, 32);
    pf_json_word(j, "status", pf_flow_status_name(info->status));
    pf_json_word(j, "reason", pf_reason_name(info->reason));
    set_own_text(j, "detail", info->detail);
    if (info->search_trials > 0) {
        pf_json_number(j, "search_trials", info->search_trials);
    }
}

static void set_gaps(struct pf_json *j, const struct pf_flow_dir_info *info)
{
    size_t n = info->gap_count < PF_GAPS_MAX ? info->gap_count : PF_GAPS_MAX;
    pf_json_open(j, "gaps", '[');
    for (size_t i = 0; i < n; i++) {
        const struct pf_flow_gap *gap = &info->gaps[i];
        pf_json_open(j, NULL, '{');
        pf_json_number(j, "offset", gap->offset);
        pf_json_number(j, "records", gap->records);
        pf_json_number(j, "bytes", gap->bytes);
        pf_json_number(j, "packet", gap->packet == 0 ? PF_UNKNOWN : gap->packet);
        pf_json_number(j, "packet_before",
                       gap->packet_before == 0 ? PF_UNKNOWN : gap->packet_before);
        pf_json_number(j, "cipher_bytes", gap->cipher_bytes);
        pf_json_close(j, '}');
    }
    pf_json_close(j, ']');
}

static void set_conflicts(struct pf_json *j, const struct pf_flow_dir_info *info)
{
    if (info->conflicts == 0) {
        return;
    }
    size_t n = info->conflict_count < PF_CONFLICTS_MAX ? info->conflict_count : PF_CONFLICTS_MAX;
    pf_json_number(j, "conflicts", info->conflicts);
    pf_json_open(j, "conflict_list", '[');
    for (size_t i = 0; i < n; i++) {
        const struct pf_flow_conflict *one = &info->conflict[i];
        pf_json_open(j, NULL, '{');
        pf_json_number(j, "packet", one->packet);
        pf_json_number(j, "true_packet", one->true_packet == 0 ? PF_UNKNOWN : one->true_packet);
        pf_json_number(j, "offset", one->offset);
        pf_json_close(j, '}');
    }
    pf_json_close(j, ']');
}

static void set_direction(struct pf_json *j, const struct pf_flow_info *info,
                          const struct pf_flow_ref *ref, enum pf_dir dir)
{
    const struct pf_flow_dir_info *d = &info->dir[dir];
    pf_json_open(j, dir == PF_C2S ? "c2s" : "s2c", '{');
    pf_json_number(j, "records", ref->dir[dir].records);
    pf_json_number(j, "bytes", ref->dir[dir].bytes);
    pf_json_number(j, "missing_records", d->missing_records);
    pf_json_number(j, "missing_bytes", d->missing_bytes);
    set_gaps(j, d);
    set_conflicts(j, d);
    if (d->clear_bytes > 0) {
        pf_json_number(j, "clear_bytes", d->clear_bytes);
    }
    if (d->sha256 != NULL) {
        pf_json_hex(j, "sha256", d->sha256, 32);
    }
    pf_json_close(j, '}');
}

enum pf_status pf_line_format(struct pf_json *j, const struct pf_flow_info *info,
                              const struct pf_flow_ref *ref, struct pf_text_sha1 *sha1,
                              struct pf_buf *text)
{
    text->len = 0;
    pf_json_begin(j, text);
    pf_json_open(j, NULL, '{');
    if (!set_identity(j, info, sha1)) {
        return PF_ERR_NOMEM;
    }
    set_handshake(j, info);
    set_direction(j, info, ref, PF_C2S);
    set_direction(j, info, ref, PF_S2C);
    pf_json_close(j, '}');
    return pf_json_end(j);
}
