// SPDX-License-Identifier: Apache-2.0
/*
 * What:    checks a result against its manifest and against itself: sizes, SHA-256 where noted,
 *          every chunk unpacked, every sum.
 * Owns:    nothing beyond the call.
 * Threads: one.
 * Errors:  what is wrong with the result goes to the findings; the status is PF_OK (sound),
 *          PF_ERR_MALFORMED (findings), or why it could not be checked.
 * Limits:  the first `max` findings are kept, the rest only makes the result unsound.
 */
#ifndef PF_STORE_VERIFY_H
#define PF_STORE_VERIFY_H

#include "base/status.h"

#include <stddef.h>

struct pf_findings {
    struct pf_error *items;
    size_t max;
    size_t count; /* at most max */
};

PF_MUST_USE enum pf_status pf_stored_verify(const char *dir, struct pf_findings *found,
                                            struct pf_error *err);

#endif
