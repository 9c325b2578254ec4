// SPDX-License-Identifier: Apache-2.0
#include "forge/truth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *path)
{
    if (!ok) {
        forge_die("%s: %s", path, errno != 0 ? strerror(errno) : "cannot be written");
    }
}

void forge_truth_open(struct forge_truth *t, const char *path)
{
    *t = (struct forge_truth){.path = path};
    t->file = fopen(path, "w+e");
    must(t->file != NULL, path);
}

static json_t *hex(const uint8_t *src, size_t len)
{
    static const char DIGITS[] = "0123456789abcdef";
    char text[2 * 64 + 1] = {0};
    for (size_t i = 0; i < len && i < 64; i++) {
        text[2 * i] = DIGITS[src[i] >> 4];
        text[2 * i + 1] = DIGITS[src[i] & 15];
    }
    return json_string(text);
}

static const char *version_name(int version)
{
    switch (version) {
    case TLS1_VERSION:
        return "TLSv10";
    case TLS1_1_VERSION:
        return "TLSv11";
    case TLS1_2_VERSION:
        return "TLSv12";
    default:
        return "TLSv13";
    }
}

static void put_end(json_t *line, const struct forge_link *link, enum pf_dir dir, const char *host,
                    const char *port)
{
    char text[INET6_ADDRSTRLEN];
    const struct forge_end *end = &link->end[dir];
    inet_ntop(link->ipv6 ? AF_INET6 : AF_INET, end->addr, text, sizeof text);
    json_object_set_new(line, host, json_string(text));
    json_object_set_new(line, port, json_integer(end->port));
}

static json_t *direction(struct forge_flow *f, enum pf_dir dir)
{
    uint8_t sha256[FORGE_SHA256_LEN];
    const struct forge_lane *lane = &f->conn.lane;
    json_int_t lost = 0;
    json_int_t lost_bytes = 0;
    for (size_t i = 0; i < lane->dropped.count; i++) {
        if (lane->dropped.list[i].dir == dir) {
            lost++;
            lost_bytes += lane->dropped.list[i].len;
        }
    }
    forge_stream_sha256(&f->stream[dir], sha256);
    json_t *out = json_object();
    json_object_set_new(out, "bytes", json_integer((json_int_t)f->stream[dir].done));
    json_object_set_new(out, "sha256", hex(sha256, sizeof sha256));
    json_object_set_new(out, "records", json_integer((json_int_t)f->ledger[dir].count));
    json_object_set_new(out, "tcp_bytes", json_integer((json_int_t)f->conn.sent[dir]));
    json_object_set_new(out, "packets", json_integer((json_int_t)lane->packets[dir]));
    json_object_set_new(out, "lost_packets", json_integer(lost));
    json_object_set_new(out, "lost_tcp_bytes", json_integer(lost_bytes));
    if (f->ledger[dir].keeps) {
        struct forge_intact intact = forge_ledger_intact(&f->ledger[dir], lane, dir);
        json_object_set_new(out, "intact_records", json_integer((json_int_t)intact.records));
        json_object_set_new(out, "intact_bytes", json_integer((json_int_t)intact.bytes));
    }
    return out;
}

static json_t *drops(const struct forge_lane *lane)
{
    json_t *list = json_array();
    for (size_t i = 0; i < lane->dropped.count; i++) {
        const struct forge_parcel *d = &lane->dropped.list[i];
        json_t *one = json_object();
        json_object_set_new(one, "index", json_integer((json_int_t)d->index));
        json_object_set_new(one, "dir", json_string(d->dir == PF_C2S ? "c2s" : "s2c"));
        json_object_set_new(one, "tcp_offset", json_integer((json_int_t)d->offset));
        json_object_set_new(one, "len", json_integer(d->len));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *flow_line(struct forge_flow *f)
{
    const struct forge_lane *lane = &f->conn.lane;
    json_t *line = json_object();
    json_object_set_new(line, "flow", json_integer((json_int_t)lane->number));
    json_object_set_new(line, "ts_ns", json_integer(lane->first_ns));
    put_end(line, &f->conn.link, PF_C2S, "id.orig_h", "id.orig_p");
    put_end(line, &f->conn.link, PF_S2C, "id.resp_h", "id.resp_p");
    json_object_set_new(line, "version", json_string(version_name(f->profile->suite.version)));
    json_object_set_new(line, "cipher", json_string(f->profile->suite.iana));
    json_object_set_new(line, "suite", json_string(f->profile->suite.name));
    json_object_set_new(line, "resumed", json_boolean(f->resumed));
    json_object_set_new(line, "client_random", hex(f->client_random, sizeof f->client_random));
    json_object_set_new(line, "renegotiations", json_integer(f->renegotiations));
    json_object_set_new(line, "key_updates", json_integer(f->key_updates));
    json_object_set_new(line, "reordered", json_integer((json_int_t)lane->reordered));
    json_object_set_new(line, "duplicated", json_integer((json_int_t)lane->duplicated));
    json_object_set_new(line, "overlaps", json_integer((json_int_t)f->conn.overlaps));
    json_object_set_new(line, "c2s", direction(f, PF_C2S));
    json_object_set_new(line, "s2c", direction(f, PF_S2C));
    json_object_set_new(line, "dropped", drops(lane));
    return line;
}

void forge_truth_add(struct forge_truth *t, struct forge_flow *f)
{
    if (f->conn.lane.number == 0) {
        return;
    }
    json_t *line = flow_line(f);
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (text == NULL) {
        forge_die("out of memory");
    }
    size_t len = strlen(text);
    must(fprintf(t->file, "%s\n", text) > 0, t->path);
    free(text);
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : 2 * t->cap;
        t->lines = forge_realloc(t->lines, t->cap * sizeof *t->lines);
    }
    t->lines[t->count++] = (struct forge_truth_line){
        .number = f->conn.lane.number, .offset = t->offset, .len = len + 1};
    t->offset += len + 1;
}

static int by_number(const void *a, const void *b)
{
    const struct forge_truth_line *x = a;
    const struct forge_truth_line *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Copies the lines in their new order; the whole text is held once. */
static void rewrite(struct forge_truth *t)
{
    char *text = forge_alloc((size_t)t->offset);
    must(fseek(t->file, 0, SEEK_SET) == 0, t->path);
    must(fread(text, 1, (size_t)t->offset, t->file) == t->offset, t->path);
    must(fseek(t->file, 0, SEEK_SET) == 0, t->path);
    for (size_t i = 0; i < t->count; i++) {
        const struct forge_truth_line *l = &t->lines[i];
        must(fwrite(text + l->offset, 1, l->len, t->file) == l->len, t->path);
    }
    free(text);
}

void forge_truth_close(struct forge_truth *t)
{
    qsort(t->lines, t->count, sizeof *t->lines, by_number);
    bool ordered = true;
    for (size_t i = 1; i < t->count && ordered; i++) {
        ordered = t->lines[i - 1].offset < t->lines[i].offset;
    }
    if (!ordered) {
        rewrite(t);
    }
    free(t->lines);
    must(fclose(t->file) == 0, t->path);
}
