// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the public interface: decrypt captures into a result directory; read one.
 * Owns:    what a _new or _open returns is the caller's until its _free or _close.
 * Threads: one thread per object, except pf_run_stop and pf_run_progress (any thread; pf_run_stop
 *          also from a signal handler).
 * Errors:  enum pf_status, with a text for people in struct pf_error where there is one.
 * Limits:  strings in options are borrowed until pf_run_new returns.
 */
#ifndef PLAINFLOW_H
#define PLAINFLOW_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PF_COUNT_UNKNOWN UINT64_MAX

struct pf_strings {
    const char *const *items;
    size_t count;
};

enum pf_compress { PF_COMPRESS_LZ4 = 0, PF_COMPRESS_NONE };

/* Only the first writes a result directory; the others answer in lines: see pf_run_next_line. */
enum pf_run_mode { PF_RUN_DECRYPT = 0, PF_RUN_HANDSHAKES, PF_RUN_SECRETS };

/* All zero is the default of everything but captures and output. */
struct pf_options {
    struct pf_strings captures; /* "-": standard input */
    struct pf_strings keys;     /* "[ADDR[:PORT]=]FILE" */
    struct pf_strings key_dirs;
    struct pf_strings keylogs;
    struct pf_strings psks; /* hexadecimal */
    enum pf_run_mode mode;
    bool json;     /* PF_RUN_HANDSHAKES: lines for programs */
    bool two_pass; /* the captures, which must be files, are read twice: sessions that begin later,
                      too, open the flows that resume them */
    const char *key_password_file;
    const char *output; /* the result directory; PF_RUN_SECRETS: the key log, or NULL; else NULL */
    const char *inject; /* PF_RUN_SECRETS: a pcapng of the captures, which must be files, with the
                           secrets inside; or NULL. capture/ngwrite.h says what is kept of them */
    const char *filter; /* pcap filter expression */
    unsigned shard;     /* only flows of this shard, 1 to shards */
    unsigned shards;    /* 0: all flows */
    unsigned jobs;      /* worker threads; 0: the processors this process may use */
    uint64_t memory;    /* bytes for all buffers; 0: 1 GiB */
    enum pf_compress compress;
    int level;
    bool sha256;
    bool strict; /* only noted in the manifest; the exit status is the caller's */
    bool force;  /* replace an earlier result, or file */
    int verbosity;
};

struct pf_progress {
    uint64_t bytes_done;  /* of the captures, as they are on disk */
    uint64_t bytes_total; /* 0: not known (standard input) */
    uint64_t packets;
    uint64_t flows_tls;
    uint64_t plaintext_bytes;
    double seconds;
};

/* A named number: a reason for dropped packets or for a flow's state, a limit that was hit. */
struct pf_count {
    const char *name; /* as in flows.jsonl and manifest.json */
    const char *text; /* one line for people */
    uint64_t count;
};

struct pf_counts {
    const struct pf_count *items;
    size_t count;
};

struct pf_input {
    const char *path;
    uint64_t bytes; /* PF_COUNT_UNKNOWN for standard input */
    uint64_t packets;
    enum pf_status status; /* PF_OK, or why it was not read to its end */
    const char *message;   /* NULL if there is nothing to say */
};

struct pf_summary {
    const struct pf_input *inputs;
    size_t input_count;
    uint64_t packets;
    uint64_t capture_bytes;     /* captured bytes of the packets that were read */
    struct pf_counts dropped;   /* packets not used, by reason */
    struct pf_counts by_status; /* TLS flows: decrypted, partial, locked */
    struct pf_counts by_reason; /* TLS flows that are partial or locked */
    struct pf_counts limits;    /* limits that were hit */
    uint64_t flows;
    uint64_t flows_decrypted; /* whole */
    uint64_t flows_partial;
    uint64_t flows_locked;
    uint64_t plaintext_bytes;
    double seconds;
    int stop_signal;       /* that pf_run_stop was called with; 0: none */
    enum pf_status status; /* of the run: PF_OK, PF_ERR_IO (an output), PF_ERR_NOMEM, ... */
    const char *message;   /* of a status that is not PF_OK; else NULL */
};

struct pf_run;

/*
 * Checks everything: keys are loaded, the filter compiled, captures opened, the output directory
 * made. On error nothing was written: PF_ERR_USAGE, or PF_ERR_NOMEM.
 */
PF_MUST_USE enum pf_status pf_run_new(const struct pf_options *o, struct pf_run **out,
                                      struct pf_error *err);
PF_MUST_USE enum pf_status pf_run_start(struct pf_run *r, struct pf_error *err);

/* PF_AGAIN when timeout_ms (-1: none) went by, PF_END when the run is over; then see the summary.
 */
PF_MUST_USE enum pf_status pf_run_wait(struct pf_run *r, int timeout_ms);
/* Asks the run to stop: what was read is finished, the result is marked incomplete. */
void pf_run_stop(struct pf_run *r, int signal_number);
void pf_run_progress(const struct pf_run *r, struct pf_progress *out);
/* Valid from PF_END to pf_run_free. */
const struct pf_summary *pf_run_summary(const struct pf_run *r);
/*
 * PF_RUN_HANDSHAKES, PF_RUN_SECRETS: from PF_END of pf_run_wait on, the next text (whole lines) in
 * the order of the flows, borrowed until the next call. PF_END behind the last.
 */
PF_MUST_USE enum pf_status pf_run_next_line(struct pf_run *r, const char **text, size_t *len,
                                            struct pf_error *err);
void pf_run_free(struct pf_run *r);

/* Reading a result. */

enum pf_side { PF_SIDE_C2S = 0, PF_SIDE_S2C = 1, PF_SIDE_BOTH = 2 };

struct pf_result;
struct pf_plain;

/* One flow. Strings are borrowed until the next call on the result; NULL where the line has null.
 */
struct pf_flow {
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
        uint64_t missing_records; /* or PF_COUNT_UNKNOWN */
        uint64_t missing_bytes;   /* or PF_COUNT_UNKNOWN */
        uint64_t clear_bytes;     /* kept from before TLS began */
    } dir[2];                     /* PF_SIDE_C2S, PF_SIDE_S2C */
    const char *json;             /* the line of flows.jsonl, without its end */
    size_t json_len;
};

/* One record's plaintext, or (gap) the place where some is missing. Borrowed until the next call.
 */
struct pf_piece {
    enum pf_side side;
    bool gap;
    bool clear;      /* never encrypted, from before TLS began; only when asked for */
    uint8_t type;    /* TLS content type */
    uint64_t offset; /* in the direction's plaintext */
    const uint8_t *data;
    size_t len;
    uint64_t packet; /* that completed the record; of a gap: the first after it */
    int64_t ts_ns;
    uint64_t seq;
    uint64_t packet_before; /* of a gap: the last before it; 0: none */
    uint64_t lost_records;  /* of a gap; or PF_COUNT_UNKNOWN */
    uint64_t lost_bytes;    /* of a gap; or PF_COUNT_UNKNOWN */
};

PF_MUST_USE enum pf_status pf_result_open(const char *dir, struct pf_result **out,
                                          struct pf_error *err);
void pf_result_close(struct pf_result *r);
uint64_t pf_result_flows(const struct pf_result *r);
/* False when the run was stopped or died; *why (may be NULL) is a text until pf_result_close. */
bool pf_result_complete(const struct pf_result *r, const char **why);
/* Flow number 1 to pf_result_flows; PF_END beyond. */
PF_MUST_USE enum pf_status pf_result_flow(struct pf_result *r, uint64_t number, struct pf_flow *out,
                                          struct pf_error *err);

/* Plaintext of a direction at offset: *got bytes, fewer than len only at the end. */
PF_MUST_USE enum pf_status pf_result_read(struct pf_result *r, uint64_t number, enum pf_side side,
                                          uint64_t offset, void *buf, size_t len, size_t *got,
                                          struct pf_error *err);

/*
 * A flow's records in stream order, with PF_SIDE_BOTH in capture order (packet, then c2s first).
 * The result must outlive it. PF_END after the last.
 */
PF_MUST_USE enum pf_status pf_plain_open(struct pf_result *r, uint64_t number, enum pf_side side,
                                         struct pf_plain **out, struct pf_error *err);
/* Before the first pf_plain_next: what was captured in the clear before TLS began is wanted, too.
 */
void pf_plain_want_clear(struct pf_plain *p);
PF_MUST_USE enum pf_status pf_plain_next(struct pf_plain *p, struct pf_piece *out,
                                         struct pf_error *err);
void pf_plain_close(struct pf_plain *p);

/*
 * Checks a result against its manifest and itself. PF_OK: sound and complete. PF_ERR_MALFORMED: the
 * first *count of found[max] say what is wrong with which file. Others: could not be checked.
 */
PF_MUST_USE enum pf_status pf_result_verify(const char *dir, struct pf_error *found, size_t max,
                                            size_t *count, struct pf_error *err);

#endif
