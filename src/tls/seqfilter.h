// SPDX-License-Identifier: Apache-2.0
/*
 * What:    which numbers a record of TLS 1.3 can have, judged by one byte: the last one of its
 *          plaintext is the content type, or 0 where it is padded (RFC 8446 section 5.4). So of
 *          false numbers 50 in 51 need no more than one block of keystream.
 * Owns:    nothing.
 * Threads: one thread's.
 * Errors:  none: where keystream is not to be had every number is possible.
 * Limits:  PF_FILTER_LANES numbers at once; ChaCha20 and CCM.
 */
#ifndef PF_TLS_SEQFILTER_H
#define PF_TLS_SEQFILTER_H

#include "tls/cipher.h"

#include <stdbool.h>
#include <stdint.h>

enum { PF_FILTER_LANES = 32, PF_FILTER_WORDS = 16 };

struct pf_seqfilter {
    const struct pf_keys *keys;
    EVP_CIPHER_CTX *block;           /* the crypt's; NULL: ChaCha20 */
    uint64_t at;                     /* of the last byte in the keystream of the text */
    uint8_t last;                    /* as it was sent */
    uint32_t start[PF_FILTER_WORDS]; /* ChaCha20's state, but for the number */
};

/* Whether there is one for these keys. */
bool pf_seqfilter_has(const struct pf_keys *keys);

/* False: there is none for this record. f->block is keyed until the crypt keys it for others. */
bool pf_seqfilter_init(struct pf_seqfilter *f, struct pf_crypt *crypt, const struct pf_keys *keys,
                       struct pf_span body);

/* Bit i of the result: seq[i] can be the record's number. n <= PF_FILTER_LANES. */
uint32_t pf_seqfilter_run(const struct pf_seqfilter *f, const uint64_t *seq, size_t n);

#endif
