// SPDX-License-Identifier: Apache-2.0
#include "tls/keylog.h"

#include "base/cursor.h"
#include "tls/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    KEY_MAX = 32,
    LINE_MAX_LEN = 4096,
    READ_LEN = 1 << 18,
    CHUNK_ENTRIES = 512,
    FIRST_SLOTS = 1024,
    SEED_LEN = 16
};

/* Behind the labels: what the two forms of "RSA" lines are found by. */
enum { KIND_SESSION = PF_KEYLOG_LABEL_COUNT, KIND_ENCRYPTED };

/* Bytes only: no padding between ten million of them. */
struct entry {
    uint8_t kind;
    uint8_t key_len;
    uint8_t secret_len;
    uint8_t key[KEY_MAX];
    uint8_t secret[PF_SECRET_MAX];
};

/*
 * Entries in file order, in chunks that never move, and a table of their numbers: open addressing,
 * linear probing, never removed from, so that entries of one key are met in file order.
 */
struct pf_keylog {
    struct entry **chunks;
    size_t chunk_cap;
    size_t count;
    uint32_t *slots; /* entry number plus one; 0: free */
    size_t slot_count;
    size_t max_bytes;
    size_t bytes;
    uint8_t seed[SEED_LEN];
    uint8_t *read_buf; /* READ_LEN; NULL until a file is added */
    struct pf_keylog_counts counts;
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
        pf_wipe(log->read_buf, READ_LEN);
        free(log->read_buf);
        log->read_buf = NULL;
    }
}

void pf_keylog_free(struct pf_keylog *log)
{
    if (log == NULL) {
        return;
    }
    pf_keylog_freeze(log);
    for (size_t i = 0; i * CHUNK_ENTRIES < log->count; i++) {
        pf_wipe(log->chunks[i], CHUNK_ENTRIES * sizeof(struct entry));
        free(log->chunks[i]);
    }
    free(log->chunks);
    free(log->slots);
    free(log);
}

static struct entry *entry_at(const struct pf_keylog *log, size_t i)
{
    return &log->chunks[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

static size_t home_slot(const struct pf_keylog *log, const struct entry *e)
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

static bool same_key(const struct entry *a, const struct entry *b)
{
    return a->kind == b->kind && a->key_len == b->key_len &&
           memcmp(a->key, b->key, a->key_len) == 0;
}

static bool same_secret(const struct entry *a, const struct entry *b)
{
    return a->secret_len == b->secret_len && memcmp(a->secret, b->secret, a->secret_len) == 0;
}

static bool take_bytes(struct pf_keylog *log, size_t n)
{
    if (n > log->max_bytes - log->bytes) {
        return false;
    }
    log->bytes += n;
    return true;
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
        struct entry **chunks = reallocarray(log->chunks, cap, sizeof(struct entry *));
        if (chunks == NULL) {
            return PF_ERR_NOMEM;
        }
        log->chunks = chunks;
        log->chunk_cap = cap;
    }
    if (!take_bytes(log, CHUNK_ENTRIES * sizeof(struct entry))) {
        return PF_ERR_LIMIT;
    }
    log->chunks[n] = malloc(CHUNK_ENTRIES * sizeof(struct entry));
    if (log->chunks[n] == NULL) {
        log->bytes -= CHUNK_ENTRIES * sizeof(struct entry);
        return PF_ERR_NOMEM;
    }
    return PF_OK;
}

/* The slot where e belongs; PF_END when the same is there already or there are too many. */
static enum pf_status find_slot(struct pf_keylog *log, const struct entry *e, size_t *slot)
{
    unsigned same = 0;
    size_t at = home_slot(log, e);
    for (; log->slots[at] != 0; at = (at + 1) & (log->slot_count - 1)) {
        const struct entry *other = entry_at(log, log->slots[at] - 1);
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

/* The ceiling is no error: the line is counted as dropped. */
static enum pf_status add_entry(struct pf_keylog *log, const struct entry *e)
{
    size_t slot;
    enum pf_status st = grow_slots(log);
    if (st == PF_OK) {
        st = find_slot(log, e, &slot);
    }
    if (st == PF_OK) {
        st = grow_chunks(log);
    }
    if (st == PF_END) {
        return PF_OK;
    }
    if (st == PF_ERR_LIMIT) {
        log->counts.dropped++;
        return PF_OK;
    }
    if (st == PF_OK) {
        *entry_at(log, log->count) = *e;
        log->slots[slot] = (uint32_t)++log->count;
        log->counts.secrets++;
    }
    return st;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct pf_span next_word(struct pf_cur *c)
{
    struct pf_span all = pf_cur_rest(c);
    struct pf_span word = {0};
    size_t from = 0;
    while (from < all.len && is_blank(all.ptr[from])) {
        from++;
    }
    size_t to = from;
    while (to < all.len && !is_blank(all.ptr[to])) {
        to++;
    }
    bool fits = pf_cur_skip(c, from) && pf_cur_span(c, to - from, &word);
    return fits ? word : (struct pf_span){0};
}

static bool is_text(struct pf_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

static bool drop_prefix(struct pf_span *s, const char *text)
{
    size_t n = strlen(text);
    if (s->len < n || memcmp(s->ptr, text, n) != 0) {
        return false;
    }
    s->ptr += n;
    s->len -= n;
    return true;
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Between min and max bytes of hex. */
static bool read_hex(struct pf_span hex, uint8_t *out, size_t min, size_t max, uint8_t *len)
{
    if (hex.len % 2 != 0 || hex.len / 2 < min || hex.len / 2 > max) {
        return false;
    }
    for (size_t i = 0; i < hex.len; i += 2) {
        int hi = nibble(hex.ptr[i]);
        int lo = nibble(hex.ptr[i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    *len = (uint8_t)(hex.len / 2);
    return true;
}

/* "RSA <16 hex> <96 hex>" and "RSA Session-ID:<hex> Master-Key:<hex>". */
static bool read_rsa(struct pf_span first, struct pf_span second, struct entry *e)
{
    if (drop_prefix(&first, "Session-ID:")) {
        e->kind = KIND_SESSION;
        return drop_prefix(&second, "Master-Key:") &&
               read_hex(first, e->key, 1, PF_SESSION_ID_MAX, &e->key_len) &&
               read_hex(second, e->secret, PF_MASTER_LEN, PF_MASTER_LEN, &e->secret_len);
    }
    e->kind = KIND_ENCRYPTED;
    return read_hex(first, e->key, 8, 8, &e->key_len) &&
           read_hex(second, e->secret, PF_MASTER_LEN, PF_MASTER_LEN, &e->secret_len);
}

static const char *const labels[] = {
#define X(name, label) label,
    PF_KEYLOG_LABELS(X)
#undef X
};

static bool find_label(struct pf_span word, uint8_t *kind)
{
    for (uint8_t i = 0; i < PF_KEYLOG_LABEL_COUNT; i++) {
        if (is_text(word, labels[i])) {
            *kind = i;
            return true;
        }
    }
    return false;
}

/* A master secret has 48 bytes, a traffic secret those of its hash, a pre-master secret what the
 * key exchange gave. */
static bool fits_label(const struct entry *e)
{
    switch (e->kind) {
    case PF_KEYLOG_MASTER:
        return e->secret_len == PF_MASTER_LEN;
    case PF_KEYLOG_PRE_MASTER:
        return true;
    default:
        return e->secret_len == 32 || e->secret_len == 48 || e->secret_len == 64;
    }
}

static bool read_secret(struct pf_cur c, struct entry *e)
{
    struct pf_span label = next_word(&c);
    struct pf_span first = next_word(&c);
    struct pf_span second = next_word(&c);
    if (next_word(&c).len != 0) {
        return false;
    }
    if (is_text(label, "RSA")) {
        return read_rsa(first, second, e);
    }
    return find_label(label, &e->kind) &&
           read_hex(first, e->key, PF_RANDOM_LEN, PF_RANDOM_LEN, &e->key_len) &&
           read_hex(second, e->secret, 1, PF_SECRET_MAX, &e->secret_len) && fits_label(e);
}

/* No label starts otherwise: most lines of a log that is none end here. */
static bool may_be_label(uint8_t c)
{
    return c == 'C' || c == 'S' || c == 'P' || c == 'R';
}

static enum pf_status add_line(struct pf_keylog *log, struct pf_span line)
{
    bool too_long = line.len > LINE_MAX_LEN;
    log->counts.lines++;
    drop_prefix(&line, "\xef\xbb\xbf"); /* a byte order mark */
    while (line.len > 0 && is_blank(line.ptr[0])) {
        line.ptr++;
        line.len--;
    }
    if (line.len == 0 || line.ptr[0] == '#') {
        return PF_OK;
    }
    struct entry e = {0};
    enum pf_status st = PF_OK;
    if (!too_long && may_be_label(line.ptr[0]) && read_secret(pf_cur_of(line), &e)) {
        st = add_entry(log, &e);
        pf_wipe(&e, sizeof e);
    } else {
        log->counts.foreign++;
    }
    return st;
}

/* The whole lines of text; *rest is what stands behind the last newline. */
static enum pf_status add_lines(struct pf_keylog *log, struct pf_span text, struct pf_span *rest)
{
    enum pf_status st = PF_OK;
    while (st == PF_OK && text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        if (end == NULL) {
            break;
        }
        size_t len = (size_t)(end - text.ptr);
        st = add_line(log, (struct pf_span){.ptr = text.ptr, .len = len});
        text.ptr += len + 1;
        text.len -= len + 1;
    }
    *rest = text;
    return st;
}

enum pf_status pf_keylog_add_text(struct pf_keylog *log, struct pf_span text)
{
    struct pf_span rest;
    enum pf_status st = add_lines(log, text, &rest);
    return st == PF_OK && rest.len > 0 ? add_line(log, rest) : st;
}

/* Reads on behind the *held bytes that began a line. 0 at the end. */
static ssize_t read_more(struct pf_keylog *log, int fd, size_t held)
{
    ssize_t n;
    do {
        n = read(fd, log->read_buf + held, READ_LEN - held);
    } while (n < 0 && errno == EINTR);
    return n;
}

/*
 * What is carried over from one piece to the next is the beginning of a line. One that is too long
 * already is carried as its first bytes only: it will be too long whatever follows.
 */
static enum pf_status add_fd(struct pf_keylog *log, int fd, const char *path, struct pf_error *err)
{
    size_t held = 0;
    enum pf_status st = PF_OK;
    while (st == PF_OK) {
        struct pf_span rest;
        ssize_t n = read_more(log, fd, held);
        if (n < 0) {
            return pf_error_set(err, PF_ERR_USAGE, "key log %s: %s", path, strerror(errno));
        }
        struct pf_span piece = {.ptr = log->read_buf, .len = held + (size_t)n};
        if (n == 0) {
            return piece.len > 0 ? add_line(log, piece) : PF_OK;
        }
        st = add_lines(log, piece, &rest);
        held = rest.len < LINE_MAX_LEN + 1 ? rest.len : LINE_MAX_LEN + 1;
        memmove(log->read_buf, rest.ptr, held);
    }
    return st;
}

enum pf_status pf_keylog_add_file(struct pf_keylog *log, const char *path, struct pf_error *err)
{
    if (log->read_buf == NULL) {
        log->read_buf = malloc(READ_LEN);
    }
    if (log->read_buf == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "key log %s: out of memory", path);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return pf_error_set(err, PF_ERR_USAGE, "key log %s: %s", path, strerror(errno));
    }
    enum pf_status st = add_fd(log, fd, path, err);
    close(fd);
    return st == PF_OK ? PF_OK : pf_error_set(err, st, "key log %s: %s", path, pf_status_text(st));
}

struct pf_keylog_counts pf_keylog_counts(const struct pf_keylog *log)
{
    return log->counts;
}

static bool find_nth(const struct pf_keylog *log, const struct entry *want, unsigned nth,
                     struct pf_secret *out)
{
    if (log->count == 0) {
        return false;
    }
    size_t at = home_slot(log, want);
    for (; log->slots[at] != 0; at = (at + 1) & (log->slot_count - 1)) {
        const struct entry *e = entry_at(log, log->slots[at] - 1);
        if (same_key(e, want) && nth-- == 0) {
            *out = (struct pf_secret){.len = e->secret_len};
            memcpy(out->bytes, e->secret, e->secret_len);
            return true;
        }
    }
    return false;
}

bool pf_keylog_find(const struct pf_keylog *log, enum pf_keylog_label label,
                    const uint8_t client_random[PF_RANDOM_LEN], unsigned nth, struct pf_secret *out)
{
    struct entry want = {.kind = (uint8_t)label, .key_len = PF_RANDOM_LEN};
    memcpy(want.key, client_random, PF_RANDOM_LEN);
    return find_nth(log, &want, nth, out);
}

bool pf_keylog_find_session(const struct pf_keylog *log, struct pf_span session_id,
                            struct pf_secret *out)
{
    struct entry want = {.kind = KIND_SESSION, .key_len = (uint8_t)session_id.len};
    if (session_id.len == 0 || session_id.len > PF_SESSION_ID_MAX) {
        return false;
    }
    memcpy(want.key, session_id.ptr, session_id.len);
    return find_nth(log, &want, 0, out);
}

bool pf_keylog_find_encrypted(const struct pf_keylog *log, struct pf_span encrypted,
                              struct pf_secret *out)
{
    struct entry want = {.kind = KIND_ENCRYPTED, .key_len = 8};
    if (encrypted.len < want.key_len) {
        return false;
    }
    memcpy(want.key, encrypted.ptr, want.key_len);
    return find_nth(log, &want, 0, out);
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

size_t pf_keylog_format(enum pf_keylog_label label, const uint8_t client_random[PF_RANDOM_LEN],
                        const struct pf_secret *secret, char *out, size_t cap)
{
    size_t label_len = strlen(labels[label]);
    size_t len = label_len + 1 + 2 * PF_RANDOM_LEN + 1 + 2 * (size_t)secret->len + 1;
    if (secret->len > PF_SECRET_MAX || len + 1 > cap) {
        return 0;
    }
    memcpy(out, labels[label], label_len);
    char *p = out + label_len;
    *p++ = ' ';
    p = write_hex(p, client_random, PF_RANDOM_LEN);
    *p++ = ' ';
    p = write_hex(p, secret->bytes, secret->len);
    *p++ = '\n';
    *p = '\0';
    return len;
}
