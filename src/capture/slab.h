// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a piece of memory that what was read from a capture lies in, for as long as anybody uses
 *          it: packets are referred to where they were read, not copied.
 * Owns:    its memory; it goes with the last who holds it.
 * Threads: held and released from any thread. Who fills it is one thread, and does so only while it
 *          is the only one that holds it.
 * Errors:  PF_ERR_NOMEM.
 * Limits:  -
 */
#ifndef PF_CAPTURE_SLAB_H
#define PF_CAPTURE_SLAB_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_slab {
    atomic_uint holders;
    size_t size;
    uint8_t *mem; /* page aligned */
};

/* size: a multiple of 4096. It is held once. */
PF_MUST_USE enum pf_status pf_slab_new(size_t size, struct pf_slab **out);

void pf_slab_hold(struct pf_slab *s);
void pf_slab_release(struct pf_slab *s);

/* Whether only the caller holds it, so that it may be filled again. */
bool pf_slab_is_free(struct pf_slab *s);

static inline bool pf_slab_has(const struct pf_slab *s, const uint8_t *data, size_t len)
{
    return s != NULL && data >= s->mem && data + len <= s->mem + s->size;
}

#endif
