// SPDX-License-Identifier: Apache-2.0
#include "store/flows.h"

#include "store/index.h"
#include "store/line.h"
#include "store/rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPOOL_BUFFER = 1 << 18, ROWS_FIRST = 1024, WINDOW = 64 * 1024 };

struct pf_flows {
    struct pf_file spool;
    struct pf_buf line;
    struct pf_json *json;
    struct pf_text_sha1 *sha1;
    struct pf_row *rows; /* pos: of a PF_FLOWS_ROW, then the line; len: of that alone */
    size_t count;
    size_t cap;
    bool closed;
    uint32_t worker;
    struct pf_flow_totals totals;
};

/* clang-format off */
const char *pf_flow_status_name(enum pf_flow_status s)
{
    switch (s) {
#define X(NAME, name, text) case PF_FLOW_##NAME: return #name;
    PF_FLOW_STATUS_LIST(X)
#undef X
    case PF_FLOW_STATUS_COUNT: break;
    }
    return NULL;
}

const char *pf_flow_status_text(enum pf_flow_status s)
{
    switch (s) {
#define X(NAME, name, text) case PF_FLOW_##NAME: return text;
    PF_FLOW_STATUS_LIST(X)
#undef X
    case PF_FLOW_STATUS_COUNT: break;
    }
    return NULL;
}

const char *pf_reason_name(enum pf_reason r)
{
    switch (r) {
#define X(NAME, name, text) case PF_REASON_##NAME: return #name;
    PF_REASON_LIST(X)
#undef X
    case PF_REASON_NONE: case PF_REASON_COUNT: break;
    }
    return NULL;
}

const char *pf_reason_text(enum pf_reason r)
{
    switch (r) {
#define X(NAME, name, text) case PF_REASON_##NAME: return text;
    PF_REASON_LIST(X)
#undef X
    case PF_REASON_NONE: case PF_REASON_COUNT: break;
    }
    return NULL;
}

const char *pf_opened_by_name(enum pf_opened_by o)
{
    switch (o) {
#define X(NAME, name) case PF_OPENED_BY_##NAME: return #name;
    PF_OPENED_BY_LIST(X)
#undef X
    case PF_OPENED_BY_NONE: case PF_OPENED_BY_COUNT: break;
    }
    return NULL;
}
/* clang-format on */

enum pf_status pf_flows_new(const struct pf_place *data, unsigned number, struct pf_flows **out,
                            struct pf_error *err)
{
    *out = NULL;
    struct pf_flows *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    pf_buf_init(&f->line, PF_LINE_MAX, NULL);
    f->sha1 = pf_text_sha1_new(); /* without, it is slower */
    f->json = pf_json_new();
    f->spool.fd = -1;
    f->worker = number;
    char name[PF_FILE_NAME];
    (void)snprintf(name, sizeof(name), "%03u.spool", number);
    enum pf_status st = f->json != NULL
                            ? pf_file_open_spool(&f->spool, data, name, SPOOL_BUFFER, err)
                            : pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    if (st != PF_OK) {
        pf_flows_free(f);
        return st;
    }
    *out = f;
    return PF_OK;
}

void pf_flows_free(struct pf_flows *f)
{
    if (f != NULL) {
        pf_file_fini(&f->spool);
        pf_buf_fini(&f->line);
        pf_json_free(f->json);
        pf_text_sha1_free(f->sha1);
        free(f->rows);
        free(f);
    }
}

void pf_flows_discard(struct pf_flows *f)
{
    pf_file_discard(&f->spool);
    free(f->rows);
    f->rows = NULL;
    f->count = f->cap = 0;
}

static enum pf_status add_row(struct pf_flows *f, struct pf_row row)
{
    if (f->count == f->cap) {
        size_t cap = f->cap == 0 ? ROWS_FIRST : f->cap + f->cap / 4; /* little is left unused */
        struct pf_row *rows = realloc(f->rows, cap * sizeof(*rows));
        if (rows == NULL) {
            return PF_ERR_NOMEM;
        }
        f->rows = rows;
        f->cap = cap;
    }
    f->rows[f->count++] = row;
    return PF_OK;
}

static void count(struct pf_flow_totals *t, const struct pf_flow_info *info,
                  const struct pf_flow_ref *ref)
{
    t->flows++;
    t->by_status[info->status]++;
    t->by_reason[info->reason]++;
    t->by_opened_by[info->opened_by]++;
    for (unsigned d = 0; d < 2; d++) {
        t->bytes[d] += ref->dir[d].bytes;
        t->records[d] += ref->dir[d].records;
    }
}

enum pf_status pf_flows_append(struct pf_flows *f, const struct pf_flow_info *info,
                               const struct pf_flow_ref *ref, struct pf_error *err)
{
    if (info->status >= PF_FLOW_STATUS_COUNT || info->reason >= PF_REASON_COUNT ||
        info->opened_by >= PF_OPENED_BY_COUNT) {
        return pf_error_set(err, PF_ERR_INTERNAL, "a flow's status is not in the list");
    }
    enum pf_status st = pf_line_format(f->json, info, ref, f->sha1, &f->line);
    if (st != PF_OK) {
        return pf_error_set(err, st, "a flow's line: %s", pf_status_text(st));
    }
    struct pf_row row = {.first_packet = info->first_packet,
                         .pos = f->spool.size,
                         .len = (uint32_t)f->line.len,
                         .tie = pf_row_tie(&info->key)};
    uint8_t head[PF_FLOWS_ROW];
    pf_flows_write_row(head, &(struct pf_flows_row){.worker = f->worker, .ref = *ref});
    st = pf_file_append(&f->spool, head, sizeof(head), err);
    if (st == PF_OK) {
        st = pf_file_append(&f->spool, f->line.ptr, f->line.len, err);
    }
    if (st != PF_OK) {
        return st;
    }
    if (add_row(f, row) != PF_OK) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory for the list of flows");
    }
    count(&f->totals, info, ref);
    return PF_OK;
}

void pf_flows_add_totals(const struct pf_flows *f, struct pf_flow_totals *sum)
{
    const struct pf_flow_totals *t = &f->totals;
    sum->flows += t->flows;
    for (unsigned i = 0; i < PF_FLOW_STATUS_COUNT; i++) {
        sum->by_status[i] += t->by_status[i];
    }
    for (unsigned i = 0; i < PF_REASON_COUNT; i++) {
        sum->by_reason[i] += t->by_reason[i];
    }
    for (unsigned i = 0; i < PF_OPENED_BY_COUNT; i++) {
        sum->by_opened_by[i] += t->by_opened_by[i];
    }
    for (unsigned d = 0; d < 2; d++) {
        sum->bytes[d] += t->bytes[d];
        sum->records[d] += t->records[d];
    }
}

enum pf_status pf_flows_close(struct pf_flows *f, struct pf_error *err)
{
    if (!f->closed) {
        f->closed = true;
        pf_rows_sort(f->rows, f->count);
    }
    return pf_file_flush(&f->spool, err);
}

/* ---- reading ---- */

size_t pf_flows_count(const struct pf_flows *f)
{
    return f->count;
}

uint64_t pf_flows_first_packet(const struct pf_flows *f, size_t i)
{
    return f->rows[i].first_packet;
}

size_t pf_flows_from(const struct pf_flows *f, uint64_t packet)
{
    return pf_rows_from(f->rows, f->count, packet);
}

bool pf_flows_before(const struct pf_flows *a, size_t i, const struct pf_flows *b, size_t j)
{
    return pf_row_before(&a->rows[i], &b->rows[j]);
}

uint64_t pf_flows_json_bytes(const struct pf_flows *f, size_t from, size_t to)
{
    uint64_t sum = 0;
    for (size_t i = from; i < to; i++) {
        sum += f->rows[i].len;
    }
    return sum;
}

void pf_flows_window_init(struct pf_flows_window *w)
{
    pf_buf_init(&w->bytes, PF_LINE_MAX + PF_FLOWS_ROW + WINDOW, NULL);
    w->pos = 0;
}

void pf_flows_window_fini(struct pf_flows_window *w)
{
    pf_buf_fini(&w->bytes);
}

/* The len bytes of the spool from pos on. Flows are asked for in the order in which they began;
 * where they ended about so, too, what lies around is read along. */
static enum pf_status fetch(const struct pf_flows *f, struct pf_flows_window *w, uint64_t pos,
                            size_t len, const uint8_t **out)
{
    if (pos < w->pos || pos + len > w->pos + w->bytes.len) {
        uint64_t from = pos;
        uint64_t to = pos + len;
        if (pos + WINDOW >= w->pos && pos <= w->pos + 2 * WINDOW) {
            from = pos > WINDOW / 4 ? pos - WINDOW / 4 : 0;
            to = to > from + WINDOW ? to : from + WINDOW;
            to = to < f->spool.size ? to : f->spool.size;
        }
        w->bytes.len = 0;
        enum pf_status st = pf_buf_reserve(&w->bytes, (size_t)(to - from));
        st = st == PF_OK ? pf_file_read_at(f->spool.fd, w->bytes.ptr, (size_t)(to - from), from)
                         : st;
        if (st != PF_OK) {
            return st;
        }
        w->pos = from;
        w->bytes.len = (size_t)(to - from);
    }
    *out = w->bytes.ptr + (pos - w->pos);
    return PF_OK;
}

enum pf_status pf_flows_read(const struct pf_flows *f, size_t i, struct pf_flows_window *w,
                             struct pf_flows_item *out, struct pf_error *err)
{
    const struct pf_row *row = &f->rows[i];
    size_t len = PF_FLOWS_ROW + row->len;
    const uint8_t *p;
    enum pf_status st = fetch(f, w, row->pos, len, &p);
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s/%s.part: %s", f->spool.place->path, f->spool.name,
                            pf_status_text(st));
    }
    struct pf_flows_row head;
    if (!pf_flows_parse_row((struct pf_span){.ptr = p, .len = PF_FLOWS_ROW}, &head)) {
        return pf_error_set(err, PF_ERR_INTERNAL, "%s: a row is cut", f->spool.name);
    }
    *out = (struct pf_flows_item){
        .worker = f->worker, .ref = head.ref, .json = {.ptr = p + PF_FLOWS_ROW, .len = row->len}};
    return PF_OK;
}
