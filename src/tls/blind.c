// SPDX-License-Identifier: Apache-2.0
/*
 * Connections whose hellos were not captured, and a key log. What a hello would have said is found
 * out by trying: the secrets of the log on the first record under keys.
 *
 *     lost            known from the rest      tried
 *     ClientHello     version, suite           every line's client random, with its secret
 *     ServerHello     client random            TLS 1.3: its lines, under every suite that fits
 *     both            nothing                  TLS 1.3: every line, under every suite that fits
 *
 * Without the server's random there are no keys of TLS 1.2 and older, whatever is logged.
 */
#include "tls/half.h"

#include "base/cursor.h"

#include <string.h>

enum {
    LOGS = PF_SECRET_LOGS - 1, /* all but the last, which grows while it is read */
    LOOK_AHEAD = 8,
    TRIES = 1 << 14,         /* secrets on suites, per direction: a quarter of a second */
    SEARCH_TRIALS = 1 << 16, /* for suites whose number is searched, all secrets together */
    FEW_TRIES = 64,          /* so few that a second record may be searched as well */
    SEARCH_MIN = 64,
    HOLD = 64 * 1024, /* bytes held for a hello that the other direction may still bring, */
    HOLD_EARLY = 8 * 1024 * 1024 /* and where they may be early data, which comes before it */
};

/* With GCM the number is solved, so that its range need not be known. */
static const uint64_t any_number = (uint64_t)1 << 40;

static const uint16_t suites[] = {0x1301, 0x1302, 0x1303, 0x1304, 0x1305};

/* A search over the logs. */
struct blind {
    struct pf_conn *c;
    enum pf_dir dir;
    struct pf_frame frames[LOOK_AHEAD];
    size_t count;
    size_t index; /* the one that is tried: the smallest */
    bool solved;  /* this pass: suites whose number is solved; else those where it is searched */
    uint32_t tries;
    uint32_t trials; /* per try, when searching */
    uint64_t seq;
    struct pf_keys keys;
    enum pf_phase phase;
    const struct pf_suite *suite;
};

static bool has_log(const struct pf_conn *c)
{
    enum pf_opened_by by;
    size_t n = 0;
    for (unsigned i = 0; i < LOGS; i++) {
        const struct pf_keylog *log = pf_secret_log(&c->env->secrets, i, &by);
        n += log != NULL ? pf_keylog_size(log) : 0;
    }
    return n > 0;
}

static enum pf_status try_suite(struct blind *b, const struct pf_secret *secret,
                                const struct pf_suite *suite)
{
    struct pf_half *h = &b->c->half[b->dir];
    const struct pf_frame *f = &b->frames[b->index];
    const struct pf_record record = {
        .type = f->type, .version = f->version, .body = pf_stream_body(&h->in, f)};
    struct pf_chain none = {.iv_known = false};
    uint32_t spent = 0;
    enum pf_status st = pf_kdf_tls13_keys(b->c->env->kdf, suite, 0, secret, &b->keys);
    struct pf_seq_search s = {
        .lo = b->index,
        .hi = b->index + (b->solved ? any_number : b->trials),
        .likely = b->index,
        .max_trials = b->solved ? 2 : b->trials,
    };
    b->tries++;
    if (st == PF_OK) {
        st = pf_open_find_seq(b->c->env->crypt, &b->keys, &none, &record, &s, &b->seq, &spent);
    }
    h->trials += spent;
    return st == PF_ERR_MALFORMED || st == PF_ERR_LIMIT ? PF_ERR_REJECTED : st;
}

/* A secret under each suite that it can be of. */
static enum pf_status try_secret(struct blind *b, const struct pf_secret *secret)
{
    const struct pf_handshake *hs = pf_half_handshake(b->c, &b->c->half[b->dir]);
    enum pf_status st = PF_ERR_REJECTED;
    for (size_t i = 0; i < sizeof suites / sizeof suites[0] && st == PF_ERR_REJECTED; i++) {
        const struct pf_suite *suite = pf_suite_find(suites[i]);
        bool fits = suite != NULL && suite->bulk->supported &&
                    (hs->suite == NULL || hs->suite == suite) &&
                    pf_hash_len(suite->prf) == secret->len &&
                    (suite->bulk->mode == PF_MODE_GCM) == b->solved;
        if (fits && b->tries < TRIES) {
            b->suite = suite;
            st = try_suite(b, secret, suite);
        }
    }
    return st;
}

/* Early data is the client's only. */
static enum pf_phase first_phase(enum pf_dir dir)
{
    return dir == PF_C2S ? PF_PHASE_EARLY : PF_PHASE_HANDSHAKE;
}

/* The phase that a line's secret is of, for this direction. */
static bool is_of(enum pf_dir dir, enum pf_keylog_label label, enum pf_phase *phase)
{
    for (enum pf_phase p = first_phase(dir); p <= PF_PHASE_TRAFFIC; p++) {
        if (pf_tls13_label(dir, p) == label) {
            *phase = p;
            return true;
        }
    }
    return false;
}

static enum pf_status adopt(struct blind *b, const uint8_t random[PF_RANDOM_LEN],
                            const struct pf_secret *secret, enum pf_opened_by by)
{
    struct pf_conn *c = b->c;
    struct pf_half *h = &c->half[b->dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    hs->blind |= pf_handshake_has(hs, PF_FACT_CLIENT_HELLO) ? 0 : PF_FACT_CLIENT_HELLO;
    hs->blind |= pf_handshake_has(hs, PF_FACT_SERVER_HELLO) ? 0 : PF_FACT_SERVER_HELLO;
    hs->facts |= PF_FACT_CLIENT_HELLO | PF_FACT_SERVER_HELLO;
    memcpy(hs->client_random, random, PF_RANDOM_LEN);
    hs->version = PF_VERSION_TLS13;
    hs->suite = b->suite;
    hs->suite_id = b->suite->id;
    hs->search.opened_by = (uint8_t)by;
    c->understood = true;
    c->hs_count = c->hs_count == 0 ? 1 : c->hs_count;
    h->secret = *secret;
    h->phase = b->phase;
    h->message.len = 0;
    h->message_skips = true;
    h->stage = PF_STAGE_OPEN;
    enum pf_status st = pf_half_install(h, &b->keys, 0);
    h->seq = b->seq - b->index;
    h->keyed_seq = h->seq;
    pf_loss_before(h);
    pf_stream_consume(&h->in, h->framed);
    return st == PF_OK ? pf_keychange_proved(c, h, h->loss.packet_after) : st;
}

/* All lines of the logs. PF_OK: one of them opens the record and is in force. */
static enum pf_status try_logs(struct blind *b)
{
    const struct pf_handshake *hs = pf_half_handshake(b->c, &b->c->half[b->dir]);
    bool client = pf_handshake_has(hs, PF_FACT_CLIENT_HELLO);
    enum pf_status st = PF_ERR_REJECTED;
    for (unsigned n = 0; n < LOGS; n++) {
        enum pf_opened_by by;
        const struct pf_keylog *log = pf_secret_log(&b->c->env->secrets, n, &by);
        size_t lines = log != NULL ? pf_keylog_size(log) : 0;
        for (size_t i = 0; i < lines && st == PF_ERR_REJECTED && b->tries < TRIES; i++) {
            uint8_t random[PF_RANDOM_LEN];
            struct pf_secret secret;
            enum pf_keylog_label label;
            if (!pf_keylog_line(log, i, &label, random, &secret)) {
                continue;
            }
            bool wanted = !client || memcmp(random, hs->client_random, PF_RANDOM_LEN) == 0;
            if (wanted && is_of(b->dir, label, &b->phase)) {
                st = try_secret(b, &secret);
            }
            if (st == PF_OK) {
                st = adopt(b, random, &secret, by);
                pf_wipe(&secret, sizeof secret);
                return st;
            }
            pf_wipe(&secret, sizeof secret);
        }
    }
    return st;
}

static size_t look_ahead(struct blind *b)
{
    const struct pf_half *h = &b->c->half[b->dir];
    uint64_t pos = h->framed;
    for (b->count = 0; b->count < LOOK_AHEAD; b->count++) {
        struct pf_frame *f = &b->frames[b->count];
        if (pf_stream_frame(&h->in, pos, f) != PF_FRAME_WHOLE ||
            f->type != PF_CT_APPLICATION_DATA) {
            break;
        }
        pos += PF_RECORD_HEADER_LEN + f->body_len;
        b->index = f->body_len < b->frames[b->index].body_len ? b->count : b->index;
    }
    return b->count;
}

/* Records that begin with a number, and the next with the next one, are of TLS 1.2: explicit nonces
 * (RFC 5288 section 3). */
static bool counts_in_clear(const struct blind *b)
{
    const struct pf_half *h = &b->c->half[b->dir];
    uint64_t first;
    uint64_t second;
    if (b->count < 2) {
        return false;
    }
    struct pf_cur one = pf_cur_of(pf_stream_body(&h->in, &b->frames[0]));
    struct pf_cur two = pf_cur_of(pf_stream_body(&h->in, &b->frames[1]));
    return pf_cur_u64(&one, &first) && pf_cur_u64(&two, &second) && second - first == 1;
}

/* First under the suites whose number is solved. */
static enum pf_status try_record(struct blind *b, size_t index, bool may_search)
{
    b->index = index;
    b->solved = true;
    b->tries = 0;
    enum pf_status st = try_logs(b);
    if (st == PF_ERR_REJECTED && (may_search || b->tries <= FEW_TRIES)) {
        uint32_t tries = b->tries > 0 ? 3 * b->tries : 1;
        b->trials = SEARCH_TRIALS / tries > SEARCH_MIN ? SEARCH_TRIALS / tries : SEARCH_MIN;
        b->solved = false;
        b->tries = 0;
        st = try_logs(b);
    }
    return st;
}

/* The smallest record costs least, but keys may change before it. */
static enum pf_status search(struct pf_conn *c, enum pf_dir dir)
{
    struct blind b = {.c = c, .dir = dir};
    if (look_ahead(&b) == 0 || counts_in_clear(&b)) {
        return PF_ERR_REJECTED;
    }
    size_t smallest = b.index;
    enum pf_status st = try_record(&b, smallest, true);
    if (st == PF_ERR_REJECTED && smallest != 0) {
        st = try_record(&b, 0, false);
    }
    pf_wipe(&b.keys, sizeof b.keys);
    return st;
}

/* What is encrypted comes behind the sender's own hello. */
static bool is_headless(const struct pf_handshake *hs, enum pf_dir dir)
{
    uint32_t own = PF_FACT_SERVER_HELLO | PF_FACT_HELLO_RETRY;
    return (hs->facts & (dir == PF_C2S ? (uint32_t)PF_FACT_CLIENT_HELLO : own)) == 0;
}

/* A log has secrets of TLS 1.3 for the client's random. */
static bool is_client_logged(const struct pf_conn *c, const struct pf_handshake *hs)
{
    unsigned found = 0;
    for (unsigned i = 0; i < LOGS; i++) {
        enum pf_opened_by by;
        const struct pf_keylog *log = pf_secret_log(&c->env->secrets, i, &by);
        for (enum pf_phase p = PF_PHASE_EARLY; log != NULL && p <= PF_PHASE_TRAFFIC; p++) {
            found += pf_keylog_count(log, pf_tls13_label(PF_C2S, p), hs->client_random);
        }
    }
    return found > 0;
}

/* The ServerHello may still come while the client's early data does. */
static bool is_server_lost(const struct pf_conn *c, const struct pf_handshake *hs)
{
    const struct pf_stream *in = &c->half[PF_C2S].in;
    bool late = c->final || pf_stream_end(in) - pf_stream_at(in) >= HOLD_EARLY;
    return late && is_client_logged(c, hs);
}

bool pf_blind_is_possible(const struct pf_conn *c)
{
    return has_log(c);
}

bool pf_blind_applies(struct pf_conn *c, enum pf_dir dir)
{
    const struct pf_half *h = &c->half[dir];
    const struct pf_handshake *hs = pf_half_handshake(c, h);
    if (h->hs_no > 0) {
        return false;
    }
    if (is_headless(hs, dir)) {
        return true;
    }
    bool client = pf_handshake_has(hs, PF_FACT_CLIENT_HELLO);
    bool server = pf_handshake_has(hs, PF_FACT_SERVER_HELLO);
    bool retry = pf_handshake_has(hs, PF_FACT_HELLO_RETRY) && !server; /* both are to come again */
    bool tls13 = hs->version == PF_VERSION_TLS13 && hs->blind != 0;
    bool lost = dir == PF_S2C ? !client && !retry : !server && is_server_lost(c, hs);
    return has_log(c) && (lost || tls13);
}

/* Whether the other direction may still bring the other hello. */
static bool may_wait(const struct pf_conn *c, enum pf_dir dir)
{
    const struct pf_half *h = &c->half[dir];
    const struct pf_half *other = &c->half[1 - dir];
    bool over = other->headless || other->stage == PF_STAGE_DEAD;
    return !c->final && !over && pf_stream_end(&h->in) - pf_stream_at(&h->in) < HOLD;
}

/* Nothing of the direction can be opened, or of the connection if nothing was. */
static enum pf_status lock(struct pf_conn *c, struct pf_half *h)
{
    if (c->half[0].proved || c->half[1].proved) {
        h->phase = PF_PHASE_HANDSHAKE;
        pf_half_stop(h);
        return PF_END;
    }
    c->locked = true;
    h->stage = PF_STAGE_KEYS; /* and no further */
    return PF_END;
}

enum pf_status pf_blind_step(struct pf_conn *c, enum pf_dir dir, bool sealed)
{
    struct pf_half *h = &c->half[dir];
    struct pf_handshake *hs = pf_half_handshake(c, h);
    h->headless |= is_headless(hs, dir);
    if (!has_log(c)) {
        return lock(c, h);
    }
    uint32_t other = dir == PF_C2S ? PF_FACT_SERVER_HELLO : PF_FACT_CLIENT_HELLO;
    if (!pf_handshake_has(hs, other) && may_wait(c, dir)) {
        return PF_BLOCKED;
    }
    if (pf_handshake_has(hs, PF_FACT_SERVER_HELLO) && hs->version != PF_VERSION_TLS13) {
        hs->facts |= PF_FACT_CLIENT_HELLO;
        hs->blind |= PF_FACT_CLIENT_HELLO;
        hs->search.source = PF_SOURCE_KEYLOG;
        return PF_OK;
    }
    if (!sealed) {
        h->message_skips = true; /* what comes may look like messages, and be none */
        return PF_AGAIN;
    }
    enum pf_status st = search(c, dir);
    return st == PF_OK ? PF_END : st == PF_ERR_REJECTED ? lock(c, h) : st;
}
