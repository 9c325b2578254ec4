// SPDX-License-Identifier: Apache-2.0
#include "store/index.h"

#include <string.h>

static const char index_magic[] = "pfindex1";
static const char flows_magic[] = "pfflows1";

enum { MAGIC = 8, KIND_S2C = 16 };

static uint8_t *put_u8(uint8_t *p, unsigned v)
{
    *p = (uint8_t)v;
    return p + 1;
}

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p = put_u8(p, (v >> (8 * i)) & 0xff);
    }
    return p;
}

static uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    p = put_u32(p, (uint32_t)v);
    return put_u32(p, (uint32_t)(v >> 32));
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        p = put_u8(p, (unsigned)(v & 0x7f) | 0x80);
        v >>= 7;
    }
    return put_u8(p, (unsigned)v);
}

/* Differences wrap: whatever the two numbers are, adding back gives the first. */
static uint8_t *put_difference(uint8_t *p, uint64_t v, uint64_t before)
{
    uint64_t d = v - before;
    return put_varint(p, (d << 1) ^ (0 - (d >> 63)));
}

static bool get_u32(struct pf_cur *c, uint32_t *out)
{
    const uint8_t *p;
    if (!pf_cur_take(c, 4, &p)) {
        return false;
    }
    *out = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    return true;
}

static bool get_u64(struct pf_cur *c, uint64_t *out)
{
    uint32_t lo = 0;
    uint32_t hi = 0;
    if (!get_u32(c, &lo) || !get_u32(c, &hi)) {
        return false;
    }
    *out = (uint64_t)hi << 32 | lo;
    return true;
}

static bool get_varint(struct pf_cur *c, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b;
        if (!pf_cur_u8(c, &b) || (shift == 63 && b > 1)) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool get_varint32(struct pf_cur *c, uint32_t max, uint32_t *out)
{
    uint64_t v;
    if (!get_varint(c, &v) || v > max) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static bool get_difference(struct pf_cur *c, uint64_t before, uint64_t *out)
{
    uint64_t z;
    if (!get_varint(c, &z)) {
        return false;
    }
    *out = before + ((z >> 1) ^ (0 - (z & 1)));
    return true;
}

void pf_index_file_header(uint8_t out[PF_INDEX_FILE_HEADER], enum pf_store_codec codec)
{
    memset(out, 0, PF_INDEX_FILE_HEADER);
    memcpy(out, index_magic, MAGIC);
    out[MAGIC] = (uint8_t)codec;
}

bool pf_index_parse_file_header(struct pf_span s, enum pf_store_codec *codec)
{
    struct pf_cur c = pf_cur_of(s);
    const uint8_t *magic;
    uint8_t v;
    if (!pf_cur_take(&c, MAGIC, &magic) || memcmp(magic, index_magic, MAGIC) != 0 ||
        !pf_cur_u8(&c, &v) || v > PF_CODEC_LZ4) {
        return false;
    }
    *codec = (enum pf_store_codec)v;
    return true;
}

uint32_t pf_index_check(struct pf_span body)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < body.len; i++) {
        h = (h ^ body.ptr[i]) * 16777619u;
    }
    return h;
}

static uint8_t *put_records(uint8_t *p, const struct pf_record_entry *r, size_t n)
{
    uint64_t packet = 0;
    uint64_t ts = 0;
    uint64_t seq = 0;
    for (size_t i = 0; i < n; i++) {
        p = put_varint(p, r[i].len);
        p = put_u8(p, r[i].type);
        p = put_difference(p, r[i].packet, packet);
        p = put_difference(p, (uint64_t)r[i].ts_ns, ts);
        p = put_difference(p, r[i].seq, seq);
        packet = r[i].packet;
        ts = (uint64_t)r[i].ts_ns;
        seq = r[i].seq + 1;
    }
    return p;
}

/* PF_UNKNOWN becomes 0, n becomes n + 1. */
static uint8_t *put_known(uint8_t *p, uint64_t v)
{
    return put_varint(p, v + 1);
}

size_t pf_index_write(uint8_t *dst, const struct pf_index_entry *e,
                      const struct pf_record_entry *records)
{
    uint8_t *body = dst + PF_INDEX_ENTRY_HEADER;
    uint8_t *p = put_u8(body, (unsigned)e->kind | (e->dir == PF_S2C ? KIND_S2C : 0));
    p = put_varint(p, e->back);
    p = put_varint(p, e->offset);
    if (e->kind != PF_INDEX_GAP) {
        p = put_varint(p, e->chunk.plain_len);
        p = put_varint(p, e->chunk.pos);
        p = put_varint(p, e->chunk.packed_len);
        p = put_varint(p, e->chunk.records);
        p = put_records(p, records, e->chunk.records);
    } else {
        p = put_known(p, e->gap.records);
        p = put_known(p, e->gap.bytes);
        p = put_varint(p, e->gap.cipher_bytes);
        p = put_varint(p, e->gap.packet_before);
        p = put_varint(p, e->gap.packet_after);
    }
    size_t len = (size_t)(p - body);
    uint8_t *head = put_u32(dst, (uint32_t)len);
    (void)put_u32(head, pf_index_check((struct pf_span){.ptr = body, .len = len}));
    return PF_INDEX_ENTRY_HEADER + len;
}

bool pf_index_parse_header(struct pf_span s, uint32_t *body_len, uint32_t *check)
{
    struct pf_cur c = pf_cur_of(s);
    return get_u32(&c, body_len) && get_u32(&c, check) && *body_len <= PF_INDEX_BODY_MAX;
}

static bool get_kind(struct pf_cur *c, enum pf_index_kind *kind, enum pf_dir *dir)
{
    uint8_t v;
    if (!pf_cur_u8(c, &v)) {
        return false;
    }
    *dir = (v & KIND_S2C) != 0 ? PF_S2C : PF_C2S;
    v = (uint8_t)(v & ~(unsigned)KIND_S2C);
    *kind = (enum pf_index_kind)v;
    return v == PF_INDEX_CHUNK || v == PF_INDEX_GAP || v == PF_INDEX_CLEAR;
}

static bool get_front(struct pf_cur *c, struct pf_index_front *f)
{
    return get_kind(c, &f->kind, &f->dir) && get_varint(c, &f->back) && get_varint(c, &f->offset);
}

bool pf_index_parse_front(struct pf_span body, struct pf_index_front *out)
{
    struct pf_cur c = pf_cur_of(body);
    return get_front(&c, out);
}

static bool get_known(struct pf_cur *c, uint64_t *out)
{
    if (!get_varint(c, out)) {
        return false;
    }
    *out -= 1; /* 0 becomes PF_UNKNOWN */
    return true;
}

static bool parse_gap(struct pf_cur *c, uint64_t offset, struct pf_gap_entry *g)
{
    g->offset = offset;
    return get_known(c, &g->records) && get_known(c, &g->bytes) &&
           get_varint(c, &g->cipher_bytes) && get_varint(c, &g->packet_before) &&
           get_varint(c, &g->packet_after) && pf_cur_at_end(c);
}

static bool parse_chunk(struct pf_cur *c, struct pf_index_entry *e)
{
    if (!get_varint32(c, PF_CHUNK_MAX, &e->chunk.plain_len) || !get_varint(c, &e->chunk.pos) ||
        !get_varint32(c, PF_CHUNK_MAX + PF_PACK_OVERHEAD, &e->chunk.packed_len) ||
        !get_varint32(c, PF_CHUNK_RECORDS, &e->chunk.records)) {
        return false;
    }
    e->chunk.bytes = *c;
    return true;
}

bool pf_index_parse(struct pf_span body, struct pf_index_entry *out)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_index_front front;
    memset(out, 0, sizeof(*out));
    if (!get_front(&c, &front)) {
        return false;
    }
    out->kind = front.kind;
    out->dir = front.dir;
    out->back = front.back;
    out->offset = front.offset;
    return out->kind == PF_INDEX_GAP ? parse_gap(&c, out->offset, &out->gap) : parse_chunk(&c, out);
}

bool pf_index_record(struct pf_cur *bytes, bool first, const struct pf_record_entry *before,
                     struct pf_record_entry *out)
{
    uint64_t ts;
    uint64_t seq_base = first ? 0 : before->seq + 1;
    if (!get_varint32(bytes, PF_CHUNK_MAX, &out->len) || !pf_cur_u8(bytes, &out->type) ||
        !get_difference(bytes, before->packet, &out->packet) ||
        !get_difference(bytes, (uint64_t)before->ts_ns, &ts) ||
        !get_difference(bytes, seq_base, &out->seq)) {
        return false;
    }
    out->ts_ns = (int64_t)ts;
    return true;
}

void pf_flows_file_header(uint8_t out[PF_FLOWS_HEADER])
{
    memset(out, 0, PF_FLOWS_HEADER);
    memcpy(out, flows_magic, MAGIC);
}

bool pf_flows_parse_file_header(struct pf_span s)
{
    struct pf_cur c = pf_cur_of(s);
    const uint8_t *magic;
    return pf_cur_take(&c, MAGIC, &magic) && memcmp(magic, flows_magic, MAGIC) == 0;
}

void pf_flows_write_row(uint8_t out[PF_FLOWS_ROW], const struct pf_flows_row *row)
{
    uint8_t *p = put_u64(out, row->line_pos);
    p = put_u32(p, row->line_len);
    p = put_u32(p, row->worker);
    for (unsigned d = 0; d < 2; d++) {
        p = put_u64(p, row->ref.dir[d].last);
        p = put_u64(p, row->ref.dir[d].bytes);
        p = put_u64(p, row->ref.dir[d].records);
    }
}

bool pf_flows_parse_row(struct pf_span s, struct pf_flows_row *row)
{
    struct pf_cur c = pf_cur_of(s);
    bool ok =
        get_u64(&c, &row->line_pos) && get_u32(&c, &row->line_len) && get_u32(&c, &row->worker);
    for (unsigned d = 0; ok && d < 2; d++) {
        ok = get_u64(&c, &row->ref.dir[d].last) && get_u64(&c, &row->ref.dir[d].bytes) &&
             get_u64(&c, &row->ref.dir[d].records);
    }
    return ok;
}
