// SPDX-License-Identifier: Apache-2.0
#include "forge/ledger.h"

#include "base/cursor.h"

#include <stdlib.h>

enum { HEADER_LEN = 5, LIST_FIRST = 64 };

/* [start, end) of a TCP stream */
struct stretch {
    uint64_t start;
    uint64_t end;
};

static size_t count_records(struct pf_cur c)
{
    size_t n = 0;
    struct pf_cur body;
    while (pf_cur_skip(&c, HEADER_LEN - 2) && pf_cur_vec16(&c, &body)) {
        n++;
    }
    return n;
}

static void put(struct forge_ledger *l, struct forge_record r)
{
    if (l->keeps && l->count == l->cap) {
        l->cap = l->cap == 0 ? LIST_FIRST : 2 * l->cap;
        l->list = forge_realloc(l->list, l->cap * sizeof *l->list);
    }
    if (l->keeps) {
        l->list[l->count] = r;
    }
    l->count++;
}

void forge_ledger_add(struct forge_ledger *l, struct pf_span wire, uint64_t offset, size_t plain,
                      size_t before, size_t fragment)
{
    struct pf_cur c = pf_cur_of(wire);
    size_t pieces = (plain + fragment - 1) / fragment;
    size_t records = count_records(c) - before;
    /* In front of each TLS 1.0 CBC record goes an empty one (against BEAST). */
    size_t per_piece = records == 2 * pieces ? 2 : 1;
    if (records != per_piece * pieces) {
        forge_die("libssl wrote %zu records where %zu were expected", records, pieces);
    }
    struct pf_cur body;
    for (size_t i = 0; pf_cur_skip(&c, HEADER_LEN - 2) && pf_cur_vec16(&c, &body); i++) {
        size_t len = HEADER_LEN + body.left;
        if (i >= before && (i - before) % per_piece == per_piece - 1) {
            size_t part = plain < fragment ? plain : fragment;
            plain -= part;
            put(l, (struct forge_record){offset, (uint32_t)len, (uint32_t)part});
        }
        offset += len;
    }
}

static int by_start(const void *a, const void *b)
{
    const struct stretch *x = a;
    const struct stretch *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Those of one direction, in order; `first_only` leaves out lost retransmissions. */
static struct stretch *stretches(const struct forge_parcels *p, enum pf_dir dir, bool first_only,
                                 size_t *count)
{
    struct stretch *out = forge_alloc(p->count * sizeof *out);
    *count = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct forge_parcel *s = &p->list[i];
        if (s->dir == dir && s->len > 0 && !(first_only && s->again)) {
            out[(*count)++] = (struct stretch){s->offset, s->offset + s->len};
        }
    }
    qsort(out, *count, sizeof *out, by_start);
    return out;
}

/* True when retransmissions cover [start, end); `resent` is in order. */
static bool is_covered(uint64_t start, uint64_t end, const struct stretch *resent, size_t count)
{
    for (size_t i = 0; i < count && resent[i].start <= start && start < end; i++) {
        start = resent[i].end > start ? resent[i].end : start;
    }
    return start >= end;
}

/* Whether the record is whole; `lost` is in order, and those before `*next` lie before it. */
static bool is_whole(const struct forge_record *r, const struct stretch *lost, size_t lost_count,
                     size_t *next, const struct stretch *resent, size_t resent_count)
{
    uint64_t end = r->start + r->len;
    while (*next < lost_count && lost[*next].end <= r->start) {
        ++*next;
    }
    for (size_t i = *next; i < lost_count && lost[i].start < end; i++) {
        uint64_t from = lost[i].start > r->start ? lost[i].start : r->start;
        uint64_t to = lost[i].end < end ? lost[i].end : end;
        if (!is_covered(from, to, resent, resent_count)) {
            return false;
        }
    }
    return true;
}

struct forge_intact forge_ledger_intact(const struct forge_ledger *l, const struct forge_lane *lane,
                                        enum pf_dir dir)
{
    struct forge_intact out = {0};
    size_t lost_count;
    size_t resent_count;
    size_t next = 0;
    struct stretch *lost = stretches(&lane->dropped, dir, true, &lost_count);
    struct stretch *resent = stretches(&lane->resent, dir, false, &resent_count);
    for (size_t i = 0; l->keeps && i < l->count; i++) {
        const struct forge_record *r = &l->list[i];
        if (is_whole(r, lost, lost_count, &next, resent, resent_count)) {
            out.records++;
            out.bytes += r->plain;
        }
    }
    free(lost);
    free(resent);
    return out;
}

void forge_ledger_fini(struct forge_ledger *l)
{
    free(l->list);
    *l = (struct forge_ledger){0};
}
