// SPDX-License-Identifier: Apache-2.0
/*
 * What:    IDEA in CBC mode, decrypting only: old captures have it, most builds of OpenSSL do not.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  none.
 * Limits:  the key is prepared anew on every call (0.7 us); about 0.2 GB/s.
 */
#ifndef PF_TLS_IDEA_H
#define PF_TLS_IDEA_H

#include <stddef.h>
#include <stdint.h>

/* len: a multiple of 8. out must not overlap in. */
void pf_idea_cbc_decrypt(const uint8_t key[16], const uint8_t iv[8], const uint8_t *in, size_t len,
                         uint8_t *out);

#endif
