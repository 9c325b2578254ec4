// SPDX-License-Identifier: Apache-2.0
#include "tls/handover.h"

#include <string.h>

static void drop_marks_before_base(struct pf_stream *s)
{
    const struct pf_mark *m = (const struct pf_mark *)(const void *)s->marks.ptr;
    size_t n = s->marks.len / sizeof *m;
    size_t gone = 0;
    while (gone < n && m[gone].end <= s->base) {
        gone++;
    }
    pf_buf_consume(&s->marks, gone * sizeof *m);
    s->mark_at = 0;
}

enum pf_status pf_stream_detach(struct pf_stream *s, uint64_t pos, struct pf_buf *spare,
                                size_t *start)
{
    size_t at = (size_t)(pos - s->base);
    size_t recent = s->bytes.len < PF_STREAM_RECENT ? 0 : s->bytes.len - PF_STREAM_RECENT;
    size_t from = at < recent ? at : recent;
    enum pf_status st = pf_buf_append(spare, s->bytes.ptr + from, s->bytes.len - from);
    if (st != PF_OK) {
        spare->len = 0;
        return st;
    }
    struct pf_buf given = s->bytes;
    s->bytes = *spare;
    *spare = given;
    *start = s->head;
    s->base += from;
    s->head = at - from;
    drop_marks_before_base(s);
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
    drop_marks_before_base(s);
    enum pf_status st = put_in_front(&s->bytes, bytes.ptr, bytes.len);
    if (st == PF_OK) {
        s->base -= bytes.len;
        st = put_in_front(&s->marks, marks, count * sizeof *marks);
    }
    return st;
}
