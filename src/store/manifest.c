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

/* As in store/line.c: setters take their value in any case, and `ok` collects what failed. */
static void set(bool *ok, json_t *o, const char *name, json_t *value)
{
    *ok = json_object_set_new_nocheck(o, name, value) == 0 && *ok;
}

static void append(bool *ok, json_t *list, json_t *value)
{
    *ok = json_array_append_new(list, value) == 0 && *ok;
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

static json_t *make_options(bool *ok, const struct pf_manifest *m,
                            const struct pf_manifest_end *end)
{
    json_t *o = json_object();
    set(ok, o, "filter", string(m->filter));
    set(ok, o, "jobs", number(m->jobs));
    if (m->shards > 0) {
        set(ok, o, "shard", number(m->shard));
        set(ok, o, "shards", number(m->shards));
    }
    set(ok, o, "memory", number(m->memory));
    set(ok, o, "compress", string(end->codec == PF_CODEC_LZ4 ? "lz4" : "none"));
    set(ok, o, "level", json_integer(m->level));
    set(ok, o, "sha256", json_boolean(m->sha256));
    set(ok, o, "strict", json_boolean(m->strict));
    json_t *keylogs = json_array();
    for (size_t i = 0; i < m->keylog_count; i++) {
        append(ok, keylogs, string(m->keylogs[i]));
    }
    set(ok, o, "keylogs", keylogs);
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

static json_t *make_inputs(bool *ok, const struct pf_manifest *m, bool hash)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->input_count; i++) {
        const struct pf_manifest_input *in = &m->inputs[i];
        json_t *o = json_object();
        set(ok, o, "path", string(in->path));
        set(ok, o, "size", number(in->size));
        set(ok, o, "packets", number(in->packets));
        set(ok, o, "status", string(pf_status_text(in->status)));
        set(ok, o, "message", string(in->message));
        set(ok, o, "sha256", hash ? hash_capture(in->path) : json_null());
        append(ok, list, o);
    }
    return list;
}

static json_t *make_keys(bool *ok, const struct pf_manifest *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->key_count; i++) {
        json_t *o = json_object();
        set(ok, o, "file", string(m->keys[i].file));
        set(ok, o, "server", string(m->keys[i].server));
        set(ok, o, "spki_sha256", hex(m->keys[i].spki_sha256));
        set(ok, o, "flows", number(m->keys[i].flows));
        append(ok, list, o);
    }
    return list;
}

static json_t *make_outputs(bool *ok, const struct pf_manifest_end *end)
{
    json_t *list = json_array();
    for (size_t i = 0; i < end->output_count; i++) {
        const struct pf_file *f = end->outputs[i].file;
        char name[PF_FILE_NAME + 8];
        (void)snprintf(name, sizeof(name), "%s%s", end->outputs[i].folder, f->name);
        uint8_t sha256[PF_SHA256_LEN];
        bool hashed = f->digest != NULL && pf_digest_value(f->digest, sha256) == PF_OK;
        json_t *o = json_object();
        set(ok, o, "file", string(name));
        set(ok, o, "size", number(f->size));
        set(ok, o, "sha256", hex(hashed ? sha256 : NULL));
        append(ok, list, o);
    }
    return list;
}

static json_t *make_counts(bool *ok, const struct pf_manifest_count *c, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; i < n; i++) {
        set(ok, o, c[i].name, number(c[i].count));
    }
    return o;
}

static json_t *make_totals(bool *ok, const struct pf_manifest *m, const struct pf_flow_totals *t)
{
    json_t *o = json_object();
    set(ok, o, "packets", number(m->packets));
    set(ok, o, "packet_bytes", number(m->packet_bytes));
    set(ok, o, "dropped", make_counts(ok, m->dropped, m->dropped_count));
    set(ok, o, "flows", number(t->flows));
    json_t *by = json_object();
    for (unsigned i = 0; i < PF_FLOW_STATUS_COUNT; i++) {
        set(ok, by, pf_flow_status_name((enum pf_flow_status)i), number(t->by_status[i]));
    }
    set(ok, o, "status", by);
    by = json_object();
    for (unsigned i = PF_REASON_NONE + 1; i < PF_REASON_COUNT; i++) {
        set(ok, by, pf_reason_name((enum pf_reason)i), number(t->by_reason[i]));
    }
    set(ok, o, "reason", by);
    by = json_object();
    for (unsigned i = PF_OPENED_BY_NONE + 1; i < PF_OPENED_BY_COUNT; i++) {
        set(ok, by, pf_opened_by_name((enum pf_opened_by)i), number(t->by_opened_by[i]));
    }
    set(ok, o, "opened_by", by);
    set(ok, o, "c2s_bytes", number(t->bytes[PF_C2S]));
    set(ok, o, "s2c_bytes", number(t->bytes[PF_S2C]));
    set(ok, o, "c2s_records", number(t->records[PF_C2S]));
    set(ok, o, "s2c_records", number(t->records[PF_S2C]));
    set(ok, o, "search_trials", number(m->search_trials));
    set(ok, o, "limits", make_counts(ok, m->limits, m->limit_count));
    return o;
}

enum pf_status pf_manifest_format(const struct pf_manifest *m, const struct pf_manifest_end *end,
                                  char **text)
{
    char started[PF_TEXT_TIME];
    pf_text_time(m->started_ns, started);
    bool fine = true;
    bool *ok = &fine;
    json_t *o = json_object();
    set(ok, o, "tool", string("plainflow"));
    set(ok, o, "version", string(PF_VERSION));
    set(ok, o, "format", json_integer(1));
    set(ok, o, "complete", json_boolean(end->stopped == NULL));
    set(ok, o, "stopped", string(end->stopped));
    set(ok, o, "started", string(started));
    set(ok, o, "seconds", json_real((double)m->elapsed_ns / 1e9));
    set(ok, o, "options", make_options(ok, m, end));
    set(ok, o, "inputs", make_inputs(ok, m, m->sha256 && end->stopped == NULL));
    set(ok, o, "keys", make_keys(ok, m));
    set(ok, o, "totals", make_totals(ok, m, end->totals));
    set(ok, o, "outputs", make_outputs(ok, end));
    *text = fine ? json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(o);
    return *text == NULL ? PF_ERR_NOMEM : PF_OK;
}
