// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the private keys in a PKCS#12 file (RFC 7292), all of them, of whatever kind.
 * Owns:    nothing that outlives a call, except the keys handed over.
 * Threads: one at a time.
 * Errors:  PF_ERR_MALFORMED; PF_ERR_NOKEY: no password fits, and libcrypto's error queue holds what
 *          it had against the one given; PF_ERR_LIMIT: more than cap keys; PF_ERR_NOMEM.
 * Limits:  nested safes (RFC 7292 section 4.2.6) are passed over: nobody writes them.
 */
#ifndef PF_TLS_PKCS12_H
#define PF_TLS_PKCS12_H

#include "base/pkt.h"
#include "base/status.h"

#include <openssl/types.h>
#include <stddef.h>

/* password may be NULL; the empty one is tried before it, since many tools use that.
 * keys[0..*count) are the caller's, to be freed with EVP_PKEY_free; 0 keys is PF_OK. */
PF_MUST_USE enum pf_status pf_pkcs12_open(OSSL_LIB_CTX *libctx, struct pf_span der,
                                          const char *password, EVP_PKEY **keys, size_t cap,
                                          size_t *count);

#endif
