// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one TLS connection as a passive reader sees it: bytes and gaps of both directions in,
 *          runs of records to open and slow work to do out. No I/O inside.
 * Owns:    both directions' held bytes, the handshakes' facts, the traffic keys.
 * Threads: one owner (a worker) at a time. The environment is the worker's.
 * Errors:  only run-scoped ones (PF_ERR_NOMEM, PF_ERR_INTERNAL) come back; everything that is wrong
 *          with the connection ends up in its report.
 * Limits:  held bytes are capped per direction and by the worker's budget; what is given up there
 * is reported as limit_reached.
 *
 *     feed / gap  →  next, as long as it has something:
 *                      PF_WORK_RUN      open it (openrun.h), write the plaintext, then run_done
 *                      PF_WORK_GAP      note it
 *                      PF_WORK_UNWRAP   do the RSA operation, then unwrapped
 *                      PF_WORK_SESSION  look up or wait, then session_answer
 *     finish      →  next as above, then report
 *
 * Facts, not states: each direction is read as far as it can be. A direction that needs a fact of
 * the other one stays where it is, its bytes held, until the fact has come.
 */
#ifndef PF_TLS_CONN_H
#define PF_TLS_CONN_H

#include "base/budget.h"
#include "base/pkt.h"
#include "base/status.h"
#include "base/verdict.h"
#include "tls/certcache.h"
#include "tls/copies.h"
#include "tls/openrun.h"
#include "tls/secrets.h"
#include "tls/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_conn;

/* One worker's shared machinery. All borrowed. */
struct pf_conn_env {
    struct pf_secret_sources secrets;
    struct pf_kdf *kdf;
    struct pf_crypt *crypt;
    struct pf_cert_cache *certs; /* may be NULL */
    struct pf_budget *budget;
    bool keep_secrets; /* see pf_conn_secrets */
    size_t run_bytes;  /* a run is handed out when it has this many bytes of ciphertext */
    size_t held_max;   /* bytes that one direction may hold */
};

enum pf_work_kind { PF_WORK_NONE, PF_WORK_RUN, PF_WORK_GAP, PF_WORK_UNWRAP, PF_WORK_SESSION };

/* Records that are missing between two that were opened, or at the end. */
struct pf_lost {
    uint64_t records; /* UINT64_MAX: not known */
    uint64_t bytes;   /* of plaintext; UINT64_MAX: not known */
    uint64_t cipher_bytes;
    uint64_t packet_before;
    uint64_t packet_after;
};

struct pf_work {
    enum pf_work_kind kind;
    enum pf_dir dir;
    struct pf_record_run run;        /* PF_WORK_RUN */
    struct pf_lost lost;             /* PF_WORK_GAP */
    struct pf_unwrap_request unwrap; /* PF_WORK_UNWRAP */
    uint64_t session_packet; /* PF_WORK_SESSION: the answer is final once all have passed it */
    uint64_t client_packet;  /* PF_WORK_SESSION, PF_WORK_UNWRAP: of the ClientHello */
};

/* server: the end that the client's first packet goes to. */
PF_MUST_USE enum pf_status pf_conn_new(const struct pf_conn_env *env,
                                       const struct pf_server *server, struct pf_conn **out);
void pf_conn_free(struct pf_conn *c);

/*
 * From now on bytes are fed because of this packet, which may be later than the one that brought
 * them: they may have waited behind a hole. UINT64_MAX: because the flow has ended; what is learnt
 * then is told to no other flow. Never goes back.
 */
void pf_conn_at(struct pf_conn *c, uint64_t packet);

/*
 * The handshake is kept for the report (tls/watch.h), and reading goes no further than the proof of
 * the keys. Before anything is fed.
 */
PF_MUST_USE enum pf_status pf_conn_watch(struct pf_conn *c);

/* Names the flow, by its first packet, to those that resume its session. */
void pf_conn_name(struct pf_conn *c, uint64_t first_packet);

/* In-order bytes of a direction, which packet brought them and when. Copied. */
PF_MUST_USE enum pf_status pf_conn_feed(struct pf_conn *c, enum pf_dir dir, struct pf_span data,
                                        uint64_t packet, int64_t ts_ns);

/* lost bytes are missing here; packet: the first behind them (0: the stream ends). */
PF_MUST_USE enum pf_status pf_conn_gap(struct pf_conn *c, enum pf_dir dir, uint64_t lost,
                                       uint64_t packet);

/* Bytes that were fed have come again, or come otherwise. They are behind the last gap. */
PF_MUST_USE enum pf_status pf_conn_other(struct pf_conn *c, enum pf_dir dir,
                                         const struct pf_copy_of *copy);

/* No more bytes will come: what waits for a fact stops waiting, runs are handed out as they are. */
void pf_conn_finish(struct pf_conn *c);

/* As finish, because the memory is needed elsewhere: the report says so. */
void pf_conn_give_up(struct pf_conn *c);

/* Hands out what is held although it is little, to give memory back. */
void pf_conn_flush(struct pf_conn *c);

/* Instead of answering PF_WORK_UNWRAP now: there is nothing to do until it is answered. */
void pf_conn_wait(struct pf_conn *c);

/* PF_OK: *work is to be done and answered before the next call. PF_AGAIN: nothing to do now. */
PF_MUST_USE enum pf_status pf_conn_next(struct pf_conn *c, struct pf_work *work);

PF_MUST_USE enum pf_status pf_conn_run_done(struct pf_conn *c, const struct pf_work *work,
                                            const struct pf_run_result *result);

/*
 * A run that is opened elsewhere while the connection goes on. Its owner keeps the runs of a
 * direction in order and brings their results back in that order.
 */
struct pf_detached_run {
    struct pf_buf bytes;   /* the run lies from `start` on */
    struct pf_buf records; /* struct pf_run_record[] */
    struct pf_keys keys;
    struct pf_chain chain;
    uint64_t first_seq;
    uint64_t pos; /* of the first record in its stream */
    size_t start;
    size_t count;
};

/* run is empty before its first use, and after it: bytes and records of the connection's budget. */
void pf_detached_run_init(struct pf_detached_run *run, const struct pf_conn_env *env);
void pf_detached_run_fini(struct pf_detached_run *run);

/* What pf_run_open wants; borrows run. */
struct pf_record_run pf_detached_run_view(struct pf_detached_run *run);

/* Instead of opening work->run now. PF_AGAIN: this run cannot be detached. */
PF_MUST_USE enum pf_status pf_conn_detach(struct pf_conn *c, const struct pf_work *work,
                                          struct pf_detached_run *run);

/* The direction's oldest detached run was opened, all of it. */
void pf_conn_attach(struct pf_conn *c, enum pf_dir dir, const struct pf_run_result *result);

/* The oldest was opened only up to `consumed` records: all detached runs of the direction come
 * back, and are handed out again. */
PF_MUST_USE enum pf_status pf_conn_take_back(struct pf_conn *c, enum pf_dir dir,
                                             struct pf_detached_run *const *runs, size_t count,
                                             size_t consumed);

/* What comes next in the direction cannot be read before all its detached runs are back. */
bool pf_conn_is_held_up(const struct pf_conn *c, enum pf_dir dir);

/* pre_master: 48 bytes, or NULL when the key did not fit. */
PF_MUST_USE enum pf_status pf_conn_unwrapped(struct pf_conn *c, const uint8_t *pre_master);

/* Looks the session up. last: nobody can bring it any more. PF_AGAIN: not there yet, ask again. */
PF_MUST_USE enum pf_status pf_conn_session_answer(struct pf_conn *c, bool last);

/*
 * With keep_secrets. A run whose plaintext nobody wants, because its keys are proved: *result is as
 * if it had been opened, for pf_conn_run_done. False: it has to be opened.
 */
PF_MUST_USE bool pf_conn_pass_run(struct pf_conn *c, const struct pf_work *work,
                                  struct pf_run_result *result);

/*
 * With keep_secrets: appends the key log lines of the secrets that opened a record: of the older
 * versions for each handshake, with those that serve resumed sessions; of TLS 1.3 by label. What
 * does not fit is left out, and PF_ERR_LIMIT says so. Valid after finish and the last next.
 */
PF_MUST_USE enum pf_status pf_conn_secrets(const struct pf_conn *c, struct pf_buf *out);

/* Fetches early what the next bytes of this direction will touch. */
void pf_conn_prefetch(const struct pf_conn *c, enum pf_dir dir);

/* A little later: the bytes of it that are held. */
void pf_conn_prefetch_bytes(const struct pf_conn *c, enum pf_dir dir);

/* A little before pf_conn_free. */
void pf_conn_prefetch_free(const struct pf_conn *c);

/* True while nothing can go on before slow work or another flow has answered. */
bool pf_conn_is_waiting(const struct pf_conn *c);

/* True once nothing that is fed could still be opened: the caller may stop feeding. */
bool pf_conn_is_dead(const struct pf_conn *c);

/* True once there is no secret that would open what comes. */
bool pf_conn_is_locked(const struct pf_conn *c);

struct pf_conn_dir_report {
    uint64_t missing_records; /* UINT64_MAX: not known */
    uint64_t missing_bytes;
    uint64_t conflicts;                 /* packets that were not true, or may not have been */
    const struct pf_conflict *conflict; /* the first of them, in order */
    size_t conflict_count;
};

enum { PF_DETAIL_MAX = 640 };

/* All borrowed from the connection, or from the report itself, which stays where it was filled. */
struct pf_conn_report {
    const char *version; /* NULL: not known */
    uint16_t version_code;
    const char *cipher;
    struct pf_span server_name; /* ptr NULL: none */
    struct pf_span next_protocol;
    const uint8_t *client_random;
    const uint8_t *server_random;
    struct pf_span session_id;
    bool resumed_known;
    bool resumed;
    const uint8_t *cert_spki;
    const char *cert_subject;
    const uint8_t *key_spki;
    const struct pf_suite *suite;
    uint64_t origin_packet; /* resumed: names the flow with the full handshake; 0: not known */
    const struct pf_watch *watch; /* NULL: it was not watched */
    enum pf_opened_by opened_by;
    enum pf_flow_status status;
    enum pf_reason reason;
    const char *detail; /* NULL when there is nothing to say */
    struct pf_conn_dir_report dir[2];
    uint64_t trials; /* of numbers and keys, where something was lost */
    struct pf_cert cert;
    char text[PF_DETAIL_MAX]; /* what detail points to, if it is no constant */
};

/* The verdict. Valid after finish and the last next, until pf_conn_free. */
void pf_conn_report(struct pf_conn *c, struct pf_conn_report *out);

#endif
