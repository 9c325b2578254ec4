// SPDX-License-Identifier: Apache-2.0
/*
 * Runs that are opened elsewhere, later, in any order: a run is a function of (keys, first sequence
 * number, ciphertext), so its buffer is given away and the connection goes on behind it. Should one
 * not open to its end, all of them come back and are opened in place, where the rest is decided.
 */
#include "tls/half.h"

#include "tls/handover.h"

#include <string.h>

void pf_detached_run_init(struct pf_detached_run *run, const struct pf_conn_env *env)
{
    memset(run, 0, sizeof *run);
    pf_buf_init(&run->bytes, env->held_max, env->budget);
    pf_buf_init(&run->records, PF_RUN_RECORDS * sizeof(struct pf_run_record), env->budget);
}

void pf_detached_run_fini(struct pf_detached_run *run)
{
    pf_buf_fini(&run->bytes);
    pf_buf_fini(&run->records);
    pf_wipe(&run->keys, sizeof run->keys);
}

static const struct pf_run_record *records_of(const struct pf_detached_run *run)
{
    return (const struct pf_run_record *)(const void *)run->records.ptr;
}

struct pf_record_run pf_detached_run_view(struct pf_detached_run *run)
{
    return (struct pf_record_run){
        .keys = &run->keys,
        .chain = &run->chain,
        .bytes = run->bytes.ptr + run->start,
        .records = records_of(run),
        .count = run->count,
        .first_seq = run->first_seq,
    };
}

enum pf_status pf_conn_detach(struct pf_conn *c, const struct pf_work *work,
                              struct pf_detached_run *run)
{
    struct pf_half *h = &c->half[work->dir];
    if (!h->proved || pf_copies_any(h) || pf_chain_is_sequential(&h->chain) ||
        h->framed <= h->sync_until) {
        return PF_AGAIN;
    }
    uint64_t pos = pf_stream_at(&h->in);
    size_t count = work->run.count;
    const struct pf_run_record *last = &work->run.records[count - 1];
    struct pf_span body = {work->run.bytes + last->offset, last->body_len};
    run->bytes.len = 0;
    run->records.len = 0;
    run->chain = h->chain;
    pf_protect_learn(h, last, work->run.bytes, h->seq + count - 1);
    pf_chain_pass(&h->chain, &h->keys, body);
    enum pf_status st = pf_stream_detach(&h->in, h->framed, &run->bytes, &run->start);
    if (st != PF_OK) {
        h->chain = run->chain;
        return st == PF_ERR_LIMIT ? PF_AGAIN : st;
    }
    struct pf_buf records = h->run;
    h->run = run->records;
    run->records = records;
    run->keys = h->keys;
    run->first_seq = h->seq;
    run->pos = pos;
    run->count = count;
    h->seq += count;
    h->detached++;
    return PF_OK;
}

void pf_conn_attach(struct pf_conn *c, enum pf_dir dir, const struct pf_run_result *result)
{
    struct pf_half *h = &c->half[dir];
    pf_half_saw_inside(h, result);
    h->detached--;
    h->opened_any = true;
    if (h->detached == 0) {
        pf_copies_verified(h, pf_stream_at(&h->in));
    }
}

/* Puts a run's bytes from record `from` on back in front of the stream. */
static enum pf_status unread(struct pf_half *h, const struct pf_detached_run *run, size_t from)
{
    static const size_t header = PF_RECORD_HEADER_LEN;
    const struct pf_run_record *r = records_of(run);
    struct pf_mark marks[PF_RUN_RECORDS];
    size_t begin = r[from].offset - header;
    size_t end = begin;
    for (size_t i = from; i < run->count; i++) {
        end = (size_t)r[i].offset + r[i].body_len;
        marks[i - from] =
            (struct pf_mark){.end = run->pos + end, .packet = r[i].packet, .ts_ns = r[i].ts_ns};
    }
    struct pf_span bytes = {run->bytes.ptr + run->start + begin, end - begin};
    return pf_stream_unread(&h->in, bytes, marks, run->count - from);
}

enum pf_status pf_conn_take_back(struct pf_conn *c, enum pf_dir dir,
                                 struct pf_detached_run *const *runs, size_t count, size_t consumed)
{
    struct pf_half *h = &c->half[dir];
    h->detached = 0;
    if (h->stage == PF_STAGE_DEAD) {
        return PF_OK; /* given up meanwhile */
    }
    h->sync_until = h->framed;
    enum pf_status st = PF_OK;
    for (size_t i = count; i-- > 0 && st == PF_OK;) {
        st = unread(h, runs[i], i == 0 ? consumed : 0);
    }
    h->run.len = 0;
    h->framed = pf_stream_at(&h->in);
    h->seq = runs[0]->first_seq + consumed;
    pf_copies_verified(h, h->framed);
    h->chain = runs[0]->chain; /* behind the last record that was opened, or tried */
    return st;
}

bool pf_conn_is_held_up(const struct pf_conn *c, enum pf_dir dir)
{
    const struct pf_half *h = &c->half[dir];
    struct pf_frame next;
    return h->detached > 0 && pf_stream_frame(&h->in, h->framed, &next) != PF_FRAME_MORE;
}
