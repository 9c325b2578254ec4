// SPDX-License-Identifier: Apache-2.0
#include "store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char lock_name[] = "lock";

static enum pf_status refuse(const char *path, const char *what, struct pf_error *err)
{
    return pf_error_set(err, PF_ERR_USAGE, "%s: %s", path, what);
}

static enum pf_status refuse_errno(const char *path, int error_number, struct pf_error *err)
{
    return pf_error_set(err, error_number == ENOMEM ? PF_ERR_NOMEM : PF_ERR_USAGE, "%s: %s", path,
                        strerror(error_number));
}

/* Makes name (if it is not there) with mode 0700 and opens it. */
static int open_dir(int at, const char *name, int flags, bool *made)
{
    *made = mkdirat(at, name, 0700) == 0;
    if (!*made && errno != EEXIST) {
        return -1;
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    if (fd >= 0 && *made && fchmod(fd, 0700) != 0) {
        int error_number = errno;
        (void)close(fd);
        errno = error_number;
        return -1;
    }
    return fd;
}

/* NNN.lz4, .raw, .idx or .spool with one or more digits. */
static bool is_worker_file(const char *name)
{
    static const char *const ends[] = {".lz4", ".raw", ".idx", ".spool"};
    size_t digits = strspn(name, "0123456789");
    for (size_t i = 0; digits >= 3 && i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (strcmp(name + digits, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_ours(const char *name, bool in_data)
{
    char whole[64];
    size_t len = strlen(name);
    if (len >= sizeof(whole)) {
        return false;
    }
    memcpy(whole, name, len + 1);
    if (len > 5 && strcmp(whole + len - 5, ".part") == 0) {
        whole[len - 5] = '\0';
    }
    if (in_data) {
        return strcmp(whole, "flows.idx") == 0 || is_worker_file(whole);
    }
    return strcmp(whole, "flows.jsonl") == 0 || strcmp(whole, "manifest.json") == 0;
}

enum scan { SCAN_ANYTHING, SCAN_OURS, SCAN_REMOVE };

/* Looks for entries (all but the lock, or files of a result only), or removes the latter. */
static enum pf_status scan(const struct pf_place *place, bool in_data, enum scan what, bool *found,
                           struct pf_error *err)
{
    int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int error_number = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return refuse_errno(place->path, error_number, err);
    }
    enum pf_status st = PF_OK;
    const struct dirent *e;
    while (st == PF_OK && (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (in_data && strcmp(e->d_name, lock_name) == 0)) {
            continue;
        }
        bool ours = is_ours(e->d_name, in_data);
        *found = *found || ours || what == SCAN_ANYTHING;
        if (what == SCAN_REMOVE && ours && unlinkat(place->fd, e->d_name, 0) != 0) {
            st = refuse_errno(place->path, errno, err);
        }
    }
    (void)closedir(dir);
    return st;
}

/* A data directory that is not ours, or a link to one, would have us write elsewhere. */
static enum pf_status open_data(struct pf_store_dir *d, struct pf_error *err)
{
    d->data.fd = open_dir(d->root.fd, "data", O_NOFOLLOW, &d->made_data);
    struct stat sb;
    if (d->data.fd < 0 || fstat(d->data.fd, &sb) != 0) {
        return refuse_errno(d->data.path, errno, err);
    }
    if (sb.st_uid != geteuid()) {
        return refuse(d->data.path, "belongs to someone else", err);
    }
    return PF_OK;
}

static enum pf_status take_lock(struct pf_store_dir *d, bool *earlier, struct pf_error *err)
{
    struct stat sb;
    *earlier = fstatat(d->data.fd, lock_name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
    d->lock = openat(d->data.fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock < 0) {
        return refuse_errno(d->data.path, errno, err);
    }
    if (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
        int error_number = errno;
        (void)close(d->lock);
        d->lock = -1;
        return refuse(d->root.path,
                      error_number == EWOULDBLOCK ? "another run is writing to it"
                                                  : strerror(error_number),
                      err);
    }
    return PF_OK;
}

/* The manifest goes first, so that a half-removed result is not taken for a whole one. */
static enum pf_status remove_earlier(struct pf_store_dir *d, struct pf_error *err)
{
    bool found = false;
    if (unlinkat(d->root.fd, "manifest.json", 0) != 0 && errno != ENOENT) {
        return refuse_errno(d->root.path, errno, err);
    }
    enum pf_status st = scan(&d->root, false, SCAN_REMOVE, &found, err);
    return st != PF_OK ? st : scan(&d->data, true, SCAN_REMOVE, &found, err);
}

static enum pf_status make_ready(struct pf_store_dir *d, bool force, struct pf_error *err)
{
    bool found = false;
    enum pf_status st =
        d->made_root || force ? PF_OK : scan(&d->root, false, SCAN_ANYTHING, &found, err);
    if (st == PF_OK && found) {
        st = refuse(d->root.path, "exists and is not empty (--force replaces an earlier result)",
                    err);
    }
    if (st == PF_OK) {
        st = open_data(d, err);
    }
    bool earlier = false;
    if (st == PF_OK) {
        st = take_lock(d, &earlier, err);
    }
    /* Under the lock: another run may have come and gone since the first look. */
    found = false;
    if (st == PF_OK) {
        st = scan(&d->root, false, SCAN_OURS, &found, err);
    }
    if (st == PF_OK) {
        st = scan(&d->data, true, SCAN_OURS, &found, err);
    }
    if (st != PF_OK || !found) {
        return st;
    }
    if (!force || !earlier) {
        return refuse(d->root.path,
                      "has files named like a result's, but is not one of plainflow's", err);
    }
    return remove_earlier(d, err);
}

enum pf_status pf_dir_open(const char *path, bool force, struct pf_store_dir *d,
                           struct pf_error *err)
{
    *d = (struct pf_store_dir){.root.fd = -1, .data.fd = -1, .lock = -1};
    d->paths.root = strdup(path);
    if (d->paths.root == NULL || asprintf(&d->paths.data, "%s/data", path) < 0) {
        d->paths.data = NULL;
        pf_dir_close(d);
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    d->root.path = d->paths.root;
    d->data.path = d->paths.data;
    d->root.fd = open_dir(AT_FDCWD, path, 0, &d->made_root);
    enum pf_status st = d->root.fd < 0 ? refuse_errno(path, errno, err) : make_ready(d, force, err);
    if (st != PF_OK) {
        pf_dir_remove(d);
        pf_dir_close(d);
    }
    return st;
}

enum pf_status pf_dir_sync(const struct pf_store_dir *d, struct pf_error *err)
{
    if (fsync(d->data.fd) != 0) {
        return pf_place_error(&d->data, ".", errno, err);
    }
    if (fsync(d->root.fd) != 0) {
        return pf_place_error(&d->root, ".", errno, err);
    }
    return PF_OK;
}

void pf_dir_remove(struct pf_store_dir *d)
{
    if (d->lock >= 0 && d->made_data) {
        (void)unlinkat(d->data.fd, lock_name, 0);
    }
    if (d->made_data) {
        (void)unlinkat(d->root.fd, "data", AT_REMOVEDIR); /* fails unless empty, as it should */
    }
    if (d->made_root) {
        (void)rmdir(d->root.path);
    }
}

void pf_dir_close(struct pf_store_dir *d)
{
    int fds[] = {d->lock, d->data.fd, d->root.fd};
    for (unsigned i = 0; i < 3; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    free(d->paths.root);
    free(d->paths.data);
    *d = (struct pf_store_dir){.root.fd = -1, .data.fd = -1, .lock = -1};
}
