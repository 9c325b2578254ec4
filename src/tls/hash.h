// SPDX-License-Identifier: Apache-2.0
/*
 * What:    digests and HMAC as plain structs: states that are copied by assignment.
 * Owns:    nothing; the structs are their user's, who wipes those that hold secrets.
 * Threads: pure.
 * Errors:  none: no allocation, nothing is fetched.
 * Limits:  the four digests of enum pf_hash; PF_HASH_NONE must not get here.
 *
 * A MAC is keyed once per struct pf_keys: the states behind the key's blocks are kept, and each
 * record starts from a copy of them.
 */
#ifndef PF_TLS_HASH_H
#define PF_TLS_HASH_H

#include "tls/suite.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

union pf_hash_state {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha384;
};

void pf_hash_begin(enum pf_hash hash, union pf_hash_state *state);
void pf_hash_add(enum pf_hash hash, union pf_hash_state *state, const void *data, size_t len);

/* out: pf_hash_len(hash) bytes. */
void pf_hash_end(enum pf_hash hash, union pf_hash_state *state, uint8_t *out);

/* A keyed MAC: RFC 2104, or the MAC of SSL 3.0. */
struct pf_mac {
    enum pf_hash hash;
    union pf_hash_state inner; /* behind the inner key block */
    union pf_hash_state outer;
};

void pf_mac_hmac(struct pf_mac *mac, enum pf_hash hash, const uint8_t *key, size_t key_len);

/* RFC 6101 section 5.2.3.1; MD5 and SHA-1 only. */
void pf_mac_ssl3(struct pf_mac *mac, enum pf_hash hash, const uint8_t *key, size_t key_len);

/* state starts from mac; bytes are added with pf_hash_add(mac->hash, ...). */
void pf_mac_begin(const struct pf_mac *mac, union pf_hash_state *state);
void pf_mac_end(const struct pf_mac *mac, union pf_hash_state *state, uint8_t *out);

#endif
