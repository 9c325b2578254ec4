// SPDX-License-Identifier: Apache-2.0
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PART_NAME = PF_FILE_NAME + 8,
    WRITE_BACK = 8 << 20,
    WRITE_BACK_PART = 2 << 20, /* less for the end of a run to wait for */
    WRITE_BEHIND = 4 * WRITE_BACK
};

enum pf_status pf_place_error(const struct pf_place *place, const char *name, int error_number,
                              struct pf_error *err)
{
    return pf_error_set(err, PF_ERR_IO, "%s/%s: %s", place->path, name, strerror(error_number));
}

static void part_name(const struct pf_file *f, char out[PART_NAME])
{
    (void)snprintf(out, PART_NAME, "%s.part", f->name);
}

static enum pf_status fail(struct pf_file *f, int error_number, struct pf_error *err)
{
    if (f->error == 0) {
        f->error = error_number;
    }
    return pf_place_error(f->place, f->name, f->error, err);
}

enum pf_status pf_file_open(struct pf_file *f, const struct pf_place *place, const char *name,
                            size_t cap, bool sha256, struct pf_error *err)
{
    *f = (struct pf_file){.place = place, .fd = -1, .cap = cap, .write_back = WRITE_BACK};
    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    void *buf = NULL;
    if (posix_memalign(&buf, 4096, cap) != 0 || (sha256 && pf_digest_new(&f->digest) != PF_OK)) {
        free(buf);
        return pf_error_set(err, PF_ERR_NOMEM, "%s/%s: out of memory", place->path, name);
    }
    f->buf = buf;
    char part[PART_NAME];
    part_name(f, part);
    f->fd = openat(place->fd, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->fd < 0 || fchmod(f->fd, 0600) != 0) {
        int error_number = errno;
        pf_file_fini(f);
        return pf_place_error(place, part, error_number, err);
    }
    return PF_OK;
}

enum pf_status pf_file_open_spool(struct pf_file *f, const struct pf_place *place, const char *name,
                                  size_t cap, struct pf_error *err)
{
    enum pf_status st = pf_file_open(f, place, name, cap, false, err);
    f->write_back = 0;
    return st;
}

enum pf_status pf_file_open_part(struct pf_file *part, const struct pf_file *whole, uint64_t pos,
                                 size_t cap, struct pf_error *err)
{
    *part = (struct pf_file){
        .place = whole->place, .fd = -1, .cap = cap, .write_back = WRITE_BACK_PART, .start = pos};
    memcpy(part->name, whole->name, sizeof part->name);
    void *buf = NULL;
    if (posix_memalign(&buf, 4096, cap) != 0) {
        return pf_error_set(err, PF_ERR_NOMEM, "%s/%s: out of memory", part->place->path,
                            part->name);
    }
    part->buf = buf;
    part->fd = fcntl(whole->fd, F_DUPFD_CLOEXEC, 0);
    return part->fd >= 0 ? PF_OK : fail(part, errno, err);
}

enum pf_status pf_file_join(struct pf_file *whole, struct pf_file *part, struct pf_error *err)
{
    enum pf_status st = whole->error != 0 ? fail(whole, whole->error, err) : PF_OK;
    if (st == PF_OK && part->start != whole->size) {
        st = pf_error_set(err, PF_ERR_INTERNAL, "%s: parts do not join", whole->name);
        whole->error = EIO;
    }
    if (st == PF_OK) {
        st = pf_file_flush(part, err);
        whole->error = part->error;
        whole->size += part->size;
        whole->written += part->written;
    }
    /* What others wrote behind hangs in the air. */
    if (whole->error != 0 && ftruncate(whole->fd, (off_t)whole->written) != 0) {
        st = fail(whole, errno, err);
    }
    pf_file_fini(part);
    return st;
}

/* Short writes and interruptions are not errors. */
static int write_all(int fd, const uint8_t *ptr, size_t len, uint64_t pos)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, ptr, len, (off_t)pos);
        if (n > 0) {
            ptr += n;
            pos += (uint64_t)n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* What goes wrong here goes wrong again in fdatasync, and is told there. */
static void begin(struct pf_file *f)
{
    (void)sync_file_range(f->fd, (off_t)(f->start + f->begun), (off_t)(f->written - f->begun),
                          SYNC_FILE_RANGE_WRITE);
    f->begun = f->written;
}

/*
 * Has the disk begin early: fdatasync at the end would otherwise have it all to do, with everybody
 * waiting. What has arrived there leaves the page cache: its pages are the next to be written to,
 * instead of ever new ones that push the capture out.
 */
static void write_back(struct pf_file *f)
{
    if (f->write_back == 0 || f->written - f->begun < f->write_back) {
        return;
    }
    begin(f);
    if (f->begun - f->dropped > WRITE_BEHIND) {
        off_t from = (off_t)(f->start + f->dropped);
        (void)sync_file_range(f->fd, from, WRITE_BACK,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
        (void)posix_fadvise(f->fd, from, WRITE_BACK, POSIX_FADV_DONTNEED);
        f->dropped += WRITE_BACK;
    }
}

static enum pf_status put(struct pf_file *f, const void *ptr, size_t len, struct pf_error *err)
{
    if (f->fd < 0) {
        return fail(f, EBADF, err);
    }
    int error_number = write_all(f->fd, ptr, len, f->start + f->written);
    if (error_number != 0) {
        return fail(f, error_number, err);
    }
    f->written += len;
    write_back(f);
    if (f->digest != NULL && pf_digest_update(f->digest, ptr, len) != PF_OK) {
        return pf_error_set(err, PF_ERR_INTERNAL, "%s: SHA-256 failed", f->name);
    }
    return PF_OK;
}

enum pf_status pf_file_flush(struct pf_file *f, struct pf_error *err)
{
    if (f->error != 0) {
        return fail(f, f->error, err);
    }
    size_t len = f->len;
    f->len = 0;
    return len == 0 ? PF_OK : put(f, f->buf, len, err);
}

enum pf_status pf_file_send(struct pf_file *f, struct pf_error *err)
{
    enum pf_status st = pf_file_flush(f, err);
    if (st == PF_OK && f->fd >= 0 && f->written > f->begun) {
        begin(f);
    }
    return st;
}

enum pf_status pf_file_room(struct pf_file *f, size_t len, uint8_t **room, struct pf_error *err)
{
    if (len > f->cap) {
        return pf_error_set(err, PF_ERR_INTERNAL, "%s: no such room", f->name);
    }
    enum pf_status st = len > f->cap - f->len ? pf_file_flush(f, err) : PF_OK;
    *room = f->buf + f->len;
    return f->error != 0 ? fail(f, f->error, err) : st;
}

enum pf_status pf_file_append(struct pf_file *f, const void *ptr, size_t len, struct pf_error *err)
{
    if (f->error != 0) {
        return fail(f, f->error, err);
    }
    f->size += len;
    const uint8_t *p = ptr;
    while (len > f->cap - f->len) {
        size_t n = f->cap - f->len; /* fill up, so that writes stay page-aligned */
        memcpy(f->buf + f->len, p, n);
        f->len += n;
        p += n;
        len -= n;
        enum pf_status st = pf_file_flush(f, err);
        if (st != PF_OK) {
            return st;
        }
    }
    if (p != f->buf + f->len && len > 0) {
        memcpy(f->buf + f->len, p, len);
    }
    f->len += len;
    return PF_OK;
}

/* We hold the lock and found no such file: NOREPLACE is for what others may do meanwhile. */
static int rename_new(int dirfd, const char *from, const char *to)
{
    if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) { /* not every file system has it */
        return errno;
    }
    return renameat(dirfd, from, dirfd, to) == 0 ? 0 : errno;
}

/* After a failure: what lies on disk is what the file is. */
static void forget_unwritten(struct pf_file *f)
{
    struct stat sb;
    if (fstat(f->fd, &sb) == 0) {
        f->size = (uint64_t)sb.st_size;
    }
    pf_digest_free(f->digest);
    f->digest = NULL;
}

enum pf_status pf_file_commit(struct pf_file *f, struct pf_error *err)
{
    if (f->fd < 0) {
        return f->error == 0 ? PF_OK : fail(f, f->error, err);
    }
    enum pf_status st = pf_file_flush(f, err);
    /* fsync is not tried again after a failure: the kernel may have dropped the pages. */
    if (st == PF_OK && fdatasync(f->fd) != 0) {
        st = fail(f, errno, err);
    }
    if (st != PF_OK) {
        forget_unwritten(f);
    }
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0 && errno != EINTR && st == PF_OK) {
        st = fail(f, errno, err);
    }
    char part[PART_NAME];
    part_name(f, part);
    /* Also after a failed write: what was written before is whole entries and can be read. */
    int error_number = rename_new(f->place->fd, part, f->name);
    if (error_number != 0 && st == PF_OK) {
        st = fail(f, error_number, err);
    }
    free(f->buf);
    f->buf = NULL;
    return st;
}

void pf_file_fini(struct pf_file *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    f->fd = -1;
    free(f->buf);
    f->buf = NULL;
    pf_digest_free(f->digest);
    f->digest = NULL;
}

void pf_file_discard(struct pf_file *f)
{
    if (f->fd >= 0) {
        char part[PART_NAME];
        part_name(f, part);
        (void)unlinkat(f->place->fd, part, 0);
    }
    pf_file_fini(f);
}

enum pf_status pf_file_read_at(int fd, void *dst, size_t len, uint64_t pos)
{
    if (pos > INT64_MAX - len) {
        return PF_ERR_TRUNCATED;
    }
    uint8_t *p = dst;
    while (len > 0) {
        ssize_t n = pread(fd, p, len, (off_t)pos);
        if (n == 0) {
            return PF_ERR_TRUNCATED;
        }
        if (n < 0 && errno != EINTR) {
            return PF_ERR_IO;
        }
        if (n > 0) {
            p += n;
            pos += (uint64_t)n;
            len -= (size_t)n;
        }
    }
    return PF_OK;
}
