// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what the key schedules share behind tls/keys.h.
 * Owns:    struct pf_kdf.
 * Threads: one thread's.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_TLS_KDF_H
#define PF_TLS_KDF_H

#include "tls/hash.h"
#include "tls/keys.h"

struct pf_kdf {
    uint64_t next_id; /* starts at a random number: no two threads count through the same ones */
};

/* The next id for a struct pf_keys, never 0. */
uint64_t pf_kdf_next_id(struct pf_kdf *kdf);

#endif
