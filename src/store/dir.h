// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the result directory itself: made, checked, emptied of an earlier result, locked.
 * Owns:    two directory descriptors and the lock.
 * Threads: one.
 * Errors:  PF_ERR_USAGE with a text: the directory cannot be used; nothing was changed, except that
 *          with force the earlier result may be partly removed (its manifest goes first).
 * Limits:  -
 */
#ifndef PF_STORE_DIR_H
#define PF_STORE_DIR_H

#include "base/status.h"
#include "store/file.h"

#include <stdbool.h>

struct pf_dir_paths {
    char *root; /* as given */
    char *data; /* root/data */
};

struct pf_store_dir {
    struct pf_place root;
    struct pf_place data;
    struct pf_dir_paths paths;
    int lock;       /* data/lock, locked; -1: none */
    bool made_root; /* by us, now */
    bool made_data;
};

PF_MUST_USE enum pf_status pf_dir_open(const char *path, bool force, struct pf_store_dir *d,
                                       struct pf_error *err);

/* Makes the directory entries durable. */
PF_MUST_USE enum pf_status pf_dir_sync(const struct pf_store_dir *d, struct pf_error *err);

/* Removes what pf_dir_open made; only while nothing else is in it. */
void pf_dir_remove(struct pf_store_dir *d);
void pf_dir_close(struct pf_store_dir *d);

#endif
