// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include "store/dir.h"
#include "store/merge.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINES_BUFFER = 1 << 20,
    ROWS_BUFFER = 1 << 16,
    MANIFEST_BUFFER = 1 << 16,
    COMMITS = 8 /* at the same time */
};

struct pf_store {
    struct pf_store_dir dir;
    struct pf_store_options options;
    bool started;
    bool completed; /* it was tried: once is enough */
    struct pf_chunks **chunks;
    struct pf_flows **flows;
    struct pf_file lines;
    struct pf_file rows;
    struct pf_manifest_output *outputs;
    size_t output_count;
};

enum pf_status pf_store_create(const char *dir, bool force, struct pf_store **out,
                               struct pf_error *err)
{
    *out = NULL;
    struct pf_store *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    s->lines.fd = -1;
    s->rows.fd = -1;
    enum pf_status st = pf_dir_open(dir, force, &s->dir, err);
    if (st != PF_OK) {
        free(s);
        return st;
    }
    *out = s;
    return PF_OK;
}

enum pf_status pf_store_start(struct pf_store *s, const struct pf_store_options *o,
                              struct pf_error *err)
{
    if (s->started || o->workers == 0 || o->workers > PF_STORE_WORKERS) {
        return pf_error_set(err, PF_ERR_USAGE, "the number of workers must be 1 to %d",
                            PF_STORE_WORKERS);
    }
    s->options = *o;
    s->started = true;
    s->chunks = calloc(o->workers, sizeof(struct pf_chunks *));
    s->flows = calloc(o->workers, sizeof(struct pf_flows *));
    s->outputs = calloc(2 * (size_t)o->workers + 2, sizeof(struct pf_manifest_output));
    if (s->chunks == NULL || s->flows == NULL || s->outputs == NULL) {
        s->options.workers = 0;
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    for (unsigned i = 0; i < o->workers; i++) {
        enum pf_status st = pf_chunks_new(&s->dir.data, i, o->codec, o->sha256, &s->chunks[i], err);
        if (st == PF_OK) {
            st = pf_flows_new(&s->dir.data, i, &s->flows[i], err);
        }
        if (st != PF_OK) {
            return st;
        }
    }
    return PF_OK;
}

struct pf_chunks *pf_store_chunks(struct pf_store *s, unsigned i)
{
    return s->chunks[i];
}

struct pf_flows *pf_store_flows(struct pf_store *s, unsigned i)
{
    return s->flows[i];
}

enum pf_status pf_store_close_worker(struct pf_store *s, unsigned i, struct pf_error *err)
{
    enum pf_status chunks = s->chunks[i] == NULL ? PF_OK : pf_chunks_send(s->chunks[i], err);
    enum pf_status flows = s->flows[i] == NULL ? PF_OK : pf_flows_close(s->flows[i], err);
    return chunks != PF_OK ? chunks : flows;
}

void pf_store_totals(const struct pf_store *s, struct pf_flow_totals *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < s->options.workers; i++) {
        if (s->flows[i] != NULL) {
            pf_flows_add_totals(s->flows[i], out);
        }
    }
}

/* Closes all workers, the failed ones too; the first error is the one returned. */
static enum pf_status close_workers(struct pf_store *s, struct pf_error *err)
{
    enum pf_status first = PF_OK;
    for (unsigned i = 0; i < s->options.workers; i++) {
        enum pf_status st = pf_store_close_worker(s, i, err);
        first = first != PF_OK ? first : st;
    }
    return first;
}

static enum pf_status merge(struct pf_store *s, struct pf_error *err)
{
    bool sha256 = s->options.sha256;
    enum pf_status st =
        pf_file_open(&s->lines, &s->dir.root, "flows.jsonl", LINES_BUFFER, sha256, err);
    if (st == PF_OK) {
        st = pf_file_open(&s->rows, &s->dir.data, "flows.idx", ROWS_BUFFER, sha256, err);
    }
    return st == PF_OK ? pf_merge_flows(s->flows, s->options.workers, &s->lines, &s->rows,
                                        s->options.abreast, err)
                       : st;
}

/* ---- the end of every file ---- */

/* File k of the result, in the order of the manifest: the list, its index, each worker's two. */
static struct pf_file *file_at(struct pf_store *s, size_t k)
{
    if (k < 2) {
        return k == 0 ? &s->lines : &s->rows;
    }
    struct pf_chunks *c = s->chunks[(k - 2) / 2];
    return c != NULL ? pf_chunks_file(c, (unsigned)(k % 2)) : NULL;
}

static size_t count_files(const struct pf_store *s)
{
    return 2 + 2 * (size_t)s->options.workers;
}

struct commit {
    struct pf_store *store;
    enum pf_status st[COMMITS];
    struct pf_error err[COMMITS];
};

static void commit_some(void *ctx, unsigned k)
{
    struct commit *c = ctx;
    for (size_t i = k; i < count_files(c->store); i += COMMITS) {
        struct pf_file *f = file_at(c->store, i);
        enum pf_status st = f != NULL ? pf_file_commit(f, &c->err[k]) : PF_OK;
        c->st[k] = c->st[k] != PF_OK ? c->st[k] : st;
    }
}

static void discard_spools(void *ctx, unsigned k)
{
    struct pf_store *s = ctx;
    for (unsigned i = k; i < s->options.workers; i += COMMITS) {
        if (s->flows[i] != NULL) {
            pf_flows_discard(s->flows[i]);
        }
    }
}

static void abreast(const struct pf_store *s, void (*body)(void *ctx, unsigned k), void *ctx,
                    size_t n)
{
    unsigned most = n < COMMITS ? (unsigned)n : COMMITS;
    if (s->options.abreast != NULL) {
        s->options.abreast(body, ctx, most);
        return;
    }
    for (unsigned k = 0; k < most; k++) {
        body(ctx, k);
    }
}

/* Each file waits for the disk: together they wait once. */
static enum pf_status commit(struct pf_store *s, struct pf_error *err)
{
    struct commit c = {.store = s};
    abreast(s, commit_some, &c, count_files(s));
    for (unsigned k = 0; k < COMMITS; k++) {
        if (c.st[k] != PF_OK) {
            return pf_error_set(err, c.st[k], "%s", c.err[k].text);
        }
    }
    return PF_OK;
}

/* Committed in any case: a list that was cut short is still a list. */
static enum pf_status complete(struct pf_store *s, struct pf_error *err)
{
    s->completed = true;
    enum pf_status merged = merge(s, err);
    enum pf_status st = commit(s, err);
    if (merged == PF_OK && st == PF_OK) {
        abreast(s, discard_spools, s, s->options.workers);
    }
    return merged != PF_OK ? merged : st;
}

/* ---- the manifest ---- */

static void list_outputs(struct pf_store *s)
{
    s->output_count = 0;
    for (size_t k = 0; k < count_files(s); k++) {
        const struct pf_file *f = file_at(s, k);
        if (f != NULL && f->name[0] != '\0') { /* it was opened */
            s->outputs[s->output_count++] =
                (struct pf_manifest_output){.folder = k == 0 ? "" : "data/", .file = f};
        }
    }
}

static enum pf_status write_manifest(struct pf_store *s, const struct pf_manifest *m,
                                     const char *stopped, struct pf_error *err)
{
    if (s->outputs == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory for the manifest");
    }
    struct pf_flow_totals totals;
    pf_store_totals(s, &totals);
    list_outputs(s);
    struct pf_manifest_end end = {.stopped = stopped,
                                  .codec = s->options.codec,
                                  .totals = &totals,
                                  .outputs = s->outputs,
                                  .output_count = s->output_count};
    char *text = NULL;
    if (pf_manifest_format(m, &end, &text) != PF_OK) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory for the manifest");
    }
    struct pf_file f;
    enum pf_status st = pf_dir_sync(&s->dir, err);
    if (st != PF_OK) {
        free(text);
        return st;
    }
    st = pf_file_open(&f, &s->dir.root, "manifest.json", MANIFEST_BUFFER, false, err);
    if (st == PF_OK) {
        st = pf_file_append(&f, text, strlen(text), err);
    }
    if (st == PF_OK) {
        st = pf_file_append(&f, "\n", 1, err);
    }
    if (st == PF_OK) {
        st = pf_file_flush(&f, err);
    }
    if (st == PF_OK) {
        st = pf_file_commit(&f, err);
    } else {
        pf_file_discard(&f); /* half a manifest must not get the name of a whole one */
    }
    pf_file_fini(&f);
    free(text);
    return st == PF_OK ? pf_dir_sync(&s->dir, err) : st;
}

enum pf_status pf_store_finish(struct pf_store *s, const struct pf_manifest *m,
                               struct pf_error *err)
{
    enum pf_status st = close_workers(s, err);
    if (st == PF_OK) {
        st = complete(s, err);
    }
    return st == PF_OK ? write_manifest(s, m, NULL, err) : st;
}

enum pf_status pf_store_abandon(struct pf_store *s, const struct pf_manifest *m,
                                const char *stopped, struct pf_error *err)
{
    if (!s->started) {
        return PF_OK;
    }
    /* What fails here has a cause that was told already: each step goes on as far as it can. */
    struct pf_error ignored = {.status = PF_OK};
    (void)close_workers(s, &ignored);
    if (!s->completed) {
        (void)complete(s, &ignored);
    }
    return write_manifest(s, m, stopped, err);
}

void pf_store_free(struct pf_store *s)
{
    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; i < s->options.workers; i++) {
        pf_chunks_free(s->chunks[i]);
        pf_flows_free(s->flows[i]);
    }
    free(s->chunks);
    free(s->flows);
    free(s->outputs);
    pf_file_fini(&s->lines);
    pf_file_fini(&s->rows);
    if (!s->started) {
        pf_dir_remove(&s->dir);
    }
    pf_dir_close(&s->dir);
    free(s);
}
