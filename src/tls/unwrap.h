// SPDX-License-Identifier: Apache-2.0
/*
 * What:    decrypts pre-master secrets with the private keys of a ring.
 * Owns:    one thread's copies of the keys that it has used, and a cache of what was unwrapped.
 * Threads: one thread's.
 * Errors:  PF_ERR_NOKEY: not this key; PF_ERR_NOMEM, PF_ERR_INTERNAL.
 * Limits:  -
 */
#ifndef PF_TLS_UNWRAP_H
#define PF_TLS_UNWRAP_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/keyring.h"

struct pf_unwrapper;

/* The ring must outlive it, and may no longer grow. */
PF_MUST_USE enum pf_status pf_unwrapper_new(const struct pf_keyring *ring,
                                            struct pf_unwrapper **out);
void pf_unwrapper_free(struct pf_unwrapper *u);

/*
 * Decrypts an EncryptedPreMasterSecret with key i and checks the PKCS#1 v1.5 block ourselves
 * (RFC 8017 section 7.2.2; RSA without padding, since newer libcrypto hides a bad block behind
 * random bytes): 00 02, at least 8 non-zero bytes, 00, then exactly 48 bytes. PF_ERR_NOKEY when the
 * block is not that, or the ciphertext not below the modulus: this is not the key (leading zeros
 * that were stripped or added do not matter). The first two
 * bytes are the client's version (RFC 5246 7.4.7.1): the caller may look at them, the proof is the
 * first record that verifies. The same ciphertext under the same key is computed once.
 */
PF_MUST_USE enum pf_status pf_unwrap(struct pf_unwrapper *u, size_t i, struct pf_span encrypted,
                                     uint8_t pre_master[48]);

#endif
