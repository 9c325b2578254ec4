// SPDX-License-Identifier: Apache-2.0
/*
 * What:    opens records: decrypts, and verifies the tag or MAC, as a function of (keys, sequence
 *          number, ciphertext); finds the sequence number after a gap.
 * Owns:    struct pf_crypt: the libcrypto contexts of one thread. struct pf_chain: what flows from
 *          one record to the next (chained CBC IV, RC4 keystream, DEFLATE window).
 * Threads: a pf_crypt belongs to one thread; keys are read only; a chain moves with its records.
 * Errors:  PF_ERR_REJECTED: did not verify (nothing of the plaintext may be used);
 *          PF_ERR_MALFORMED: too short for what it must hold; PF_ERR_UNSUPPORTED; PF_ERR_INTERNAL.
 * Limits:  a record body is at most PF_RECORD_MAX bytes.
 *
 * Only RC4 and DEFLATE make a record depend on having opened those before it. TLS 1.0's chained IV
 * is the last ciphertext block of the record before, known without opening it.
 */
#ifndef PF_TLS_OPEN_H
#define PF_TLS_OPEN_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/keys.h"

#include <stdbool.h>
#include <stdint.h>

struct pf_crypt; /* one thread's contexts: fetched once, reused for every record */

PF_MUST_USE enum pf_status pf_crypt_new(struct pf_crypt **out, struct pf_error *err);
void pf_crypt_free(struct pf_crypt *crypt);

/* State carried from record to record under one struct pf_keys, one direction. */
struct pf_chain {
    uint8_t iv[PF_BLOCK_MAX]; /* SSL 3.0 and TLS 1.0 CBC: the last ciphertext block */
    bool iv_known;            /* false behind a gap until a record has been seen */
    void *stream;             /* RC4: its context; NULL otherwise */
    void *inflate;            /* DEFLATE (RFC 3749): z_stream; NULL otherwise */
};

/* Prepares the state for the first record under keys. compression: 0, or 1 for DEFLATE. */
PF_MUST_USE enum pf_status pf_chain_init(struct pf_chain *chain, const struct pf_keys *keys,
                                         uint8_t compression);
void pf_chain_fini(struct pf_chain *chain);

/* True if records must be opened one after the other (RC4, DEFLATE). */
bool pf_chain_is_sequential(const struct pf_chain *chain);

/* Moves a CBC chain over a record that is not opened now: remembers its last block. */
void pf_chain_pass(struct pf_chain *chain, const struct pf_keys *keys, struct pf_span body);

/* A record as it lay on the wire. */
struct pf_record {
    uint8_t type;
    uint16_t version;
    struct pf_span body; /* behind the 5-byte header */
};

/* An opened record. */
struct pf_plain {
    uint8_t type;        /* TLS 1.3: the inner content type */
    struct pf_span data; /* lies in the out buffer given, or in the chain's inflate buffer */
};

/*
 * Opens one record with sequence number seq. out: at least body.len bytes, PF_PLAINTEXT_MAX + 2048
 * when DEFLATE is in use; must not overlap the record. On failure the contents of out are undefined
 * and the chain's IV has moved on, as it would on success; an RC4 keystream moves on as well.
 */
PF_MUST_USE enum pf_status pf_open_record(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          struct pf_chain *chain, uint64_t seq,
                                          const struct pf_record *record, uint8_t *out,
                                          size_t out_cap, struct pf_plain *plain);

/* Smallest and largest body that a record of one plaintext byte range can have under these keys:
 * used to bound how many records a gap can have swallowed, and to recognise headers. */
void pf_open_body_bounds(const struct pf_keys *keys, unsigned *min_body, unsigned *max_body);

/* Bytes of plaintext in a body of body_len bytes: exact for AEAD and stream ciphers (*exact true),
 * an upper bound for CBC. TLS 1.3: counts padding and is one byte less for the inner type. */
uint32_t pf_open_plaintext_len(const struct pf_keys *keys, uint32_t body_len, bool *exact);

/*
 * The sequence number of a record, given that it lies in [lo, hi]. GCM: solved from the tag in
 * constant time; TLS 1.2 AEAD: the explicit nonce says it when the sender counts (hint_nonce: the
 * nonce minus sequence number before the gap, hint_known); others: bounded search from `likely`
 * outward. *trials is increased by what was spent; the search ends at max_trials (PF_ERR_LIMIT).
 * PF_ERR_REJECTED: no number in the range fits. RC4: the caller says gap_bytes, the ciphertext bytes
 * (with headers) between the last opened record and this one; the keystream position follows from
 * it for each candidate (gap_bytes - 5 per lost record), and on success chain stands behind it.
 */
struct pf_seq_search {
    uint64_t lo;
    uint64_t hi;
    uint64_t likely;
    uint64_t gap_bytes; /* RC4 only */
    uint64_t next_seq;  /* RC4 only: the number of the first lost record */
    uint64_t hint_nonce;
    bool hint_known;
    uint32_t max_trials;
};

PF_MUST_USE enum pf_status pf_open_find_seq(struct pf_crypt *crypt, const struct pf_keys *keys,
                                            struct pf_chain *chain, const struct pf_record *record,
                                            const struct pf_seq_search *search, uint64_t *seq,
                                            uint32_t *trials);

#endif
