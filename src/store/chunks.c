// SPDX-License-Identifier: Apache-2.0
#include "store/chunks.h"

#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>

enum { DATA_BUFFER = 512 << 10, INDEX_BUFFER = 1 << 18 };

struct pf_chunks {
    struct pf_file data;
    struct pf_file index;
    uint8_t scratch[PF_INDEX_ENTRY_HEADER + PF_INDEX_BODY_MAX];
};

static enum pf_status open_files(struct pf_chunks *c, const struct pf_place *place, unsigned number,
                                 enum pf_store_codec codec, bool sha256, struct pf_error *err)
{
    char name[PF_FILE_NAME];
    (void)snprintf(name, sizeof(name), "%03u.%s", number, codec == PF_CODEC_LZ4 ? "lz4" : "raw");
    enum pf_status st = pf_file_open(&c->data, place, name, DATA_BUFFER, sha256, err);
    if (st != PF_OK) {
        return st;
    }
    (void)snprintf(name, sizeof(name), "%03u.idx", number);
    st = pf_file_open(&c->index, place, name, INDEX_BUFFER, sha256, err);
    if (st != PF_OK) {
        return st;
    }
    uint8_t head[PF_INDEX_FILE_HEADER];
    pf_index_file_header(head, codec);
    return pf_file_append(&c->index, head, sizeof(head), err);
}

enum pf_status pf_chunks_new(const struct pf_place *data, unsigned number,
                             enum pf_store_codec codec, bool sha256, struct pf_chunks **out,
                             struct pf_error *err)
{
    *out = NULL;
    struct pf_chunks *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    c->data.fd = -1;
    c->index.fd = -1;
    enum pf_status st = open_files(c, data, number, codec, sha256, err);
    if (st != PF_OK) {
        pf_chunks_free(c);
        return st;
    }
    *out = c;
    return PF_OK;
}

enum pf_status pf_chunks_send(struct pf_chunks *c, struct pf_error *err)
{
    enum pf_status data = pf_file_send(&c->data, err);
    enum pf_status index = pf_file_send(&c->index, err);
    return data != PF_OK ? data : index;
}

void pf_chunks_free(struct pf_chunks *c)
{
    if (c != NULL) {
        pf_file_fini(&c->data);
        pf_file_fini(&c->index);
        free(c);
    }
}

struct pf_file *pf_chunks_file(struct pf_chunks *c, unsigned which)
{
    return which == 0 ? &c->data : &c->index;
}

static bool adds_up(size_t plain_len, const struct pf_record_entry *records, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += records[i].len;
    }
    return sum == plain_len;
}

/* Appends e to the index and, if that worked, makes it its direction's last. */
static enum pf_status append_entry(struct pf_chunks *c, struct pf_flow_ref *ref,
                                   struct pf_index_entry *e, const struct pf_record_entry *records,
                                   struct pf_error *err)
{
    uint64_t pos = c->index.size;
    uint64_t last = ref->dir[e->dir].last;
    e->back = last == 0 ? 0 : pos - last;
    size_t len = pf_index_write(c->scratch, e, records);
    enum pf_status st = pf_file_append(&c->index, c->scratch, len, err);
    if (st == PF_OK) {
        ref->dir[e->dir].last = pos;
    }
    return st;
}

static enum pf_status append(struct pf_chunks *c, struct pf_flow_ref *ref, struct pf_index_entry *e,
                             struct pf_span packed, size_t plain_len,
                             const struct pf_record_entry *records, size_t n, struct pf_error *err)
{
    if (plain_len > PF_CHUNK_MAX || n > PF_CHUNK_RECORDS ||
        packed.len > PF_CHUNK_MAX + PF_PACK_OVERHEAD || !adds_up(plain_len, records, n)) {
        return pf_error_set(err, PF_ERR_INTERNAL, "a chunk does not add up");
    }
    e->chunk.plain_len = (uint32_t)plain_len;
    e->chunk.packed_len = plain_len == 0 ? 0 : (uint32_t)packed.len;
    e->chunk.pos = c->data.size;
    e->chunk.records = (uint32_t)n;
    if (n == 0) {
        return PF_OK;
    }
    /* Data first: an index entry never points at bytes that were not accepted. */
    enum pf_status st = pf_file_append(&c->data, packed.ptr, e->chunk.packed_len, err);
    return st == PF_OK ? append_entry(c, ref, e, records, err) : st;
}

enum pf_status pf_chunks_room(struct pf_chunks *c, size_t len, uint8_t **room, struct pf_error *err)
{
    return pf_file_room(&c->data, len, room, err);
}

enum pf_status pf_chunks_append(struct pf_chunks *c, struct pf_flow_ref *ref, enum pf_dir dir,
                                struct pf_span packed, size_t plain_len,
                                const struct pf_record_entry *records, size_t n,
                                struct pf_error *err)
{
    struct pf_index_entry e = {.kind = PF_INDEX_CHUNK, .dir = dir, .offset = ref->dir[dir].bytes};
    enum pf_status st = append(c, ref, &e, packed, plain_len, records, n, err);
    if (st == PF_OK) {
        ref->dir[dir].bytes += plain_len;
        ref->dir[dir].records += n;
    }
    return st;
}

enum pf_status pf_chunks_clear(struct pf_chunks *c, struct pf_flow_ref *ref, enum pf_dir dir,
                               struct pf_span packed, size_t plain_len,
                               const struct pf_record_entry *records, size_t n,
                               struct pf_error *err)
{
    struct pf_index_entry e = {.kind = PF_INDEX_CLEAR, .dir = dir, .offset = ref->dir[dir].bytes};
    return append(c, ref, &e, packed, plain_len, records, n, err);
}

enum pf_status pf_chunks_gap(struct pf_chunks *c, struct pf_flow_ref *ref, enum pf_dir dir,
                             const struct pf_gap_entry *gap, struct pf_error *err)
{
    struct pf_index_entry e = {
        .kind = PF_INDEX_GAP, .dir = dir, .offset = ref->dir[dir].bytes, .gap = *gap};
    return append_entry(c, ref, &e, NULL, err);
}
