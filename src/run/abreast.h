// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a few pieces of work at the same time, for what comes when the workers have ended.
 * Owns:    its threads, for the time of the call.
 * Threads: the caller's, and one more for every further piece.
 * Errors:  none: where there is no thread to be had, the caller does the work.
 * Limits:  PF_ABREAST_MAX pieces.
 */
#ifndef PF_RUN_ABREAST_H
#define PF_RUN_ABREAST_H

enum { PF_ABREAST_MAX = 8 };

/* Runs body(ctx, k) for every k below n; comes back when all are done. */
void pf_abreast(void (*body)(void *ctx, unsigned k), void *ctx, unsigned n);

#endif
