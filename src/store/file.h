// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one output file: NAME.part while it is written, NAME once it is whole.
 * Owns:    its descriptor and its write buffer.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_IO with path and errno; sticky: after a failed write nothing more is written.
 * Limits:  -
 */
#ifndef PF_STORE_FILE_H
#define PF_STORE_FILE_H

#include "base/status.h"
#include "store/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An open directory and how messages call it; borrowed by the files in it. */
struct pf_place {
    int fd;
    const char *path;
};

enum { PF_FILE_NAME = 32 };

struct pf_file {
    const struct pf_place *place;
    char name[PF_FILE_NAME]; /* without .part */
    int fd;                  /* -1: closed */
    int error;               /* errno of the first write that failed */
    uint64_t start;          /* where it begins, if it is a part of a file; else 0 */
    uint8_t *buf;
    size_t len; /* bytes in buf */
    size_t cap;
    uint64_t write_back;      /* bytes that are sent to the disk at a time; 0: never */
    uint64_t size;            /* bytes appended */
    uint64_t written;         /* of those, handed to the kernel */
    uint64_t begun;           /* of those, on their way to the disk */
    uint64_t dropped;         /* of those, there, and not in the page cache any more */
    struct pf_digest *digest; /* NULL: not asked for */
};

/* Makes NAME.part, which must not exist. cap is the size of the buffer, a multiple of 4096. */
PF_MUST_USE enum pf_status pf_file_open(struct pf_file *f, const struct pf_place *place,
                                        const char *name, size_t cap, bool sha256,
                                        struct pf_error *err);

/* The same for what is read back and discarded before long: it is left to the page cache, and never
 * sent to the disk on purpose. */
PF_MUST_USE enum pf_status pf_file_open_spool(struct pf_file *f, const struct pf_place *place,
                                              const char *name, size_t cap, struct pf_error *err);

PF_MUST_USE enum pf_status pf_file_append(struct pf_file *f, const void *ptr, size_t len,
                                          struct pf_error *err);

/* Room for len bytes (at most cap) in the buffer, so that they need not be copied there: appended
 * next, they are only counted. */
PF_MUST_USE enum pf_status pf_file_room(struct pf_file *f, size_t len, uint8_t **room,
                                        struct pf_error *err);

/*
 * What is to be appended to whole once pos - whole->size bytes more have been: several parts, each
 * written by another thread, at the same time. whole is flushed, has no digest, and is left alone
 * until the parts are joined.
 */
PF_MUST_USE enum pf_status pf_file_open_part(struct pf_file *part, const struct pf_file *whole,
                                             uint64_t pos, size_t cap, struct pf_error *err);

/* Appends a part, in order of pos, and closes it. Where a part could not be written whole ends;
 * what is joined after that is dropped. */
PF_MUST_USE enum pf_status pf_file_join(struct pf_file *whole, struct pf_file *part,
                                        struct pf_error *err);

/* Writes out what is buffered, so that pread sees it. */
PF_MUST_USE enum pf_status pf_file_flush(struct pf_file *f, struct pf_error *err);

/* The same, and the disk begins: pf_file_commit will have less to wait for. */
PF_MUST_USE enum pf_status pf_file_send(struct pf_file *f, struct pf_error *err);

/* Flush, fdatasync, close, and give the file its name. Nothing if it is not open. */
PF_MUST_USE enum pf_status pf_file_commit(struct pf_file *f, struct pf_error *err);

/* Closes without a word; what was not committed stays NAME.part. */
void pf_file_fini(struct pf_file *f);

/* Closes and removes NAME.part. */
void pf_file_discard(struct pf_file *f);

/* Fills err with "PATH/NAME: text of error_number" and returns PF_ERR_IO. */
enum pf_status pf_place_error(const struct pf_place *place, const char *name, int error_number,
                              struct pf_error *err);

/* len bytes at pos, all of them: PF_ERR_TRUNCATED if the file ends before, PF_ERR_IO with errno. */
PF_MUST_USE enum pf_status pf_file_read_at(int fd, void *dst, size_t len, uint64_t pos);

#endif
