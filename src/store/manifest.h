// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what manifest.json says of a run: filled in by the run, written by the store.
 * Owns:    nothing; everything is borrowed for the call.
 * Threads: plain data.
 * Errors:  see store/store.h.
 * Limits:  never a key: keys are named by file and SHA-256 of the public key.
 */
#ifndef PF_STORE_MANIFEST_H
#define PF_STORE_MANIFEST_H

#include "base/status.h"
#include "store/chunks.h"
#include "store/flows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_manifest_input {
    const char *path; /* as given; "-" is standard input */
    uint64_t size;    /* bytes on disk, or PF_UNKNOWN */
    uint64_t packets;
    enum pf_status status; /* PF_OK, or what was wrong with it */
    const char *message;   /* for people; NULL if nothing */
};

struct pf_manifest_key {
    const char *file;           /* as given */
    const char *server;         /* "ADDR:PORT" it is tied to, or NULL */
    const uint8_t *spki_sha256; /* 32 bytes */
    uint64_t flows;             /* that it opened */
};

struct pf_manifest_count {
    const char *name;
    uint64_t count;
};

struct pf_manifest {
    /* options, as given or as they were by default */
    const char *filter; /* NULL: none */
    unsigned jobs;
    unsigned shard; /* of shards; shards 0: not sharded */
    unsigned shards;
    uint64_t memory;
    int level;
    bool sha256; /* also: captures are read again and hashed */
    bool strict;
    const char *const *keylogs; /* file names */
    size_t keylog_count;

    const struct pf_manifest_input *inputs;
    size_t input_count;
    const struct pf_manifest_key *keys;
    size_t key_count;

    /* totals; those of flows and plaintext are the store's own */
    uint64_t packets;
    uint64_t packet_bytes;                   /* captured bytes of them */
    const struct pf_manifest_count *dropped; /* packets not used, by reason */
    size_t dropped_count;
    uint64_t search_trials;                 /* numbers and keys tried where something was lost */
    const struct pf_manifest_count *limits; /* limits hit; none: empty */
    size_t limit_count;
    int64_t started_ns; /* wall clock, ns since 1970 */
    uint64_t elapsed_ns;
};

/* ---- for store/store.c ---- */

struct pf_manifest_output {
    const char *folder;         /* "" or "data/" */
    const struct pf_file *file; /* committed */
};

struct pf_manifest_end {
    const char *stopped; /* NULL: complete */
    enum pf_store_codec codec;
    const struct pf_flow_totals *totals;
    const struct pf_manifest_output *outputs;
    size_t output_count;
};

/* The whole manifest as text, ending in a newline; free() it. */
PF_MUST_USE enum pf_status pf_manifest_format(const struct pf_manifest *m,
                                              const struct pf_manifest_end *end, char **text);

#endif
