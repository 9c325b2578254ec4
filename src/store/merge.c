// SPDX-License-Identifier: Apache-2.0
/*
 * The spools are sorted by first packet. They are cut at the same packets, so that each part of the
 * result comes from one piece of every spool; where a part begins in the result follows from the
 * lengths of the lines before it. Parts are merged and written side by side.
 */
#include "store/merge.h"

#include "store/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_BUFFER = 1 << 18, ROWS_BUFFER = 1 << 16, HEAD_MAX = 40 };

/* One piece of a spool. */
struct piece {
    const struct pf_flows *spool;
    size_t next; /* the first flow that was not written yet */
    size_t end;
    struct pf_flows_window window;
};

struct part {
    struct piece *pieces; /* of each spool */
    unsigned n;
    uint64_t number;   /* of its first flow */
    uint64_t line_pos; /* where that flow's line begins */
    uint64_t flows;
    uint64_t line_bytes;
    struct pf_file *lines;
    struct pf_file *rows;
    struct pf_file own[2]; /* those, if there are several parts */
    enum pf_status st;
    struct pf_error err;
};

/* ---- one part ---- */

static struct piece *lowest(const struct part *p)
{
    struct piece *best = NULL;
    for (unsigned i = 0; i < p->n; i++) {
        struct piece *one = &p->pieces[i];
        if (one->next < one->end &&
            (best == NULL || pf_flows_before(one->spool, one->next, best->spool, best->next))) {
            best = one;
        }
    }
    return best;
}

/* The spooled object begins with '{': the number goes between it and the first name. */
static int format_head(uint64_t number, char head[HEAD_MAX])
{
    return snprintf(head, HEAD_MAX, "{\"flow\":%" PRIu64 ",", number);
}

/* Bytes that lines have more than the spooled objects: heads for braces, and line ends. */
static uint64_t extra_bytes(uint64_t number, uint64_t flows)
{
    uint64_t sum = 0;
    uint64_t ten = 1;
    char head[HEAD_MAX];
    uint64_t end = number + flows;
    while (number < end) {
        while (number / 10 >= ten) {
            ten *= 10;
        }
        uint64_t alike = end - number < 10 * ten - number ? end - number : 10 * ten - number;
        sum += alike * (uint64_t)format_head(number, head);
        number += alike;
    }
    return sum;
}

static enum pf_status write_flow(struct part *p, const struct pf_flows_item *item)
{
    char head[HEAD_MAX];
    size_t head_len = (size_t)format_head(p->number++, head);
    struct pf_flows_row row = {.line_pos = p->line_pos, .worker = item->worker, .ref = item->ref};
    row.line_len = (uint32_t)(head_len + item->json.len - 1);
    p->line_pos += row.line_len + 1;
    enum pf_status st = pf_file_append(p->lines, head, head_len, &p->err);
    if (st == PF_OK) {
        st = pf_file_append(p->lines, item->json.ptr + 1, item->json.len - 1, &p->err);
    }
    if (st == PF_OK) {
        st = pf_file_append(p->lines, "\n", 1, &p->err);
    }
    if (st != PF_OK) {
        return st;
    }
    uint8_t bytes[PF_FLOWS_ROW];
    pf_flows_write_row(bytes, &row);
    return pf_file_append(p->rows, bytes, sizeof(bytes), &p->err);
}

static void merge_part(void *ctx, unsigned k)
{
    struct part *p = (struct part *)ctx + k;
    struct piece *one;
    while (p->st == PF_OK && (one = lowest(p)) != NULL) {
        struct pf_flows_item item;
        p->st = pf_flows_read(one->spool, one->next, &one->window, &item, &p->err);
        p->st = p->st == PF_OK ? write_flow(p, &item) : p->st;
        one->next++;
    }
}

/* ---- the cut ---- */

static uint64_t count_flows(struct pf_flows *const *spools, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        sum += spools[i] != NULL ? pf_flows_count(spools[i]) : 0;
    }
    return sum;
}

static unsigned count_parts(uint64_t flows, unsigned spools)
{
    uint64_t parts = flows / PF_MERGE_PART_FLOWS;
    uint64_t most = spools < PF_MERGE_PARTS ? spools : PF_MERGE_PARTS; /* as many as had work */
    parts = parts < most ? parts : most;
    return parts == 0 ? 1 : (unsigned)parts;
}

/* The packet that part k of count begins with: flows are spread over the spools by their hash, so
 * any of them tells about where to cut. */
static uint64_t first_packet(const struct pf_flows *longest, unsigned k, unsigned count)
{
    return k == 0 ? 0 : pf_flows_first_packet(longest, pf_flows_count(longest) / count * k);
}

static const struct pf_flows *longest_of(struct pf_flows *const *spools, unsigned n)
{
    const struct pf_flows *longest = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (spools[i] != NULL &&
            (longest == NULL || pf_flows_count(spools[i]) > pf_flows_count(longest))) {
            longest = spools[i];
        }
    }
    return longest;
}

static void cut(struct part *parts, unsigned count, struct pf_flows *const *spools, unsigned n)
{
    const struct pf_flows *longest = longest_of(spools, n);
    for (unsigned k = 0; k < count; k++) {
        struct part *p = &parts[k];
        uint64_t end = k + 1 < count ? first_packet(longest, k + 1, count) : 0;
        for (unsigned i = 0; i < n; i++) {
            if (spools[i] == NULL) {
                continue;
            }
            struct piece *one = &p->pieces[p->n++];
            one->spool = spools[i];
            one->next = pf_flows_from(spools[i], first_packet(longest, k, count));
            one->end = k + 1 < count ? pf_flows_from(spools[i], end) : pf_flows_count(spools[i]);
            pf_flows_window_init(&one->window);
            p->flows += one->end - one->next;
            p->line_bytes += pf_flows_json_bytes(spools[i], one->next, one->end);
        }
        p->number = k == 0 ? 1 : parts[k - 1].number + parts[k - 1].flows;
        p->line_pos = k == 0 ? 0 : parts[k - 1].line_pos + parts[k - 1].line_bytes;
        p->line_bytes += extra_bytes(p->number, p->flows);
    }
}

/* ---- all parts ---- */

static enum pf_status open_parts(struct part *parts, unsigned count, struct pf_file *lines,
                                 struct pf_file *rows, struct pf_error *err)
{
    enum pf_status st = count > 1 ? pf_file_flush(rows, err) : PF_OK;
    for (unsigned k = 0; k < count; k++) {
        struct part *p = &parts[k];
        p->lines = count > 1 ? &p->own[0] : lines;
        p->rows = count > 1 ? &p->own[1] : rows;
        if (count > 1 && st == PF_OK) {
            st = pf_file_open_part(p->lines, lines, p->line_pos, LINES_BUFFER, err);
        }
        if (count > 1 && st == PF_OK) {
            uint64_t pos = PF_FLOWS_HEADER + PF_FLOWS_ROW * (p->number - 1);
            st = pf_file_open_part(p->rows, rows, pos, ROWS_BUFFER, err);
        }
    }
    return st;
}

static enum pf_status join(struct part *parts, unsigned count, struct pf_file *lines,
                           struct pf_file *rows, struct pf_error *err)
{
    enum pf_status first = PF_OK;
    for (unsigned k = 0; k < count; k++) {
        struct part *p = &parts[k];
        enum pf_status st = p->st;
        if (st != PF_OK) {
            pf_error_set(err, st, "%s", p->err.text);
        }
        if (count > 1) {
            enum pf_status a = pf_file_join(lines, p->lines, err);
            enum pf_status b = pf_file_join(rows, p->rows, err);
            st = st != PF_OK ? st : a != PF_OK ? a : b;
        }
        first = first != PF_OK ? first : st;
    }
    return first;
}

static void free_parts(struct part *parts, unsigned count)
{
    for (unsigned k = 0; parts != NULL && k < count; k++) {
        for (unsigned i = 0; i < parts[k].n; i++) {
            pf_flows_window_fini(&parts[k].pieces[i].window);
        }
        free(parts[k].pieces);
        pf_file_fini(&parts[k].own[0]);
        pf_file_fini(&parts[k].own[1]);
    }
    free(parts);
}

static struct part *new_parts(unsigned count, unsigned spools)
{
    struct part *parts = calloc(count, sizeof(*parts));
    bool whole = parts != NULL;
    for (unsigned k = 0; parts != NULL && k < count; k++) {
        parts[k].own[0].fd = -1;
        parts[k].own[1].fd = -1;
        parts[k].pieces = calloc(spools, sizeof(*parts[k].pieces));
        whole = whole && parts[k].pieces != NULL;
    }
    if (!whole) {
        free_parts(parts, count);
        parts = NULL;
    }
    return parts;
}

enum pf_status pf_merge_flows(struct pf_flows *const *spools, unsigned n, struct pf_file *lines,
                              struct pf_file *rows, pf_abreast_fn *abreast, struct pf_error *err)
{
    uint8_t head[PF_FLOWS_HEADER];
    pf_flows_file_header(head);
    enum pf_status st = pf_file_append(rows, head, sizeof(head), err);
    if (st != PF_OK) {
        return st;
    }
    bool in_order = abreast == NULL || lines->digest != NULL || rows->digest != NULL;
    unsigned count = in_order ? 1 : count_parts(count_flows(spools, n), n);
    struct part *parts = new_parts(count, n);
    if (parts == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory for the list of flows");
    }
    cut(parts, count, spools, n);
    st = open_parts(parts, count, lines, rows, err);
    if (st == PF_OK) {
        if (count > 1) {
            abreast(merge_part, parts, count);
        } else {
            merge_part(parts, 0);
        }
        st = join(parts, count, lines, rows, err);
    }
    free_parts(parts, count);
    return st;
}
