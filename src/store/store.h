// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the result directory while it is written: made, locked, filled by N workers, closed.
 * Owns:    the directory's descriptors, its lock, every worker's chunks and flows.
 * Threads: all functions are the run's, except that pf_store_close_worker(i) may be called by
 *          worker i. Each worker uses only its own chunks and flows, without locks.
 * Errors:  PF_ERR_USAGE: the directory cannot be used, nothing was written. PF_ERR_IO: with path
 *          and errno. PF_ERR_NOMEM.
 * Limits:  PF_STORE_WORKERS workers.
 *
 * Files are NAME.part until they are whole: O_EXCL, O_NOFOLLOW, 0600 in directories 0700 whatever
 * the umask. The manifest comes last, by rename: without it the result is not complete.
 *
 *     create -> start(n) -> workers append -> close_worker(i) each -> finish | abandon -> free
 */
#ifndef PF_STORE_STORE_H
#define PF_STORE_STORE_H

#include "base/status.h"
#include "store/chunks.h"
#include "store/flows.h"
#include "store/manifest.h"
#include "store/merge.h"
#include "store/pack.h"

#include <stdbool.h>

enum { PF_STORE_WORKERS = 1000 };

struct pf_store;

struct pf_store_options {
    unsigned workers; /* 1 to PF_STORE_WORKERS */
    enum pf_store_codec codec;
    bool sha256;            /* of every output, while it is written */
    pf_abreast_fn *abreast; /* for pf_store_finish; NULL: it has one thread */
};

/*
 * Makes dir (its parent must exist) and dir/data and locks it. A directory that is not empty is
 * refused unless force; with force the files of an earlier result are removed, other files never.
 * A directory in which another run is writing is refused always.
 */
PF_MUST_USE enum pf_status pf_store_create(const char *dir, bool force, struct pf_store **out,
                                           struct pf_error *err);

/* Opens every worker's files. */
PF_MUST_USE enum pf_status pf_store_start(struct pf_store *s, const struct pf_store_options *o,
                                          struct pf_error *err);

/* Worker i's, from pf_store_start to pf_store_close_worker; borrowed. */
struct pf_chunks *pf_store_chunks(struct pf_store *s, unsigned i);
struct pf_flows *pf_store_flows(struct pf_store *s, unsigned i);

/* Writes worker i's files out: the disk can begin with them, while the others go on. A second call
 * does nothing. */
PF_MUST_USE enum pf_status pf_store_close_worker(struct pf_store *s, unsigned i,
                                                 struct pf_error *err);

/* Sums over all workers' flows so far; no worker may be appending. */
void pf_store_totals(const struct pf_store *s, struct pf_flow_totals *out);

/*
 * Closes the workers, merges the flows (ordered by first packet), syncs and names all files, and
 * writes the manifest with complete: true. After an error the caller calls pf_store_abandon.
 */
PF_MUST_USE enum pf_status pf_store_finish(struct pf_store *s, const struct pf_manifest *m,
                                           struct pf_error *err);

/*
 * The same as far as it still goes, with complete: false and `stopped` in the manifest. What was
 * appended before stays readable. The status says whether the manifest could be written.
 */
PF_MUST_USE enum pf_status pf_store_abandon(struct pf_store *s, const struct pf_manifest *m,
                                            const char *stopped, struct pf_error *err);

/* Closes everything. A store that was never started leaves no trace of itself on disk. */
void pf_store_free(struct pf_store *s);

#endif
