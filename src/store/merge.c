// SPDX-License-Identifier: Apache-2.0
#include "store/merge.h"

#include "store/index.h"

#include <inttypes.h>
#include <stdio.h>

static struct pf_flows *lowest(struct pf_flows *const *spools, unsigned n)
{
    struct pf_flows *best = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (spools[i] != NULL && !pf_flows_ended(spools[i]) &&
            (best == NULL || pf_flows_before(spools[i], best))) {
            best = spools[i];
        }
    }
    return best;
}

/* The spooled object begins with '{': the number goes between it and the first name. */
static enum pf_status write_flow(uint64_t number, const struct pf_flows_item *item,
                                 struct pf_file *lines, struct pf_file *rows, struct pf_error *err)
{
    char head[40];
    int head_len = snprintf(head, sizeof(head), "{\"flow\":%" PRIu64 ",", number);
    struct pf_flows_row row = {.line_pos = lines->size, .worker = item->worker, .ref = item->ref};
    row.line_len = (uint32_t)((size_t)head_len + item->json.len - 1);
    enum pf_status st = pf_file_append(lines, head, (size_t)head_len, err);
    if (st == PF_OK) {
        st = pf_file_append(lines, item->json.ptr + 1, item->json.len - 1, err);
    }
    if (st == PF_OK) {
        st = pf_file_append(lines, "\n", 1, err);
    }
    if (st != PF_OK) {
        return st;
    }
    uint8_t bytes[PF_FLOWS_ROW];
    pf_flows_write_row(bytes, &row);
    return pf_file_append(rows, bytes, sizeof(bytes), err);
}

enum pf_status pf_merge_flows(struct pf_flows *const *spools, unsigned n, struct pf_file *lines,
                              struct pf_file *rows, struct pf_error *err)
{
    uint8_t head[PF_FLOWS_HEADER];
    pf_flows_file_header(head);
    enum pf_status st = pf_file_append(rows, head, sizeof(head), err);
    uint64_t number = 1;
    struct pf_flows *f = NULL;
    while (st == PF_OK && (f = lowest(spools, n)) != NULL) {
        struct pf_flows_item item;
        st = pf_flows_read_head(f, &item, err);
        if (st == PF_OK) {
            st = write_flow(number++, &item, lines, rows, err);
            pf_flows_pop(f);
        }
    }
    return st;
}
