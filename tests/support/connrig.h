// SPDX-License-Identifier: Apache-2.0
/*
 * What:    drives a struct pf_conn as a worker does, and keeps what came out.
 * Owns:    the machinery of one worker, and the plaintext.
 * Threads: -
 * Errors:  abort(), also when pf_conn_next does not come to an end.
 * Limits:  512 KiB of plaintext per direction.
 */
#ifndef PF_TESTS_CONNRIG_H
#define PF_TESTS_CONNRIG_H

#include "tls/conn.h"
#include "tls/keylog.h"
#include "tls/keyring.h"
#include "tls/unwrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RIG_PLAIN = 1 << 19, RIG_OUT = 1 << 18, RIG_STEPS = 200000 };

struct rig {
    struct pf_budget budget;
    struct pf_conn_env env;
    struct pf_keyring *ring;
    struct pf_keylog *log;
    struct pf_unwrapper *unwrapper;
    struct pf_conn *conn;
    uint64_t packet;
    size_t fed[2];
    uint8_t plain[2][RIG_PLAIN];
    size_t plain_len[2];
    size_t gaps[2];
    uint64_t lost_records[2];
    unsigned unwraps;
    unsigned sessions;
    bool hold_sessions; /* do not answer "nobody can bring it" */
    struct pf_opened opened[PF_RUN_RECORDS];
    uint8_t out[RIG_OUT];
};

static inline void rig_check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "rig: %s\n", what);
        abort();
    }
}

/* sessions may be NULL. The key ring and the key log are filled by the caller, before rig_begin. */
static inline struct rig *rig_new(struct pf_sessions *sessions)
{
    struct rig *r = calloc(1, sizeof *r);
    rig_check(r != NULL, "calloc");
    r->budget.limit = 64 << 20;
    rig_check(pf_kdf_new(&r->env.kdf) == PF_OK && pf_crypt_new(&r->env.crypt, NULL) == PF_OK &&
                  pf_keyring_new(&r->ring) == PF_OK && pf_keylog_new(1 << 20, &r->log) == PF_OK,
              "new");
    r->env.budget = &r->budget;
    r->env.run_bytes = 65536;
    r->env.held_max = 1 << 20;
    r->env.secrets.keyring = r->ring;
    r->env.secrets.keylog = r->log;
    r->env.secrets.sessions = sessions;
    r->packet = 1;
    return r;
}

static inline void rig_begin(struct rig *r)
{
    const struct pf_server server = {.addr = {192, 0, 2, 1}, .port = 443, .family = 4};
    pf_keylog_freeze(r->log);
    rig_check(r->unwrapper != NULL || pf_unwrapper_new(r->ring, &r->unwrapper) == PF_OK,
              "unwrapper");
    memset(r->fed, 0, sizeof r->fed);
    memset(r->plain_len, 0, sizeof r->plain_len);
    memset(r->gaps, 0, sizeof r->gaps);
    memset(r->lost_records, 0, sizeof r->lost_records);
    rig_check(pf_conn_new(&r->env, &server, &r->conn) == PF_OK, "pf_conn_new");
}

/* The connection's memory must be back in the budget, all of it. */
static inline void rig_end(struct rig *r)
{
    pf_conn_free(r->conn);
    r->conn = NULL;
    rig_check(r->budget.used == 0, "memory was not given back");
}

static inline void rig_free(struct rig *r)
{
    rig_end(r);
    pf_unwrapper_free(r->unwrapper);
    pf_keyring_free(r->ring);
    pf_keylog_free(r->log);
    pf_kdf_free(r->env.kdf);
    pf_crypt_free(r->env.crypt);
    free(r);
}

static inline void rig_run(struct rig *r, const struct pf_work *work)
{
    struct pf_run_result result;
    pf_run_open(r->env.crypt, &work->run, r->out, sizeof r->out, r->opened, &result);
    rig_check(result.plain_len <= RIG_PLAIN - r->plain_len[work->dir], "too much plaintext");
    if (result.plain_len > 0) {
        memcpy(r->plain[work->dir] + r->plain_len[work->dir], r->out, result.plain_len);
    }
    r->plain_len[work->dir] += result.plain_len;
    rig_check(pf_conn_run_done(r->conn, work, &result) == PF_OK, "pf_conn_run_done");
}

static inline void rig_unwrap(struct rig *r, const struct pf_work *work)
{
    uint8_t pre_master[PF_MASTER_LEN];
    enum pf_status st =
        pf_unwrap(r->unwrapper, work->unwrap.key, work->unwrap.encrypted, pre_master);
    rig_check(st == PF_OK || st == PF_ERR_NOKEY, "pf_unwrap");
    r->unwraps++;
    rig_check(pf_conn_unwrapped(r->conn, st == PF_OK ? pre_master : NULL) == PF_OK,
              "pf_conn_unwrapped");
}

static inline void rig_session(struct rig *r)
{
    r->sessions++;
    enum pf_status st = pf_conn_session_answer(r->conn, false);
    if (st == PF_AGAIN && !r->hold_sessions) {
        st = pf_conn_session_answer(r->conn, true);
    }
    rig_check(st == PF_OK || (st == PF_AGAIN && r->hold_sessions), "pf_conn_session_answer");
}

static inline void rig_drive(struct rig *r)
{
    struct pf_work work;
    enum pf_status st;
    for (int steps = 0; (st = pf_conn_next(r->conn, &work)) == PF_OK; steps++) {
        rig_check(steps < RIG_STEPS, "pf_conn_next does not come to an end");
        switch (work.kind) {
        case PF_WORK_RUN:
            rig_run(r, &work);
            break;
        case PF_WORK_GAP:
            r->gaps[work.dir]++;
            r->lost_records[work.dir] += work.lost.records;
            break;
        case PF_WORK_UNWRAP:
            rig_unwrap(r, &work);
            break;
        case PF_WORK_SESSION:
            rig_session(r);
            break;
        case PF_WORK_NONE:
            rig_check(0, "PF_OK without work");
            break;
        }
    }
    rig_check(st == PF_AGAIN, pf_status_text(st));
}

static inline void rig_feed(struct rig *r, enum pf_dir dir, const uint8_t *data, size_t len)
{
    pf_conn_at(r->conn, r->packet);
    rig_check(pf_conn_feed(r->conn, dir, (struct pf_span){data, len}, r->packet,
                           (int64_t)r->packet) == PF_OK,
              "pf_conn_feed");
    r->packet++;
    r->fed[dir] += len;
    rig_drive(r);
}

static inline void rig_gap(struct rig *r, enum pf_dir dir, uint64_t lost)
{
    pf_conn_at(r->conn, r->packet);
    rig_check(pf_conn_gap(r->conn, dir, lost, r->packet) == PF_OK, "pf_conn_gap");
    rig_drive(r);
}

static inline void rig_finish(struct rig *r, struct pf_conn_report *report)
{
    pf_conn_at(r->conn, UINT64_MAX);
    pf_conn_finish(r->conn);
    rig_drive(r);
    pf_conn_report(r->conn, report);
}

#endif
