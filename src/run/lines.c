// SPDX-License-Identifier: Apache-2.0
#include "run/lines.h"

#include "base/buf.h"
#include "store/file.h"
#include "store/rows.h"
#include "tls/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A chunk begins on a page, so that it can be kept out of core dumps. */
enum { CHUNK = PF_LINES_SECRET_MAX, PAGE = 4096, ROWS_FIRST = 256, PATH_LEN = 4096 };

struct pf_lines {
    bool secret;
    size_t max_bytes;
    size_t bytes; /* of memory, of those */
    struct pf_row *rows;
    size_t count;
    size_t cap;
    size_t head;
    uint64_t end; /* where the next text goes */
    /* secret: all chunks; else one, behind `written` */
    uint8_t **chunks;
    size_t chunk_count;
    int fd;
    int error; /* errno of the first write that failed */
    uint64_t written;
    struct pf_buf text; /* what was read last */
};

static const char *directory(void)
{
    const char *dir = getenv("TMPDIR");
    return dir != NULL && dir[0] != '\0' ? dir : "/tmp";
}

static enum pf_status failed(int number, struct pf_error *err)
{
    return pf_error_set(err, PF_ERR_IO, "temporary file in %s: %s", directory(), strerror(number));
}

/* mkstemp makes it 0600; without a name, nobody finds it and nobody has to remove it. */
static enum pf_status open_file(struct pf_lines *l, struct pf_error *err)
{
    char path[PATH_LEN];
    int n = snprintf(path, sizeof path, "%s/plainflow.XXXXXX", directory());
    if (n < 0 || (size_t)n >= sizeof path) {
        return failed(ENAMETOOLONG, err);
    }
    l->fd = mkostemp(path, O_CLOEXEC);
    if (l->fd < 0) {
        return failed(errno, err);
    }
    return unlink(path) == 0 ? PF_OK : failed(errno, err);
}

static enum pf_status add_chunk(struct pf_lines *l)
{
    if (l->secret && CHUNK > l->max_bytes - l->bytes) {
        return PF_ERR_LIMIT;
    }
    uint8_t **chunks = realloc(l->chunks, (l->chunk_count + 1) * sizeof *chunks);
    if (chunks == NULL) {
        return PF_ERR_NOMEM;
    }
    l->chunks = chunks;
    uint8_t *chunk = aligned_alloc(PAGE, CHUNK);
    if (chunk == NULL) {
        return PF_ERR_NOMEM;
    }
    if (l->secret) {
        (void)madvise(chunk, CHUNK, MADV_DONTDUMP); /* a precaution: the kernel may not have it */
        l->bytes += CHUNK;
    }
    l->chunks[l->chunk_count++] = chunk;
    return PF_OK;
}

enum pf_status pf_lines_new(bool secret, size_t max_bytes, struct pf_lines **out,
                            struct pf_error *err)
{
    struct pf_lines *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return PF_ERR_NOMEM;
    }
    l->secret = secret;
    l->max_bytes = max_bytes;
    l->fd = -1;
    pf_buf_init(&l->text, PF_LINES_TEXT_MAX, NULL);
    enum pf_status st = secret ? PF_OK : open_file(l, err);
    st = st == PF_OK && !secret ? add_chunk(l) : st;
    if (st != PF_OK) {
        pf_lines_free(l);
        return st;
    }
    *out = l;
    return PF_OK;
}

void pf_lines_free(struct pf_lines *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->chunk_count; i++) {
        if (l->secret) {
            pf_wipe(l->chunks[i], CHUNK);
            (void)madvise(l->chunks[i], CHUNK, MADV_DODUMP);
        }
        free(l->chunks[i]);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    free(l->chunks);
    free(l->rows);
    pf_buf_fini(&l->text);
    free(l);
}

/* Room for one more row. */
static enum pf_status reserve_row(struct pf_lines *l)
{
    if (l->count < l->cap) {
        return PF_OK;
    }
    size_t more = l->cap == 0 ? ROWS_FIRST : l->cap / 4;
    if (more * sizeof(struct pf_row) > l->max_bytes - l->bytes) {
        return PF_ERR_LIMIT;
    }
    struct pf_row *rows = realloc(l->rows, (l->cap + more) * sizeof *rows);
    if (rows == NULL) {
        return PF_ERR_NOMEM;
    }
    l->rows = rows;
    l->cap += more;
    l->bytes += more * sizeof *rows;
    return PF_OK;
}

static enum pf_status write_all(struct pf_lines *l, const uint8_t *ptr, size_t len,
                                struct pf_error *err)
{
    while (len > 0 && l->error == 0) {
        ssize_t n = write(l->fd, ptr, len);
        if (n < 0 && errno != EINTR) {
            l->error = errno;
        }
        if (n > 0) {
            ptr += n;
            len -= (size_t)n;
            l->written += (uint64_t)n;
        }
    }
    return l->error == 0 ? PF_OK : failed(l->error, err);
}

static enum pf_status flush(struct pf_lines *l, struct pf_error *err)
{
    return write_all(l, l->chunks[0], (size_t)(l->end - l->written), err);
}

static enum pf_status put_in_file(struct pf_lines *l, struct pf_span text, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    if (l->end - l->written + text.len > CHUNK) {
        st = flush(l, err);
    }
    if (st == PF_OK && text.len > CHUNK) {
        st = write_all(l, text.ptr, text.len, err);
    } else if (st == PF_OK) {
        memcpy(l->chunks[0] + (l->end - l->written), text.ptr, text.len);
    }
    return st;
}

static enum pf_status put_in_memory(struct pf_lines *l, struct pf_span text)
{
    size_t left = (size_t)(l->chunk_count * (uint64_t)CHUNK - l->end);
    if (text.len > left) {
        enum pf_status st = add_chunk(l);
        if (st != PF_OK) {
            return st;
        }
        l->end += left; /* a text lies in one chunk */
    }
    memcpy(l->chunks[l->end / CHUNK] + l->end % CHUNK, text.ptr, text.len);
    return PF_OK;
}

enum pf_status pf_lines_append(struct pf_lines *l, uint64_t first_packet,
                               const struct pf_flow_key *key, struct pf_span text,
                               struct pf_error *err)
{
    if (text.len > (l->secret ? (size_t)PF_LINES_SECRET_MAX : (size_t)PF_LINES_TEXT_MAX)) {
        return PF_ERR_LIMIT;
    }
    if (text.len == 0) {
        return PF_OK;
    }
    enum pf_status st = reserve_row(l);
    if (st == PF_OK) {
        st = l->secret ? put_in_memory(l, text) : put_in_file(l, text, err);
    }
    if (st == PF_OK) {
        l->rows[l->count++] = (struct pf_row){.first_packet = first_packet,
                                              .pos = l->end,
                                              .len = (uint32_t)text.len,
                                              .tie = pf_row_tie(key)};
        l->end += text.len;
    }
    return st;
}

enum pf_status pf_lines_close(struct pf_lines *l, struct pf_error *err)
{
    enum pf_status st = l->secret ? PF_OK : flush(l, err);
    if (st == PF_OK) {
        pf_rows_sort(l->rows, l->count);
    }
    return st;
}

static enum pf_status read_row(struct pf_lines *l, const struct pf_row *r, struct pf_span *text,
                               struct pf_error *err)
{
    if (l->secret) {
        *text = (struct pf_span){l->chunks[r->pos / CHUNK] + r->pos % CHUNK, r->len};
        return PF_OK;
    }
    l->text.len = 0;
    enum pf_status st = pf_buf_reserve(&l->text, r->len);
    if (st != PF_OK) {
        return st;
    }
    st = pf_file_read_at(l->fd, l->text.ptr, r->len, r->pos);
    *text = (struct pf_span){l->text.ptr, r->len};
    return st == PF_OK ? PF_OK : failed(st == PF_ERR_IO ? errno : EIO, err);
}

enum pf_status pf_lines_next(struct pf_lines *const *all, size_t count, struct pf_span *text,
                             uint64_t *first_packet, struct pf_error *err)
{
    struct pf_lines *best = NULL;
    for (size_t i = 0; i < count; i++) {
        struct pf_lines *l = all[i];
        if (l->head == l->count) {
            continue;
        }
        const struct pf_row *a = &l->rows[l->head];
        const struct pf_row *b = best != NULL ? &best->rows[best->head] : NULL;
        if (b == NULL || pf_row_before(a, b)) {
            best = l;
        }
    }
    if (best == NULL) {
        return PF_END;
    }
    const struct pf_row *r = &best->rows[best->head++];
    *first_packet = r->first_packet;
    return read_row(best, r, text, err);
}

void pf_lines_rewind(struct pf_lines *l)
{
    l->head = 0;
}

uint64_t pf_lines_before(struct pf_lines *const *all, size_t count, uint64_t first_packet)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += pf_rows_from(all[i]->rows, all[i]->count, first_packet);
    }
    return sum;
}
