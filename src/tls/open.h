// SPDX-License-Identifier: Apache-2.0
/*
 * What:    opens records: decrypts, and verifies the tag or MAC, as a function of (keys, sequence
 *          number, ciphertext); finds the sequence number after a gap.
 * Owns:    struct pf_crypt: the libcrypto contexts of one thread. struct pf_chain: what flows from
 *          one record to the next (chained CBC IV, RC4 keystream, DEFLATE window).
 * Threads: a pf_crypt belongs to one thread; keys are read only; a chain moves with its records.
 * Errors:  PF_ERR_REJECTED: did not verify (nothing of the plaintext may be used);
 *          PF_ERR_MALFORMED: too short or too long for what it must hold;
 *          PF_ERR_TRUNCATED: chained CBC whose IV was lost: its first block cannot be known;
 *          PF_ERR_UNSUPPORTED: no such cipher in this libcrypto, or DEFLATE behind a gap;
 *          PF_ERR_LIMIT, PF_ERR_NOMEM, PF_ERR_INTERNAL.
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

/*
 * Moves the chain over a record that is not opened, now or ever: chained CBC remembers the last
 * block, RC4 runs its keystream over body.len bytes, DEFLATE notes that its window has a hole.
 * body.ptr may be NULL for bytes that were not captured; chained CBC then does not know the next
 * IV.
 */
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
    struct pf_span data; /* lies in the out buffer given, or in the chain (DEFLATE) until it is
                            used again */
};

/*
 * Opens one record with sequence number seq. out: at least body.len bytes, PF_PLAINTEXT_MAX + 2048
 * when DEFLATE is in use; must not overlap the record. On failure the contents of out are undefined
 * and the chain stands where it stood: the record may be tried again with other bytes, or passed
 * over with pf_chain_pass.
 *
 * Behind a gap chain->iv_known is false, and a record whose IV is chained gives PF_ERR_TRUNCATED;
 * the one behind it opens again. A record that was verified but whose compressed bytes refer to
 * what was lost gives PF_ERR_UNSUPPORTED; those behind it may open.
 */
PF_MUST_USE enum pf_status pf_open_record(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          struct pf_chain *chain, uint64_t seq,
                                          const struct pf_record *record, uint8_t *out,
                                          size_t out_cap, struct pf_plain *plain);

enum { PF_OPEN_LANES = 8 };

/* How many records pf_open_records should be given at a time: 1, or PF_OPEN_LANES. */
size_t pf_open_lanes(struct pf_crypt *crypt, const struct pf_keys *keys,
                     const struct pf_chain *chain);

/*
 * Opens n <= pf_open_lanes consecutive records, the first with number seq: as pf_open_record does
 * one after the other, their plaintexts close together from out on. out_cap: at least the sum of
 * their bodies, with what pf_open_record says of DEFLATE. Returns how many opened; *st is PF_OK if
 * that is all, or what the next one came to.
 */
size_t pf_open_records(struct pf_crypt *crypt, const struct pf_keys *keys, struct pf_chain *chain,
                       uint64_t seq, const struct pf_record *records, size_t n, uint8_t *out,
                       size_t out_cap, struct pf_plain *plains, enum pf_status *st);

/* Whether a record would open: PF_OK, PF_ERR_REJECTED, or as pf_open_record. The chain stays. */
PF_MUST_USE enum pf_status pf_open_verify(struct pf_crypt *crypt, const struct pf_keys *keys,
                                          const struct pf_chain *chain, uint64_t seq,
                                          const struct pf_record *record);

/* True if a record's IV is the last block of the one before it (SSL 3.0, TLS 1.0 with CBC). */
bool pf_open_needs_iv(const struct pf_keys *keys);

/* Smallest and largest body that a record can have under these keys, empty ones included: bounds
 * how many records a gap can have swallowed, and helps to recognise headers. */
void pf_open_body_bounds(const struct pf_keys *keys, unsigned *min_body, unsigned *max_body);

/* Whether a record can have a body of this length under these keys. */
bool pf_open_body_fits(const struct pf_keys *keys, uint32_t body_len);

/* Bytes of plaintext in a body of body_len bytes, before decompression: exact for AEAD and stream
 * ciphers (*exact true), an upper bound for CBC and TLS 1.3 (which may pad), where the byte of the
 * padding's length or of the inner type is already taken off. 0 for bodies that are too short. */
uint32_t pf_open_plaintext_len(const struct pf_keys *keys, uint32_t body_len, bool *exact);

struct pf_seq_range {
    uint64_t lo;
    uint64_t hi;
};

enum {
    PF_SEQ_TRIED = 5,
    PF_SEQ_FEW = 4 /* so many numbers are tried in less time than GCM's is solved for */
};

/* What is known of a record's number. Units: records, and bytes of the stream with headers. */
struct pf_seq_search {
    uint64_t lo; /* it lies in [lo, hi] */
    uint64_t hi;
    uint64_t likely;     /* where a search starts */
    uint64_t gap_bytes;  /* RC4: ciphertext with headers between the last opened record and this */
    uint64_t next_seq;   /* RC4: the number of the first lost record */
    uint64_t hint_nonce; /* explicit nonce minus sequence number, before the gap */
    bool hint_known;
    uint32_t max_trials;                     /* of this call */
    struct pf_seq_range tried[PF_SEQ_TRIED]; /* in vain: passed over where numbers are tried */
    unsigned tried_count;
};

/*
 * The sequence number of a record. GCM: solved from the tag in constant time; TLS 1.2 AEAD: tried
 * first from the explicit nonce, for senders that count with it (without hint_known those that
 * count from 0); all others: bounded search from `likely` outward (RC4: by position, around it).
 * Nothing of the record is trusted but what its tag or MAC proves. *trials is increased by what was
 * spent.
 *
 * PF_ERR_REJECTED: no number in the range fits. PF_ERR_LIMIT: max_trials did not cover the range.
 * PF_ERR_TRUNCATED: as for pf_open_record; use the next record. PF_ERR_MALFORMED: no record of
 * these keys has such a length.
 *
 * The record is not opened: pf_open_record with *seq comes next. RC4: the chain must stand behind
 * the last opened record; the keystream position follows from gap_bytes for each candidate (5 bytes
 * less per lost record), and on success the chain stands in front of this record, otherwise where
 * it was. DEFLATE: on success its window has a hole.
 */
PF_MUST_USE enum pf_status pf_open_find_seq(struct pf_crypt *crypt, const struct pf_keys *keys,
                                            struct pf_chain *chain, const struct pf_record *record,
                                            const struct pf_seq_search *search, uint64_t *seq,
                                            uint32_t *trials);

/* What that costs, in nanoseconds of a common processor, whatever processor it is. */
struct pf_seq_cost {
    uint64_t once;
    uint64_t each; /* and for a trial */
};

/* For a record with a body of body_len bytes. */
struct pf_seq_cost pf_open_seq_cost(const struct pf_keys *keys, uint32_t body_len,
                                    const struct pf_seq_search *search);

/* And what it costs to derive the keys that a KeyUpdate calls for. */
uint64_t pf_open_update_cost(const struct pf_keys *keys);

#endif
