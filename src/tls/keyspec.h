// SPDX-License-Identifier: Apache-2.0
/*
 * What:    "[ADDR[:PORT]=]FILE", as --key takes it, told apart.
 * Owns:    nothing; path points into the text.
 * Threads: pure.
 * Errors:  PF_ERR_USAGE with a message: an address with a port that is none, or IPv6 without
 *          brackets.
 * Limits:  numeric addresses only: names mean something else when the capture is old.
 */
#ifndef PF_TLS_KEYSPEC_H
#define PF_TLS_KEYSPEC_H

#include "base/status.h"

#include <stdint.h>

struct pf_keyspec {
    const char *path;
    uint8_t family; /* 4 or 6; 0: no address was given */
    uint8_t addr[16];
    uint16_t port; /* 0: any */
};

/* A text whose left side of '=' is no address is the name of a file, '=' and all. */
PF_MUST_USE enum pf_status pf_keyspec_parse(const char *text, struct pf_keyspec *out,
                                            struct pf_error *err);

#endif
