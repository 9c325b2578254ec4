// SPDX-License-Identifier: Apache-2.0
/*
 * What:    GHASH (NIST SP 800-38D section 6.4) and arithmetic in its field.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  none.
 * Limits:  1 GB/s where the processor multiplies without carry, else 0.25 GB/s: it serves ciphers
 *          that libcrypto has no GCM for, and the search for sequence numbers.
 */
#ifndef PF_TLS_GHASH_H
#define PF_TLS_GHASH_H

#include "base/pkt.h"

#include <stdbool.h>
#include <stdint.h>

/* An element of the field: hi holds bytes 0-7 (big-endian), lo bytes 8-15. */
struct pf_gf128 {
    uint64_t hi;
    uint64_t lo;
};

/* A hash key H, and its multiples by all 4-bit values unless tls/clmul.h does without. */
struct pf_ghash {
    bool by_processor;
    struct pf_gf128 h;
    struct pf_gf128 multiple[16];
};

struct pf_gf128 pf_gf128_load(const uint8_t bytes[16]);
void pf_gf128_store(struct pf_gf128 x, uint8_t bytes[16]);
struct pf_gf128 pf_gf128_mul(struct pf_gf128 a, struct pf_gf128 b);
struct pf_gf128 pf_gf128_mul_portable(struct pf_gf128 a, struct pf_gf128 b); /* bit by bit */
struct pf_gf128 pf_gf128_power(struct pf_gf128 x, uint64_t exponent);

/* 1/x; 0 for 0. */
struct pf_gf128 pf_gf128_inverse(struct pf_gf128 x);

void pf_ghash_key(struct pf_ghash *ghash, const uint8_t h[16]);

/* The same, by the multiples. */
void pf_ghash_key_portable(struct pf_ghash *ghash, const uint8_t h[16]);

/* GHASH of the additional data, the ciphertext and their lengths, as GCM puts them together. */
struct pf_gf128 pf_ghash_run(const struct pf_ghash *ghash, struct pf_span aad, struct pf_span text);

#endif
