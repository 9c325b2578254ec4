// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a result directory opened for reading: manifest, flows, where their plaintext lies.
 * Owns:    a result owns its descriptors, the manifest, and the flow last read.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_USAGE: no result at all; PF_ERR_MALFORMED, PF_ERR_TRUNCATED: damaged;
 *          PF_ERR_IO, PF_ERR_NOMEM. With the file's name in err.
 * Limits:  the directory may be damaged or hostile. Lines up to PF_LINE_MAX + 64 bytes, a manifest
 *          up to 64 MiB.
 */
#ifndef PF_STORE_RESULT_H
#define PF_STORE_RESULT_H

#include "base/pkt.h"
#include "base/status.h"
#include "store/file.h"
#include "store/index.h"
#include "store/walkback.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t; /* jansson's */

struct pf_stored;

PF_MUST_USE enum pf_status pf_stored_open(const char *dir, struct pf_stored **out,
                                          struct pf_error *err);
void pf_stored_close(struct pf_stored *s);

uint64_t pf_stored_flows(const struct pf_stored *s);

/* False: *why says so in one line, until pf_stored_close. */
bool pf_stored_complete(const struct pf_stored *s, const char **why);

/* NULL if there is none that can be read. Borrowed. */
const struct json_t *pf_stored_manifest(const struct pf_stored *s);
const struct pf_place *pf_stored_root(const struct pf_stored *s);
const struct pf_place *pf_stored_data(const struct pf_stored *s);

/* Where flow number 1 to pf_stored_flows lies; PF_END beyond. */
PF_MUST_USE enum pf_status pf_stored_row(struct pf_stored *s, uint64_t number,
                                         struct pf_flows_row *row, struct pf_error *err);

/*
 * A flow as its line tells it. All is borrowed until the next pf_stored_flow or _close; strings are
 * NULL where the line has null. Numbers that are null are PF_UNKNOWN.
 */
struct pf_stored_flow {
    struct pf_flows_row row;
    struct pf_span line; /* NUL-terminated behind its end */
    uint64_t flow;
    int64_t ts_ns;
    uint64_t duration_ns;
    const char *ts;
    const char *orig_h;
    const char *resp_h;
    uint16_t orig_p;
    uint16_t resp_p;
    const char *version;
    const char *cipher;
    const char *server_name;
    const char *status;
    const char *reason;
    const char *detail;
    struct {
        uint64_t records;
        uint64_t bytes;
        uint64_t missing_records;
        uint64_t missing_bytes;
        uint64_t clear_bytes; /* 0 where the line has none */
        const char *sha256;
    } dir[2];
};
PF_MUST_USE enum pf_status pf_stored_flow(struct pf_stored *s, uint64_t number,
                                          struct pf_stored_flow *out, struct pf_error *err);

/* Sets c to a direction of the flow of a row. */
PF_MUST_USE enum pf_status pf_stored_chain(struct pf_stored *s, const struct pf_flows_row *row,
                                           enum pf_dir dir, struct pf_walkback *c,
                                           struct pf_error *err);

#endif
