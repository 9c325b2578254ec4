// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the RSA private-key operation without padding, by the Chinese remainder theorem
 *          (RFC 8017 section 5.1.2), on libcrypto's numbers.
 * Owns:    copies of the key's numbers, wiped when freed; scratch.
 * Threads: one thread's.
 * Errors:  PF_ERR_UNSUPPORTED: not a key of two primes with all its numbers; PF_ERR_NOKEY: the
 *          input is not below the modulus; PF_ERR_NOMEM; PF_ERR_INTERNAL.
 * Limits:  -
 *
 * An eighth faster than EVP_PKEY_decrypt for 2048 bits: nobody measures our time, so there is no
 * blinding, and a result that a fault had spoilt would open nothing, so it is not verified. Both
 * exponentiations go through one call, for which libcrypto has AVX-512 IFMA.
 */
#ifndef PF_TLS_RSACRT_H
#define PF_TLS_RSACRT_H

#include "base/status.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

struct pf_rsa_crt;

PF_MUST_USE enum pf_status pf_rsa_crt_new(const EVP_PKEY *pkey, OSSL_LIB_CTX *lib,
                                          struct pf_rsa_crt **out);
void pf_rsa_crt_free(struct pf_rsa_crt *crt);

/* in and out are as long as the modulus. */
PF_MUST_USE enum pf_status pf_rsa_crt_run(struct pf_rsa_crt *crt, const uint8_t *in, size_t len,
                                          uint8_t *out);

#endif
