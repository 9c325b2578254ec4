// SPDX-License-Identifier: Apache-2.0
/*
 * What:    hash and equality of flow keys.
 * Owns:    nothing.
 * Threads: pure functions.
 * Errors:  -
 * Limits:  -
 *
 * Keys are canonical (base/pkt.h), so the hash is the same for both directions. It is SipHash-1-3
 * under a seed that is random per run: whoever writes a capture cannot choose what collides.
 * The shard of a flow is taken from the high 32 bits, its place in a table from the low ones.
 */
#ifndef PF_FLOW_KEY_H
#define PF_FLOW_KEY_H

#include "base/pkt.h"

#include <stdbool.h>
#include <string.h>

enum { PF_KEY_SEED_LEN = 16 };

uint64_t pf_key_hash(const struct pf_flow_key *key, const uint8_t seed[PF_KEY_SEED_LEN]);

static inline bool pf_key_equal(const struct pf_flow_key *a, const struct pf_flow_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
