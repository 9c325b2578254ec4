// SPDX-License-Identifier: Apache-2.0
#include "store/manifest.h"

#include "store/digest.h"
#include "store/text.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in store/line.c: setters take their value in any case, and NULL is told by the last one. */
static void set(json_t *o, const char *name, json_t *value)
{
    (void)json_object_set_new_nocheck(o, name, value);
}

/* PF_UNKNOWN is null. */
static json_t *number(uint64_t v)
{
    return v == PF_UNKNOWN ? json_null() : json_integer((json_int_t)(v & INT64_MAX));
}

static json_t *string(const char *s)
{
    char safe[PF_TEXT_SAFE];
    if (s == NULL) {
        return json_null();
    }
    (void)pf_text_safe((struct pf_span){.ptr = (const uint8_t *)s, .len = strlen(s)}, safe);
    return json_string_nocheck(safe);
}

static json_t *hex(const uint8_t *ptr)
{
    char text[PF_TEXT_HEX];
    if (ptr == NULL) {
        return json_null();
    }
    pf_text_hex(ptr, PF_SHA256_LEN, text);
    return json_string_nocheck(text);
}

static json_t *make_options(const struct pf_manifest *m, const struct pf_manifest_end *end)
{
    json_t *o = json_object();
    set(o, "filter", string(m->filter));
    set(o, "jobs", number(m->jobs));
    set(o, "memory", number(m->memory));
    set(o, "compress", string(end->codec == PF_CODEC_LZ4 ? "lz4" : "none"));
    set(o, "level", json_integer(m->level));
    set(o, "sha256", json_boolean(m->sha256));
    set(o, "strict", json_boolean(m->strict));
    json_t *keylogs = json_array();
    for (size_t i = 0; i < m->keylog_count; i++) {
        (void)json_array_append_new(keylogs, string(m->keylogs[i]));
    }
    set(o, "keylogs", keylogs);
    return o;
}

/* Null when the capture cannot be read a second time: standard input, a pipe, gone since. */
static json_t *hash_capture(const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        return json_null();
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return json_null();
    }
    struct stat sb;
    uint8_t sha256[PF_SHA256_LEN];
    bool ok = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && pf_digest_fd(fd, sha256) == PF_OK;
    (void)close(fd);
    return ok ? hex(sha256) : json_null();
}

static json_t *make_inputs(const struct pf_manifest *m, bool hash)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->input_count; i++) {
        const struct pf_manifest_input *in = &m->inputs[i];
        json_t *o = json_object();
        set(o, "path", string(in->path));
        set(o, "size", number(in->size));
        set(o, "packets", number(in->packets));
        set(o, "status", string(pf_status_text(in->status)));
        set(o, "message", string(in->message));
        set(o, "sha256", hash ? hash_capture(in->path) : json_null());
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *make_keys(const struct pf_manifest *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->key_count; i++) {
        json_t *o = json_object();
        set(o, "file", string(m->keys[i].file));
        set(o, "server", string(m->keys[i].server));
        set(o, "spki_sha256", hex(m->keys[i].spki_sha256));
        set(o, "flows", number(m->keys[i].flows));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *make_outputs(const struct pf_manifest_end *end)
{
    json_t *list = json_array();
    for (size_t i = 0; i < end->output_count; i++) {
        const struct pf_file *f = end->outputs[i].file;
        char name[PF_FILE_NAME + 8];
        (void)snprintf(name, sizeof(name), "%s%s", end->outputs[i].folder, f->name);
        uint8_t sha256[PF_SHA256_LEN];
        bool hashed = f->digest != NULL && pf_digest_value(f->digest, sha256) == PF_OK;
        json_t *o = json_object();
        set(o, "file", string(name));
        set(o, "size", number(f->size));
        set(o, "sha256", hex(hashed ? sha256 : NULL));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *make_counts(const struct pf_manifest_count *c, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; i < n; i++) {
        set(o, c[i].name, number(c[i].count));
    }
    return o;
}

static json_t *make_totals(const struct pf_manifest *m, const struct pf_flow_totals *t)
{
    json_t *o = json_object();
    set(o, "packets", number(m->packets));
    set(o, "packet_bytes", number(m->packet_bytes));
    set(o, "dropped", make_counts(m->dropped, m->dropped_count));
    set(o, "flows", number(t->flows));
    json_t *by = json_object();
    for (unsigned i = 0; i < PF_FLOW_STATUS_COUNT; i++) {
        set(by, pf_flow_status_name((enum pf_flow_status)i), number(t->by_status[i]));
    }
    set(o, "status", by);
    by = json_object();
    for (unsigned i = PF_REASON_NONE + 1; i < PF_REASON_COUNT; i++) {
        set(by, pf_reason_name((enum pf_reason)i), number(t->by_reason[i]));
    }
    set(o, "reason", by);
    by = json_object();
    for (unsigned i = PF_OPENED_BY_NONE + 1; i < PF_OPENED_BY_COUNT; i++) {
        set(by, pf_opened_by_name((enum pf_opened_by)i), number(t->by_opened_by[i]));
    }
    set(o, "opened_by", by);
    set(o, "c2s_bytes", number(t->bytes[PF_C2S]));
    set(o, "s2c_bytes", number(t->bytes[PF_S2C]));
    set(o, "c2s_records", number(t->records[PF_C2S]));
    set(o, "s2c_records", number(t->records[PF_S2C]));
    set(o, "limits", make_counts(m->limits, m->limit_count));
    return o;
}

enum pf_status pf_manifest_format(const struct pf_manifest *m, const struct pf_manifest_end *end,
                                  char **text)
{
    char started[PF_TEXT_TIME];
    pf_text_time(m->started_ns, started);
    json_t *o = json_object();
    set(o, "tool", string("plainflow"));
    set(o, "version", string(PF_VERSION));
    set(o, "format", json_integer(1));
    set(o, "complete", json_boolean(end->stopped == NULL));
    set(o, "stopped", string(end->stopped));
    set(o, "started", string(started));
    set(o, "seconds", json_real((double)m->elapsed_ns / 1e9));
    set(o, "options", make_options(m, end));
    set(o, "inputs", make_inputs(m, m->sha256 && end->stopped == NULL));
    set(o, "keys", make_keys(m));
    set(o, "totals", make_totals(m, end->totals));
    set(o, "outputs", make_outputs(end));
    *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(o);
    return *text == NULL ? PF_ERR_NOMEM : PF_OK;
}
