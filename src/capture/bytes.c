// SPDX-License-Identifier: Apache-2.0
#include "capture/bytes.h"

#include "capture/decompress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAIT_MS = 100,
    PAGE = 4096,
    BODY = 256 << 10,
    SLABS = PF_BYTES_LENT_MAX / BODY /* what is read while others hold all has to be copied */
};

struct pf_bytes {
    const atomic_bool *stop; /* NULL: never stops */
    int fd;
    bool own_fd;
    bool raw_end; /* read(2) said 0 */
    bool end;     /* nothing more will come into the buffer: see status */
    uint64_t raw;
    uint64_t total;
    uint64_t offset;

    struct pf_slab *slab; /* at work: half bytes of head room, then half bytes of body */
    struct pf_slab *own;  /* nobody else holds it */
    struct pf_slab *others[SLABS];
    size_t others_count;
    size_t half;
    size_t pos;
    size_t fill_end;

    struct pf_decompress *inflate; /* NULL: not compressed */
    enum pf_codec codec;
    uint8_t *in; /* BODY bytes of compressed input */
    size_t in_pos;
    size_t in_end;

    struct pf_error error;
};

static enum pf_status fail(struct pf_bytes *b, enum pf_status st, const char *text)
{
    b->end = true;
    return pf_error_set(&b->error, st, "%s", text);
}

/* What is not a file may make us wait for ever: waits in short pieces, until told to stop. */
static bool wait_readable(const struct pf_bytes *b)
{
    struct pollfd p = {.fd = b->fd, .events = POLLIN};
    while (b->stop != NULL && b->total == 0 && poll(&p, 1, WAIT_MS) <= 0) {
        /* relaxed: a moment later is soon enough */
        if (atomic_load_explicit(b->stop, memory_order_relaxed)) {
            return false;
        }
    }
    return true;
}

/* *got 0: end of file. */
static enum pf_status read_raw(struct pf_bytes *b, uint8_t *dst, size_t n, size_t *got)
{
    ssize_t r = 0;
    if (wait_readable(b)) {
        do {
            r = read(b->fd, dst, n);
        } while (r < 0 && errno == EINTR);
    }
    if (r < 0) {
        return fail(b, PF_ERR_IO, strerror(errno));
    }
    *got = (size_t)r;
    b->raw += (uint64_t)r;
    b->raw_end = r == 0;
    return PF_OK;
}

static enum pf_status refill_in(struct pf_bytes *b)
{
    size_t got = 0;
    if (b->in_pos == b->in_end && !b->raw_end) {
        enum pf_status st = read_raw(b, b->in, BODY, &got);
        if (st != PF_OK) {
            return st;
        }
        b->in_pos = 0;
        b->in_end = got;
    }
    return PF_OK;
}

static enum pf_status inflate_failed(struct pf_bytes *b, enum pf_status st)
{
    if (st == PF_ERR_NOMEM) {
        return fail(b, st, "out of memory");
    }
    b->end = true;
    return pf_error_set(&b->error, st, "the %s data is damaged", pf_codec_name(b->codec));
}

static enum pf_status inflate_end(struct pf_bytes *b)
{
    b->end = true;
    if (pf_decompress_at_boundary(b->inflate)) {
        return PF_END;
    }
    return pf_error_set(&b->error, PF_ERR_TRUNCATED, "the %s data ends early",
                        pf_codec_name(b->codec));
}

static enum pf_status produce_inflated(struct pf_bytes *b, uint8_t *dst, size_t n, size_t *got)
{
    for (;;) {
        enum pf_status st = refill_in(b);
        if (st != PF_OK) {
            return st;
        }
        size_t used = b->in_end - b->in_pos;
        size_t made = n;
        st = pf_decompress_step(b->inflate, b->in + b->in_pos, &used, dst, &made);
        b->in_pos += used;
        *got = made;
        if (st != PF_OK) {
            st = inflate_failed(b, st);
            return made > 0 ? PF_OK : st;
        }
        if (made > 0) {
            return PF_OK;
        }
        if (used == 0 && b->raw_end) {
            return inflate_end(b);
        }
        if (used == 0 && b->in_pos < b->in_end) { /* stuck: cannot be, but must not spin */
            return inflate_failed(b, PF_ERR_MALFORMED);
        }
    }
}

/* More inflated bytes: *got > 0 with PF_OK, else PF_END or the stored error. */
static enum pf_status produce(struct pf_bytes *b, uint8_t *dst, size_t n, size_t *got)
{
    if (b->end) {
        return b->error.status != PF_OK ? b->error.status : PF_END;
    }
    if (b->inflate != NULL) {
        return produce_inflated(b, dst, n, got);
    }
    enum pf_status st = read_raw(b, dst, n, got);
    if (st == PF_OK && *got == 0) {
        b->end = true;
        return PF_END;
    }
    return st;
}

/* Moves what is left in front of the body of this one, which is at work from now on. */
static void move_to(struct pf_bytes *b, struct pf_slab *slab)
{
    size_t left = b->fill_end - b->pos;
    size_t half = slab->size / 2;
    memmove(slab->mem + half - left, b->slab->mem + b->pos, left);
    b->slab = slab;
    b->half = half;
    b->pos = half - left;
    b->fill_end = half;
}

static enum pf_status grow(struct pf_bytes *b, size_t n)
{
    size_t half = b->half;
    while (half < n) {
        half *= 2;
    }
    struct pf_slab *large;
    if (pf_slab_new(half * 2, &large) != PF_OK) {
        return fail(b, PF_ERR_NOMEM, "out of memory");
    }
    move_to(b, large);
    pf_slab_release(b->own);
    b->own = large;
    return PF_OK;
}

/* One that may be filled and lent, or NULL. The first there is: so they are as few as are held at a
 * time, and stay in the caches. */
static struct pf_slab *free_slab(struct pf_bytes *b)
{
    for (size_t i = 0; i < b->others_count; i++) {
        if (pf_slab_is_free(b->others[i])) {
            return b->others[i];
        }
    }
    if (b->others_count == SLABS || pf_slab_new(2 * BODY, &b->others[b->others_count]) != PF_OK) {
        return NULL;
    }
    return b->others[b->others_count++];
}

/* Makes the body free; n bytes will be wanted, of which fewer are left. */
static enum pf_status make_room(struct pf_bytes *b, size_t n)
{
    if (n > BODY) {
        if (n > b->own->size / 2) {
            return grow(b, n);
        }
        move_to(b, b->own);
        return PF_OK;
    }
    struct pf_slab *slab = free_slab(b);
    move_to(b, slab != NULL ? slab : b->own);
    return PF_OK;
}

static enum pf_status fill(struct pf_bytes *b, size_t n)
{
    enum pf_status st = make_room(b, n);
    while (st == PF_OK && b->fill_end - b->pos < n) {
        size_t got = 0;
        st = produce(b, b->slab->mem + b->fill_end, 2 * b->half - b->fill_end, &got);
        if (st == PF_OK) {
            b->fill_end += got;
        }
    }
    if (st == PF_END && b->fill_end > b->pos) {
        return PF_ERR_TRUNCATED;
    }
    return st;
}

enum pf_status pf_bytes_need(struct pf_bytes *b, size_t n, const uint8_t **out)
{
    if (b->fill_end - b->pos < n) {
        enum pf_status st = n > PF_BYTES_NEED_MAX ? PF_ERR_LIMIT : fill(b, n);
        if (st != PF_OK) {
            return st;
        }
    }
    *out = b->slab->mem + b->pos;
    return PF_OK;
}

struct pf_slab *pf_bytes_slab(const struct pf_bytes *b)
{
    return b->slab != b->own ? b->slab : NULL;
}

size_t pf_bytes_buffered(const struct pf_bytes *b)
{
    return b->fill_end - b->pos;
}

void pf_bytes_skip(struct pf_bytes *b, size_t n)
{
    b->pos += n;
    b->offset += n;
}

enum pf_status pf_bytes_read(struct pf_bytes *b, uint8_t *dst, size_t n, size_t *got)
{
    size_t left = b->fill_end - b->pos;
    if (left > 0) {
        *got = left < n ? left : n;
        memcpy(dst, b->slab->mem + b->pos, *got);
        pf_bytes_skip(b, *got);
        return PF_OK;
    }
    enum pf_status st = produce(b, dst, n, got);
    if (st == PF_OK) {
        b->offset += *got;
    }
    return st;
}

static enum pf_status open_fd(struct pf_bytes *b, const char *path, struct pf_error *err)
{
    b->own_fd = strcmp(path, "-") != 0;
    b->fd = b->own_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    struct stat st;
    if (b->fd < 0 || fstat(b->fd, &st) != 0) {
        return pf_error_set(err, PF_ERR_IO, "%s", strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return pf_error_set(err, PF_ERR_FORMAT, "is a directory");
    }
    if (S_ISREG(st.st_mode)) {
        b->total = (uint64_t)st.st_size;
        (void)posix_fadvise(b->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return PF_OK;
}

/* The bytes read so far were compressed: they become the decompressor's input. */
static enum pf_status start_inflate(struct pf_bytes *b, struct pf_error *err)
{
    b->in = aligned_alloc(PAGE, BODY);
    if (b->in == NULL || pf_decompress_new(b->codec, &b->inflate) != PF_OK) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    b->in_end = b->fill_end - b->pos;
    memcpy(b->in, b->slab->mem + b->pos, b->in_end);
    b->pos = b->half;
    b->fill_end = b->half;
    b->end = false;
    return PF_OK;
}

static enum pf_status sniff(struct pf_bytes *b, struct pf_error *err)
{
    const uint8_t *head;
    enum pf_status st = pf_bytes_need(b, PF_CODEC_SNIFF, &head);
    if (st == PF_END || st == PF_ERR_TRUNCATED) { /* too short for any compression */
        return PF_OK;
    }
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s", b->error.text);
    }
    b->codec = pf_codec_sniff(head, PF_CODEC_SNIFF);
    return b->codec == PF_CODEC_NONE ? PF_OK : start_inflate(b, err);
}

enum pf_status pf_bytes_open(const char *path, const atomic_bool *stop, struct pf_bytes **out,
                             struct pf_error *err)
{
    struct pf_bytes *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    b->fd = -1;
    b->stop = stop;
    enum pf_status st = open_fd(b, path, err);
    if (st == PF_OK) {
        b->half = BODY;
        b->pos = BODY;
        b->fill_end = BODY;
        st = pf_slab_new(2 * BODY, &b->own);
        b->slab = b->own;
        st = st == PF_OK ? sniff(b, err) : pf_error_set(err, st, "out of memory");
    }
    if (st != PF_OK) {
        pf_bytes_close(b);
        return st;
    }
    *out = b;
    return PF_OK;
}

void pf_bytes_close(struct pf_bytes *b)
{
    if (b == NULL) {
        return;
    }
    if (b->own_fd && b->fd >= 0) {
        (void)close(b->fd);
    }
    pf_decompress_free(b->inflate);
    free(b->in);
    if (b->own != NULL) {
        pf_slab_release(b->own);
    }
    for (size_t i = 0; i < b->others_count; i++) {
        pf_slab_release(b->others[i]);
    }
    free(b);
}

const struct pf_error *pf_bytes_error(const struct pf_bytes *b)
{
    return &b->error;
}

uint64_t pf_bytes_offset(const struct pf_bytes *b)
{
    return b->offset;
}

uint64_t pf_bytes_raw(const struct pf_bytes *b)
{
    return b->raw;
}

uint64_t pf_bytes_total(const struct pf_bytes *b)
{
    return b->total;
}

const char *pf_bytes_compression(const struct pf_bytes *b)
{
    return pf_codec_name(b->codec);
}
