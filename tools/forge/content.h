// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the application plaintext: one block of bytes made once, and streams that read it
 *          round and round behind a head, with the SHA-256 of all they gave.
 * Owns:    the block; each stream its digest.
 * Threads: -
 * Errors:  -
 * Limits:  one read gives at most FORGE_READ_MAX bytes.
 */
#ifndef FORGE_CONTENT_H
#define FORGE_CONTENT_H

#include "forge/common.h"
#include "forge/options.h"

#include <openssl/evp.h>

enum { FORGE_READ_MAX = 65536, FORGE_EDGE_MAX = 1024, FORGE_SHA256_LEN = 32 };

struct forge_content {
    int kind; /* enum forge_content_kind */
    struct forge_rng rng;
    uint8_t *block; /* its first FORGE_READ_MAX bytes follow again at its end */
};

/* Bytes: head, then `body_len` of the block, then tail. */
struct forge_stream {
    const struct forge_content *content;
    char head[FORGE_EDGE_MAX];
    size_t head_len;
    char tail[FORGE_EDGE_MAX];
    size_t tail_len;
    size_t block_off;
    uint64_t body_len;
    uint64_t total;
    uint64_t done;
    EVP_MD_CTX *digest;
};

void forge_content_init(struct forge_content *c, const struct forge_options *o);
void forge_content_fini(struct forge_content *c);

/* `flow` tells one request from the next. With text the totals are at least what HTTP needs. */
void forge_stream_request(struct forge_stream *s, struct forge_content *c, uint64_t bytes,
                          uint64_t flow);
void forge_stream_answer(struct forge_stream *s, struct forge_content *c, uint64_t bytes);
void forge_stream_fini(struct forge_stream *s);

/* The next up to `want` bytes, valid as long as the stream and its content; 0 at the end. */
size_t forge_stream_read(struct forge_stream *s, size_t want, const uint8_t **out);

void forge_stream_sha256(struct forge_stream *s, uint8_t out[FORGE_SHA256_LEN]);

#endif
