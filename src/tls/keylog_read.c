// SPDX-License-Identifier: Apache-2.0
/* The text of key logs: lines -> entries of the table. */
#include "tls/keylog_table.h"

#include "base/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 4096 };

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

static bool decode_hex(struct pf_span hex, uint8_t *out)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        int hi = nibble(hex.ptr[i]);
        int lo = nibble(hex.ptr[i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    return hex.len % 2 == 0;
}

/* Between min and max bytes of hex. */
static bool read_hex(struct pf_span hex, uint8_t *out, size_t min, size_t max, uint8_t *len)
{
    *len = (uint8_t)(hex.len / 2);
    return hex.len / 2 >= min && hex.len / 2 <= max && decode_hex(hex, out);
}

/* A secret that does not fit into an entry. PF_ERR_MALFORMED: it is none; PF_ERR_LIMIT: no room. */
static enum pf_status read_long(struct pf_keylog *log, struct pf_span hex,
                                struct pf_keylog_entry *e)
{
    uint8_t *bytes;
    if (hex.len / 2 > PF_PRE_MASTER_MAX) {
        return PF_ERR_MALFORMED;
    }
    enum pf_status st = pf_keylog_make_long(log, e, hex.len / 2, &bytes);
    if (st == PF_OK && !decode_hex(hex, bytes)) {
        pf_keylog_drop_long(log, e);
        st = PF_ERR_MALFORMED;
    }
    return st;
}

/* "RSA <16 hex> <96 hex>" and "RSA Session-ID:<hex> Master-Key:<hex>". */
static bool read_rsa(struct pf_span first, struct pf_span second, struct pf_keylog_entry *e)
{
    if (drop_prefix(&first, "Session-ID:")) {
        e->kind = PF_KEYLOG_KIND_SESSION;
        return drop_prefix(&second, "Master-Key:") &&
               read_hex(first, e->key, 1, PF_SESSION_ID_MAX, &e->key_len) &&
               read_hex(second, e->secret, PF_MASTER_LEN, PF_MASTER_LEN, &e->secret_len);
    }
    e->kind = PF_KEYLOG_KIND_ENCRYPTED;
    return read_hex(first, e->key, 8, 8, &e->key_len) &&
           read_hex(second, e->secret, PF_MASTER_LEN, PF_MASTER_LEN, &e->secret_len);
}

/* "PF_TICKET <64 hex> <96 hex>": see pf_keylog_find_ticket. */
static bool read_ticket(struct pf_span first, struct pf_span second, struct pf_keylog_entry *e)
{
    e->kind = PF_KEYLOG_KIND_TICKET;
    return read_hex(first, e->key, PF_KEYLOG_KEY_MAX, PF_KEYLOG_KEY_MAX, &e->key_len) &&
           read_hex(second, e->secret, PF_MASTER_LEN, PF_MASTER_LEN, &e->secret_len);
}

static bool find_label(struct pf_span word, uint8_t *kind)
{
    for (uint8_t i = 0; i < PF_KEYLOG_LABEL_COUNT; i++) {
        if (is_text(word, pf_keylog_label_text((enum pf_keylog_label)i))) {
            *kind = i;
            return true;
        }
    }
    return false;
}

/* A master secret has 48 bytes, a traffic secret those of its hash, a pre-master secret what the
 * key exchange gave. */
static bool fits_label(const struct pf_keylog_entry *e)
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

/* *rest: the hex of a secret that is to be read with read_long; else empty. */
static bool read_secret(struct pf_cur c, struct pf_keylog_entry *e, struct pf_span *rest)
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
    if (is_text(label, PF_KEYLOG_TICKET_TEXT)) {
        return read_ticket(first, second, e);
    }
    if (!find_label(label, &e->kind) ||
        !read_hex(first, e->key, PF_RANDOM_LEN, PF_RANDOM_LEN, &e->key_len)) {
        return false;
    }
    if (e->kind == PF_KEYLOG_PRE_MASTER && second.len > 2 * PF_SECRET_MAX) {
        *rest = second;
        return true;
    }
    return read_hex(second, e->secret, 1, PF_SECRET_MAX, &e->secret_len) && fits_label(e);
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
    struct pf_keylog_entry e = {0};
    struct pf_span rest = {0};
    enum pf_status st = PF_ERR_MALFORMED;
    if (!too_long && may_be_label(line.ptr[0]) && read_secret(pf_cur_of(line), &e, &rest)) {
        st = rest.len > 0 ? read_long(log, rest, &e) : PF_OK;
    }
    if (st == PF_OK) {
        st = pf_keylog_add_entry(log, &e);
    }
    pf_wipe(&e, sizeof e);
    log->counts.foreign += st == PF_ERR_MALFORMED ? 1 : 0;
    log->counts.dropped += st == PF_ERR_LIMIT ? 1 : 0;
    return st == PF_ERR_MALFORMED || st == PF_ERR_LIMIT ? PF_OK : st;
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
        n = read(fd, log->read_buf + held, PF_KEYLOG_READ_LEN - held);
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
        log->read_buf = malloc(PF_KEYLOG_READ_LEN);
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
