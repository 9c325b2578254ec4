// SPDX-License-Identifier: Apache-2.0
#include "store/line.h"

#include "store/text.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

/*
 * jansson's setters fail only without memory and take their value in any case: `ok` collects that,
 * so that the object reads like the line it makes.
 */
struct row {
    json_t *object;
    bool ok;
};

static void set(struct row *r, const char *name, json_t *value)
{
    if (json_object_set_new_nocheck(r->object, name, value) != 0) {
        r->ok = false;
    }
}

static void set_number(struct row *r, const char *name, uint64_t v)
{
    set(r, name, v == PF_UNKNOWN ? json_null() : json_integer((json_int_t)(v & INT64_MAX)));
}

static void set_string(struct row *r, const char *name, const char *s)
{
    set(r, name, s == NULL ? json_null() : json_string_nocheck(s));
}

static void set_text(struct row *r, const char *name, struct pf_span s)
{
    char safe[PF_TEXT_SAFE];
    if (s.ptr == NULL) {
        set(r, name, json_null());
        return;
    }
    size_t len = pf_text_safe(s, safe);
    set(r, name, json_stringn_nocheck(safe, len));
}

static void set_own_text(struct row *r, const char *name, const char *s)
{
    struct pf_span span = {.ptr = (const uint8_t *)s, .len = s == NULL ? 0 : strlen(s)};
    set_text(r, name, span);
}

static void set_hex(struct row *r, const char *name, const uint8_t *ptr, size_t len)
{
    char hex[PF_TEXT_HEX];
    if (ptr == NULL) {
        set(r, name, json_null());
        return;
    }
    pf_text_hex(ptr, len, hex);
    set_string(r, name, hex);
}

static void set_end(struct row *r, const char *host, const char *port,
                    const struct pf_flow_key *key, unsigned side)
{
    char text[INET6_ADDRSTRLEN] = "";
    (void)inet_ntop(key->family == 4 ? AF_INET : AF_INET6, key->addr[side], text, sizeof(text));
    set_string(r, host, text);
    set_number(r, port, key->port[side]);
}

static void set_identity(struct row *r, const struct pf_flow_info *info)
{
    char text[PF_TEXT_TIME];
    char id[PF_TEXT_COMMUNITY];
    bool hashed = pf_text_community_id(&info->key, id);
    r->ok &= hashed;
    set_string(r, "community_id", hashed ? id : NULL);
    pf_text_time(info->first_ns, text);
    set_string(r, "ts", text);
    set(r, "ts_ns", json_integer(info->first_ns));
    bool forward = info->last_ns > info->first_ns;
    set_number(r, "duration_ns", forward ? (uint64_t)info->last_ns - (uint64_t)info->first_ns : 0);
    set_number(r, "first_packet", info->first_packet);
    set_number(r, "packets", info->packets);
    unsigned orig = info->orig_side & 1u;
    set_end(r, "id.orig_h", "id.orig_p", &info->key, orig);
    set_end(r, "id.resp_h", "id.resp_p", &info->key, orig ^ 1);
}

static void set_handshake(struct row *r, const struct pf_flow_info *info)
{
    set_own_text(r, "version", info->version);
    set_own_text(r, "cipher", info->cipher);
    set_text(r, "server_name", info->server_name);
    set_text(r, "next_protocol", info->next_protocol);
    if (info->starttls != NULL) {
        set_string(r, "starttls", info->starttls);
    }
    set_hex(r, "client_random", info->client_random, 32);
    set_hex(r, "server_random", info->server_random, 32);
    set_hex(r, "session_id", info->session_id.ptr, info->session_id.len);
    set(r, "resumed",
        info->resumed == PF_NOT_KNOWN ? json_null() : json_boolean(info->resumed == PF_YES));
    set_hex(r, "cert_spki_sha256", info->cert_spki_sha256, 32);
    set_text(r, "cert_subject", info->cert_subject);
    set_string(r, "opened_by", pf_opened_by_name(info->opened_by));
    set_hex(r, "key_spki_sha256", info->key_spki_sha256, 32);
    set_string(r, "status", pf_flow_status_name(info->status));
    set_string(r, "reason", pf_reason_name(info->reason));
    set_own_text(r, "detail", info->detail);
}

static json_t *make_gap(const struct pf_flow_gap *gap)
{
    struct row r = {.object = json_object(), .ok = true};
    set_number(&r, "offset", gap->offset);
    set_number(&r, "records", gap->records);
    set_number(&r, "bytes", gap->bytes);
    set_number(&r, "packet", gap->packet == 0 ? PF_UNKNOWN : gap->packet);
    if (!r.ok) {
        json_decref(r.object);
        return NULL;
    }
    return r.object;
}

static void set_gaps(struct row *r, const struct pf_flow_dir_info *info)
{
    json_t *gaps = json_array();
    size_t n = info->gap_count < PF_GAPS_MAX ? info->gap_count : PF_GAPS_MAX;
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(gaps, make_gap(&info->gaps[i])) != 0) {
            r->ok = false;
        }
    }
    set(r, "gaps", gaps);
}

static json_t *make_conflict(const struct pf_flow_conflict *conflict)
{
    struct row r = {.object = json_object(), .ok = true};
    set_number(&r, "packet", conflict->packet);
    set_number(&r, "true_packet", conflict->true_packet == 0 ? PF_UNKNOWN : conflict->true_packet);
    set_number(&r, "offset", conflict->offset);
    if (!r.ok) {
        json_decref(r.object);
        return NULL;
    }
    return r.object;
}

static void set_conflicts(struct row *r, const struct pf_flow_dir_info *info)
{
    if (info->conflicts == 0) {
        return;
    }
    json_t *list = json_array();
    size_t n = info->conflict_count < PF_CONFLICTS_MAX ? info->conflict_count : PF_CONFLICTS_MAX;
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(list, make_conflict(&info->conflict[i])) != 0) {
            r->ok = false;
        }
    }
    set_number(r, "conflicts", info->conflicts);
    set(r, "conflict_list", list);
}

static void set_direction(struct row *parent, const struct pf_flow_info *info,
                          const struct pf_flow_ref *ref, enum pf_dir dir)
{
    const struct pf_flow_dir_info *d = &info->dir[dir];
    struct row r = {.object = json_object(), .ok = true};
    set_number(&r, "records", ref->dir[dir].records);
    set_number(&r, "bytes", ref->dir[dir].bytes);
    set_number(&r, "missing_records", d->missing_records);
    set_number(&r, "missing_bytes", d->missing_bytes);
    set_gaps(&r, d);
    set_conflicts(&r, d);
    if (d->clear_bytes > 0) {
        set_number(&r, "clear_bytes", d->clear_bytes);
    }
    if (d->sha256 != NULL) {
        set_hex(&r, "sha256", d->sha256, 32);
    }
    parent->ok = parent->ok && r.ok;
    set(parent, dir == PF_C2S ? "c2s" : "s2c", r.object);
}

static enum pf_status dump(const json_t *object, struct pf_buf *text)
{
    enum { FLAGS = JSON_COMPACT };
    size_t room = text->cap;
    size_t need = json_dumpb(object, (char *)text->ptr, room, FLAGS);
    if (need == 0) {
        return PF_ERR_NOMEM;
    }
    if (need > room) {
        enum pf_status st = pf_buf_reserve(text, need);
        if (st != PF_OK) {
            return st;
        }
        if (json_dumpb(object, (char *)text->ptr, text->cap, FLAGS) != need) {
            return PF_ERR_NOMEM;
        }
    }
    text->len = need;
    return PF_OK;
}

enum pf_status pf_line_format(const struct pf_flow_info *info, const struct pf_flow_ref *ref,
                              struct pf_buf *text)
{
    text->len = 0;
    struct row r = {.object = json_object(), .ok = true};
    set_identity(&r, info);
    set_handshake(&r, info);
    set_direction(&r, info, ref, PF_C2S);
    set_direction(&r, info, ref, PF_S2C);
    enum pf_status st = r.ok && r.object != NULL ? dump(r.object, text) : PF_ERR_NOMEM;
    json_decref(r.object);
    return st;
}
