// SPDX-License-Identifier: Apache-2.0
#include "run/deliver.h"

#include "capture/ngwrite.h"
#include "plainflow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct target {
    char *path;
    int fd;
    bool made;
    bool whole;
};

struct pf_delivery {
    struct target keylog;
    struct target capture;
};

static bool same_file(const struct stat *a, const char *path)
{
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

static bool is_read(const struct stat *st, const struct pf_options *o)
{
    const struct pf_strings *const lists[2] = {&o->captures, &o->keylogs};
    for (int l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            if (same_file(st, lists[l]->items[i])) {
                return true;
            }
        }
    }
    return false;
}

/* An earlier file makes way for a new one, so that it is not written into whoever may read it. */
static enum pf_status clear_way(const struct target *t, const struct pf_options *o,
                                struct pf_error *err)
{
    struct stat st;
    if (lstat(t->path, &st) != 0) {
        return PF_OK;
    }
    if (!o->force) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: is there already; --force replaces it",
                            t->path);
    }
    if (!S_ISREG(st.st_mode)) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: is no regular file", t->path);
    }
    if (is_read(&st, o)) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: is read, and cannot be replaced", t->path);
    }
    if (unlink(t->path) != 0) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: %s", t->path, strerror(errno));
    }
    return PF_OK;
}

static enum pf_status make(struct target *t, const char *path, const struct pf_options *o,
                           struct pf_error *err)
{
    t->fd = -1;
    if (path == NULL) {
        return PF_OK;
    }
    t->path = strdup(path);
    if (t->path == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = clear_way(t, o, err);
    if (st != PF_OK) {
        return st;
    }
    t->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    t->made = t->fd >= 0;
    if (t->fd < 0 || fchmod(t->fd, 0600) != 0) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: %s", path, strerror(errno));
    }
    return PF_OK;
}

/* What can be read only once cannot be copied once its secrets are known. */
static enum pf_status check_captures(const struct pf_options *o, struct pf_error *err)
{
    for (size_t i = 0; i < o->captures.count; i++) {
        const char *path = o->captures.items[i];
        struct stat st;
        if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
            return pf_error_set(err, PF_ERR_USAGE,
                                "--inject reads every capture twice, and %s is no file",
                                strcmp(path, "-") == 0 ? "standard input" : path);
        }
    }
    return PF_OK;
}

enum pf_status pf_delivery_new(const struct pf_options *o, struct pf_delivery **out,
                               struct pf_error *err)
{
    struct pf_delivery *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return PF_ERR_NOMEM;
    }
    d->capture.fd = -1;
    enum pf_status st = o->inject != NULL ? check_captures(o, err) : PF_OK;
    st = st == PF_OK ? make(&d->keylog, o->output, o, err) : st;
    st = st == PF_OK ? make(&d->capture, o->inject, o, err) : st;
    if (st != PF_OK) {
        pf_delivery_free(d);
        return st;
    }
    *out = d;
    return PF_OK;
}

static void drop(struct target *t)
{
    if (t->made && t->fd >= 0) {
        close(t->fd);
    }
    if (t->made && !t->whole) {
        (void)unlink(t->path); /* nothing more can be done about it */
    }
    free(t->path);
}

void pf_delivery_free(struct pf_delivery *d)
{
    if (d != NULL) {
        drop(&d->keylog);
        drop(&d->capture);
        free(d);
    }
}

/* Some file systems report only now that there is no room. */
static enum pf_status finish(struct target *t, struct pf_error *err)
{
    int fd = t->fd;
    t->fd = -1;
    if (close(fd) != 0) {
        return pf_error_set(err, PF_ERR_IO, "%s: %s", t->path, strerror(errno));
    }
    t->whole = true;
    return PF_OK;
}

static enum pf_status write_all(const struct target *t, struct pf_span text, struct pf_error *err)
{
    while (text.len > 0) {
        ssize_t n = write(t->fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR) {
            return pf_error_set(err, PF_ERR_IO, "%s: %s", t->path, strerror(errno));
        }
        text.ptr += n > 0 ? n : 0;
        text.len -= n > 0 ? (size_t)n : 0;
    }
    return PF_OK;
}

static enum pf_status write_keylog(struct target *t, struct pf_answers *answers,
                                   struct pf_error *err)
{
    struct pf_span text;
    enum pf_status st;
    while ((st = pf_answers_next(answers, &text, err)) == PF_OK) {
        st = write_all(t, text, err);
        if (st != PF_OK) {
            return st;
        }
    }
    return st == PF_END ? finish(t, err) : st;
}

static bool is_stopped(const struct pf_board *b)
{
    /* relaxed: a moment later is soon enough */
    return atomic_load_explicit(&b->stop, memory_order_relaxed) != 0;
}

static enum pf_status copy_items(struct pf_ngwrite *w, struct pf_source *from,
                                 const struct pf_board *board, struct pf_error *err)
{
    struct pf_item item;
    enum pf_status st = PF_OK;
    while (st == PF_OK && !is_stopped(board) && pf_source_next(from, &item) == PF_OK) {
        st = item.kind == PF_ITEM_SECRETS ? pf_ngwrite_secrets(w, item.secrets, err)
                                          : pf_ngwrite_frame(w, &item, err);
    }
    return st;
}

/* What was damaged the first time is as damaged now, and was reported. */
static enum pf_status compare(const struct pf_source *first, const struct pf_source *again,
                              struct pf_error *err)
{
    for (size_t i = 0; i < pf_source_inputs(first); i++) {
        const struct pf_source_input *a = pf_source_input(first, i);
        if (a->packets != pf_source_input(again, i)->packets) {
            return pf_error_set(err, PF_ERR_IO, "%s: has changed while it was read", a->path);
        }
    }
    return PF_OK;
}

static enum pf_status write_capture(struct target *t, struct pf_ngwrite *w,
                                    struct pf_answers *answers, const struct pf_source *read,
                                    struct pf_source *again, const struct pf_board *board,
                                    struct pf_error *err)
{
    struct pf_error cause = {.status = PF_OK};
    struct pf_span text;
    enum pf_status st;
    while ((st = pf_answers_next(answers, &text, &cause)) == PF_OK &&
           (st = pf_ngwrite_secrets(w, text, &cause)) == PF_OK) {
    }
    st = st == PF_END ? copy_items(w, again, board, &cause) : st;
    st = st == PF_OK ? pf_ngwrite_end(w, &cause) : st;
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s: %s", t->path, cause.text);
    }
    if (is_stopped(board)) {
        return PF_OK;
    }
    st = compare(read, again, err);
    return st == PF_OK ? finish(t, err) : st;
}

static enum pf_status copy_captures(struct target *t, struct pf_answers *answers,
                                    const struct pf_source *read, const char *filter,
                                    const struct pf_board *board, struct pf_error *err)
{
    struct pf_ngwrite *w = NULL;
    struct pf_source *again = NULL;
    size_t n = pf_source_inputs(read);
    const char **paths = calloc(n + 1, sizeof *paths);
    enum pf_status st = paths == NULL ? PF_ERR_NOMEM : pf_ngwrite_new(t->fd, &w);
    for (size_t i = 0; i < n && st == PF_OK; i++) {
        paths[i] = pf_source_input(read, i)->path;
    }
    st = st == PF_OK ? pf_source_new(paths, n, filter, &again, err) : st;
    st = st == PF_OK ? write_capture(t, w, answers, read, again, board, err) : st;
    pf_ngwrite_free(w);
    pf_source_free(again);
    free(paths);
    return st;
}

enum pf_status pf_delivery_write(struct pf_delivery *d, struct pf_answers *answers,
                                 const struct pf_source *read, const char *filter,
                                 const struct pf_board *board, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    if (d->keylog.made) {
        st = write_keylog(&d->keylog, answers, err);
        pf_answers_rewind(answers);
    }
    if (st == PF_OK && d->capture.made && !is_stopped(board)) {
        st = copy_captures(&d->capture, answers, read, filter, board, err);
        pf_answers_rewind(answers);
    }
    return st;
}
