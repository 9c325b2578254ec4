// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what libcrypto's error queue tells of a call that failed.
 * Owns:    nothing.
 * Threads: the queue is the calling thread's.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_TLS_CRYPTOERR_H
#define PF_TLS_CRYPTOERR_H

#include <openssl/err.h>
#include <stdbool.h>

/* Drains the queue. True: memory was lacking, so that the failure says nothing of key or data. */
static inline bool pf_crypto_lacked_memory(void)
{
    bool lacked = false;
    unsigned long e;
    while ((e = ERR_get_error()) != 0) {
        lacked |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    }
    return lacked;
}

#endif
