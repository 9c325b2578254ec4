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

/* How many bytes at the front are neither held nor recent. */
static size_t unneeded(const struct pf_stream *s, size_t head)
{
    size_t len = s->bytes.len;
    size_t old = len > PF_STREAM_RECENT ? len - PF_STREAM_RECENT : 0;
    if (s->pinned && len <= PF_STREAM_PINNED) {
        return 0;
    }
    return head < old ? head : old;
}

/* Moves what is needed to the front once that is cheap next to what is gained. */
static void compact(struct pf_stream *s)
{
    size_t gone = unneeded(s, s->head);
    if (gone < COMPACT_AT || gone < s->bytes.len / 2) {
        return;
    }
    pf_buf_consume(&s->bytes, gone);
    s->base += gone;
    s->head -= gone;
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

/* How many bytes to make room for at once: up to the end of the record that the first byte held
 * begins, and a little more, for an alert behind it; but not for much more than has come. */
static size_t expected(const struct pf_stream *s, struct pf_span data)
{
    enum { BEHIND = 64, TIMES = 8 };
    size_t held = s->bytes.len - s->head;
    struct pf_span begin = held == 0 ? data : (struct pf_span){s->bytes.ptr + s->head, held};
    struct pf_frame f;
    if (!pf_frame_parse(begin, &f) || !pf_frame_plausible(&f)) {
        return data.len;
    }
    size_t whole = PF_RECORD_HEADER_LEN + f.body_len + BEHIND;
    size_t most = (held + data.len) * TIMES;
    size_t end = whole < most ? whole : most;
    return end > held + data.len ? end - held : data.len;
}

/* Makes room for data and what is expected behind it, and for the marks of as many packets. */
static enum pf_status make_room(struct pf_stream *s, struct pf_span data)
{
    enum { MARKS_MAX = 16 }; /* packets of a record, as a rule */
    size_t room = expected(s, data);
    size_t packets = room / data.len + 1;
    enum pf_status st = pf_buf_reserve(&s->bytes, room);
    packets = packets < MARKS_MAX ? packets : MARKS_MAX;
    return st == PF_OK ? pf_buf_reserve(&s->marks, packets * sizeof(struct pf_mark)) : st;
}

enum pf_status pf_stream_append(struct pf_stream *s, struct pf_span data, uint64_t packet,
                                int64_t ts_ns)
{
    if (s->head > 0 && data.len > s->bytes.cap - s->bytes.len) {
        compact(s);
    }
    enum pf_status st = PF_ERR_LIMIT;
    if (data.len > s->bytes.cap - s->bytes.len) {
        st = make_room(s, data); /* data.len is not 0 */
    }
    if (st == PF_OK || st == PF_ERR_LIMIT) {
        st = pf_buf_append(&s->bytes, data.ptr, data.len);
    }
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
    s->gap_at = pf_stream_end(s);
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

struct pf_span pf_stream_peek(const struct pf_stream *s, uint64_t pos)
{
    uint64_t end = pf_stream_end(s);
    const struct pf_stream_gap *gap = s->gaps.len > 0 ? pf_stream_next_gap(s, pos) : NULL;
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

bool pf_frame_is_inside(struct pf_span bytes)
{
    struct pf_frame f;
    struct pf_frame next;
    for (size_t at = 0; at + PF_RECORD_HEADER_LEN <= bytes.len; at++) {
        if (bytes.ptr[at] != PF_CT_APPLICATION_DATA ||
            !pf_frame_parse((struct pf_span){bytes.ptr + at, bytes.len - at}, &f) ||
            !pf_frame_plausible(&f)) {
            continue;
        }
        size_t end = at + PF_RECORD_HEADER_LEN + f.body_len;
        if (end < bytes.len &&
            pf_frame_parse((struct pf_span){bytes.ptr + end, bytes.len - end}, &next) &&
            pf_frame_plausible(&next) && next.version == f.version) {
            return true;
        }
    }
    return false;
}

enum pf_frame_result pf_stream_frame(const struct pf_stream *s, uint64_t pos, struct pf_frame *out)
{
    struct pf_span bytes = pf_stream_peek(s, pos);
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
    for (;;) {
        size_t held = pf_stream_peek(s, k.pos).len;
        uint64_t n = held < k.left ? held : k.left;
        k.pos += n;
        k.left -= n;
        const struct pf_stream_gap *gap = pf_stream_next_gap(s, k.pos);
        if (k.left == 0 || gap == NULL || gap->pos != k.pos) {
            break;
        }
        k.lost += gap->lost;
        k.beyond = gap->lost > k.left ? gap->lost - k.left : 0;
        k.left = gap->lost > k.left ? 0 : k.left - gap->lost;
        k.packet_after = gap->packet_after;
        pf_stream_pass_gap(s, k.pos);
    }
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
    while (s->mark_at > 0 && m[s->mark_at - 1].end > pos) {
        s->mark_at--; /* a run that ended early is framed again */
    }
    *packet = n > 0 ? m[s->mark_at].packet : 0;
    *ts_ns = n > 0 ? m[s->mark_at].ts_ns : 0;
}

/* Lets go of the bytes before pos, and of the gaps at places below `gaps_below`. */
static void let_go(struct pf_stream *s, uint64_t pos, uint64_t gaps_below)
{
    s->head = (size_t)(pos - s->base);
    size_t n;
    const struct pf_stream_gap *g = gaps_of(s, &n);
    size_t gone = 0;
    while (gone < n && g[gone].pos < gaps_below) {
        gone++;
    }
    pf_buf_consume(&s->gaps, gone * sizeof *g);
    if (s->head == s->bytes.len) {
        compact(s);
    }
}

void pf_stream_consume(struct pf_stream *s, uint64_t pos)
{
    let_go(s, pos, pos);
}

void pf_stream_pass_gap(struct pf_stream *s, uint64_t pos)
{
    let_go(s, pos, pos + 1);
}

uint64_t pf_stream_oldest(const struct pf_stream *s)
{
    return s->base;
}

const uint8_t *pf_stream_bytes(const struct pf_stream *s, uint64_t pos)
{
    return s->bytes.ptr + (pos - s->base);
}

uint64_t pf_stream_packet_end(struct pf_stream *s, uint64_t pos)
{
    uint64_t packet;
    int64_t ts_ns;
    size_t n;
    pf_stream_packet(s, pos, &packet, &ts_ns);
    const struct pf_mark *m = marks_of(s, &n);
    return n > 0 && m[s->mark_at].end > pos ? m[s->mark_at].end : pf_stream_end(s);
}

/* Splits the mark over [pos, pos + len) so that this part has one of its own; its index is in
 * mark_at. */
static enum pf_status split_marks(struct pf_stream *s, uint64_t pos, size_t len)
{
    uint64_t packet;
    int64_t ts_ns;
    size_t n;
    pf_stream_packet(s, pos, &packet, &ts_ns);
    const struct pf_mark old = marks_of(s, &n)[s->mark_at];
    uint64_t begin = s->mark_at > 0 ? marks_of(s, &n)[s->mark_at - 1].end : s->base;
    struct pf_mark parts[2] = {{.end = pos, .packet = packet, .ts_ns = ts_ns},
                               {.end = pos + len, .packet = packet, .ts_ns = ts_ns}};
    size_t first = begin < pos ? 0 : 1;
    size_t more = (first == 0 ? 1U : 0U) + (old.end > pos + len ? 1U : 0U);
    enum pf_status st = pf_buf_reserve(&s->marks, more * sizeof old);
    if (st != PF_OK) {
        return st;
    }
    struct pf_mark *m = marks_of(s, &n) + s->mark_at;
    memmove(m + more, m, (n - s->mark_at) * sizeof *m);
    s->marks.len += more * sizeof *m;
    memcpy(m, parts + first, (2 - first) * sizeof *m);
    s->mark_at += 1 - first;
    return PF_OK;
}

enum pf_status pf_stream_write(struct pf_stream *s, uint64_t pos, const uint8_t *bytes, size_t len,
                               uint64_t packet, int64_t ts_ns)
{
    enum pf_status st = PF_OK;
    memcpy(s->bytes.ptr + (pos - s->base), bytes, len);
    for (uint64_t end = pos + len; pos < end && st == PF_OK;) {
        size_t n;
        uint64_t upto = pf_stream_packet_end(s, pos);
        upto = upto < end ? upto : end;
        st = split_marks(s, pos, (size_t)(upto - pos));
        if (st == PF_OK) {
            struct pf_mark *m = marks_of(s, &n) + s->mark_at;
            m->packet = packet;
            m->ts_ns = ts_ns;
        }
        pos = upto;
    }
    return st;
}

void pf_stream_rewind(struct pf_stream *s, uint64_t pos)
{
    s->head = (size_t)(pos - s->base);
}
