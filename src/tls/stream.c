// SPDX-License-Identifier: Apache-2.0
#include "tls/stream.h"

#include "base/cursor.h"
#include "tls/wire.h"

#include <string.h>

enum { COMPACT_AT = 16 * 1024 };

void pf_stream_init(struct pf_stream *s, size_t max, struct pf_budget *budget)
{
    memset(s, 0, sizeof *s);
    pf_buf_init(&s->bytes, max, budget);
    pf_buf_init(&s->marks, max, budget);
    pf_buf_init(&s->gaps, max, budget);
}

void pf_stream_fini(struct pf_stream *s)
{
    pf_buf_fini(&s->bytes);
    pf_buf_fini(&s->marks);
    pf_buf_fini(&s->gaps);
    s->head = 0;
    s->mark_at = 0;
}

static struct pf_mark *marks_of(const struct pf_stream *s, size_t *n)
{
    *n = s->marks.len / sizeof(struct pf_mark);
    return (struct pf_mark *)(void *)s->marks.ptr;
}

static struct pf_stream_gap *gaps_of(const struct pf_stream *s, size_t *n)
{
    *n = s->gaps.len / sizeof(struct pf_stream_gap);
    return (struct pf_stream_gap *)(void *)s->gaps.ptr;
}

uint64_t pf_stream_at(const struct pf_stream *s)
{
    return s->base + s->head;
}

uint64_t pf_stream_end(const struct pf_stream *s)
{
    return s->base + s->bytes.len;
}

static void drop_old_marks(struct pf_stream *s)
{
    size_t n;
    const struct pf_mark *m = marks_of(s, &n);
    size_t gone = 0;
    while (gone < n && m[gone].end <= s->base) {
        gone++;
    }
    pf_buf_consume(&s->marks, gone * sizeof *m);
    s->mark_at = s->mark_at > gone ? s->mark_at - gone : 0;
}

/* Moves the held bytes to the front once that is cheap next to what is gained. */
static void compact(struct pf_stream *s)
{
    if (s->head < s->bytes.len && (s->head < COMPACT_AT || s->head < s->bytes.len / 2)) {
        return;
    }
    pf_buf_consume(&s->bytes, s->head);
    s->base += s->head;
    s->head = 0;
    drop_old_marks(s);
}

static enum pf_status add_mark(struct pf_stream *s, uint64_t packet, int64_t ts_ns)
{
    size_t n;
    struct pf_mark *m = marks_of(s, &n);
    if (n > 0 && m[n - 1].packet == packet) {
        m[n - 1].end = pf_stream_end(s);
        return PF_OK;
    }
    const struct pf_mark mark = {.end = pf_stream_end(s), .packet = packet, .ts_ns = ts_ns};
    return pf_buf_append(&s->marks, &mark, sizeof mark);
}

enum pf_status pf_stream_append(struct pf_stream *s, struct pf_span data, uint64_t packet,
                                int64_t ts_ns)
{
    if (s->head > 0 && data.len > s->bytes.cap - s->bytes.len) {
        compact(s);
    }
    enum pf_status st = pf_buf_append(&s->bytes, data.ptr, data.len);
    if (st != PF_OK) {
        return st;
    }
    s->last_packet = packet;
    return add_mark(s, packet, ts_ns);
}

enum pf_status pf_stream_gap(struct pf_stream *s, uint64_t lost, uint64_t packet)
{
    size_t n;
    struct pf_stream_gap *g = gaps_of(s, &n);
    if (n > 0 && g[n - 1].pos == pf_stream_end(s)) {
        g[n - 1].lost += lost;
        g[n - 1].packet_after = packet;
        return PF_OK;
    }
    const struct pf_stream_gap gap = {.pos = pf_stream_end(s),
                                      .lost = lost,
                                      .packet_before = s->last_packet,
                                      .packet_after = packet};
    return pf_buf_append(&s->gaps, &gap, sizeof gap);
}

const struct pf_stream_gap *pf_stream_next_gap(const struct pf_stream *s, uint64_t pos)
{
    size_t n;
    const struct pf_stream_gap *g = gaps_of(s, &n);
    for (size_t i = 0; i < n; i++) {
        if (g[i].pos >= pos) {
            return &g[i];
        }
    }
    return NULL;
}

struct pf_span pf_stream_peek(const struct pf_stream *s, uint64_t pos, bool passed)
{
    uint64_t end = pf_stream_end(s);
    const struct pf_stream_gap *gap = pf_stream_next_gap(s, passed ? pos + 1 : pos);
    if (gap != NULL && gap->pos < end) {
        end = gap->pos;
    }
    if (pos < pf_stream_at(s) || pos >= end) {
        return (struct pf_span){.ptr = NULL, .len = 0};
    }
    return (struct pf_span){.ptr = s->bytes.ptr + (pos - s->base), .len = (size_t)(end - pos)};
}

bool pf_frame_plausible(const struct pf_frame *f)
{
    return f->type >= PF_CT_CHANGE_CIPHER_SPEC && f->type <= PF_CT_HEARTBEAT &&
           f->version >= PF_VERSION_SSL3 && f->version <= PF_VERSION_TLS13 &&
           f->body_len <= PF_RECORD_MAX;
}

bool pf_frame_parse(struct pf_span bytes, struct pf_frame *out)
{
    struct pf_cur c = pf_cur_of(bytes);
    uint16_t body_len;
    if (!pf_cur_u8(&c, &out->type) || !pf_cur_u16(&c, &out->version) ||
        !pf_cur_u16(&c, &body_len)) {
        return false;
    }
    out->body_len = body_len;
    return true;
}

enum pf_frame_result pf_stream_frame(const struct pf_stream *s, uint64_t pos, struct pf_frame *out)
{
    struct pf_span bytes = pf_stream_peek(s, pos, false);
    bool gap_ahead = s->gaps.len > 0 && pf_stream_next_gap(s, pos) != NULL;
    out->pos = pos;
    if (!pf_frame_parse(bytes, out)) {
        return gap_ahead ? PF_FRAME_GAP : PF_FRAME_MORE;
    }
    if (!pf_frame_plausible(out)) {
        return PF_FRAME_BAD;
    }
    if (bytes.len - PF_RECORD_HEADER_LEN >= out->body_len) {
        return PF_FRAME_WHOLE;
    }
    return gap_ahead ? PF_FRAME_CUT : PF_FRAME_MORE;
}

struct pf_skip pf_stream_skip(struct pf_stream *s, uint64_t pos, uint64_t count)
{
    struct pf_skip k = {.pos = pos, .left = count};
    bool passed = true;
    for (;;) {
        size_t held = pf_stream_peek(s, k.pos, passed).len;
        uint64_t n = held < k.left ? held : k.left;
        k.pos += n;
        k.left -= n;
        const struct pf_stream_gap *gap = pf_stream_next_gap(s, n > 0 ? k.pos : k.pos + 1);
        if (k.left == 0 || gap == NULL || gap->pos != k.pos) {
            break;
        }
        k.lost += gap->lost;
        k.beyond = gap->lost > k.left ? gap->lost - k.left : 0;
        k.left = gap->lost > k.left ? 0 : k.left - gap->lost;
    }
    pf_stream_consume(s, k.pos);
    return k;
}

struct pf_span pf_stream_body(const struct pf_stream *s, const struct pf_frame *f)
{
    size_t at = (size_t)(f->pos - s->base) + PF_RECORD_HEADER_LEN;
    return (struct pf_span){.ptr = s->bytes.ptr + at, .len = f->body_len};
}

void pf_stream_packet(struct pf_stream *s, uint64_t pos, uint64_t *packet, int64_t *ts_ns)
{
    size_t n;
    const struct pf_mark *m = marks_of(s, &n);
    while (s->mark_at + 1 < n && m[s->mark_at].end <= pos) {
        s->mark_at++;
    }
    *packet = n > 0 ? m[s->mark_at].packet : 0;
    *ts_ns = n > 0 ? m[s->mark_at].ts_ns : 0;
}

void pf_stream_consume(struct pf_stream *s, uint64_t pos)
{
    s->head = (size_t)(pos - s->base);
    size_t n;
    const struct pf_stream_gap *g = gaps_of(s, &n);
    size_t gone = 0;
    while (gone < n && g[gone].pos <= pos) {
        gone++;
    }
    pf_buf_consume(&s->gaps, gone * sizeof *g);
    if (s->head == s->bytes.len) {
        compact(s);
    }
}

enum pf_status pf_stream_detach(struct pf_stream *s, uint64_t pos, struct pf_buf *spare,
                                size_t *start)
{
    size_t at = (size_t)(pos - s->base);
    enum pf_status st = pf_buf_append(spare, s->bytes.ptr + at, s->bytes.len - at);
    if (st != PF_OK) {
        spare->len = 0;
        return st;
    }
    struct pf_buf given = s->bytes;
    s->bytes = *spare;
    *spare = given;
    *start = s->head;
    s->base = pos;
    s->head = 0;
    drop_old_marks(s);
    return PF_OK;
}

static enum pf_status put_in_front(struct pf_buf *b, const void *ptr, size_t len)
{
    enum pf_status st = pf_buf_reserve(b, len);
    if (st == PF_OK && len > 0) {
        memmove(b->ptr + len, b->ptr, b->len);
        memcpy(b->ptr, ptr, len);
        b->len += len;
    }
    return st;
}

enum pf_status pf_stream_unread(struct pf_stream *s, struct pf_span bytes,
                                const struct pf_mark *marks, size_t count)
{
    pf_buf_consume(&s->bytes, s->head);
    s->base += s->head;
    s->head = 0;
    drop_old_marks(s);
    enum pf_status st = put_in_front(&s->bytes, bytes.ptr, bytes.len);
    if (st == PF_OK) {
        s->base -= bytes.len;
        st = put_in_front(&s->marks, marks, count * sizeof *marks);
    }
    s->mark_at = 0;
    return st;
}
