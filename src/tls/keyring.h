// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the private keys given, looked up by public key or by server address.
 * Owns:    the keys. Secrets are wiped when freed.
 * Threads: loaded by one thread before the others start, immutable after; each worker works with
 *          copies of its own (tls/unwrap.h).
 * Errors:  load errors name the file and what to do (PF_ERR_USAGE); PF_ERR_NOKEY: no key fits.
 * Limits:  a key file is at most 1 MiB; only RSA keys decrypt, others are refused by name.
 */
#ifndef PF_TLS_KEYRING_H
#define PF_TLS_KEYRING_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/cert.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_keyring;

PF_MUST_USE enum pf_status pf_keyring_new(struct pf_keyring **out);
void pf_keyring_free(struct pf_keyring *ring);

/*
 * Adds the key(s) of "[ADDR[:PORT]=]FILE": PEM (PKCS#1, PKCS#8, encrypted; several in one file are
 * all taken, certificates between them are passed over), DER (PKCS#1, PKCS#8), PKCS#12. ADDR is
 * IPv4, or IPv6 in brackets. password: NULL if none was given. A certificate alone, a public key,
 * an EC key, a missing or wrong password, a missing file: PF_ERR_USAGE with a message that says so.
 * The same key twice is kept once.
 */
PF_MUST_USE enum pf_status pf_keyring_add(struct pf_keyring *ring, const char *spec,
                                          const char *password, struct pf_error *err);

/* Every key file in a folder (not its sub-folders); files that hold no key are passed over and
 * counted in *skipped; none at all is PF_ERR_USAGE. A key that is damaged, or whose password does
 * not fit, is an error as in pf_keyring_add: it would be missed later, without a word. */
PF_MUST_USE enum pf_status pf_keyring_add_dir(struct pf_keyring *ring, const char *dir,
                                              const char *password, size_t *skipped,
                                              struct pf_error *err);

size_t pf_keyring_count(const struct pf_keyring *ring);

/* Key i: its SPKI fingerprint, its file as it was given, its size in bits. Borrowed. */
const uint8_t *pf_keyring_spki(const struct pf_keyring *ring, size_t i);
const char *pf_keyring_file(const struct pf_keyring *ring, size_t i);
unsigned pf_keyring_bits(const struct pf_keyring *ring, size_t i);

/* The key with this public key; PF_KEY_NONE if there is none. O(log n) or better. */
#define PF_KEY_NONE ((size_t)-1)
size_t pf_keyring_find(const struct pf_keyring *ring, const uint8_t spki_sha256[PF_SPKI_LEN]);

/* The key tied to this server by ADDR[:PORT]=; PF_KEY_NONE if there is none. addr: 4 or 16 bytes by
 * family. With a port before without; of several (or several keys in one file) the first given. */
size_t pf_keyring_bound(const struct pf_keyring *ring, uint8_t family, const uint8_t addr[16],
                        uint16_t port);

/* False if key i was only given tied to other servers. */
bool pf_keyring_serves(const struct pf_keyring *ring, size_t i, uint8_t family,
                       const uint8_t addr[16], uint16_t port);

/* Key i itself, and what it was made in. Borrowed. */
EVP_PKEY *pf_keyring_pkey(const struct pf_keyring *ring, size_t i);
OSSL_LIB_CTX *pf_keyring_libctx(const struct pf_keyring *ring);

#endif
