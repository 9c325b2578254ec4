// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the inside of a key log, between keylog.c (the table) and keylog_read.c (the text).
 * Owns:    see tls/keylog.h.
 * Threads: see tls/keylog.h.
 * Errors:  PF_ERR_LIMIT: no room in max_bytes.
 * Limits:  see tls/keylog.h.
 */
#ifndef PF_TLS_KEYLOG_TABLE_H
#define PF_TLS_KEYLOG_TABLE_H

#include "tls/keylog.h"

enum {
    PF_KEYLOG_KEY_MAX = 32,
    PF_KEYLOG_IS_LONG = 0xff,
    PF_KEYLOG_READ_LEN = 1 << 18,
    PF_KEYLOG_SEED_LEN = 16
};

/* Behind the labels: what the two forms of "RSA" lines, and our own lines, are found by. */
enum {
    PF_KEYLOG_KIND_SESSION = PF_KEYLOG_LABEL_COUNT,
    PF_KEYLOG_KIND_ENCRYPTED,
    PF_KEYLOG_KIND_TICKET
};

#define PF_KEYLOG_TICKET_TEXT "PF_TICKET"

/* Bytes only: no padding between ten million of them. */
struct pf_keylog_entry {
    uint8_t kind;
    uint8_t key_len;
    uint8_t secret_len; /* PF_KEYLOG_IS_LONG: secret holds the address of a struct long_secret */
    uint8_t key[PF_KEYLOG_KEY_MAX];
    uint8_t secret[PF_SECRET_MAX];
};

/*
 * Entries in file order, in chunks that never move, and a table of their numbers: open addressing,
 * linear probing, never removed from, so that entries of one key are met in file order.
 */
struct pf_keylog {
    struct pf_keylog_entry **chunks;
    size_t chunk_cap;
    size_t count;
    uint32_t *slots; /* entry number plus one; 0: free */
    size_t slot_count;
    size_t max_bytes;
    size_t bytes;
    uint8_t seed[PF_KEYLOG_SEED_LEN];
    uint8_t *read_buf; /* PF_KEYLOG_READ_LEN; NULL until a file is added */
    struct pf_keylog_counts counts;
};

/* e is copied; a long secret of it is the log's from now on, or freed. */
PF_MUST_USE enum pf_status pf_keylog_add_entry(struct pf_keylog *log,
                                               const struct pf_keylog_entry *e);

/* Makes e's secret a long one of len bytes, to be written to *bytes. */
PF_MUST_USE enum pf_status pf_keylog_make_long(struct pf_keylog *log, struct pf_keylog_entry *e,
                                               size_t len, uint8_t **bytes);

/* Frees the long secret of an entry that was not added; nothing if it has none. */
void pf_keylog_drop_long(struct pf_keylog *log, const struct pf_keylog_entry *e);

const char *pf_keylog_label_text(enum pf_keylog_label label);

#endif
