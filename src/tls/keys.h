// SPDX-License-Identifier: Apache-2.0
/*
 * What:    traffic keys of one direction, and how they are derived: the key schedules.
 * Owns:    nothing; secrets are plain structs of their owner, wiped with pf_wipe.
 * Threads: pure; a struct pf_kdf belongs to one thread.
 * Errors:  PF_ERR_INTERNAL when libcrypto refuses, PF_ERR_UNSUPPORTED for an unknown hash.
 * Limits:  -
 *
 * A key schedule ends in a struct pf_keys; what opens records (tls/open.h) knows nothing of how the
 * keys came about. SSL 3.0 (RFC 6101), TLS 1.0/1.1 (RFC 2246, 4346), TLS 1.2 (RFC 5246), extended
 * master secret (RFC 7627), TLS 1.3 traffic secrets (RFC 8446 section 7.3).
 */
#ifndef PF_TLS_KEYS_H
#define PF_TLS_KEYS_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/suite.h"
#include "tls/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* A TLS 1.2 (or older) master secret. */
struct pf_master {
    uint8_t bytes[PF_MASTER_LEN];
};

/* A TLS 1.3 traffic secret. */
struct pf_secret {
    uint8_t bytes[PF_SECRET_MAX];
    uint8_t len; /* 0: not known */
};

/*
 * Everything that opens one direction's records from one key change to the next. Immutable. The key
 * schedules below fill all of it: id is drawn so that no two of a process are the same, and lets
 * contexts remember whose key they hold; 0 (keys made by hand) is never remembered.
 */
struct pf_keys {
    const struct pf_suite *suite;
    uint64_t id;
    uint16_t version; /* PF_VERSION_*; drafts of TLS 1.3 count as TLS 1.3 */
    bool etm;         /* RFC 7366; means something to CBC only */
    uint8_t draft;    /* of TLS 1.3; 0: the RFC. Before 25 the header is not authenticated */
    uint8_t key[32];
    uint8_t iv[16]; /* CBC: first IV (SSL 3.0, TLS 1.0); AEAD: fixed part or whole nonce base */
    uint8_t mac_key[48];
};

/* Digest states and fetched algorithms of one thread. */
struct pf_kdf;

PF_MUST_USE enum pf_status pf_kdf_new(struct pf_kdf **out);
void pf_kdf_free(struct pf_kdf *kdf);

/* Overwrites a secret so that the compiler cannot leave it out. */
void pf_wipe(void *secret, size_t len);

/* master_secret = PRF(pre_master, "master secret", client_random + server_random) */
PF_MUST_USE enum pf_status pf_kdf_master(struct pf_kdf *kdf, uint16_t version,
                                         const struct pf_suite *suite, struct pf_span pre_master,
                                         const uint8_t client_random[PF_RANDOM_LEN],
                                         const uint8_t server_random[PF_RANDOM_LEN],
                                         struct pf_master *out);

/*
 * RFC 7627: master_secret = PRF(pre_master, "extended master secret", session_hash), the session
 * hash being over the handshake messages from ClientHello to ClientKeyExchange, given as the three
 * runs in which they were captured (ClientHello; server's flight; client's flight).
 */
PF_MUST_USE enum pf_status pf_kdf_extended_master(struct pf_kdf *kdf, uint16_t version,
                                                  const struct pf_suite *suite,
                                                  struct pf_span pre_master,
                                                  const struct pf_span transcript[3],
                                                  struct pf_master *out);

/* The key block, split: out[PF_C2S], out[PF_S2C]. Export ciphers derive their final keys here too.
 * PF_ERR_UNSUPPORTED for a suite that is named but not opened. */
PF_MUST_USE enum pf_status
pf_kdf_key_block(struct pf_kdf *kdf, uint16_t version, const struct pf_suite *suite, bool etm,
                 const struct pf_master *master, const uint8_t client_random[PF_RANDOM_LEN],
                 const uint8_t server_random[PF_RANDOM_LEN], struct pf_keys out[2]);

/* RFC 8446 section 7.3: key and iv of a traffic secret. draft: 0, or 18-28; drafts up to 19 have
 * "TLS 1.3, " labels instead of "tls13 ". */
PF_MUST_USE enum pf_status pf_kdf_tls13_keys(struct pf_kdf *kdf, const struct pf_suite *suite,
                                             unsigned draft, const struct pf_secret *secret,
                                             struct pf_keys *out);

/* RFC 8446 section 7.2: application_traffic_secret_N+1. in and out may be the same. */
PF_MUST_USE enum pf_status pf_kdf_tls13_update(struct pf_kdf *kdf, const struct pf_suite *suite,
                                               unsigned draft, const struct pf_secret *in,
                                               struct pf_secret *out);

/* RFC 4279 section 2: the pre-master secret of plain PSK (other.ptr NULL: as many zeros as the key
 * is long), or with the given other secret. *len is set; PF_ERR_LIMIT if it does not fit. */
PF_MUST_USE enum pf_status pf_psk_pre_master(struct pf_span psk, struct pf_span other, uint8_t *out,
                                             size_t cap, size_t *len);

#endif
