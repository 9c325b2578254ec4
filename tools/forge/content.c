// SPDX-License-Identifier: Apache-2.0
#include "forge/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The block is larger than LZ4's 64 KB window, so that reading it again does not compress. */
enum { BLOCK = 1 << 20, ROW_MAX = 400 };

/* Lengths of new and of repeated runs: what LZ4 makes 1.5:1 of. */
enum { FRESH_MIN = 8, FRESH_MAX = 32, AGAIN_MIN = 12, AGAIN_MAX = 40 };

static const char *const WORDS[] = {
    "amber",  "anchor", "apple",  "basket", "beacon",  "birch",   "bottle",  "brass",
    "bridge", "button", "candle", "canvas", "cedar",   "chair",   "clock",   "cloth",
    "copper", "cotton", "cradle", "desk",   "drawer",  "ember",   "feather", "fern",
    "flask",  "frame",  "garden", "glass",  "hammer",  "harbor",  "hazel",   "hinge",
    "ivory",  "kettle", "ladder", "lamp",   "lantern", "leather", "linen",   "maple",
    "marble", "mirror", "needle", "oak",    "orchard", "paper",   "pebble",  "pencil",
    "pillow", "pine",   "plate",  "quilt",  "ribbon",  "river",   "saddle",  "shelf",
    "silver", "spoon",  "stone",  "table",  "timber",  "velvet",  "wicker",  "window"};

static const char PAGE_TOP[] = "<!DOCTYPE html>\n<html>\n<head><title>Stock list</title></head>\n"
                               "<body>\n<h1>Stock list</h1>\n<table>\n";
static const char PAGE_END[] = "</table>\n</body>\n</html>\n";

static const char *word(struct forge_rng *rng)
{
    return WORDS[forge_rng_range(rng, 0, sizeof WORDS / sizeof WORDS[0] - 1)];
}

/* A row of an HTML table, ending in a newline. All is drawn first: C leaves the order of
 * arguments to the compiler. */
static size_t make_row(struct forge_rng *rng, char *dst, size_t cap)
{
    const char *w[7];
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) {
        w[i] = word(rng);
    }
    unsigned item = forge_rng_range(rng, 1000, 9999);
    unsigned price = forge_rng_range(rng, 100, 9999);
    int n = snprintf(dst, cap,
                     "<tr><td class=\"item\"><a href=\"/stock/%s-%s-%u\">%s %s</a></td>"
                     "<td class=\"price\">%u.%02u</td><td>%s %s %s %s %s</td></tr>\n",
                     w[0], w[1], item, w[0], w[1], price / 100, price % 100, w[2], w[3], w[4], w[5],
                     w[6]);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static void fill_text(struct forge_rng *rng, uint8_t *dst, size_t len)
{
    char row[ROW_MAX];
    while (len >= ROW_MAX) {
        size_t n = make_row(rng, row, sizeof row);
        memcpy(dst, row, n);
        dst += n;
        len -= n;
    }
    memset(dst, ' ', len);
    dst[len - 1] = '\n';
}

/* Runs of chance and repetitions from the last 32 KB. */
static void fill_binary(struct forge_rng *rng, uint8_t *dst, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t fresh = forge_rng_range(rng, FRESH_MIN, FRESH_MAX);
        fresh = fresh < len - done ? fresh : len - done;
        forge_rng_fill(rng, dst + done, fresh);
        done += fresh;
        size_t again = forge_rng_range(rng, AGAIN_MIN, AGAIN_MAX);
        again = again < len - done ? again : len - done;
        uint32_t reach = done < 32768 ? (uint32_t)done : 32768;
        size_t back = forge_rng_range(rng, fresh < reach ? (uint32_t)fresh : reach, reach);
        for (size_t i = 0; i < again; i++, done++) {
            dst[done] = dst[done - back];
        }
    }
}

void forge_content_init(struct forge_content *c, const struct forge_options *o)
{
    c->kind = o->content;
    c->block = forge_alloc(BLOCK + FORGE_READ_MAX);
    forge_rng_init(&c->rng, o->seed, "content");
    switch ((enum forge_content_kind)o->content) {
    case FORGE_TEXT:
        fill_text(&c->rng, c->block, BLOCK);
        break;
    case FORGE_BINARY:
        fill_binary(&c->rng, c->block, BLOCK);
        break;
    case FORGE_RANDOM:
        forge_rng_fill(&c->rng, c->block, BLOCK);
        break;
    }
    memcpy(c->block + BLOCK, c->block, FORGE_READ_MAX);
}

void forge_content_fini(struct forge_content *c)
{
    free(c->block);
    c->block = NULL;
}

static void start(struct forge_stream *s, struct forge_content *c, uint64_t bytes)
{
    *s = (struct forge_stream){.content = c, .body_len = bytes};
    s->block_off = forge_rng_range(&c->rng, 0, BLOCK - 1);
    s->digest = EVP_MD_CTX_new();
    if (s->digest == NULL || EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL) != 1) {
        forge_die("libcrypto has no SHA-256");
    }
}

static void finish(struct forge_stream *s)
{
    s->total = s->head_len + s->body_len + s->tail_len;
}

static size_t clip(int printed, size_t cap)
{
    return printed < 0 ? 0 : (size_t)printed < cap ? (size_t)printed : cap - 1;
}

/* How wide Content-Length is printed, so that the head's length does not depend on the body's. */
static int digits(uint64_t bytes)
{
    return snprintf(NULL, 0, "%llu", (unsigned long long)bytes);
}

static void put_post(struct forge_stream *s, const char *target, int width)
{
    int n = snprintf(s->head, sizeof s->head,
                     "POST %s HTTP/1.1\r\nHost: www.example.org\r\n"
                     "Content-Type: text/html\r\nContent-Length: %*llu\r\n\r\n",
                     target, width, (unsigned long long)s->body_len);
    s->head_len = clip(n, sizeof s->head);
}

static void put_get(struct forge_stream *s, const char *target)
{
    int n = snprintf(s->head, sizeof s->head,
                     "GET %s HTTP/1.1\r\nHost: www.example.org\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                     "Accept: text/html\r\nAccept-Language: en\r\n\r\n",
                     target);
    s->head_len = clip(n, sizeof s->head);
}

static void text_request(struct forge_stream *s, struct forge_content *c, uint64_t bytes,
                         uint64_t flow)
{
    char target[128];
    const char *a = word(&c->rng);
    snprintf(target, sizeof target, "/stock?page=%llu&q=%s+%s", (unsigned long long)flow + 1, a,
             word(&c->rng));
    s->body_len = 0;
    put_get(s, target);
    if (bytes > s->head_len) { /* more is asked for: send it */
        put_post(s, target, digits(bytes));
        s->body_len = bytes > s->head_len ? bytes - s->head_len : 0;
        put_post(s, target, digits(bytes));
    }
}

void forge_stream_request(struct forge_stream *s, struct forge_content *c, uint64_t bytes,
                          uint64_t flow)
{
    start(s, c, bytes == 0 ? 256 : bytes);
    if (c->kind == FORGE_TEXT) {
        text_request(s, c, bytes, flow);
    }
    finish(s);
}

static void put_answer(struct forge_stream *s, int width)
{
    uint64_t page = sizeof PAGE_TOP - 1 + s->body_len + s->tail_len;
    int n = snprintf(s->head, sizeof s->head,
                     "HTTP/1.1 200 OK\r\nServer: forge\r\nContent-Type: text/html\r\n"
                     "Content-Length: %*llu\r\n\r\n%s",
                     width, (unsigned long long)page, PAGE_TOP);
    s->head_len = clip(n, sizeof s->head);
}

/* The block's rows from the next whole one on; the last is cut off and its room filled. */
static void whole_rows(struct forge_stream *s, uint64_t room)
{
    const uint8_t *block = s->content->block;
    while (block[(s->block_off + BLOCK - 1) % BLOCK] != '\n') {
        s->block_off = (s->block_off + 1) % BLOCK;
    }
    uint64_t rows = room;
    while (rows > 0 && block[(s->block_off + rows - 1) % BLOCK] != '\n') {
        rows--;
    }
    s->body_len = rows;
    size_t pad = (size_t)(room - rows);
    memset(s->tail, ' ', pad);
    if (pad > 0) {
        s->tail[pad - 1] = '\n';
    }
    memcpy(s->tail + pad, PAGE_END, sizeof PAGE_END - 1);
    s->tail_len = pad + sizeof PAGE_END - 1;
}

void forge_stream_answer(struct forge_stream *s, struct forge_content *c, uint64_t bytes)
{
    start(s, c, bytes);
    if (c->kind == FORGE_TEXT && bytes > 0) {
        put_answer(s, digits(bytes));
        uint64_t edges = s->head_len + sizeof PAGE_END - 1;
        whole_rows(s, bytes > edges ? bytes - edges : 0);
        put_answer(s, digits(bytes));
    }
    finish(s);
}

void forge_stream_fini(struct forge_stream *s)
{
    EVP_MD_CTX_free(s->digest);
    s->digest = NULL;
}

size_t forge_stream_read(struct forge_stream *s, size_t want, const uint8_t **out)
{
    uint64_t at = s->done;
    uint64_t left = s->total - at;
    if (at < s->head_len) {
        *out = (const uint8_t *)s->head + at;
        left = s->head_len - at;
    } else if (at < s->head_len + s->body_len) {
        uint64_t in_body = at - s->head_len;
        *out = s->content->block + (s->block_off + in_body) % BLOCK;
        left = s->body_len - in_body;
    } else {
        *out = (const uint8_t *)s->tail + (at - s->head_len - s->body_len);
    }
    size_t n = want < left ? want : (size_t)left;
    n = n < FORGE_READ_MAX ? n : FORGE_READ_MAX;
    s->done += n;
    if (n > 0 && EVP_DigestUpdate(s->digest, *out, n) != 1) {
        forge_die("SHA-256 failed");
    }
    return n;
}

void forge_stream_sha256(struct forge_stream *s, uint8_t out[FORGE_SHA256_LEN])
{
    if (EVP_DigestFinal_ex(s->digest, out, NULL) != 1) {
        forge_die("SHA-256 failed");
    }
}
