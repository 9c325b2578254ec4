// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one flow that is, or may be, TLS: packets in; reassembled, decrypted, written.
 * Owns:    both directions' reassembly, the connection, its place in the store.
 * Threads: the worker's.
 * Errors:  run-scoped ones come back (output failed, out of memory); everything else ends up in the
 *          flow's line.
 * Limits:  the worker's budget.
 *
 *     packet → reasm[side] → conn → run → open → pack → chunks
 *                              └ gap, unwrap, session
 *
 * A flow begins undecided: its first segments are held until one of them tells what it is.
 */
#ifndef PF_RUN_TLSFLOW_H
#define PF_RUN_TLSFLOW_H

#include "base/budget.h"
#include "base/heap.h"
#include "base/pkt.h"
#include "base/status.h"
#include "flow/reasm.h"
#include "flow/table.h"
#include "run/board.h"
#include "run/clear.h"
#include "run/config.h"
#include "run/lines.h"
#include "store/chunks.h"
#include "store/digest.h"
#include "store/flows.h"
#include "store/pack.h"
#include "tls/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* What a worker's flows share. */
struct pf_elsewhere;

struct pf_tls_flow_env {
    struct pf_conn_env conn;
    struct pf_reasm_env reasm;
    struct pf_budget budget;
    struct pf_heap heap; /* the budget's */
    struct pf_unwrapper *unwrapper;
    struct pf_elsewhere *elsewhere; /* work for idle workers */
    struct pf_packer *packer;
    struct pf_chunks *chunks;
    struct pf_flows *flows;
    enum pf_task task;
    bool json;
    struct pf_lines *lines;       /* in the modes without a result */
    struct pf_flow_totals totals; /* then, too */
    struct pf_board_line *line;
    uint8_t *plain; /* one run's plaintext */
    size_t plain_cap;
    struct pf_opened opened[PF_RUN_RECORDS];
    struct pf_record_entry entries[PF_RUN_RECORDS];
    bool sha256;
    uint64_t trials;     /* of searches behind gaps */
    uint64_t limits;     /* flows that were given up for memory */
    uint64_t *key_flows; /* flows opened, per key of the ring */
    struct pf_error *err;
};

enum pf_tls_flow_is {
    PF_FLOW_UNDECIDED,
    PF_FLOW_CLEAR, /* begins with what often turns to TLS: see run/clear.h */
    PF_FLOW_TLS,
    PF_FLOW_DGRAM, /* UDP: see run/dgramflow.h */
    PF_FLOW_OTHER  /* not TLS: the caller frees it */
};

struct pf_job;

struct pf_tls_flow {
    struct pf_reasm reasm[2];          /* by side of the key */
    struct pf_conn *conn;              /* once it is TLS */
    uint64_t client_packet;            /* parked: the flow's place in the order of waiting */
    uint64_t wait_packet;              /* parked: what every worker has to pass */
    struct pf_tls_flow *parked_before; /* in the worker's list of them, if listed */
    struct pf_tls_flow *parked_after;
    struct pf_flow_key key;
    uint64_t first_packet;
    uint64_t packets;
    uint64_t payload; /* TCP payload bytes, as often as they were sent */
    int64_t first_ts_ns;
    int64_t last_ts_ns;
    struct pf_flow_ref ref;
    struct {
        struct pf_job *head; /* runs that are opened elsewhere, in the order of the stream */
        struct pf_job *tail;
    } jobs[2];
    struct pf_job *unwrap;       /* its pre-master secret is being unwrapped; else NULL */
    uint64_t at;                 /* the packet that the run has come to with this flow */
    struct pf_dgram_flow *dgram; /* of PF_FLOW_DGRAM */
    struct pf_clear *clear;      /* while TLS has not begun on both sides */
    struct pf_buf gaps[2];       /* struct pf_flow_gap[], by direction */
    struct pf_digest *digest[2]; /* with sha256, once there is plaintext */
    uint32_t clear_bytes[2];     /* that were written, by direction */
    uint32_t seek_from;
    uint8_t is;     /* enum pf_tls_flow_is */
    uint8_t client; /* side that is the client */
    uint8_t seek_side;
    uint8_t starttls; /* enum pf_starttls: what TLS began behind */
    bool ssl2;
    bool late;   /* something else came before it in this connection, and was not kept */
    bool parked; /* waits: for another flow's session, or for `unwrap` */
    bool listed;
    bool ending;   /* no more packets: what is left is being brought out */
    bool given_up; /* for want of memory */
    bool front;    /* a hello was seen, but not yet what stands in front of it */
    bool seek;     /* TLS is to be looked for on seek_side, from seek_from on */
};

/* flow: as tracked by its first packet. PF_ERR_LIMIT: no memory in the budget. */
PF_MUST_USE enum pf_status pf_tls_flow_new(struct pf_tls_flow_env *env, const struct pf_flow *flow,
                                           struct pf_tls_flow **out);

/* One packet of this connection. Afterwards t->is may be PF_FLOW_OTHER. */
PF_MUST_USE enum pf_status pf_tls_flow_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                              const struct pf_flow *flow, const struct pf_pkt *pkt);

/* Both sides have ended and everything up to their FIN was delivered. */
bool pf_tls_flow_is_complete(const struct pf_tls_flow *t);

/*
 * Brings out what is left and writes the flow's line. PF_BLOCKED: it is parked; the caller waits
 * until that is settled, calls pf_tls_flow_resume and then this again.
 */
PF_MUST_USE enum pf_status pf_tls_flow_end(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                           const struct pf_flow *flow);

/* Before pf_tls_flow_end, for want of memory: it does not wait any longer, and says so. */
PF_MUST_USE enum pf_status pf_tls_flow_give_up(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                               const struct pf_flow *flow);

/* A parked flow's wait is over (last), or may be. With t->unwrap it is waited for. */
PF_MUST_USE enum pf_status pf_tls_flow_resume(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                              bool last);

/* Hands out the plaintext of whole records although it is little, to give memory back. */
PF_MUST_USE enum pf_status pf_tls_flow_relieve(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Everything the connection has to do now. */
PF_MUST_USE enum pf_status pf_tls_flow_drive(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Writes what was opened of a run. */
PF_MUST_USE enum pf_status pf_tls_flow_write(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                             enum pf_dir dir, struct pf_span packed,
                                             const struct pf_opened *opened,
                                             const struct pf_run_result *result);

/* Fetches early what a packet of this side will touch; first the flow, then what it points to. */
static inline void pf_tls_flow_prefetch(const struct pf_tls_flow *t, int side)
{
    const char *r = (const char *)&t->reasm[side];
    __builtin_prefetch(r);
    __builtin_prefetch(r + 64);
    __builtin_prefetch(r + 128);
    __builtin_prefetch(&t->conn);
    __builtin_prefetch(&t->packets);
    __builtin_prefetch(&t->is);
}

static inline void pf_tls_flow_prefetch_conn(const struct pf_tls_flow *t, int side)
{
    if (t->conn != NULL) {
        pf_conn_prefetch(t->conn, side == t->client ? PF_C2S : PF_S2C);
    }
}

static inline void pf_tls_flow_prefetch_bytes(const struct pf_tls_flow *t, int side)
{
    if (t->conn != NULL) {
        pf_conn_prefetch_bytes(t->conn, side == t->client ? PF_C2S : PF_S2C);
    }
}

void pf_tls_flow_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Could this be where TLS begins, or will be looked for, in a flow that began otherwise? */
bool pf_tls_flow_begins(const struct pf_flow *flow, const struct pf_pkt *pkt);

/* The first bytes of a flow, and they are not TLS, nor what turns to it later. */
bool pf_tls_flow_is_other(const struct pf_flow *flow, const struct pf_pkt *pkt);

/* ---- for run/clear.c ---- */

/* Makes the connection: it is TLS, and t->client is known. */
PF_MUST_USE enum pf_status pf_tls_flow_connect(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* Gives a piece of TLS to the connection and does all that it then has to do. */
PF_MUST_USE enum pf_status pf_tls_flow_feed(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                            int side, const struct pf_piece *p);

#endif
