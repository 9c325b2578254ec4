// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the number of a GCM record, solved from its tag: no numbers are tried.
 * Owns:    nothing.
 * Threads: one thread's, as its pf_crypt.
 * Errors:  PF_ERR_REJECTED: the tag fits no number; PF_ERR_INTERNAL: libcrypto's.
 * Limits:  -
 */
#ifndef PF_TLS_SEQSOLVE_H
#define PF_TLS_SEQSOLVE_H

#include "tls/cipher.h"

/* rec->body: at least explicit nonce and tag. On PF_OK rec->seq is the one number that fits; it is
 * as good as proved: all other bits of what was solved are as they must be. */
PF_MUST_USE enum pf_status pf_seqsolve_gcm(struct pf_crypt *crypt, const struct pf_keys *keys,
                                           struct pf_sealed *rec);

#endif
