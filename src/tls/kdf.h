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

/* A PRF's arguments besides the secret. SSL 3.0 has no label. */
struct pf_prf_seed {
    const char *label;
    struct pf_span a;
    struct pf_span b;
};

/* The PRF of a version; hash counts in TLS 1.2 only. At most 416 bytes in SSL 3.0. */
PF_MUST_USE enum pf_status pf_kdf_prf(uint16_t version, enum pf_hash hash, struct pf_span secret,
                                      const struct pf_prf_seed *seed, uint8_t *out, size_t len);

/* The next id for a struct pf_keys, never 0. */
uint64_t pf_kdf_next_id(struct pf_kdf *kdf);

#endif
