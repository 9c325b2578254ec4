// SPDX-License-Identifier: Apache-2.0
#include "forge/flow.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* One whole flow, less what adding up shares loses. */
static const double RESUME_ONE = 1 - 1e-9;

bool forge_flow_may_start(const struct forge_world *w, uint64_t index)
{
    const struct forge_profile *p = &w->profiles[index % w->profile_count];
    return p->session != NULL || !p->used || w->resume_owed + w->options->resume < RESUME_ONE;
}

static bool take_resumption(struct forge_world *w, const struct forge_profile *p)
{
    w->resume_owed += w->options->resume;
    if (w->resume_owed < RESUME_ONE || p->session == NULL) {
        return false;
    }
    w->resume_owed -= 1;
    return true;
}

static EVP_MD_CTX *new_digest(void)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        forge_die("libcrypto has no SHA-256");
    }
    return md;
}

void forge_flow_init(struct forge_flow *f, struct forge_world *w, uint64_t index)
{
    *f = (struct forge_flow){.world = w, .profile = &w->profiles[index % w->profile_count]};
    f->profile->used = true;
    forge_peers_init(&f->peers, f->profile, w->method, take_resumption(w, f->profile));
    forge_conn_init(&f->conn, &w->sender, index);
    forge_stream_request(&f->stream[PF_C2S], &w->content, w->options->request_bytes, index);
    forge_stream_answer(&f->stream[PF_S2C], &w->content, w->options->bytes);
    f->ledger[PF_C2S].keeps = f->ledger[PF_S2C].keeps = w->options->loss > 0;
    if (w->options->check) {
        f->received[PF_C2S] = new_digest();
        f->received[PF_S2C] = new_digest();
    }
}

void forge_flow_fini(struct forge_flow *f)
{
    for (int dir = 0; dir < FORGE_DIRS; dir++) {
        forge_stream_fini(&f->stream[dir]);
        forge_ledger_fini(&f->ledger[dir]);
        EVP_MD_CTX_free(f->received[dir]);
        forge_rc4_fini(&f->rc4[dir]);
    }
    forge_conn_fini(&f->conn);
    forge_peers_fini(&f->peers);
}

static void send_records(struct forge_flow *f, enum pf_dir dir, const uint8_t *ptr, size_t len)
{
    uint8_t *copy = NULL;
    if (f->profile->suite.rc4 != 0) { /* the receiver reads what libssl wrote */
        copy = forge_alloc(len);
        memcpy(copy, ptr, len);
        ptr = copy;
        forge_rc4_translate(&f->rc4[dir], dir == PF_C2S ? f->peers.client : f->peers.server,
                            &f->profile->suite, copy, len);
    }
    forge_sender_data(&f->world->sender, &f->conn, dir, ptr, len);
    free(copy);
}

/* Puts on the wire what libssl wrote in one direction. */
static void transmit(struct forge_flow *f, enum pf_dir dir)
{
    struct forge_pipe *p = &f->peers.pipe[dir];
    if (p->len > p->sent) {
        send_records(f, dir, p->ptr + p->sent, p->len - p->sent);
        p->sent = p->len;
        forge_sender_wait(&f->world->sender, forge_rng_range(&f->world->rng, 1000, 20000));
    }
    forge_pipe_settle(p);
}

/* The receiver of `dir` reads all it has got. */
static void receive(struct forge_flow *f, enum pf_dir dir)
{
    SSL *end = dir == PF_C2S ? f->peers.server : f->peers.client;
    for (;;) {
        size_t n = forge_peers_read(end, f->world->scratch, FORGE_READ_MAX);
        if (n == 0) {
            break;
        }
        if (f->received[dir] != NULL &&
            EVP_DigestUpdate(f->received[dir], f->world->scratch, n) != 1) {
            forge_die("SHA-256 failed");
        }
    }
    forge_pipe_settle(&f->peers.pipe[dir]);
}

static void shake(struct forge_flow *f)
{
    const struct forge_options *o = f->world->options;
    bool client_done = forge_peers_shake(f->peers.client);
    transmit(f, PF_C2S);
    bool server_done = forge_peers_shake(f->peers.server);
    transmit(f, PF_S2C);
    if (client_done && server_done) {
        receive(f, PF_S2C); /* TLS 1.3's tickets */
        f->peers.pipe[PF_S2C].unread = o->renegotiate == 0 && !o->check;
        forge_pipe_settle(&f->peers.pipe[PF_S2C]);
        f->conn.handshake = false;
        f->resumed = SSL_session_reused(f->peers.server) == 1;
        SSL_get_client_random(f->peers.server, f->client_random, sizeof f->client_random);
        f->phase = FORGE_REQUEST;
    }
}

/*
 * Before a record and not after: libssl sends the change with the next one. Says how many records
 * that will be.
 */
static size_t update_key(struct forge_flow *f)
{
    uint32_t every = f->world->options->key_update;
    if (every == 0 || f->profile->suite.version != TLS1_3_VERSION || f->writes == 0 ||
        f->writes % every != 0) {
        return 0;
    }
    if (SSL_key_update(f->peers.server, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
        forge_die("libssl does not update the key");
    }
    f->key_updates++;
    return 1;
}

/* One SSL_write, and a note of the records that came of it. */
static void speak(struct forge_flow *f, enum pf_dir dir, const uint8_t *ptr, size_t len)
{
    const struct forge_options *o = f->world->options;
    const struct forge_pipe *p = &f->peers.pipe[dir];
    size_t before = dir == PF_S2C ? update_key(f) : 0;
    size_t old_len = p->len;
    forge_peers_write(dir == PF_C2S ? f->peers.client : f->peers.server, ptr, len);
    f->writes += dir == PF_S2C;
    struct pf_span wire = {.ptr = p->ptr + old_len, .len = p->len - old_len};
    forge_ledger_add(&f->ledger[dir], wire, f->conn.sent[dir] + (old_len - p->sent), len, before,
                     o->max_fragment != 0 ? o->max_fragment : SSL3_RT_MAX_PLAIN_LENGTH);
}

/* Writes records until the step's share or `limit` is reached. */
static void talk(struct forge_flow *f, enum pf_dir dir, uint64_t limit)
{
    struct forge_world *w = f->world;
    struct forge_stream *s = &f->stream[dir];
    struct forge_range record = w->options->record_bytes;
    uint64_t stop = s->done + forge_rng_range(&w->rng, FORGE_STEP_MIN, FORGE_STEP_MAX);
    while (s->done < stop && s->done < limit) {
        const uint8_t *ptr;
        size_t want =
            record.lo == record.hi ? record.lo : forge_rng_range(&w->rng, record.lo, record.hi);
        size_t n = forge_stream_read(s, want, &ptr);
        speak(f, dir, ptr, n);
    }
    transmit(f, dir);
    if (!f->peers.pipe[dir].unread) {
        receive(f, dir);
    }
}

/* Up to where the server speaks before the next renegotiation, or the end. */
static uint64_t answer_limit(const struct forge_flow *f)
{
    uint64_t total = f->stream[PF_S2C].total;
    uint32_t times = f->world->options->renegotiate;
    if (f->renegotiations == times || f->profile->suite.version == TLS1_3_VERSION) {
        return total;
    }
    return total / (times + 1) * (f->renegotiations + 1);
}

static void answer(struct forge_flow *f)
{
    uint64_t limit = answer_limit(f);
    talk(f, PF_S2C, limit);
    if (f->stream[PF_S2C].done == f->stream[PF_S2C].total) {
        f->phase = FORGE_CLOSING;
    } else if (f->stream[PF_S2C].done >= limit) {
        if (SSL_renegotiate(f->peers.client) != 1) {
            forge_die("libssl does not renegotiate");
        }
        f->phase = FORGE_RENEGOTIATING;
    }
}

static void renegotiate(struct forge_flow *f)
{
    bool client_done = forge_peers_shake(f->peers.client);
    transmit(f, PF_C2S);
    receive(f, PF_C2S);
    transmit(f, PF_S2C);
    if (client_done && !SSL_in_init(f->peers.server)) {
        f->renegotiations++;
        f->phase = FORGE_ANSWER;
    }
}

static void compare_received(struct forge_flow *f)
{
    for (enum pf_dir dir = PF_C2S; dir <= PF_S2C; dir++) {
        uint8_t got[FORGE_SHA256_LEN];
        uint8_t said[FORGE_SHA256_LEN];
        EVP_MD_CTX *copy = new_digest();
        if (EVP_DigestFinal_ex(f->received[dir], got, NULL) != 1 ||
            EVP_MD_CTX_copy_ex(copy, f->stream[dir].digest) != 1 ||
            EVP_DigestFinal_ex(copy, said, NULL) != 1) {
            forge_die("SHA-256 failed");
        }
        EVP_MD_CTX_free(copy);
        if (memcmp(got, said, sizeof got) != 0) {
            forge_die("--check: flow %llu did not arrive as it was sent",
                      (unsigned long long)f->conn.lane.number);
        }
    }
}

static void close_flow(struct forge_flow *f)
{
    /* Each says goodbye without waiting for the other: both results (0, 1) are fine. */
    if (SSL_shutdown(f->peers.server) < 0) {
        forge_die("closing the server's end failed");
    }
    transmit(f, PF_S2C);
    if (SSL_shutdown(f->peers.client) < 0) {
        forge_die("closing the client's end failed");
    }
    transmit(f, PF_C2S);
    ERR_clear_error();
    forge_sender_close(&f->world->sender, &f->conn);
    if (f->world->options->check) {
        compare_received(f);
    }
    f->phase = FORGE_DONE;
}

void forge_flow_step(struct forge_flow *f)
{
    switch (f->phase) {
    case FORGE_OPENING:
        forge_sender_open(&f->world->sender, &f->conn);
        f->phase = FORGE_SHAKING;
        break;
    case FORGE_SHAKING:
        shake(f);
        break;
    case FORGE_REQUEST:
        talk(f, PF_C2S, f->stream[PF_C2S].total);
        if (f->stream[PF_C2S].done == f->stream[PF_C2S].total) {
            f->phase = f->stream[PF_S2C].total > 0 ? FORGE_ANSWER : FORGE_CLOSING;
        }
        break;
    case FORGE_ANSWER:
        answer(f);
        break;
    case FORGE_RENEGOTIATING:
        renegotiate(f);
        break;
    case FORGE_CLOSING:
        close_flow(f);
        break;
    case FORGE_DONE:
        break;
    }
}
