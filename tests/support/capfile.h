// SPDX-License-Identifier: Apache-2.0
/*
 * Capture files made by hand, in memory, of either byte order; as a path to hand to a reader.
 * Nothing is checked: these make damaged files as willingly as sound ones.
 */
#ifndef PF_TESTS_CAPFILE_H
#define PF_TESTS_CAPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct cf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    bool big; /* byte order of what is put next */
    int fd;   /* of the memory file, 0: none yet */
    char path[32];
};

static inline void cf_init(struct cf *c)
{
    *c = (struct cf){0};
}

static inline void cf_fini(struct cf *c)
{
    if (c->fd > 0) {
        close(c->fd);
    }
    free(c->ptr);
    cf_init(c);
}

static inline void cf_put(struct cf *c, const void *data, size_t n)
{
    if (c->len + n > c->cap) {
        c->cap = 2 * (c->len + n);
        c->ptr = realloc(c->ptr, c->cap);
    }
    if (c->ptr == NULL) {
        abort();
    }
    if (n > 0) {
        memcpy(c->ptr + c->len, data, n);
    }
    c->len += n;
}

static inline void cf_put16(struct cf *c, unsigned v)
{
    uint8_t b[2] = {(uint8_t)(c->big ? v >> 8 : v), (uint8_t)(c->big ? v : v >> 8)};
    cf_put(c, b, 2);
}

static inline void cf_put32(struct cf *c, uint32_t v)
{
    cf_put16(c, c->big ? v >> 16 : v & 0xffff);
    cf_put16(c, c->big ? v & 0xffff : v >> 16);
}

static inline void cf_put64(struct cf *c, uint64_t v)
{
    cf_put32(c, (uint32_t)(c->big ? v >> 32 : v));
    cf_put32(c, (uint32_t)(c->big ? v : v >> 32));
}

static inline void cf_pad(struct cf *c)
{
    while (c->len % 4 != 0) {
        cf_put(c, "", 1);
    }
}

/* A path that opens the bytes so far, from the start; valid until cf_fini. */
static inline const char *cf_path(struct cf *c)
{
    if (c->fd == 0) {
        c->fd = memfd_create("capture", 0);
    }
    if (c->fd < 0 || ftruncate(c->fd, 0) != 0 ||
        pwrite(c->fd, c->ptr, c->len, 0) != (ssize_t)c->len) {
        abort();
    }
    snprintf(c->path, sizeof c->path, "/proc/self/fd/%d", c->fd);
    return c->path;
}

/* magic: 0xa1b2c3d4 microseconds, 0xa1b23c4d nanoseconds. */
static inline void cf_pcap_header(struct cf *c, uint32_t magic, uint32_t snaplen, uint32_t linktype)
{
    cf_put32(c, magic);
    cf_put16(c, 2);
    cf_put16(c, 4);
    cf_put64(c, 0);
    cf_put32(c, snaplen);
    cf_put32(c, linktype);
}

static inline void cf_pcap_packet(struct cf *c, uint32_t s, uint32_t fraction, const void *data,
                                  uint32_t caplen, uint32_t len)
{
    cf_put32(c, s);
    cf_put32(c, fraction);
    cf_put32(c, caplen);
    cf_put32(c, len);
    cf_put(c, data, caplen);
}

/* A block of pcapng: begin, put its body, end. */
static inline size_t cf_ng_begin(struct cf *c, uint32_t type)
{
    size_t at = c->len;
    cf_put32(c, type);
    cf_put32(c, 0);
    return at;
}

static inline void cf_ng_end(struct cf *c, size_t at)
{
    cf_pad(c);
    uint32_t len = (uint32_t)(c->len + 4 - at);
    size_t end = c->len;
    c->len = at + 4;
    cf_put32(c, len);
    c->len = end;
    cf_put32(c, len);
}

static inline void cf_ng_section(struct cf *c)
{
    size_t at = cf_ng_begin(c, 0x0a0d0d0a);
    cf_put32(c, 0x1a2b3c4d);
    cf_put16(c, 1);
    cf_put16(c, 0);
    cf_put64(c, UINT64_MAX);
    cf_ng_end(c, at);
}

/* resolution 6 and offset 0 are the defaults and make no option. */
static inline void cf_ng_interface(struct cf *c, uint16_t linktype, uint32_t snaplen,
                                   uint8_t resolution, int64_t offset)
{
    size_t at = cf_ng_begin(c, 1);
    cf_put16(c, linktype);
    cf_put16(c, 0);
    cf_put32(c, snaplen);
    if (resolution != 6) {
        cf_put16(c, 9);
        cf_put16(c, 1);
        cf_put(c, &resolution, 1);
        cf_pad(c);
    }
    if (offset != 0) {
        cf_put16(c, 14);
        cf_put16(c, 8);
        cf_put64(c, (uint64_t)offset);
    }
    if (resolution != 6 || offset != 0) {
        cf_put32(c, 0);
    }
    cf_ng_end(c, at);
}

static inline void cf_ng_packet(struct cf *c, uint32_t iface, uint64_t ticks, const void *data,
                                uint32_t caplen, uint32_t len)
{
    size_t at = cf_ng_begin(c, 6);
    cf_put32(c, iface);
    cf_put32(c, (uint32_t)(ticks >> 32));
    cf_put32(c, (uint32_t)ticks);
    cf_put32(c, caplen);
    cf_put32(c, len);
    cf_put(c, data, caplen);
    cf_ng_end(c, at);
}

static inline void cf_ng_old_packet(struct cf *c, uint16_t iface, uint64_t ticks, const void *data,
                                    uint32_t caplen, uint32_t len)
{
    size_t at = cf_ng_begin(c, 2);
    cf_put16(c, iface);
    cf_put16(c, 0);
    cf_put32(c, (uint32_t)(ticks >> 32));
    cf_put32(c, (uint32_t)ticks);
    cf_put32(c, caplen);
    cf_put32(c, len);
    cf_put(c, data, caplen);
    cf_ng_end(c, at);
}

static inline void cf_ng_simple(struct cf *c, const void *data, uint32_t caplen, uint32_t len)
{
    size_t at = cf_ng_begin(c, 3);
    cf_put32(c, len);
    cf_put(c, data, caplen);
    cf_ng_end(c, at);
}

/* type 0x544c534b: a TLS key log. */
static inline void cf_ng_secrets(struct cf *c, uint32_t type, const void *data, uint32_t len)
{
    size_t at = cf_ng_begin(c, 10);
    cf_put32(c, type);
    cf_put32(c, len);
    cf_put(c, data, len);
    cf_ng_end(c, at);
}

#endif
