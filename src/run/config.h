// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the options of a run, checked and frozen: keys loaded, numbers settled.
 * Owns:    keys, key logs, pre-shared keys; wiped when freed.
 * Threads: made by one thread before the others start; immutable after.
 * Errors:  PF_ERR_USAGE with a text that says what to do; PF_ERR_NOMEM.
 * Limits:  --memory is at least PF_MEMORY_MIN; PF_JOBS_MAX workers.
 */
#ifndef PF_RUN_CONFIG_H
#define PF_RUN_CONFIG_H

#include "base/status.h"
#include "tls/keylog.h"
#include "tls/keyring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PF_MEMORY_MIN = 64 << 20, PF_JOBS_MAX = 512 };

struct pf_options; /* plainflow.h */

/* enum pf_run_mode of plainflow.h, for those who cannot see it. All but the first answer in lines
 * (run/answers.h) instead of writing a result directory. */
enum pf_task {
    PF_TASK_DECRYPT,
    PF_TASK_HANDSHAKES,
    PF_TASK_SECRETS,
    PF_TASK_LEARN /* the first of two passes: sessions for the second */
};

struct pf_config {
    unsigned jobs;
    enum pf_task task;
    bool json; /* of the answers */
    bool two_pass;
    uint64_t memory;
    struct pf_keyring *keyring;
    struct pf_keylog *keylog;
    struct pf_keylog *dsb; /* secrets that lie in the captures themselves */
    struct pf_span *psks;
    size_t psk_count;
};

/* Loads and checks everything but the output. captures are scanned for Decryption Secrets. */
PF_MUST_USE enum pf_status pf_config_load(const struct pf_options *o, struct pf_config *out,
                                          struct pf_error *err);
void pf_config_fini(struct pf_config *c);

/* How --memory is shared out, in bytes. */
size_t pf_config_sessions_share(const struct pf_config *c);
size_t pf_config_fragments_share(const struct pf_config *c);
size_t pf_config_lines_share(const struct pf_config *c);
size_t pf_config_worker_share(const struct pf_config *c);

/* Of that, what one direction may hold while it waits for the other: the same for any number of
 * workers. */
size_t pf_config_held_max(const struct pf_config *c);

#endif
