// SPDX-License-Identifier: Apache-2.0
/*
 * What:    pcapng's ticks (if_tsresol, if_tsoffset) to ns since 1970.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  none: what lies outside of 64-bit ns becomes the nearest value inside.
 * Limits:  every resolution: 10^-0 … 10^-127 and 2^-0 … 2^-127 seconds.
 */
#ifndef PF_CAPTURE_NGTIME_H
#define PF_CAPTURE_NGTIME_H

#include <stdint.h>

struct pf_ngtime {
    uint32_t multiply; /* ns a tick, 0: not a whole number of them */
    uint8_t resolution;
    int64_t offset_s;
};

/* resolution and offset_s as in the options (draft-ietf-opsawg-pcapng section 4.2). */
void pf_ngtime_init(struct pf_ngtime *t, uint8_t resolution, int64_t offset_s);

int64_t pf_ngtime_ns(const struct pf_ngtime *t, uint64_t ticks);

#endif
