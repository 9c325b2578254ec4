// SPDX-License-Identifier: Apache-2.0
#include "plainflow.h"

#include "store/records.h"
#include "store/result.h"
#include "store/verify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The reading half of plainflow.h: the store's types stay behind it. */

struct pf_result {
    struct pf_stored *stored;
    struct pf_walkback *chain; /* for pf_result_read; made when first needed */
};

struct pf_plain {
    struct pf_records *records;
};

static_assert(PF_COUNT_UNKNOWN == PF_UNKNOWN, "one value for what is not known");
static_assert((int)PF_SIDE_C2S == (int)PF_C2S && (int)PF_SIDE_S2C == (int)PF_S2C, "one order");

enum pf_status pf_result_open(const char *dir, struct pf_result **out, struct pf_error *err)
{
    *out = NULL;
    struct pf_result *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    enum pf_status st = pf_stored_open(dir, &r->stored, err);
    if (st != PF_OK) {
        free(r);
        return st;
    }
    *out = r;
    return PF_OK;
}

void pf_result_close(struct pf_result *r)
{
    if (r != NULL) {
        pf_walkback_free(r->chain);
        pf_stored_close(r->stored);
        free(r);
    }
}

uint64_t pf_result_flows(const struct pf_result *r)
{
    return pf_stored_flows(r->stored);
}

bool pf_result_complete(const struct pf_result *r, const char **why)
{
    const char *text;
    bool complete = pf_stored_complete(r->stored, &text);
    if (why != NULL) {
        *why = text;
    }
    return complete;
}

enum pf_status pf_result_flow(struct pf_result *r, uint64_t number, struct pf_flow *out,
                              struct pf_error *err)
{
    struct pf_stored_flow f;
    enum pf_status st = pf_stored_flow(r->stored, number, &f, err);
    if (st != PF_OK) {
        return st;
    }
    *out = (struct pf_flow){.flow = f.flow,
                            .ts_ns = f.ts_ns,
                            .duration_ns = f.duration_ns,
                            .ts = f.ts,
                            .orig_h = f.orig_h,
                            .resp_h = f.resp_h,
                            .orig_p = f.orig_p,
                            .resp_p = f.resp_p,
                            .version = f.version,
                            .cipher = f.cipher,
                            .server_name = f.server_name,
                            .status = f.status,
                            .reason = f.reason,
                            .detail = f.detail,
                            .json = (const char *)f.line.ptr,
                            .json_len = f.line.len};
    for (unsigned d = 0; d < 2; d++) {
        out->dir[d].records = f.dir[d].records;
        out->dir[d].bytes = f.dir[d].bytes;
        out->dir[d].missing_records = f.dir[d].missing_records;
        out->dir[d].missing_bytes = f.dir[d].missing_bytes;
        out->dir[d].clear_bytes = f.dir[d].clear_bytes;
    }
    return PF_OK;
}

/* Copies from the entries at and after offset until buf is full. */
static enum pf_status copy_range(struct pf_walkback *c, uint64_t offset, uint8_t *buf, size_t len,
                                 size_t *got, struct pf_error *err)
{
    enum pf_status st = pf_walkback_seek(c, offset, err);
    const struct pf_index_entry *e;
    while (st == PF_OK && *got < len && (st = pf_walkback_next(c, &e, err)) == PF_OK) {
        struct pf_span plain;
        uint64_t at = offset + *got;
        if (e->kind != PF_INDEX_CHUNK || at - e->offset >= e->chunk.plain_len) {
            continue;
        }
        st = pf_walkback_plain(c, &plain, err);
        if (st != PF_OK) {
            break;
        }
        size_t skip = (size_t)(at - e->offset);
        size_t n = plain.len - skip < len - *got ? plain.len - skip : len - *got;
        memcpy(buf + *got, plain.ptr + skip, n);
        *got += n;
    }
    return st == PF_END ? PF_OK : st;
}

enum pf_status pf_result_read(struct pf_result *r, uint64_t number, enum pf_side side,
                              uint64_t offset, void *buf, size_t len, size_t *got,
                              struct pf_error *err)
{
    *got = 0;
    if (side == PF_SIDE_BOTH) {
        return pf_error_set(err, PF_ERR_USAGE, "a range is of one direction");
    }
    if (r->chain == NULL && pf_walkback_new(&r->chain) != PF_OK) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    struct pf_flows_row row;
    enum pf_status st = pf_stored_row(r->stored, number, &row, err);
    if (st == PF_OK) {
        st = pf_stored_chain(r->stored, &row, (enum pf_dir)side, r->chain, err);
    }
    return st != PF_OK ? st : copy_range(r->chain, offset, buf, len, got, err);
}

enum pf_status pf_plain_open(struct pf_result *r, uint64_t number, enum pf_side side,
                             struct pf_plain **out, struct pf_error *err)
{
    *out = NULL;
    struct pf_flows_row row;
    enum pf_status st = pf_stored_row(r->stored, number, &row, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_plain *p = calloc(1, sizeof(*p));
    if (p == NULL || pf_records_new(&p->records) != PF_OK) {
        free(p);
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    const bool want[2] = {side != PF_SIDE_S2C, side != PF_SIDE_C2S};
    st = pf_records_start(p->records, r->stored, &row, want, err);
    if (st != PF_OK) {
        pf_plain_close(p);
        return st;
    }
    *out = p;
    return PF_OK;
}

void pf_plain_want_clear(struct pf_plain *p)
{
    pf_records_want_clear(p->records);
}

enum pf_status pf_plain_next(struct pf_plain *p, struct pf_piece *out, struct pf_error *err)
{
    struct pf_records_item item;
    enum pf_status st = pf_records_next(p->records, &item, err);
    if (st != PF_OK) {
        return st;
    }
    *out = (struct pf_piece){
        .side = (enum pf_side)item.dir, .gap = item.is_gap, .offset = item.offset};
    if (item.is_gap) {
        out->packet = item.gap.packet_after;
        out->packet_before = item.gap.packet_before;
        out->lost_records = item.gap.records;
        out->lost_bytes = item.gap.bytes;
    } else {
        out->clear = item.is_clear;
        out->type = item.record.type;
        out->data = item.plain.ptr;
        out->len = item.plain.len;
        out->packet = item.record.packet;
        out->ts_ns = item.record.ts_ns;
        out->seq = item.record.seq;
    }
    return PF_OK;
}

void pf_plain_close(struct pf_plain *p)
{
    if (p != NULL) {
        pf_records_free(p->records);
        free(p);
    }
}

enum pf_status pf_result_verify(const char *dir, struct pf_error *found, size_t max, size_t *count,
                                struct pf_error *err)
{
    struct pf_findings findings = {.items = found, .max = max};
    enum pf_status st = pf_stored_verify(dir, &findings, err);
    *count = findings.count;
    return st;
}
