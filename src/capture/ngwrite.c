// SPDX-License-Identifier: Apache-2.0
#include "capture/ngwrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER = 256 << 10,
    SECRETS_BLOCK = 1 << 20,

    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 6,
    BLOCK_SECRETS = 10,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    SECRETS_TLS = 0x544c534b,
    OPTION_TSRESOL = 9,
    NANOSECONDS = 9,

    FRAMING = 12, /* type, length, length again */
    PACKET_HEAD = 20,
    SECRETS_HEAD = 8,
    NO_INTERFACE = -1
};

struct pf_ngwrite {
    int fd;
    int error; /* errno of the write that failed */
    size_t used;
    uint8_t *buffer;
    size_t secrets_len;
    uint8_t *secrets; /* SECRETS_BLOCK bytes; NULL while there are none */
    /* the interfaces of the section that is being copied */
    uint32_t input;
    uint32_t section;
    int32_t *interfaces; /* their numbers here */
    size_t interface_cap;
    int32_t described; /* in this file */
};

enum pf_status pf_ngwrite_new(int fd, struct pf_ngwrite **out)
{
    struct pf_ngwrite *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return PF_ERR_NOMEM;
    }
    w->fd = fd;
    w->buffer = malloc(BUFFER);
    if (w->buffer == NULL) {
        free(w);
        return PF_ERR_NOMEM;
    }
    const uint32_t section[] = {BLOCK_SECTION, 28, BYTE_ORDER_MAGIC, 0, UINT32_MAX, UINT32_MAX, 28};
    memcpy(w->buffer, section, sizeof section);
    const uint16_t version[] = {1, 0};
    memcpy(w->buffer + 12, version, sizeof version);
    w->used = sizeof section;
    *out = w;
    return PF_OK;
}

void pf_ngwrite_free(struct pf_ngwrite *w)
{
    if (w == NULL) {
        return;
    }
    explicit_bzero(w->buffer, BUFFER);
    if (w->secrets != NULL) {
        explicit_bzero(w->secrets, SECRETS_BLOCK);
    }
    free(w->buffer);
    free(w->secrets);
    free(w->interfaces);
    free(w);
}

static enum pf_status write_all(struct pf_ngwrite *w, const uint8_t *p, size_t len,
                                struct pf_error *err)
{
    while (len > 0 && w->error == 0) {
        ssize_t n = write(w->fd, p, len);
        if (n < 0 && errno != EINTR) {
            w->error = errno;
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return w->error == 0 ? PF_OK : pf_error_set(err, PF_ERR_IO, "%s", strerror(w->error));
}

static enum pf_status flush(struct pf_ngwrite *w, struct pf_error *err)
{
    size_t len = w->used;
    w->used = 0;
    return write_all(w, w->buffer, len, err);
}

static enum pf_status put(struct pf_ngwrite *w, const void *p, size_t len, struct pf_error *err)
{
    enum pf_status st = len > BUFFER - w->used ? flush(w, err) : PF_OK;
    if (st == PF_OK && len > BUFFER) {
        return write_all(w, p, len, err);
    }
    if (st == PF_OK && len > 0) {
        memcpy(w->buffer + w->used, p, len);
        w->used += len;
    }
    return st;
}

/* A block: its head, its data filled up to a multiple of four bytes, its length again. */
static enum pf_status put_block(struct pf_ngwrite *w, uint32_t type, const void *head,
                                size_t head_len, struct pf_span data, struct pf_error *err)
{
    static const uint8_t zeros[4] = {0};
    size_t padding = (4 - data.len % 4) % 4;
    uint32_t len = (uint32_t)(FRAMING + head_len + data.len + padding);
    const uint32_t begin[2] = {type, len};
    enum pf_status st = put(w, begin, sizeof begin, err);
    st = st == PF_OK ? put(w, head, head_len, err) : st;
    st = st == PF_OK ? put(w, data.ptr, data.len, err) : st;
    st = st == PF_OK ? put(w, zeros, padding, err) : st;
    return st == PF_OK ? put(w, &len, sizeof len, err) : st;
}

static enum pf_status put_secrets(struct pf_ngwrite *w, struct pf_span text, struct pf_error *err)
{
    const uint32_t head[] = {SECRETS_TLS, (uint32_t)text.len};
    _Static_assert(sizeof head == SECRETS_HEAD, "the head of a secrets block");
    return text.len > 0 ? put_block(w, BLOCK_SECRETS, head, sizeof head, text, err) : PF_OK;
}

static enum pf_status flush_secrets(struct pf_ngwrite *w, struct pf_error *err)
{
    struct pf_span text = {w->secrets, w->secrets_len};
    w->secrets_len = 0;
    return put_secrets(w, text, err);
}

/* As many whole lines as go into a block that is nearly full. */
static size_t whole_lines(struct pf_span lines, size_t room)
{
    if (lines.len <= room) {
        return lines.len;
    }
    const uint8_t *end = memrchr(lines.ptr, '\n', room);
    return end != NULL ? (size_t)(end - lines.ptr) + 1 : 0;
}

enum pf_status pf_ngwrite_secrets(struct pf_ngwrite *w, struct pf_span lines, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    if (w->secrets == NULL && (w->secrets = malloc(SECRETS_BLOCK)) == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    while (st == PF_OK && lines.len > 0) {
        size_t n = whole_lines(lines, SECRETS_BLOCK - w->secrets_len);
        if (n == 0 && w->secrets_len == 0) {
            n = SECRETS_BLOCK; /* no line of a key log: cut anywhere */
        }
        if (n == 0) {
            st = flush_secrets(w, err);
            continue;
        }
        memcpy(w->secrets + w->secrets_len, lines.ptr, n);
        w->secrets_len += n;
        lines.ptr += n;
        lines.len -= n;
    }
    return st;
}

static enum pf_status grow_interfaces(struct pf_ngwrite *w, size_t number, struct pf_error *err)
{
    size_t cap = w->interface_cap == 0 ? 8 : w->interface_cap;
    while (cap <= number) {
        cap *= 2;
    }
    if (cap == w->interface_cap) {
        return PF_OK;
    }
    int32_t *p = reallocarray(w->interfaces, cap, sizeof *p);
    if (p == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    for (size_t i = w->interface_cap; i < cap; i++) {
        p[i] = NO_INTERFACE;
    }
    w->interfaces = p;
    w->interface_cap = cap;
    return PF_OK;
}

/* Snapshot length 0: not known, or none. */
static enum pf_status describe(struct pf_ngwrite *w, uint32_t linktype, struct pf_error *err)
{
    const uint16_t head[] = {(uint16_t)linktype, 0, 0, 0, OPTION_TSRESOL, 1};
    static const uint8_t rest[8] = {NANOSECONDS}; /* and the end of the options */
    return put_block(w, BLOCK_INTERFACE, head, sizeof head, (struct pf_span){rest, sizeof rest},
                     err);
}

static enum pf_status interface_of(struct pf_ngwrite *w, const struct pf_item *item, uint32_t *out,
                                   struct pf_error *err)
{
    if (item->input != w->input || item->section != w->section) {
        for (size_t i = 0; i < w->interface_cap; i++) {
            w->interfaces[i] = NO_INTERFACE;
        }
        w->input = item->input;
        w->section = item->section;
    }
    enum pf_status st = grow_interfaces(w, item->interface, err);
    if (st != PF_OK) {
        return st;
    }
    if (w->interfaces[item->interface] == NO_INTERFACE) {
        st = describe(w, item->linktype, err);
        w->interfaces[item->interface] = w->described++;
    }
    *out = (uint32_t)w->interfaces[item->interface];
    return st;
}

enum pf_status pf_ngwrite_frame(struct pf_ngwrite *w, const struct pf_item *item,
                                struct pf_error *err)
{
    uint32_t interface;
    enum pf_status st = w->secrets_len > 0 ? flush_secrets(w, err) : PF_OK;
    st = st == PF_OK ? interface_of(w, item, &interface, err) : st;
    if (st != PF_OK) {
        return st;
    }
    /* unsigned in the file: a time before 1970 cannot be said */
    uint64_t ns = item->ts_ns > 0 ? (uint64_t)item->ts_ns : 0;
    const uint32_t head[] = {interface, (uint32_t)(ns >> 32), (uint32_t)ns, item->caplen,
                             item->len};
    _Static_assert(sizeof head == PACKET_HEAD, "the head of an enhanced packet");
    return put_block(w, BLOCK_PACKET, head, sizeof head, (struct pf_span){item->data, item->caplen},
                     err);
}

enum pf_status pf_ngwrite_end(struct pf_ngwrite *w, struct pf_error *err)
{
    enum pf_status st = w->secrets_len > 0 ? flush_secrets(w, err) : PF_OK;
    return st == PF_OK ? flush(w, err) : st;
}
