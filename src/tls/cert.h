// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what is read from an X.509 certificate: the public key's fingerprint, names, validity.
 * Owns:    nothing; results are plain structs.
 * Threads: pure.
 * Errors:  PF_ERR_MALFORMED when libcrypto cannot parse it.
 * Limits:  names are cut at PF_CERT_NAME bytes.
 */
#ifndef PF_TLS_CERT_H
#define PF_TLS_CERT_H

#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_CERT_NAME = 256, PF_SPKI_LEN = 32, PF_KEY_TYPE = 16 };

struct pf_cert {
    uint8_t spki_sha256[PF_SPKI_LEN]; /* SHA-256 of the DER SubjectPublicKeyInfo */
    char subject[PF_CERT_NAME];       /* RFC 2253 style; UTF-8, control characters escaped */
    char issuer[PF_CERT_NAME];
    int64_t not_before_s; /* seconds since 1970 */
    int64_t not_after_s;
    uint16_t key_bits;
    char key_type[PF_KEY_TYPE]; /* "RSA", "EC", "ED25519" ...; empty: libcrypto does not know it */
    bool is_rsa;
};

PF_MUST_USE enum pf_status pf_cert_parse(struct pf_span der, struct pf_cert *out);

/*
 * Only the SubjectPublicKeyInfo's SHA-256, by walking the DER: cheap enough for every handshake.
 * (RFC 5280 section 4.1; SHA-256 by libcrypto.)
 */
PF_MUST_USE enum pf_status pf_cert_spki(struct pf_span der, uint8_t spki_sha256[PF_SPKI_LEN]);

#endif
