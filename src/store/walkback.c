// SPDX-License-Identifier: Apache-2.0
#include "store/walkback.h"

#include "store/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct block {
    uint8_t *ptr;
    size_t cap;
};

struct pf_walkback {
    struct pf_place place;
    bool own_files;
    bool open;
    uint32_t worker;
    struct pf_walkback_files files;
    enum pf_store_codec codec;

    enum pf_dir dir;
    uint64_t *entries; /* positions in the index: last to first while collected, then turned */
    size_t count;
    size_t cap;
    size_t next;
    uint64_t offset; /* plaintext offset that the next entry must have */
    struct pf_index_entry entry;

    struct block body;
    struct block packed;
    struct block plain;
    struct pf_unpacker *unpacker;
};

enum pf_status pf_walkback_new(struct pf_walkback **out)
{
    *out = NULL;
    struct pf_walkback *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return PF_ERR_NOMEM;
    }
    c->files.index_fd = -1;
    c->files.data_fd = -1;
    if (pf_unpacker_new(&c->unpacker) != PF_OK) {
        free(c);
        return PF_ERR_NOMEM;
    }
    *out = c;
    return PF_OK;
}

static void close_files(struct pf_walkback *c)
{
    if (c->own_files && c->files.index_fd >= 0) {
        (void)close(c->files.index_fd);
    }
    if (c->own_files && c->files.data_fd >= 0) {
        (void)close(c->files.data_fd);
    }
    c->files = (struct pf_walkback_files){.index_fd = -1, .data_fd = -1};
    c->open = false;
}

void pf_walkback_free(struct pf_walkback *c)
{
    if (c != NULL) {
        close_files(c);
        pf_unpacker_free(c->unpacker);
        free(c->entries);
        free(c->body.ptr);
        free(c->packed.ptr);
        free(c->plain.ptr);
        free(c);
    }
}

static enum pf_status fail(const struct pf_walkback *c, enum pf_status st, const char *what,
                           struct pf_error *err)
{
    const char *path = c->place.path == NULL ? "index" : c->place.path;
    return pf_error_set(err, st, "%s/%03u.idx: %s", path, c->worker, what);
}

static enum pf_status room(struct block *b, size_t need)
{
    if (need <= b->cap) {
        return PF_OK;
    }
    uint8_t *p = realloc(b->ptr, need);
    if (p == NULL) {
        return PF_ERR_NOMEM;
    }
    b->ptr = p;
    b->cap = need;
    return PF_OK;
}

static int open_file(const struct pf_place *data, const char *name, uint64_t *size)
{
    int fd = openat(data->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat sb;
    if (fd >= 0 && (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode))) {
        (void)close(fd);
        errno = EINVAL;
        return -1;
    }
    if (fd >= 0) {
        *size = (uint64_t)sb.st_size;
    }
    return fd;
}

static enum pf_status read_codec(struct pf_walkback *c, struct pf_error *err)
{
    uint8_t head[PF_INDEX_FILE_HEADER];
    enum pf_status st = pf_file_read_at(c->files.index_fd, head, sizeof(head), 0);
    if (st != PF_OK || !pf_index_parse_file_header(
                           (struct pf_span){.ptr = head, .len = sizeof(head)}, &c->codec)) {
        return fail(c, PF_ERR_MALFORMED, "is not an index of plainflow's", err);
    }
    return PF_OK;
}

static enum pf_status open_worker(struct pf_walkback *c, const struct pf_place *data,
                                  uint32_t worker, struct pf_error *err)
{
    close_files(c);
    c->own_files = true;
    c->worker = worker;
    char name[PF_FILE_NAME];
    (void)snprintf(name, sizeof(name), "%03u.idx", worker);
    c->files.index_fd = open_file(data, name, &c->files.index_size);
    if (c->files.index_fd < 0) {
        return pf_place_error(data, name, errno, err);
    }
    enum pf_status st = read_codec(c, err);
    if (st != PF_OK) {
        return st;
    }
    (void)snprintf(name, sizeof(name), "%03u.%s", worker, c->codec == PF_CODEC_LZ4 ? "lz4" : "raw");
    c->files.data_fd = open_file(data, name, &c->files.data_size);
    if (c->files.data_fd < 0) {
        return pf_place_error(data, name, errno, err);
    }
    c->open = true;
    return PF_OK;
}

/* What stands at the front of the entry at pos: enough to step back or to compare offsets. */
static enum pf_status read_front(struct pf_walkback *c, uint64_t pos, struct pf_index_front *front,
                                 struct pf_error *err)
{
    uint8_t bytes[PF_INDEX_ENTRY_HEADER + PF_INDEX_FIXED_MAX];
    size_t len = sizeof(bytes);
    if (pos < PF_INDEX_FILE_HEADER || pos >= c->files.index_size) {
        return fail(c, PF_ERR_MALFORMED, "an entry lies outside the file", err);
    }
    if (len > c->files.index_size - pos) {
        len = (size_t)(c->files.index_size - pos);
    }
    enum pf_status st = pf_file_read_at(c->files.index_fd, bytes, len, pos);
    if (st != PF_OK) {
        return fail(c, st, pf_status_text(st), err);
    }
    struct pf_cur cur = pf_cur_over(bytes, len);
    if (!pf_cur_skip(&cur, PF_INDEX_ENTRY_HEADER) ||
        !pf_index_parse_front(pf_cur_rest(&cur), front) || front->dir != c->dir ||
        front->back > pos - PF_INDEX_FILE_HEADER ||
        (front->back != 0 && front->back < PF_INDEX_ENTRY_MIN)) {
        return fail(c, PF_ERR_MALFORMED, "damaged: the chain of a flow is broken", err);
    }
    return PF_OK;
}

static enum pf_status add_position(struct pf_walkback *c, uint64_t pos)
{
    if (c->count == c->cap) {
        size_t cap = c->cap == 0 ? 64 : 2 * c->cap;
        uint64_t *p = realloc(c->entries, cap * sizeof(*p));
        if (p == NULL) {
            return PF_ERR_NOMEM;
        }
        c->entries = p;
        c->cap = cap;
    }
    c->entries[c->count++] = pos;
    return PF_OK;
}

/* Every step goes back by an entry at least, so that this ends whatever the file says. */
static enum pf_status collect(struct pf_walkback *c, uint64_t last, struct pf_error *err)
{
    uint64_t pos = last;
    while (pos != 0) {
        struct pf_index_front front;
        enum pf_status st = read_front(c, pos, &front, err);
        if (st != PF_OK) {
            return st;
        }
        if (add_position(c, pos) != PF_OK) {
            return fail(c, PF_ERR_NOMEM, "out of memory", err);
        }
        pos = front.back == 0 ? 0 : pos - front.back;
    }
    for (size_t i = 0; i < c->count / 2; i++) {
        uint64_t t = c->entries[i];
        c->entries[i] = c->entries[c->count - 1 - i];
        c->entries[c->count - 1 - i] = t;
    }
    return PF_OK;
}

static enum pf_status begin(struct pf_walkback *c, enum pf_dir dir, uint64_t last,
                            struct pf_error *err)
{
    c->dir = dir;
    c->next = 0;
    c->count = 0;
    c->offset = 0;
    c->entry = (struct pf_index_entry){.kind = PF_INDEX_GAP};
    enum pf_status st = collect(c, last, err);
    if (st != PF_OK) {
        c->count = 0;
    }
    return st;
}

enum pf_status pf_walkback_start(struct pf_walkback *c, const struct pf_place *data,
                                 uint32_t worker, enum pf_dir dir, uint64_t last,
                                 struct pf_error *err)
{
    c->count = 0;
    c->next = 0;
    bool same = c->open && c->own_files && c->worker == worker && c->place.fd == data->fd;
    c->place = *data;
    if (last != 0 && !same) {
        enum pf_status st = open_worker(c, data, worker, err);
        if (st != PF_OK) {
            return st;
        }
    }
    return begin(c, dir, last, err);
}

enum pf_status pf_walkback_start_files(struct pf_walkback *c, struct pf_walkback_files files,
                                       enum pf_dir dir, uint64_t last, struct pf_error *err)
{
    close_files(c);
    c->own_files = false;
    c->files = files;
    c->count = 0;
    c->next = 0;
    enum pf_status st = read_codec(c, err);
    return st != PF_OK ? st : begin(c, dir, last, err);
}

static enum pf_status read_body(struct pf_walkback *c, uint64_t pos, struct pf_span *body,
                                struct pf_error *err)
{
    uint8_t head[PF_INDEX_ENTRY_HEADER];
    uint32_t len;
    uint32_t check;
    enum pf_status st = pf_file_read_at(c->files.index_fd, head, sizeof(head), pos);
    if (st != PF_OK) {
        return fail(c, st, pf_status_text(st), err);
    }
    if (!pf_index_parse_header((struct pf_span){.ptr = head, .len = sizeof(head)}, &len, &check)) {
        return fail(c, PF_ERR_MALFORMED, "damaged: an entry has an impossible length", err);
    }
    if (room(&c->body, len) != PF_OK) {
        return fail(c, PF_ERR_NOMEM, "out of memory", err);
    }
    st = pf_file_read_at(c->files.index_fd, c->body.ptr, len, pos + sizeof(head));
    if (st != PF_OK) {
        return fail(c, st, pf_status_text(st), err);
    }
    *body = (struct pf_span){.ptr = c->body.ptr, .len = len};
    if (pf_index_check(*body) != check) {
        return fail(c, PF_ERR_MALFORMED, "damaged: an entry's check does not fit", err);
    }
    return PF_OK;
}

/* The records are whole, end with the entry, and add up to the chunk. */
static bool records_fit(const struct pf_index_entry *e)
{
    struct pf_cur bytes = e->chunk.bytes;
    struct pf_record_entry r = {.packet = 0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < e->chunk.records; i++) {
        if (!pf_index_record(&bytes, i == 0, &r, &r)) {
            return false;
        }
        sum += r.len;
    }
    return pf_cur_at_end(&bytes) && sum == e->chunk.plain_len;
}

static bool chunk_fits(const struct pf_walkback *c, const struct pf_index_entry *e)
{
    return e->chunk.packed_len <= c->files.data_size &&
           e->chunk.pos <= c->files.data_size - e->chunk.packed_len && records_fit(e);
}

enum pf_status pf_walkback_next(struct pf_walkback *c, const struct pf_index_entry **out,
                                struct pf_error *err)
{
    if (c->next == c->count) {
        return PF_END;
    }
    uint64_t pos = c->entries[c->next];
    struct pf_span body;
    enum pf_status st = read_body(c, pos, &body, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_index_entry *e = &c->entry;
    uint64_t back = c->next == 0 ? 0 : pos - c->entries[c->next - 1];
    if (!pf_index_parse(body, e) || e->dir != c->dir || e->back != back || e->offset != c->offset ||
        (e->kind != PF_INDEX_GAP && !chunk_fits(c, e))) {
        *e = (struct pf_index_entry){.kind = PF_INDEX_GAP};
        return fail(c, PF_ERR_MALFORMED, "damaged: an entry does not fit the ones before", err);
    }
    c->next++;
    if (e->kind == PF_INDEX_CHUNK) {
        c->offset += e->chunk.plain_len;
    }
    *out = e;
    return PF_OK;
}

enum pf_status pf_walkback_plain(struct pf_walkback *c, struct pf_span *out, struct pf_error *err)
{
    const struct pf_index_entry *e = &c->entry;
    size_t packed_len = e->kind != PF_INDEX_GAP ? e->chunk.packed_len : 0;
    size_t plain_len = e->kind != PF_INDEX_GAP ? e->chunk.plain_len : 0;
    *out = (struct pf_span){.ptr = c->plain.ptr, .len = 0};
    if (plain_len == 0) {
        return PF_OK;
    }
    if (room(&c->packed, packed_len) != PF_OK || room(&c->plain, plain_len) != PF_OK) {
        return fail(c, PF_ERR_NOMEM, "out of memory", err);
    }
    enum pf_status st = pf_file_read_at(c->files.data_fd, c->packed.ptr, packed_len, e->chunk.pos);
    if (st == PF_OK) {
        st = pf_unpack(c->unpacker, c->codec,
                       (struct pf_span){.ptr = c->packed.ptr, .len = packed_len}, c->plain.ptr,
                       plain_len);
    }
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s/%03u.%s: a chunk at %llu: %s",
                            c->place.path == NULL ? "data" : c->place.path, c->worker,
                            c->codec == PF_CODEC_LZ4 ? "lz4" : "raw",
                            (unsigned long long)e->chunk.pos, pf_status_text(st));
    }
    *out = (struct pf_span){.ptr = c->plain.ptr, .len = plain_len};
    return PF_OK;
}

enum pf_status pf_walkback_seek(struct pf_walkback *c, uint64_t offset, struct pf_error *err)
{
    size_t low = 0;
    size_t high = c->count;
    uint64_t found = 0;
    while (low < high) { /* below low: entries at or before offset */
        size_t mid = low + (high - low) / 2;
        struct pf_index_front front;
        enum pf_status st = read_front(c, c->entries[mid], &front, err);
        if (st != PF_OK) {
            return st;
        }
        if (front.offset <= offset) {
            low = mid + 1;
            found = front.offset;
        } else {
            high = mid;
        }
    }
    c->next = low == 0 ? 0 : low - 1;
    c->offset = found;
    return PF_OK;
}
