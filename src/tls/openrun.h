// SPDX-License-Identifier: Apache-2.0
/*
 * What:    opens a run: consecutive records of one direction under one set of keys.
 * Owns:    nothing; the ciphertext is the connection's, the plaintext buffer the caller's.
 * Threads: with a pf_crypt of its own any thread may open a run whose chain is not sequential.
 * Errors:  the first record that does not open ends it; its status is in the result.
 * Limits:  PF_RUN_RECORDS records; the plaintext is never longer than the ciphertext, unless
 *          DEFLATE is in use (then the run ends when the buffer is full, see pf_run_open).
 */
#ifndef PF_TLS_OPENRUN_H
#define PF_TLS_OPENRUN_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/open.h"

#include <stddef.h>
#include <stdint.h>

enum { PF_RUN_RECORDS = 1024 };

/* A framed record of a run. */
struct pf_run_record {
    uint32_t offset; /* of its body, from the run's first byte */
    uint16_t body_len;
    uint16_t version;
    uint8_t type;
    uint64_t packet; /* that completed it */
    int64_t ts_ns;
};

struct pf_record_run {
    const struct pf_keys *keys;
    struct pf_chain *chain;
    const uint8_t *bytes; /* the first record's header */
    const struct pf_run_record *records;
    size_t count;
    uint64_t first_seq;
};

/* One application data record that was opened; their plaintexts lie one behind the other. */
struct pf_opened {
    uint64_t packet;
    int64_t ts_ns;
    uint64_t seq;
    uint32_t len;
    uint8_t type;
};

struct pf_run_result {
    size_t consumed; /* records opened, application data or not */
    enum pf_status
        status;          /* PF_OK: all; otherwise of record number `consumed`; PF_AGAIN: no room */
    size_t opened_count; /* entries filled */
    size_t plain_len;    /* bytes in out */
    bool key_update;     /* TLS 1.3: the last record opened says that other keys follow */
    bool tls_inside;     /* a record's plaintext begins with a TLS hello: a tunnel */
    bool padded;         /* TLS 1.3: a record was longer than its content needs */
};

/* out_cap: at least the run's ciphertext bytes, plus PF_RECORD_MAX with DEFLATE. opened: room for
 * run->count entries. */
void pf_run_open(struct pf_crypt *crypt, const struct pf_record_run *run, uint8_t *out,
                 size_t out_cap, struct pf_opened *opened, struct pf_run_result *result);

#endif
