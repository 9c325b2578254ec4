// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one worker's finished flows: each becomes a JSON object in a spool file; the store
 *          merges the spools into flows.jsonl at the end.
 * Owns:    data/NNN.spool.part and 24 bytes of memory per flow.
 * Threads: one worker's until it is closed; nothing is shared with other workers.
 * Errors:  PF_ERR_IO with path and errno in err (sticky), PF_ERR_NOMEM.
 * Limits:  a line is at most PF_LINE_MAX bytes: captured strings are cut at PF_TEXT_MAX and gaps
 *          beyond PF_GAPS_MAX are not listed (missing_records and missing_bytes count them, the
 *          index has them all).
 */
#ifndef PF_STORE_FLOWS_H
#define PF_STORE_FLOWS_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"
#include "base/verdict.h"
#include "store/chunks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PF_TEXT_MAX = 1024, PF_GAPS_MAX = 1000, PF_CONFLICTS_MAX = 32, PF_LINE_MAX = 1 << 20 };

/* Names as in flows.jsonl, and what they mean in one line; NULL for _NONE. */
const char *pf_flow_status_name(enum pf_flow_status s);
const char *pf_flow_status_text(enum pf_flow_status s);
const char *pf_reason_name(enum pf_reason r);
const char *pf_reason_text(enum pf_reason r);
const char *pf_opened_by_name(enum pf_opened_by o);

enum pf_known { PF_NOT_KNOWN = 0, PF_NO, PF_YES };

/* One gap as the flow's line shows it. */
struct pf_flow_gap {
    uint64_t offset;        /* plaintext offset */
    uint64_t records;       /* lost, or PF_UNKNOWN */
    uint64_t bytes;         /* plaintext lost, or PF_UNKNOWN */
    uint64_t packet;        /* first packet after it; 0: none */
    uint64_t packet_before; /* 0: none */
    uint64_t cipher_bytes;  /* of the stream that were not captured */
};

/* A packet that claimed bytes of the stream to be other than what verified: forged, or damaged. */
struct pf_flow_conflict {
    uint64_t packet;
    uint64_t true_packet; /* that brought these bytes as they verified; 0: neither is proved */
    uint64_t offset; /* of the first byte that differs: captured bytes of the direction before it */
};

/* In the line only where there are any: "conflicts", how many packets, and "conflict_list", the
 * first PF_CONFLICTS_MAX of them, by packet: {packet, true_packet or null, offset}. */
struct pf_flow_dir_info {
    uint64_t missing_records; /* or PF_UNKNOWN */
    uint64_t missing_bytes;   /* or PF_UNKNOWN */
    uint64_t conflicts;
    const struct pf_flow_conflict *conflict;
    size_t conflict_count; /* listed */
    const struct pf_flow_gap *gaps;
    size_t gap_count;
    const uint8_t *sha256; /* of the direction's plaintext, or NULL */
    uint64_t clear_bytes;  /* kept from before TLS began */
};

/*
 * What a line of flows.jsonl says, in its order. A NULL pointer (also of a span) is null there. All
 * is borrowed for the call. Numbers of records and bytes come from the struct pf_flow_ref; the
 * line's community_id is computed from the key.
 */
struct pf_flow_info {
    struct pf_flow_key key;
    uint8_t orig_side; /* which end of the key sent the ClientHello (if none: the first packet) */
    int64_t first_ns;
    int64_t last_ns;
    uint64_t first_packet;
    uint64_t packets;
    const char *version; /* "TLSv12" */
    const char *cipher;  /* IANA name */
    struct pf_span server_name;
    struct pf_span next_protocol;
    const char *starttls;         /* "smtp": what TLS began behind; NULL: not in the line */
    const uint8_t *client_random; /* 32 bytes */
    const uint8_t *server_random; /* 32 bytes */
    struct pf_span session_id;
    enum pf_known resumed;
    const uint8_t *cert_spki_sha256; /* 32 bytes */
    struct pf_span cert_subject;
    enum pf_opened_by opened_by;
    const uint8_t *key_spki_sha256; /* 32 bytes */
    enum pf_flow_status status;
    enum pf_reason reason;
    const char *detail;
    uint64_t search_trials;         /* numbers tried where something was lost; 0: not in the line */
    struct pf_flow_dir_info dir[2]; /* by enum pf_dir */
};

/* Sums over flows. */
struct pf_flow_totals {
    uint64_t flows;
    uint64_t by_status[PF_FLOW_STATUS_COUNT];
    uint64_t by_reason[PF_REASON_COUNT];
    uint64_t by_opened_by[PF_OPENED_BY_COUNT];
    uint64_t bytes[2]; /* plaintext, by enum pf_dir */
    uint64_t records[2];
};

struct pf_flows;

/* A flow is over: writes its line to the spool. ref's worker is the one that f belongs to. */
PF_MUST_USE enum pf_status pf_flows_append(struct pf_flows *f, const struct pf_flow_info *info,
                                           const struct pf_flow_ref *ref, struct pf_error *err);

/* ---- for store/store.c ---- */

PF_MUST_USE enum pf_status pf_flows_new(const struct pf_place *data, unsigned number,
                                        struct pf_flows **out, struct pf_error *err);
void pf_flows_free(struct pf_flows *f);
void pf_flows_add_totals(const struct pf_flows *f, struct pf_flow_totals *sum);

/* Writes out the spool and sorts; nothing may be appended afterwards. The worker's thread, or the
 * run's for one that failed. */
PF_MUST_USE enum pf_status pf_flows_close(struct pf_flows *f, struct pf_error *err);

/* Removes the spool; the totals stay. */
void pf_flows_discard(struct pf_flows *f);

/* ---- a closed spool, which any thread may read: flows 0 to count - 1, in order ---- */

size_t pf_flows_count(const struct pf_flows *f);

/* The packet that flow i begins with. */
uint64_t pf_flows_first_packet(const struct pf_flows *f, size_t i);

/* The first flow that does not begin before this packet. */
size_t pf_flows_from(const struct pf_flows *f, uint64_t packet);

/* Whether flow i of a comes before flow j of b. */
bool pf_flows_before(const struct pf_flows *a, size_t i, const struct pf_flows *b, size_t j);

/* Bytes of JSON of the flows from..to-1. */
uint64_t pf_flows_json_bytes(const struct pf_flows *f, size_t from, size_t to);

struct pf_flows_item {
    uint32_t worker;
    struct pf_flow_ref ref;
    struct pf_span json; /* borrowed from the window until it is used again */
};

/* What a reader has before it of one spool. */
struct pf_flows_window {
    struct pf_buf bytes;
    uint64_t pos;
};

void pf_flows_window_init(struct pf_flows_window *w);
void pf_flows_window_fini(struct pf_flows_window *w);
PF_MUST_USE enum pf_status pf_flows_read(const struct pf_flows *f, size_t i,
                                         struct pf_flows_window *w, struct pf_flows_item *out,
                                         struct pf_error *err);

#endif
