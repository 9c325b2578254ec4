// SPDX-License-Identifier: Apache-2.0
#include "run/tlsflow.h"

#include "run/answers.h"
#include "run/decide.h"
#include "run/dgramflow.h"
#include "run/elsewhere.h"
#include "run/starttls.h"
#include "tls/hsmsg.h"

#include <string.h>

/* The packet has the first bytes of its side. */
static bool is_first(const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    const struct pf_flow_side *side = &flow->side[pkt->side];
    uint32_t seq = pkt->seq + ((pkt->flags & PF_TCP_SYN) != 0 ? 1 : 0);
    return (side->seen & PF_SIDE_SYN) != 0 && seq == side->isn + 1;
}

bool pf_tls_flow_begins(const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    struct pf_span payload = {pkt->data, pkt->len};
    enum pf_starttls protocol;
    enum pf_looks looks = pf_hs_looks_like(payload);
    return looks == PF_LOOKS_CLIENT_HELLO || looks == PF_LOOKS_SERVER_HELLO ||
           (is_first(flow, pkt) && pf_starttls_begins(payload, &protocol) == PF_BEGINS_YES);
}

bool pf_tls_flow_is_other(const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    struct pf_span payload = {pkt->data, pkt->len};
    enum pf_starttls protocol;
    return is_first(flow, pkt) && pf_hs_looks_like(payload) == PF_LOOKS_OTHER &&
           pf_starttls_begins(payload, &protocol) == PF_BEGINS_NO;
}

enum pf_status pf_tls_flow_new(struct pf_tls_flow_env *env, const struct pf_flow *flow,
                               struct pf_tls_flow **out)
{
    void *block;
    enum pf_status st = pf_heap_zeroed(&env->budget, sizeof(struct pf_tls_flow), &block);
    if (st != PF_OK) {
        return st;
    }
    struct pf_tls_flow *t = block;
    for (int s = 0; s < 2; s++) {
        pf_reasm_init(&t->reasm[s], &env->reasm);
        pf_buf_init(&t->gaps[s], PF_GAPS_MAX * sizeof(struct pf_flow_gap), &env->budget);
    }
    t->key = flow->key;
    t->is = flow->key.proto == PF_KEY_UDP ? PF_FLOW_DGRAM : PF_FLOW_UNDECIDED;
    t->first_packet = flow->first_packet;
    t->packets = flow->packets - 1; /* the packet that made it is counted with the others */
    t->first_ts_ns = flow->first_ts_ns;
    t->last_ts_ns = flow->last_ts_ns;
    *out = t;
    return PF_OK;
}

void pf_tls_flow_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    if (t == NULL) {
        return;
    }
    pf_conn_free(t->conn);
    pf_clear_free(env, t);
    pf_dgram_flow_free(env, t);
    for (int s = 0; s < 2; s++) {
        pf_reasm_fini(&t->reasm[s]);
        pf_buf_fini(&t->gaps[s]);
        pf_digest_free(t->digest[s]);
    }
    pf_heap_put(&env->budget, t, sizeof *t);
}

static enum pf_status digest(struct pf_tls_flow *t, enum pf_dir dir, struct pf_span plain)
{
    if (t->digest[dir] == NULL) {
        enum pf_status st = pf_digest_new(&t->digest[dir]);
        if (st != PF_OK) {
            return st;
        }
    }
    return pf_digest_update(t->digest[dir], plain.ptr, plain.len);
}

enum pf_status pf_tls_flow_write(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                 enum pf_dir dir, struct pf_span packed,
                                 const struct pf_opened *opened, const struct pf_run_result *result)
{
    for (size_t i = 0; i < result->opened_count; i++) {
        const struct pf_opened *o = &opened[i];
        env->entries[i] = (struct pf_record_entry){
            .packet = o->packet, .ts_ns = o->ts_ns, .seq = o->seq, .len = o->len, .type = o->type};
    }
    pf_board_add(&env->line->plain, result->plain_len);
    return pf_chunks_append(env->chunks, &t->ref, dir, packed, result->plain_len, env->entries,
                            result->opened_count, env->err);
}

static enum pf_status write_run(struct pf_tls_flow_env *env, struct pf_tls_flow *t, enum pf_dir dir,
                                const struct pf_run_result *r)
{
    struct pf_span plain = {env->plain, r->plain_len};
    struct pf_span packed = {NULL, 0};
    size_t cap = pf_pack_bound(env->packer, plain.len);
    uint8_t *room;
    enum pf_status st = env->sha256 ? digest(t, dir, plain) : PF_OK;
    st = st == PF_OK ? pf_chunks_room(env->chunks, cap, &room, env->err) : st;
    if (st == PF_OK) {
        packed.ptr = room;
        st = pf_pack_to(env->packer, plain, room, cap, &packed.len);
    }
    return st == PF_OK ? pf_tls_flow_write(env, t, dir, packed, env->opened, r) : st;
}

static enum pf_status do_run(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                             const struct pf_work *work)
{
    struct pf_run_result r;
    if (pf_conn_pass_run(t->conn, work, &r)) {
        return pf_conn_run_done(t->conn, work, &r);
    }
    enum pf_status st = pf_elsewhere_run(env, t, work);
    if (st != PF_AGAIN) {
        return st;
    }
    pf_run_open(env->conn.crypt, &work->run, env->plain, env->plain_cap, env->opened, &r);
    if (r.opened_count > 0 && env->task == PF_TASK_DECRYPT) {
        st = write_run(env, t, work->dir, &r);
        if (st != PF_OK) {
            return st;
        }
    }
    return pf_conn_run_done(t->conn, work, &r);
}

static enum pf_status do_gap(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                             const struct pf_work *work)
{
    if (env->task != PF_TASK_DECRYPT) {
        return PF_OK;
    }
    const struct pf_lost *lost = &work->lost;
    const struct pf_gap_entry entry = {
        .records = lost->records,
        .bytes = lost->bytes,
        .cipher_bytes = lost->cipher_bytes,
        .packet_before = lost->packet_before,
        .packet_after = lost->packet_after,
    };
    const struct pf_flow_gap gap = {
        .offset = t->ref.dir[work->dir].bytes,
        .records = lost->records,
        .bytes = lost->bytes,
        .packet = lost->packet_after,
        .packet_before = lost->packet_before,
        .cipher_bytes = lost->cipher_bytes,
    };
    enum pf_status st = pf_chunks_gap(env->chunks, &t->ref, work->dir, &entry, env->err);
    if (st != PF_OK) {
        return st;
    }
    st = pf_buf_append(&t->gaps[work->dir], &gap, sizeof gap);
    return st == PF_ERR_LIMIT ? PF_OK : st; /* those behind are in the index, and in the sums */
}

static enum pf_status do_unwrap(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                const struct pf_work *work)
{
    uint8_t pre_master[PF_MASTER_LEN];
    enum pf_status st = pf_elsewhere_unwrap(env, t, work);
    if (st != PF_AGAIN) {
        return st;
    }
    st = pf_unwrap(env->unwrapper, work->unwrap.key, work->unwrap.encrypted, pre_master);
    bool fits = st == PF_OK;
    if (st == PF_OK || st == PF_ERR_NOKEY) {
        st = pf_conn_unwrapped(t->conn, fits ? pre_master : NULL);
    }
    pf_wipe(pre_master, sizeof pre_master);
    return st;
}

static enum pf_status do_session(struct pf_tls_flow *t, const struct pf_work *work)
{
    enum pf_status st = pf_conn_session_answer(t->conn, false);
    if (st == PF_AGAIN) {
        t->parked = true;
        t->wait_packet = work->session_packet;
        t->client_packet = work->client_packet;
        return PF_OK;
    }
    return st;
}

enum pf_status pf_tls_flow_drive(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    struct pf_work work;
    enum pf_status st;
    while ((st = pf_conn_next(t->conn, &work)) == PF_OK) {
        switch (work.kind) {
        case PF_WORK_RUN:
            st = do_run(env, t, &work);
            break;
        case PF_WORK_GAP:
            st = do_gap(env, t, &work);
            break;
        case PF_WORK_UNWRAP:
            st = do_unwrap(env, t, &work);
            break;
        case PF_WORK_SESSION:
            st = do_session(t, &work);
            break;
        case PF_WORK_NONE:
            st = PF_ERR_INTERNAL;
            break;
        }
        if (st != PF_OK) {
            return st;
        }
    }
    return st == PF_AGAIN ? PF_OK : st;
}

static enum pf_dir dir_of(const struct pf_tls_flow *t, int side)
{
    return side == t->client ? PF_C2S : PF_S2C;
}

static enum pf_status feed_piece(struct pf_conn *conn, enum pf_dir dir, const struct pf_piece *p)
{
    struct pf_span data = {p->data, (size_t)p->len};
    switch (p->kind) {
    case PF_PIECE_DATA:
        return pf_conn_feed(conn, dir, data, p->packet, p->ts_ns);
    case PF_PIECE_GAP:
        return pf_conn_gap(conn, dir, p->len, p->packet);
    case PF_PIECE_OTHER:
        break;
    }
    bool probe = (p->doubt & PF_DOUBT_PROBE) != 0;
    const struct pf_copy_of copy = {.behind = p->behind,
                                    .data = data,
                                    .packet = p->packet,
                                    .ts_ns = p->ts_ns,
                                    .doubt = p->doubt,
                                    .probe = probe};
    return pf_conn_other(conn, dir, &copy);
}

enum pf_status pf_tls_flow_feed(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                                const struct pf_piece *p)
{
    if (t->conn == NULL) {
        return PF_OK;
    }
    enum pf_status st = feed_piece(t->conn, dir_of(t, side), p);
    st = st == PF_OK ? pf_tls_flow_drive(env, t) : st;
    return st == PF_OK ? pf_elsewhere_catch_up(env, t, dir_of(t, side)) : st;
}

/* What has come into order on one side. */
static enum pf_status pump(struct pf_tls_flow_env *env, struct pf_tls_flow *t, int side,
                           uint64_t at)
{
    struct pf_piece p;
    enum pf_status st = PF_OK;
    t->at = at;
    if (t->conn != NULL) {
        pf_conn_at(t->conn, at);
    }
    while (st == PF_OK && (t->conn != NULL || t->is == PF_FLOW_CLEAR) &&
           pf_reasm_pop(&t->reasm[side], &p)) {
        st = pf_clear_keeps(t->clear, side) ? pf_clear_piece(env, t, side, &p)
                                            : pf_tls_flow_feed(env, t, side, &p);
    }
    return st;
}

enum pf_status pf_tls_flow_connect(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    int server_side = 1 - t->client;
    struct pf_server server = {.port = t->key.port[server_side], .family = t->key.family};
    memcpy(server.addr, t->key.addr[server_side], sizeof server.addr);
    pf_board_add(&env->line->flows, 1);
    enum pf_status st = pf_conn_new(&env->conn, &server, &t->conn);
    if (st == PF_OK) {
        pf_conn_at(t->conn, t->at);
        pf_conn_name(t->conn, t->first_packet);
    }
    if (st == PF_OK && env->task == PF_TASK_HANDSHAKES) {
        st = pf_conn_watch(t->conn);
    }
    return st == PF_ERR_LIMIT ? PF_OK : st; /* it is complete then, and its line says why */
}

/* Once it is clear that it is TLS, or turns to it: all that was held goes on. */
static enum pf_status begin(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                            const struct pf_flow *flow, const struct pf_pkt *pkt, uint64_t at)
{
    t->at = at;
    enum pf_status st =
        t->is == PF_FLOW_CLEAR ? pf_clear_begin(env, t, flow) : pf_tls_flow_connect(env, t);
    if (st == PF_OK && t->seek) {
        st = pf_clear_begin_side(env, t, t->seek_side, t->seek_from);
    }
    if (st == PF_OK && t->clear != NULL && pkt != NULL) {
        pf_clear_note(t, flow, pkt);
    }
    int first = t->client; /* which may turn out to be the other one meanwhile */
    for (int i = 0; i < 2 && st == PF_OK; i++) {
        st = pump(env, t, i == 0 ? first : 1 - first, at);
    }
    return st;
}

static enum pf_status clear_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                   const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    pf_clear_note(t, flow, pkt);
    pf_reasm_push(&t->reasm[pkt->side], pkt);
    enum pf_status st = pump(env, t, pkt->side, pkt->number);
    while (st == PF_OK && pf_clear_is_stuck(t, pkt->side)) {
        pf_reasm_skip(&t->reasm[pkt->side]);
        st = pump(env, t, pkt->side, pkt->number);
    }
    return st == PF_OK ? pf_clear_packet(env, t) : st;
}

static bool is_decided(const struct pf_tls_flow *t)
{
    return t->is == PF_FLOW_TLS || t->is == PF_FLOW_CLEAR;
}

static enum pf_status undecided_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                       const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    struct pf_reasm *r = &t->reasm[pkt->side];
    if (pf_reasm_unanchored_full(r)) {
        pf_decide(t, flow, NULL, true);
    }
    struct pf_pkt p = *pkt;
    if (t->is == PF_FLOW_UNDECIDED && (p.flags & PF_TCP_SYN) != 0) {
        p.flags &= (uint8_t)~PF_TCP_SYN; /* it would anchor; its number is in flow->side */
        p.seq++;
    }
    if (t->is == PF_FLOW_UNDECIDED) {
        struct pf_piece none;
        pf_reasm_push(r, &p);
        if (pf_reasm_pop(r, &none)) {
            return PF_ERR_INTERNAL; /* nothing comes out before the anchor */
        }
        pf_decide(t, flow, &p, false);
        enum pf_status st = is_decided(t) ? begin(env, t, flow, pkt, pkt->number) : PF_OK;
        return st == PF_OK && t->clear != NULL ? pf_clear_packet(env, t) : st;
    }
    if (t->is == PF_FLOW_OTHER) {
        return PF_OK;
    }
    enum pf_status st = begin(env, t, flow, pkt, pkt->number);
    if (t->clear != NULL) {
        return st == PF_OK ? clear_packet(env, t, flow, pkt) : st;
    }
    pf_reasm_push(r, pkt);
    return st == PF_OK ? pump(env, t, pkt->side, pkt->number) : st;
}

static enum pf_status take_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                  const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    if (t->is == PF_FLOW_DGRAM) {
        return pf_dgram_flow_packet(env, t, pkt);
    }
    if (t->is == PF_FLOW_UNDECIDED) {
        return undecided_packet(env, t, flow, pkt);
    }
    if (t->clear != NULL) {
        return clear_packet(env, t, flow, pkt);
    }
    if (t->conn == NULL) {
        return PF_OK;
    }
    struct pf_reasm *r = &t->reasm[pkt->side];
    if (!r->anchored && pkt->len > 0) {
        enum pf_looks looks = pf_hs_looks_like((struct pf_span){pkt->data, pkt->len});
        if (looks == PF_LOOKS_CLIENT_HELLO || looks == PF_LOOKS_SERVER_HELLO) {
            pf_reasm_anchor(r, pkt->seq);
        }
    }
    pf_reasm_push(r, pkt);
    return pump(env, t, pkt->side, pkt->number);
}

enum pf_status pf_tls_flow_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                  const struct pf_flow *flow, const struct pf_pkt *pkt)
{
    t->packets++;
    t->payload += pkt->len + pkt->missing;
    t->last_ts_ns = pkt->ts_ns > t->last_ts_ns ? pkt->ts_ns : t->last_ts_ns;
    return take_packet(env, t, flow, pkt);
}

/* Neither waiting nor a missing key plays a part: a flow ends at the same packet in every run. */
bool pf_tls_flow_is_complete(const struct pf_tls_flow *t)
{
    return t->is == PF_FLOW_TLS && pf_reasm_is_complete(&t->reasm[0]) &&
           pf_reasm_is_complete(&t->reasm[1]);
}

static void fill_conflicts(const struct pf_conn_dir_report *report,
                           struct pf_flow_conflict list[PF_CONFLICTS_MAX],
                           struct pf_flow_dir_info *out)
{
    out->conflicts = report->conflicts;
    out->conflict = list;
    for (size_t i = 0; i < report->conflict_count && i < PF_CONFLICTS_MAX; i++) {
        const struct pf_conflict *one = &report->conflict[i];
        list[out->conflict_count++] = (struct pf_flow_conflict){
            .packet = one->packet, .true_packet = one->true_packet, .offset = one->offset};
    }
}

static void fill_dir(const struct pf_tls_flow *t, enum pf_dir dir,
                     const struct pf_conn_report *report, uint8_t sha256[PF_SHA256_LEN],
                     struct pf_flow_dir_info *out)
{
    out->missing_records = report->dir[dir].missing_records;
    out->missing_bytes = report->dir[dir].missing_bytes;
    out->clear_bytes = t->clear_bytes[dir];
    out->gaps = (const struct pf_flow_gap *)(const void *)t->gaps[dir].ptr;
    out->gap_count = t->gaps[dir].len / sizeof(struct pf_flow_gap);
    if (t->digest[dir] != NULL && pf_digest_value(t->digest[dir], sha256) == PF_OK) {
        out->sha256 = sha256;
    }
}

static enum pf_status write_line(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                                 const struct pf_conn_report *r)
{
    uint8_t sha256[2][PF_SHA256_LEN];
    struct pf_flow_conflict conflicts[2][PF_CONFLICTS_MAX];
    struct pf_flow_info info = {
        .key = t->key,
        .orig_side = t->client,
        .first_ns = t->first_ts_ns,
        .last_ns = t->last_ts_ns,
        .first_packet = t->first_packet,
        .packets = t->packets,
        .version = r->version,
        .cipher = r->cipher,
        .server_name = r->server_name,
        .next_protocol = r->next_protocol,
        .starttls = pf_starttls_name((enum pf_starttls)t->starttls),
        .client_random = r->client_random,
        .server_random = r->server_random,
        .session_id = r->session_id,
        .resumed = !r->resumed_known ? PF_NOT_KNOWN
                   : r->resumed      ? PF_YES
                                     : PF_NO,
        .cert_spki_sha256 = r->cert_spki,
        .opened_by = r->opened_by,
        .key_spki_sha256 = r->key_spki,
        .status = r->status,
        .reason = r->reason,
        .detail = r->detail,
        .search_trials = r->trials,
    };
    if (r->cert_subject != NULL) {
        info.cert_subject =
            (struct pf_span){(const uint8_t *)r->cert_subject, strlen(r->cert_subject)};
    }
    for (int d = 0; d < 2; d++) {
        fill_dir(t, (enum pf_dir)d, r, sha256[d], &info.dir[d]);
        fill_conflicts(&r->dir[d], conflicts[d], &info.dir[d]);
    }
    return pf_flows_append(env->flows, &info, &t->ref, env->err);
}

static enum pf_status report(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    struct pf_conn_report r = {
        .status = PF_FLOW_LOCKED,
        .reason = PF_REASON_LIMIT_REACHED,
        .detail = "there was no memory left to look at it: give more with --memory",
    };
    pf_heap_prefetch_put(&env->budget, t, sizeof *t);
    if (t->conn != NULL) {
        pf_conn_prefetch_free(t->conn);
        pf_conn_report(t->conn, &r);
    } else if (t->dgram != NULL) {
        pf_dgram_flow_report(t, &r);
    }
    if (t->ssl2) {
        r.status = PF_FLOW_LOCKED;
        r.reason = PF_REASON_UNSUPPORTED_PROTOCOL;
        r.detail = "SSL 2.0 is not supported";
        r.version = "SSLv2";
    }
    env->trials += r.trials;
    if (r.reason == PF_REASON_LIMIT_REACHED) {
        env->limits++;
    }
    if (r.key_spki != NULL) {
        size_t key = pf_keyring_find(env->conn.secrets.keyring, r.key_spki);
        if (key != PF_KEY_NONE) {
            env->key_flows[key]++;
        }
    }
    if (env->task == PF_TASK_DECRYPT) {
        return write_line(env, t, &r);
    }
    env->totals.flows++;
    env->totals.by_status[r.status]++;
    env->totals.by_reason[r.reason]++;
    return pf_answers_flow(env, t, &r);
}

static void finish(struct pf_tls_flow *t)
{
    if (t->conn != NULL && t->given_up) {
        pf_conn_give_up(t->conn);
    } else if (t->conn != NULL) {
        pf_conn_finish(t->conn);
    }
}

enum pf_status pf_tls_flow_end(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                               const struct pf_flow *flow)
{
    enum pf_status st = PF_OK;
    if (t->is == PF_FLOW_DGRAM) {
        return report(env, t);
    }
    if (t->is == PF_FLOW_UNDECIDED) {
        pf_decide(t, flow, NULL, true);
        st = is_decided(t) ? begin(env, t, flow, NULL, PF_POSITION_END) : PF_OK;
    }
    if (t->is == PF_FLOW_OTHER) {
        return PF_OK;
    }
    if (!t->ending && st == PF_OK) {
        t->ending = true;
        for (int s = 0; s < 2 && st == PF_OK; s++) {
            pf_reasm_flush(&t->reasm[s]);
            st = pump(env, t, s, PF_POSITION_END);
        }
        st = st == PF_OK ? pf_clear_end(env, t) : st;
        if (t->is != PF_FLOW_TLS) {
            return st;
        }
        finish(t);
    }
    st = st == PF_OK && t->conn != NULL ? pf_tls_flow_drive(env, t) : st;
    st = st == PF_OK ? pf_elsewhere_settle(env, t) : st;
    if (st != PF_OK) {
        return st;
    }
    return t->parked ? PF_BLOCKED : report(env, t);
}

enum pf_status pf_tls_flow_resume(struct pf_tls_flow_env *env, struct pf_tls_flow *t, bool last)
{
    if (t->unwrap != NULL) {
        return pf_elsewhere_take_unwrapped(env, t);
    }
    enum pf_status st = pf_conn_session_answer(t->conn, last);
    if (st == PF_AGAIN) {
        return PF_OK;
    }
    t->parked = false;
    return st == PF_OK ? pf_tls_flow_drive(env, t) : st;
}

enum pf_status pf_tls_flow_give_up(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                   const struct pf_flow *flow)
{
    t->given_up = true;
    if (t->is == PF_FLOW_UNDECIDED) {
        pf_decide(t, flow, NULL, true);
        return is_decided(t) ? begin(env, t, flow, NULL, PF_POSITION_END) : PF_OK;
    }
    enum pf_status st = PF_OK;
    while (st == PF_OK && t->parked) {
        st = pf_tls_flow_resume(env, t, true);
    }
    return st;
}

enum pf_status pf_tls_flow_relieve(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    if (t->is != PF_FLOW_TLS || t->parked || t->conn == NULL) {
        pf_clear_relieve(t);
        return PF_OK;
    }
    pf_conn_flush(t->conn);
    return pf_tls_flow_drive(env, t);
}
