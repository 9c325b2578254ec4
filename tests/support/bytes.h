// SPDX-License-Identifier: Apache-2.0
/* Builds wire bytes for tests: numbers, and vectors whose length is filled in when they are closed.
 */
#ifndef PF_TESTS_SUPPORT_BYTES_H
#define PF_TESTS_SUPPORT_BYTES_H

#include "base/pkt.h"

#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t b[1 << 17];
    size_t n;
};

static inline void bytes_raw(struct bytes *o, const void *src, size_t n)
{
    if (n > sizeof o->b - o->n) {
        abort();
    }
    if (n > 0) {
        memcpy(o->b + o->n, src, n);
    }
    o->n += n;
}

/* The lowest `width` bytes of value, big-endian. */
static inline void bytes_num(struct bytes *o, unsigned width, uint64_t value)
{
    for (unsigned i = width; i > 0; i--) {
        uint8_t byte = (uint8_t)(value >> 8 * (i - 1));
        bytes_raw(o, &byte, 1);
    }
}

static inline void bytes_fill(struct bytes *o, uint8_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes_raw(o, &value, 1);
    }
}

/* Room for a length of `width` bytes; what is returned goes to bytes_close. */
static inline size_t bytes_open(struct bytes *o, unsigned width)
{
    bytes_num(o, width, 0);
    return o->n;
}

static inline void bytes_close(struct bytes *o, unsigned width, size_t start)
{
    size_t len = o->n - start;
    for (unsigned i = 0; i < width; i++) {
        o->b[start - 1 - i] = (uint8_t)(len >> 8 * i);
    }
}

static inline struct pf_span bytes_span(const struct bytes *o)
{
    return (struct pf_span){.ptr = o->b, .len = o->n};
}

/* A copy of exactly n bytes on the heap, so that ASan sees a read behind the end. free() it. */
static inline uint8_t *bytes_exact(const void *src, size_t n)
{
    uint8_t *p = malloc(n > 0 ? n : 1);
    if (p == NULL) {
        abort();
    }
    if (n > 0) {
        memcpy(p, src, n);
    }
    return p;
}

#endif
