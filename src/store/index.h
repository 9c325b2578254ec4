// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the format of data/NNN.idx and data/flows.idx: entries written and parsed.
 * Owns:    nothing; pure functions over memory.
 * Threads: pure.
 * Errors:  parsers return false for bytes that are not an entry.
 * Limits:  PF_INDEX_BODY_MAX bytes per entry.
 *
 * data/NNN.idx, beside data/NNN.lz4 (or .raw). Fixed numbers are little-endian; a varint is a
 * LEB128 of at most 64 bits; a zigzag is a varint of (n << 1) ^ (n >> 63).
 *
 *     file   := "pfindex1" u8 codec (0 raw, 1 LZ4) u8[7] zero, then entries
 *     entry  := u32 body length, u32 check (FNV-1a, 32 bits, of the body), body
 *     body   := u8 kind (1 chunk, 2 gap, 3 clear; + 16 for server to client)
 *               varint back     distance to the entry before it of the same flow and direction,
 *                               from start to start; 0 if it is the first
 *               varint offset   in the direction's plaintext
 *               chunk | gap | clear
 *     chunk  := varint plaintext length, varint position in the data file, varint length there,
 *               varint number of records, then records
 *     record := varint length, u8 TLS content type, zigzag packet, zigzag time (ns since 1970),
 *               zigzag sequence number; packet and time as differences to the record before in
 *               this chunk (the first: to 0), the sequence number to that record's plus one
 *               (the first: to 0)
 *     gap    := varint records lost + 1, varint plaintext bytes lost + 1 (0: not known),
 *               varint ciphertext bytes lost, varint packet before, varint packet after (0: none)
 *     clear  := as chunk: bytes that were never encrypted, from before TLS began. They take no
 * place in the direction's plaintext; their records have content type 0
 *
 * data/flows.idx: one row of 64 bytes per flow, row N - 1 for flow N.
 *
 *     file   := "pfflows1" u8[8] zero, then rows
 *     row    := u64 position of the line in flows.jsonl, u32 its length without the newline,
 *               u32 NNN, then for c2s and s2c: u64 position in NNN.idx of the direction's last
 *               entry (0: none), u64 plaintext bytes, u64 records
 */
#ifndef PF_STORE_INDEX_H
#define PF_STORE_INDEX_H

#include "base/cursor.h"
#include "base/pkt.h"
#include "base/status.h"
#include "store/chunks.h"
#include "store/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PF_INDEX_FILE_HEADER = 16,
    PF_INDEX_ENTRY_HEADER = 8,
    PF_INDEX_ENTRY_MIN = PF_INDEX_ENTRY_HEADER + 3,
    PF_INDEX_RECORD_MAX = 36,
    PF_INDEX_FIXED_MAX = 80,
    PF_INDEX_BODY_MAX = PF_INDEX_FIXED_MAX + PF_CHUNK_RECORDS * PF_INDEX_RECORD_MAX,
    PF_FLOWS_HEADER = 16,
    PF_FLOWS_ROW = 64
};

enum pf_index_kind { PF_INDEX_CHUNK = 1, PF_INDEX_GAP = 2, PF_INDEX_CLEAR = 3 };

struct pf_index_entry {
    enum pf_index_kind kind;
    enum pf_dir dir;
    uint64_t back;
    uint64_t offset;
    struct { /* of PF_INDEX_CHUNK and PF_INDEX_CLEAR */
        uint32_t plain_len;
        uint32_t packed_len;
        uint64_t pos; /* in the data file */
        uint32_t records;
        struct pf_cur bytes; /* the records; see pf_index_record */
    } chunk;
    struct pf_gap_entry gap;
};

void pf_index_file_header(uint8_t out[PF_INDEX_FILE_HEADER], enum pf_store_codec codec);
PF_MUST_USE bool pf_index_parse_file_header(struct pf_span s, enum pf_store_codec *codec);

/*
 * Writes an entry, header and all, to dst (PF_INDEX_ENTRY_HEADER + PF_INDEX_BODY_MAX bytes) and
 * returns its length. e->chunk.bytes is not used: the records come from the array.
 */
size_t pf_index_write(uint8_t *dst, const struct pf_index_entry *e,
                      const struct pf_record_entry *records);

/* The header of an entry. False if the length is impossible. */
PF_MUST_USE bool pf_index_parse_header(struct pf_span s, uint32_t *body_len, uint32_t *check);
uint32_t pf_index_check(struct pf_span body);

/* What a body begins with: it may be cut after PF_INDEX_FIXED_MAX bytes. */
struct pf_index_front {
    enum pf_index_kind kind;
    enum pf_dir dir;
    uint64_t back;
    uint64_t offset;
};
PF_MUST_USE bool pf_index_parse_front(struct pf_span body, struct pf_index_front *out);

/* A whole body. Its records' lengths are not added up yet. */
PF_MUST_USE bool pf_index_parse(struct pf_span body, struct pf_index_entry *out);

/*
 * The next record of a chunk: takes it off *bytes. before is the record before it, zeroes for the
 * first; first says so.
 */
PF_MUST_USE bool pf_index_record(struct pf_cur *bytes, bool first,
                                 const struct pf_record_entry *before, struct pf_record_entry *out);

/* A row of data/flows.idx. */
struct pf_flows_row {
    uint64_t line_pos;
    uint32_t line_len;
    uint32_t worker;
    struct pf_flow_ref ref;
};

void pf_flows_file_header(uint8_t out[PF_FLOWS_HEADER]);
PF_MUST_USE bool pf_flows_parse_file_header(struct pf_span s);
void pf_flows_write_row(uint8_t out[PF_FLOWS_ROW], const struct pf_flows_row *row);
PF_MUST_USE bool pf_flows_parse_row(struct pf_span s, struct pf_flows_row *row);

#endif
