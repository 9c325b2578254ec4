// SPDX-License-Identifier: Apache-2.0
#include "store/result.h"

#include "base/buf.h"
#include "store/flows.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_LEN = PF_LINE_MAX + 64, MANIFEST_MAX = 64 << 20, WHY = 256 };

struct pf_stored {
    struct pf_place root;
    struct pf_place data;
    char *root_path;
    char *data_path;
    int lines_fd;
    int rows_fd;
    uint64_t lines_size;
    uint64_t flows;
    struct pf_buf line;
    json_t *flow;
    json_t *manifest;
    char why[WHY]; /* "" when complete */
};

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void pf_stored_close(struct pf_stored *s)
{
    if (s == NULL) {
        return;
    }
    close_fd(s->lines_fd);
    close_fd(s->rows_fd);
    close_fd(s->data.fd);
    close_fd(s->root.fd);
    json_decref(s->flow);
    json_decref(s->manifest);
    pf_buf_fini(&s->line);
    free(s->root_path);
    free(s->data_path);
    free(s);
}

static enum pf_status open_regular(const struct pf_place *place, const char *name, int *out,
                                   uint64_t *size, struct pf_error *err)
{
    int fd = openat(place->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return pf_place_error(place, name, errno, err);
    }
    struct stat sb;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        (void)close(fd);
        return pf_error_set(err, PF_ERR_MALFORMED, "%s/%s: is not a file", place->path, name);
    }
    *out = fd;
    *size = (uint64_t)sb.st_size;
    return PF_OK;
}

/* *out is NULL for text that is not an object. */
static enum pf_status load_object(const void *text, size_t len, json_t **out)
{
    json_error_t error;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (*out == NULL && error.text[0] == '\0') {
        return PF_ERR_NOMEM; /* what is wrong with a text jansson says, but this it does not */
    }
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
    }
    return PF_OK;
}

static enum pf_status load_manifest(int fd, uint64_t size, json_t **out)
{
    *out = NULL;
    if (size > MANIFEST_MAX) {
        return PF_OK;
    }
    char *text = malloc((size_t)size + 1);
    if (text == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = PF_OK;
    if (pf_file_read_at(fd, text, (size_t)size, 0) == PF_OK) {
        st = load_object(text, (size_t)size, out);
    }
    free(text);
    return st;
}

/* A result without a sound manifest can still be read: it is only not complete. */
static enum pf_status read_manifest(struct pf_stored *s, struct pf_error *err)
{
    int fd = -1;
    uint64_t size = 0;
    struct pf_error ignored = {.status = PF_OK};
    if (open_regular(&s->root, "manifest.json", &fd, &size, &ignored) != PF_OK) {
        (void)snprintf(s->why, WHY, "not complete: there is no manifest.json");
        return PF_OK;
    }
    enum pf_status st = load_manifest(fd, size, &s->manifest);
    (void)close(fd);
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s/manifest.json: out of memory", s->root.path);
    }
    const char *stopped = json_string_value(json_object_get(s->manifest, "stopped"));
    if (s->manifest == NULL) {
        (void)snprintf(s->why, WHY, "manifest.json is damaged");
    } else if (!json_is_true(json_object_get(s->manifest, "complete"))) {
        (void)snprintf(s->why, WHY, "not complete: %.200s", stopped == NULL ? "stopped" : stopped);
    }
    return PF_OK;
}

static enum pf_status open_rows(struct pf_stored *s, struct pf_error *err)
{
    uint64_t size;
    enum pf_status st = open_regular(&s->data, "flows.idx", &s->rows_fd, &size, err);
    if (st != PF_OK) {
        return st;
    }
    uint8_t head[PF_FLOWS_HEADER];
    st = pf_file_read_at(s->rows_fd, head, sizeof(head), 0);
    if (st != PF_OK ||
        !pf_flows_parse_file_header((struct pf_span){.ptr = head, .len = sizeof(head)})) {
        return pf_error_set(err, PF_ERR_MALFORMED, "%s/flows.idx: is not an index of plainflow's",
                            s->data.path);
    }
    s->flows = (size - PF_FLOWS_HEADER) / PF_FLOWS_ROW;
    return PF_OK;
}

static enum pf_status no_result(const char *dir, struct pf_error *err)
{
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: is not a result of plainflow's", dir);
    }
    return pf_error_set(err, PF_ERR_IO, "%s: %s", dir, strerror(errno));
}

static enum pf_status open_all(struct pf_stored *s, const char *dir, struct pf_error *err)
{
    s->root_path = strdup(dir);
    if (s->root_path == NULL || asprintf(&s->data_path, "%s/data", dir) < 0) {
        s->data_path = NULL;
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    s->root.path = s->root_path;
    s->data.path = s->data_path;
    s->root.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root.fd < 0) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: %s", dir, strerror(errno));
    }
    s->data.fd = openat(s->root.fd, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->data.fd < 0) {
        return no_result(dir, err);
    }
    enum pf_status st = read_manifest(s, err);
    if (st != PF_OK) {
        return st;
    }
    struct stat sb;
    if (fstatat(s->root.fd, "flows.jsonl", &sb, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno != ENOENT ? no_result(dir, err)
                               : pf_error_set(err, PF_ERR_MALFORMED,
                                              "%s: not complete: there is no flows.jsonl", dir);
    }
    st = open_regular(&s->root, "flows.jsonl", &s->lines_fd, &s->lines_size, err);
    return st != PF_OK ? st : open_rows(s, err);
}

enum pf_status pf_stored_open(const char *dir, struct pf_stored **out, struct pf_error *err)
{
    *out = NULL;
    struct pf_stored *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    s->root.fd = s->data.fd = s->lines_fd = s->rows_fd = -1;
    pf_buf_init(&s->line, LINE_MAX_LEN + 1, NULL);
    enum pf_status st = open_all(s, dir, err);
    if (st != PF_OK) {
        pf_stored_close(s);
        return st;
    }
    *out = s;
    return PF_OK;
}

uint64_t pf_stored_flows(const struct pf_stored *s)
{
    return s->flows;
}

bool pf_stored_complete(const struct pf_stored *s, const char **why)
{
    *why = s->why;
    return s->why[0] == '\0';
}

const struct json_t *pf_stored_manifest(const struct pf_stored *s)
{
    return s->manifest;
}

const struct pf_place *pf_stored_root(const struct pf_stored *s)
{
    return &s->root;
}

const struct pf_place *pf_stored_data(const struct pf_stored *s)
{
    return &s->data;
}

enum pf_status pf_stored_row(struct pf_stored *s, uint64_t number, struct pf_flows_row *row,
                             struct pf_error *err)
{
    if (number == 0 || number > s->flows) {
        return PF_END;
    }
    uint8_t bytes[PF_FLOWS_ROW];
    uint64_t pos = PF_FLOWS_HEADER + (number - 1) * PF_FLOWS_ROW;
    enum pf_status st = pf_file_read_at(s->rows_fd, bytes, sizeof(bytes), pos);
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s/flows.idx: %s", s->data.path, pf_status_text(st));
    }
    if (!pf_flows_parse_row((struct pf_span){.ptr = bytes, .len = sizeof(bytes)}, row) ||
        row->line_len > LINE_MAX_LEN || row->line_len > s->lines_size ||
        row->line_pos > s->lines_size - row->line_len || row->worker >= 100000) {
        return pf_error_set(err, PF_ERR_MALFORMED, "%s/flows.idx: damaged: row %llu", s->data.path,
                            (unsigned long long)number);
    }
    return PF_OK;
}

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static uint64_t number_of(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : PF_UNKNOWN;
}

static void fill(struct pf_stored_flow *f, const json_t *o)
{
    f->flow = number_of(o, "flow");
    f->ts_ns = json_integer_value(json_object_get(o, "ts_ns"));
    f->duration_ns = number_of(o, "duration_ns");
    f->ts = text(o, "ts");
    f->orig_h = text(o, "id.orig_h");
    f->resp_h = text(o, "id.resp_h");
    f->orig_p = (uint16_t)number_of(o, "id.orig_p");
    f->resp_p = (uint16_t)number_of(o, "id.resp_p");
    f->version = text(o, "version");
    f->cipher = text(o, "cipher");
    f->server_name = text(o, "server_name");
    f->status = text(o, "status");
    f->reason = text(o, "reason");
    f->detail = text(o, "detail");
    for (unsigned d = 0; d < 2; d++) {
        const json_t *dir = json_object_get(o, d == PF_C2S ? "c2s" : "s2c");
        f->dir[d].records = number_of(dir, "records");
        f->dir[d].bytes = number_of(dir, "bytes");
        f->dir[d].missing_records = number_of(dir, "missing_records");
        f->dir[d].missing_bytes = number_of(dir, "missing_bytes");
        uint64_t clear = number_of(dir, "clear_bytes");
        f->dir[d].clear_bytes = clear != PF_UNKNOWN ? clear : 0;
        f->dir[d].sha256 = text(dir, "sha256");
    }
}

enum pf_status pf_stored_flow(struct pf_stored *s, uint64_t number, struct pf_stored_flow *out,
                              struct pf_error *err)
{
    *out = (struct pf_stored_flow){.flow = 0};
    enum pf_status st = pf_stored_row(s, number, &out->row, err);
    if (st != PF_OK) {
        return st;
    }
    size_t len = out->row.line_len;
    s->line.len = 0;
    st = pf_buf_reserve(&s->line, len + 1);
    if (st == PF_OK) {
        st = pf_file_read_at(s->lines_fd, s->line.ptr, len, out->row.line_pos);
    }
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s/flows.jsonl: %s", s->root.path, pf_status_text(st));
    }
    s->line.ptr[len] = '\0';
    json_decref(s->flow);
    s->flow = NULL;
    if (load_object(s->line.ptr, len, &s->flow) != PF_OK) {
        return pf_error_set(err, PF_ERR_NOMEM, "%s/flows.jsonl: out of memory", s->root.path);
    }
    fill(out, s->flow);
    if (s->flow == NULL || out->flow != number || out->ts == NULL || out->orig_h == NULL ||
        out->resp_h == NULL || out->status == NULL || memchr(s->line.ptr, '\n', len) != NULL) {
        return pf_error_set(err, PF_ERR_MALFORMED,
                            "%s: line %llu of flows.jsonl is damaged, or its row in data/flows.idx",
                            s->root.path, (unsigned long long)number);
    }
    out->line = (struct pf_span){.ptr = s->line.ptr, .len = len};
    return PF_OK;
}

enum pf_status pf_stored_chain(struct pf_stored *s, const struct pf_flows_row *row, enum pf_dir dir,
                               struct pf_walkback *c, struct pf_error *err)
{
    return pf_walkback_start(c, &s->data, row->worker, dir, row->ref.dir[dir].last, err);
}
