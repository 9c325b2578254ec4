// SPDX-License-Identifier: Apache-2.0
/*
 * What:    multiplication in GHASH's field by the processor's carry-less multiplication.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  none.
 * Limits:  x86-64 with PCLMULQDQ; pf_clmul_is_there says so, and nothing else may be called where
 *          it is not.
 */
#ifndef PF_TLS_CLMUL_H
#define PF_TLS_CLMUL_H

#include "tls/ghash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool pf_clmul_is_there(void);

struct pf_gf128 pf_clmul(struct pf_gf128 a, struct pf_gf128 b);

/* (y + first block) * h, the same again with the next, and so on, for n blocks of 16 bytes. */
struct pf_gf128 pf_clmul_absorb(struct pf_gf128 h, struct pf_gf128 y, const uint8_t *blocks,
                                size_t n);

#endif
