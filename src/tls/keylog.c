// SPDX-License-Identifier: Apache-2.0
#include "tls/keylog_table.h"

#include "tls/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { CHUNK_ENTRIES = 512, FIRST_SLOTS = 1024 };

/* The few that do not fit: pre-master secrets of DHE and of long curves. */
struct long_secret {
    size_t len;
    uint8_t bytes[];
};

enum pf_status pf_keylog_new(size_t max_bytes, struct pf_keylog **out)
{
    struct pf_keylog *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return PF_ERR_NOMEM;
    }
    log->max_bytes = max_bytes;
    /* Without entropy the keys are still hashed by SHA-256, only predictably. */
    if (getrandom(log->seed, sizeof log->seed, GRND_NONBLOCK) < 0) {
        memset(log->seed, 0, sizeof log->seed);
    }
    *out = log;
    return PF_OK;
}

void pf_keylog_freeze(struct pf_keylog *log)
{
    if (log->read_buf != NULL) {
        pf_wipe(log->read_buf, PF_KEYLOG_READ_LEN);
        free(log->read_buf);
        log->read_buf = NULL;
    }
}

static struct pf_keylog_entry *entry_at(const struct pf_keylog *log, size_t i)
{
    return &log->chunks[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

static struct long_secret *long_of(const struct pf_keylog_entry *e)
{
    struct long_secret *s = NULL;
    if (e->secret_len == PF_KEYLOG_IS_LONG) {
        memcpy(&s, e->secret, sizeof s);
    }
    return s;
}

static void free_long(const struct pf_keylog_entry *e)
{
    struct long_secret *s = long_of(e);
    if (s != NULL) {
        pf_wipe(s->bytes, s->len);
        free(s);
    }
}

static struct pf_span secret_of(const struct pf_keylog_entry *e)
{
    const struct long_secret *s = long_of(e);
    return s != NULL ? (struct pf_span){s->bytes, s->len}
                     : (struct pf_span){e->secret, e->secret_len};
}

void pf_keylog_free(struct pf_keylog *log)
{
    if (log == NULL) {
        return;
    }
    pf_keylog_freeze(log);
    for (size_t i = 0; i < log->count; i++) {
        free_long(entry_at(log, i));
    }
    for (size_t i = 0; i * CHUNK_ENTRIES < log->count; i++) {
        pf_wipe(log->chunks[i], CHUNK_ENTRIES * sizeof(struct pf_keylog_entry));
        free(log->chunks[i]);
    }
    free(log->chunks);
    free(log->slots);
    free(log);
}

static size_t home_slot(const struct pf_keylog *log, const struct pf_keylog_entry *e)
{
    union pf_hash_state hash;
    uint8_t digest[32];
    uint64_t h;
    pf_hash_begin(PF_HASH_SHA256, &hash);
    pf_hash_add(PF_HASH_SHA256, &hash, log->seed, sizeof log->seed);
    pf_hash_add(PF_HASH_SHA256, &hash, &e->kind, 1);
    pf_hash_add(PF_HASH_SHA256, &hash, e->key, e->key_len);
    pf_hash_end(PF_HASH_SHA256, &hash, digest);
    memcpy(&h, digest, sizeof h);
    return (size_t)h & (log->slot_count - 1);
}

static bool same_key(const struct pf_keylog_entry *a, const struct pf_keylog_entry *b)
{
    return a->kind == b->kind && a->key_len == b->key_len &&
           memcmp(a->key, b->key, a->key_len) == 0;
}

static bool same_secret(const struct pf_keylog_entry *a, const struct pf_keylog_entry *b)
{
    struct pf_span x = secret_of(a);
    struct pf_span y = secret_of(b);
    return x.len == y.len && memcmp(x.ptr, y.ptr, x.len) == 0;
}

static bool take_bytes(struct pf_keylog *log, size_t n)
{
    if (n > log->max_bytes - log->bytes) {
        return false;
    }
    log->bytes += n;
    return true;
}

void pf_keylog_drop_long(struct pf_keylog *log, const struct pf_keylog_entry *e)
{
    const struct long_secret *s = long_of(e);
    if (s != NULL) {
        log->bytes -= sizeof *s + s->len;
        free_long(e);
    }
}

enum pf_status pf_keylog_make_long(struct pf_keylog *log, struct pf_keylog_entry *e, size_t len,
                                   uint8_t **bytes)
{
    if (!take_bytes(log, sizeof(struct long_secret) + len)) {
        return PF_ERR_LIMIT;
    }
    struct long_secret *s = malloc(sizeof *s + len);
    if (s == NULL) {
        log->bytes -= sizeof *s + len;
        return PF_ERR_NOMEM;
    }
    s->len = len;
    memcpy(e->secret, &s, sizeof s);
    e->secret_len = PF_KEYLOG_IS_LONG;
    *bytes = s->bytes;
    return PF_OK;
}

static void fill_slots(struct pf_keylog *log)
{
    for (size_t i = 0; i < log->count; i++) {
        size_t at = home_slot(log, entry_at(log, i));
        while (log->slots[at] != 0) {
            at = (at + 1) & (log->slot_count - 1);
        }
        log->slots[at] = (uint32_t)i + 1;
    }
}

/* At most half full. PF_ERR_LIMIT: no room for more. */
static enum pf_status grow_slots(struct pf_keylog *log)
{
    if (log->count < log->slot_count / 2) {
        return PF_OK;
    }
    size_t slot_count = log->slot_count == 0 ? FIRST_SLOTS : 2 * log->slot_count;
    if (slot_count > UINT32_MAX || !take_bytes(log, slot_count * sizeof *log->slots)) {
        return PF_ERR_LIMIT;
    }
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        log->bytes -= slot_count * sizeof *slots;
        return PF_ERR_NOMEM;
    }
    log->bytes -= log->slot_count * sizeof *slots;
    free(log->slots);
    log->slots = slots;
    log->slot_count = slot_count;
    fill_slots(log);
    return PF_OK;
}

static enum pf_status grow_chunks(struct pf_keylog *log)
{
    if (log->count % CHUNK_ENTRIES != 0) {
        return PF_OK;
    }
    size_t n = log->count / CHUNK_ENTRIES;
    if (n == log->chunk_cap) {
        size_t cap = n == 0 ? 16 : 2 * n;
        struct pf_keylog_entry **chunks =
            reallocarray(log->chunks, cap, sizeof(struct pf_keylog_entry *));
        if (chunks == NULL) {
            return PF_ERR_NOMEM;
        }
        log->chunks = chunks;
        log->chunk_cap = cap;
    }
    if (!take_bytes(log, CHUNK_ENTRIES * sizeof(struct pf_keylog_entry))) {
        return PF_ERR_LIMIT;
    }
    log->chunks[n] = malloc(CHUNK_ENTRIES * sizeof(struct pf_keylog_entry));
    if (log->chunks[n] == NULL) {
        log->bytes -= CHUNK_ENTRIES * sizeof(struct pf_keylog_entry);
        return PF_ERR_NOMEM;
    }
    return PF_OK;
}

/* The slot where e belongs; PF_END when the same is there already or there are too many. */
static enum pf_status find_slot(struct pf_keylog *log, const struct pf_keylog_entry *e,
                                size_t *slot)
{
    unsigned same = 0;
    size_t at = home_slot(log, e);
    for (; log->slots[at] != 0; at = (at + 1) & (log->slot_count - 1)) {
        const struct pf_keylog_entry *other = entry_at(log, log->slots[at] - 1);
        if (!same_key(other, e)) {
            continue;
        }
        if (same_secret(other, e)) {
            return PF_END;
        }
        if (++same == PF_KEYLOG_SAME_MAX) {
            log->counts.dropped++;
            return PF_END;
        }
    }
    *slot = at;
    return PF_OK;
}

/* e is copied; a long secret of it is the log's, or gone. PF_ERR_LIMIT: no room for it. */
enum pf_status pf_keylog_add_entry(struct pf_keylog *log, const struct pf_keylog_entry *e)
{
    size_t slot;
    enum pf_status st = grow_slots(log);
    if (st == PF_OK) {
        st = find_slot(log, e, &slot);
    }
    if (st == PF_OK) {
        st = grow_chunks(log);
    }
    if (st != PF_OK) {
        pf_keylog_drop_long(log, e);
        return st == PF_END ? PF_OK : st;
    }
    *entry_at(log, log->count) = *e;
    log->slots[slot] = (uint32_t)++log->count;
    log->counts.secrets++;
    return PF_OK;
}

struct pf_keylog_counts pf_keylog_counts(const struct pf_keylog *log)
{
    return log->counts;
}

static const struct pf_keylog_entry *nth_entry(const struct pf_keylog *log,
                                               const struct pf_keylog_entry *want, unsigned nth)
{
    if (log->count == 0) {
        return NULL;
    }
    size_t at = home_slot(log, want);
    for (; log->slots[at] != 0; at = (at + 1) & (log->slot_count - 1)) {
        const struct pf_keylog_entry *e = entry_at(log, log->slots[at] - 1);
        if (same_key(e, want) && nth-- == 0) {
            return e;
        }
    }
    return NULL;
}

static bool find_nth(const struct pf_keylog *log, const struct pf_keylog_entry *want, unsigned nth,
                     struct pf_secret *out)
{
    const struct pf_keylog_entry *e = nth_entry(log, want, nth);
    if (e == NULL || e->secret_len > PF_SECRET_MAX) {
        return false;
    }
    *out = (struct pf_secret){.len = e->secret_len};
    memcpy(out->bytes, e->secret, e->secret_len);
    return true;
}

unsigned pf_keylog_count(const struct pf_keylog *log, enum pf_keylog_label label,
                         const uint8_t client_random[PF_RANDOM_LEN])
{
    struct pf_keylog_entry want = {.kind = (uint8_t)label, .key_len = PF_RANDOM_LEN};
    memcpy(want.key, client_random, PF_RANDOM_LEN);
    unsigned n = 0;
    while (nth_entry(log, &want, n) != NULL) {
        n++;
    }
    return n;
}

bool pf_keylog_find_pre_master(const struct pf_keylog *log,
                               const uint8_t client_random[PF_RANDOM_LEN], unsigned nth,
                               struct pf_span *out)
{
    struct pf_keylog_entry want = {.kind = PF_KEYLOG_PRE_MASTER, .key_len = PF_RANDOM_LEN};
    memcpy(want.key, client_random, PF_RANDOM_LEN);
    const struct pf_keylog_entry *e = nth_entry(log, &want, nth);
    if (e != NULL) {
        *out = secret_of(e);
    }
    return e != NULL;
}

bool pf_keylog_find(const struct pf_keylog *log, enum pf_keylog_label label,
                    const uint8_t client_random[PF_RANDOM_LEN], unsigned nth, struct pf_secret *out)
{
    struct pf_keylog_entry want = {.kind = (uint8_t)label, .key_len = PF_RANDOM_LEN};
    memcpy(want.key, client_random, PF_RANDOM_LEN);
    return find_nth(log, &want, nth, out);
}

size_t pf_keylog_size(const struct pf_keylog *log)
{
    return log->count;
}

bool pf_keylog_line(const struct pf_keylog *log, size_t i, enum pf_keylog_label *label,
                    uint8_t client_random[PF_RANDOM_LEN], struct pf_secret *out)
{
    const struct pf_keylog_entry *e = entry_at(log, i);
    struct pf_span secret = secret_of(e);
    if (e->kind >= PF_KEYLOG_LABEL_COUNT || secret.len > sizeof out->bytes) {
        return false;
    }
    *label = (enum pf_keylog_label)e->kind;
    memcpy(client_random, e->key, PF_RANDOM_LEN);
    memcpy(out->bytes, secret.ptr, secret.len);
    out->len = (uint8_t)secret.len;
    return true;
}

bool pf_keylog_find_session(const struct pf_keylog *log, struct pf_span session_id,
                            struct pf_secret *out)
{
    struct pf_keylog_entry want = {.kind = PF_KEYLOG_KIND_SESSION,
                                   .key_len = (uint8_t)session_id.len};
    if (session_id.len == 0 || session_id.len > PF_SESSION_ID_MAX) {
        return false;
    }
    memcpy(want.key, session_id.ptr, session_id.len);
    return find_nth(log, &want, 0, out);
}

static void digest_of(struct pf_span ticket, uint8_t digest[PF_KEYLOG_KEY_MAX])
{
    union pf_hash_state hash;
    pf_hash_begin(PF_HASH_SHA256, &hash);
    pf_hash_add(PF_HASH_SHA256, &hash, ticket.ptr, ticket.len);
    pf_hash_end(PF_HASH_SHA256, &hash, digest);
}

bool pf_keylog_find_ticket(const struct pf_keylog *log, struct pf_span ticket,
                           struct pf_secret *out)
{
    struct pf_keylog_entry want = {.kind = PF_KEYLOG_KIND_TICKET, .key_len = PF_KEYLOG_KEY_MAX};
    if (ticket.len == 0 || log->count == 0) {
        return false;
    }
    digest_of(ticket, want.key);
    return find_nth(log, &want, 0, out);
}

bool pf_keylog_find_encrypted(const struct pf_keylog *log, struct pf_span encrypted,
                              struct pf_secret *out)
{
    struct pf_keylog_entry want = {.kind = PF_KEYLOG_KIND_ENCRYPTED, .key_len = 8};
    if (encrypted.len < want.key_len) {
        return false;
    }
    memcpy(want.key, encrypted.ptr, want.key_len);
    return find_nth(log, &want, 0, out);
}

static const char *const labels[] = {
#define X(name, label) label,
    PF_KEYLOG_LABELS(X)
#undef X
};

const char *pf_keylog_label_text(enum pf_keylog_label label)
{
    return labels[label];
}

static char *write_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

static char *write_text(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return out + len;
}

/* name, key, infix, secret; 0 when that is too long. */
static size_t format(const char *name, struct pf_span key, const char *infix, struct pf_span secret,
                     char *out, size_t cap)
{
    size_t len = strlen(name) + 2 * key.len + strlen(infix) + 2 * secret.len + 1;
    if (key.len > PF_KEYLOG_KEY_MAX || secret.len > PF_SECRET_MAX || len + 1 > cap) {
        return 0;
    }
    char *p = write_text(out, name);
    p = write_hex(p, key.ptr, key.len);
    p = write_text(p, infix);
    p = write_hex(p, secret.ptr, secret.len);
    *p++ = '\n';
    *p = '\0';
    return len;
}

size_t pf_keylog_format(enum pf_keylog_label label, const uint8_t client_random[PF_RANDOM_LEN],
                        const struct pf_secret *secret, char *out, size_t cap)
{
    char name[PF_KEYLOG_LINE_MAX];
    *write_text(write_text(name, labels[label]), " ") = '\0';
    return format(name, (struct pf_span){client_random, PF_RANDOM_LEN}, " ",
                  (struct pf_span){secret->bytes, secret->len}, out, cap);
}

size_t pf_keylog_format_session(struct pf_span session_id, const struct pf_master *master,
                                char *out, size_t cap)
{
    return format("RSA Session-ID:", session_id,
                  " Master-Key:", (struct pf_span){master->bytes, PF_MASTER_LEN}, out, cap);
}

size_t pf_keylog_format_ticket(struct pf_span ticket, const struct pf_master *master, char *out,
                               size_t cap)
{
    uint8_t digest[PF_KEYLOG_KEY_MAX];
    digest_of(ticket, digest);
    return format(PF_KEYLOG_TICKET_TEXT " ", (struct pf_span){digest, sizeof digest}, " ",
                  (struct pf_span){master->bytes, PF_MASTER_LEN}, out, cap);
}
