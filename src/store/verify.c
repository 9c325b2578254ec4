// SPDX-License-Identifier: Apache-2.0
#include "store/verify.h"

#include "store/digest.h"
#include "store/result.h"
#include "store/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    struct pf_stored *stored;
    struct pf_findings *found;
    struct pf_walkback *chain;
    bool failed;
    uint64_t flows;
    uint64_t bytes[2];
    uint64_t records[2];
};

__attribute__((format(printf, 2, 3))) static void finding(struct check *c, const char *fmt, ...)
{
    c->failed = true;
    if (c->found->count == c->found->max) {
        return;
    }
    char text[PF_ERROR_TEXT];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct pf_error *e = &c->found->items[c->found->count++];
    *e = (struct pf_error){.status = PF_OK};
    (void)pf_error_set(e, PF_ERR_MALFORMED, "%s", text);
}

/* Names come from the manifest, which may be anyone's: only what the store itself makes. */
static bool is_output_name(const char *name)
{
    return strcmp(name, "flows.jsonl") == 0 ||
           (strncmp(name, "data/", 5) == 0 && strchr(name + 5, '/') == NULL && name[5] != '.');
}

static void check_hash(struct check *c, int fd, const char *name, const char *expected)
{
    uint8_t sha256[PF_SHA256_LEN];
    char hex[PF_TEXT_HEX];
    if (pf_digest_fd(fd, sha256) != PF_OK) {
        finding(c, "%s: cannot be read", name);
        return;
    }
    pf_text_hex(sha256, sizeof(sha256), hex);
    if (strcmp(hex, expected) != 0) {
        finding(c, "%s: its SHA-256 is not the one in the manifest", name);
    }
}

static void check_output(struct check *c, const json_t *o)
{
    const char *name = json_string_value(json_object_get(o, "file"));
    const json_t *size = json_object_get(o, "size");
    const char *sha256 = json_string_value(json_object_get(o, "sha256"));
    if (name == NULL || !is_output_name(name) || !json_is_integer(size)) {
        finding(c, "manifest.json: its list of outputs is damaged");
        return;
    }
    int fd =
        openat(pf_stored_root(c->stored)->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat sb;
    if (fd < 0) {
        finding(c, "%s: %s", name, strerror(errno));
        return;
    }
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        finding(c, "%s: is not a file", name);
    } else if (sb.st_size != json_integer_value(size)) {
        finding(c, "%s: has %lld bytes, the manifest says %lld", name, (long long)sb.st_size,
                (long long)json_integer_value(size));
    } else if (sha256 != NULL) {
        check_hash(c, fd, name, sha256);
    }
    (void)close(fd);
}

struct sums {
    uint64_t bytes;
    uint64_t records;
    uint64_t clear;
};

/* Unpacks all of a direction; sums it up and hashes it if d is given. */
static enum pf_status walk(struct check *c, struct sums *sum, struct pf_digest *d,
                           struct pf_error *err)
{
    const struct pf_index_entry *e;
    enum pf_status st;
    while ((st = pf_walkback_next(c->chain, &e, err)) == PF_OK) {
        struct pf_span plain;
        st = pf_walkback_plain(c->chain, &plain, err);
        bool clear = e->kind == PF_INDEX_CLEAR;
        if (st == PF_OK && d != NULL && !clear) {
            st = pf_digest_update(d, plain.ptr, plain.len);
        }
        if (st != PF_OK) {
            return st;
        }
        sum->bytes += clear ? 0 : plain.len;
        sum->clear += clear ? plain.len : 0;
        sum->records += e->kind == PF_INDEX_CHUNK ? e->chunk.records : 0;
    }
    return st == PF_END ? PF_OK : st;
}

static void compare(struct check *c, const struct pf_stored_flow *f, unsigned d,
                    const struct sums *sum, const struct pf_digest *digest)
{
    const char *dir = d == PF_C2S ? "c2s" : "s2c";
    if (sum->bytes != f->dir[d].bytes || sum->bytes != f->row.ref.dir[d].bytes) {
        finding(c, "flow %" PRIu64 ": %s has %" PRIu64 " bytes, its line says %" PRIu64, f->flow,
                dir, sum->bytes, f->dir[d].bytes);
    }
    if (sum->records != f->dir[d].records || sum->records != f->row.ref.dir[d].records) {
        finding(c, "flow %" PRIu64 ": %s has %" PRIu64 " records, its line says %" PRIu64, f->flow,
                dir, sum->records, f->dir[d].records);
    }
    if (sum->clear != f->dir[d].clear_bytes) {
        finding(c, "flow %" PRIu64 ": %s has %" PRIu64 " clear bytes, its line says %" PRIu64,
                f->flow, dir, sum->clear, f->dir[d].clear_bytes);
    }
    uint8_t sha256[PF_SHA256_LEN];
    char hex[PF_TEXT_HEX];
    if (digest != NULL && pf_digest_value(digest, sha256) == PF_OK) {
        pf_text_hex(sha256, sizeof(sha256), hex);
        if (strcmp(hex, f->dir[d].sha256) != 0) {
            finding(c, "flow %" PRIu64 ": the SHA-256 of %s is not the one in its line", f->flow,
                    dir);
        }
    }
}

static enum pf_status check_direction(struct check *c, const struct pf_stored_flow *f, unsigned d)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_digest *digest = NULL;
    if (f->dir[d].sha256 != NULL && pf_digest_new(&digest) != PF_OK) {
        return PF_ERR_NOMEM;
    }
    struct sums sum = {.bytes = 0};
    enum pf_status st = pf_stored_chain(c->stored, &f->row, (enum pf_dir)d, c->chain, &err);
    if (st == PF_OK) {
        st = walk(c, &sum, digest, &err);
    }
    if (st == PF_OK) {
        compare(c, f, d, &sum, digest);
        c->bytes[d] += sum.bytes;
        c->records[d] += sum.records;
    } else if (st != PF_ERR_NOMEM) {
        finding(c, "flow %" PRIu64 ": %s", f->flow, err.text);
        st = PF_OK;
    }
    pf_digest_free(digest);
    return st;
}

static enum pf_status check_flows(struct check *c)
{
    struct pf_stored_flow f;
    for (uint64_t n = 1; n <= pf_stored_flows(c->stored); n++) {
        struct pf_error err = {.status = PF_OK};
        enum pf_status st = pf_stored_flow(c->stored, n, &f, &err);
        if (st == PF_ERR_NOMEM) {
            return st;
        }
        if (st != PF_OK) {
            finding(c, "%s", err.text);
            continue;
        }
        c->flows++;
        for (unsigned d = 0; d < 2; d++) {
            st = check_direction(c, &f, d);
            if (st != PF_OK) {
                return st;
            }
        }
    }
    return PF_OK;
}

static void check_total(struct check *c, const json_t *totals, const char *name, uint64_t counted)
{
    const json_t *v = json_object_get(totals, name);
    if (!json_is_integer(v) || (uint64_t)json_integer_value(v) != counted) {
        finding(c, "manifest.json: says %s %lld, the result has %" PRIu64, name,
                (long long)json_integer_value(v), counted);
    }
}

static enum pf_status check_all(struct check *c)
{
    const char *why;
    if (!pf_stored_complete(c->stored, &why)) {
        finding(c, "%s", why);
    }
    const json_t *manifest = pf_stored_manifest(c->stored);
    const json_t *outputs = json_object_get(manifest, "outputs");
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        check_output(c, json_array_get(outputs, i));
    }
    enum pf_status st = check_flows(c);
    if (st != PF_OK || manifest == NULL) {
        return st;
    }
    const json_t *totals = json_object_get(manifest, "totals");
    check_total(c, totals, "flows", c->flows);
    check_total(c, totals, "c2s_bytes", c->bytes[PF_C2S]);
    check_total(c, totals, "s2c_bytes", c->bytes[PF_S2C]);
    check_total(c, totals, "c2s_records", c->records[PF_C2S]);
    check_total(c, totals, "s2c_records", c->records[PF_S2C]);
    return PF_OK;
}

enum pf_status pf_stored_verify(const char *dir, struct pf_findings *found, struct pf_error *err)
{
    struct check c = {.found = found};
    found->count = 0;
    enum pf_status st = pf_stored_open(dir, &c.stored, err);
    if (st == PF_ERR_MALFORMED || st == PF_ERR_TRUNCATED) {
        finding(&c, "%s", err->text);
        err->status = PF_OK;
        return PF_ERR_MALFORMED;
    }
    if (st != PF_OK) {
        return st;
    }
    st = pf_walkback_new(&c.chain);
    if (st == PF_OK) {
        st = check_all(&c);
    }
    pf_walkback_free(c.chain);
    pf_stored_close(c.stored);
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s: %s", dir, pf_status_text(st));
    }
    return c.failed ? PF_ERR_MALFORMED : PF_OK;
}
