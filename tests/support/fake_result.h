// SPDX-License-Identifier: Apache-2.0
/*
 * What:    results full of made-up flows, for tests of the store and of what reads it.
 * Owns:    a struct fake_dir owns a directory under /tmp, removed by fake_dir_fini.
 * Threads: one.
 * Errors:  asserts.
 * Limits:  -
 *
 * Flow i has i % 7 chunks each way (flow 0: none, locked) of text that repeats, every third chunk
 * random-looking; after the second chunk from the server comes a gap.
 */
#ifndef PF_TESTS_FAKE_RESULT_H
#define PF_TESTS_FAKE_RESULT_H

#include "store/digest.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_dir {
    char base[64]; /* a directory of our own */
    char path[80]; /* base/r: not made */
};

static inline void fake_dir_init(struct fake_dir *d)
{
    (void)snprintf(d->base, sizeof(d->base), "/tmp/pf-test-XXXXXX");
    assert_non_null(mkdtemp(d->base));
    (void)snprintf(d->path, sizeof(d->path), "%s/r", d->base);
}

static inline void fake_dir_fini(struct fake_dir *d)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", d->base);
    assert_int_equal(system(command), 0);
}

/* Bytes that depend on flow, direction and offset alone. */
static inline void fake_plain(unsigned flow, unsigned dir, uint64_t offset, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t o = offset + i;
        uint64_t block = o / 3000;
        uint64_t h = (o + 1) * 0x9e3779b97f4a7c15u;
        out[i] = block % 3 == 2
                     ? (uint8_t)(h >> 56 ^ h >> 29)
                     : (uint8_t)((unsigned char)"GET / HTTP/1.1\r\n"[o % 16] ^ (flow * 2 + dir));
    }
}

enum { FAKE_RECORD = 1500, FAKE_CHUNK = 3000, FAKE_GAP_BYTES = 77 };

static inline unsigned fake_chunks(unsigned flow)
{
    return flow % 7;
}

static inline void fake_append_chunk(struct pf_chunks *c, struct pf_packer *packer,
                                     struct pf_flow_ref *ref, unsigned flow, unsigned dir,
                                     unsigned k, struct pf_digest *digest)
{
    uint8_t plain[FAKE_CHUNK];
    fake_plain(flow, dir, ref->dir[dir].bytes, plain, sizeof(plain));
    struct pf_record_entry records[2];
    for (unsigned i = 0; i < 2; i++) {
        records[i] = (struct pf_record_entry){.packet = 1000 * flow + 10 * k + 5 * dir + i,
                                              .ts_ns = 1700000000000000000 + 1000 * (int64_t)k + i,
                                              .seq = 2 * k + i + 1,
                                              .len = FAKE_RECORD,
                                              .type = 23};
    }
    struct pf_error err = {.status = PF_OK};
    struct pf_span packed;
    assert_int_equal(pf_digest_update(digest, plain, sizeof(plain)), PF_OK);
    assert_int_equal(pf_pack(packer, (struct pf_span){.ptr = plain, .len = sizeof(plain)}, &packed),
                     PF_OK);
    assert_int_equal(
        pf_chunks_append(c, ref, (enum pf_dir)dir, packed, sizeof(plain), records, 2, &err), PF_OK);
    if (dir == PF_S2C && k == 1) {
        struct pf_gap_entry gap = {.records = 1,
                                   .bytes = FAKE_GAP_BYTES,
                                   .cipher_bytes = 106,
                                   .packet_before = 1000 * flow + 16,
                                   .packet_after = 1000 * flow + 25};
        assert_int_equal(pf_chunks_gap(c, ref, PF_S2C, &gap, &err), PF_OK);
    }
}

static inline struct pf_flow_info fake_info(unsigned flow)
{
    struct pf_flow_info info = {
        .key = {.addr = {{10, 0, 0, 1}, {10, 0, 0, 2}},
                .port = {(uint16_t)(20000 + flow), 443},
                .family = 4,
                .proto = 6},
        .orig_side = 0,
        .first_ns = 1700000000000000000 + flow,
        .last_ns = 1700000001000000000,
        .first_packet = 1000 * (uint64_t)flow + 1,
        .packets = 20,
        .version = "TLSv12",
        .cipher = "TLS_RSA_WITH_AES_128_GCM_SHA256",
        .server_name = {.ptr = (const uint8_t *)"www.example.org", .len = 15},
    };
    bool locked = fake_chunks(flow) == 0;
    bool gap = fake_chunks(flow) > 1;
    info.status = locked ? PF_FLOW_LOCKED : gap ? PF_FLOW_PARTIAL : PF_FLOW_DECRYPTED;
    info.reason = locked ? PF_REASON_NO_PRIVATE_KEY
                  : gap  ? PF_REASON_BYTES_MISSING
                         : PF_REASON_NONE;
    info.detail = locked ? "give the private key of www.example.org with --key" : NULL;
    info.opened_by = locked ? PF_OPENED_BY_NONE : PF_OPENED_BY_RSA_KEY;
    return info;
}

/* One flow, from its first chunk to its line. */
static inline void fake_flow(struct pf_store *s, unsigned worker, struct pf_packer *packer,
                             unsigned flow)
{
    struct pf_flow_ref ref = {.dir = {{0}}};
    struct pf_digest *digest[2];
    uint8_t sha256[2][PF_SHA256_LEN];
    struct pf_flow_info info = fake_info(flow);
    for (unsigned d = 0; d < 2; d++) {
        assert_int_equal(pf_digest_new(&digest[d]), PF_OK);
    }
    for (unsigned k = 0; k < fake_chunks(flow); k++) {
        for (unsigned d = 0; d < 2; d++) {
            fake_append_chunk(pf_store_chunks(s, worker), packer, &ref, flow, d, k, digest[d]);
        }
    }
    for (unsigned d = 0; d < 2; d++) {
        assert_int_equal(pf_digest_value(digest[d], sha256[d]), PF_OK);
        info.dir[d].sha256 = sha256[d];
        pf_digest_free(digest[d]);
    }
    struct pf_flow_gap gap = {.offset = 2 * FAKE_CHUNK, .records = 1, .bytes = FAKE_GAP_BYTES};
    gap.packet = 1000 * (uint64_t)flow + 25;
    if (fake_chunks(flow) > 1) {
        info.dir[PF_S2C].gaps = &gap;
        info.dir[PF_S2C].gap_count = 1;
        info.dir[PF_S2C].missing_records = 1;
        info.dir[PF_S2C].missing_bytes = FAKE_GAP_BYTES;
    }
    struct pf_error err = {.status = PF_OK};
    assert_int_equal(pf_flows_append(pf_store_flows(s, worker), &info, &ref, &err), PF_OK);
}

static inline struct pf_manifest fake_manifest(void)
{
    static const struct pf_manifest_input input = {
        .path = "some.pcap", .size = 12345, .packets = 100};
    return (struct pf_manifest){.jobs = 1,
                                .memory = 1 << 30,
                                .inputs = &input,
                                .input_count = 1,
                                .packets = 100,
                                .packet_bytes = 12000,
                                .started_ns = 1700000000000000000};
}

/* A store with `flows` flows spread over the workers, in an order that is not that of packets. */
static inline struct pf_store *fake_fill(const char *path, unsigned workers, unsigned flows,
                                         enum pf_store_codec codec, bool sha256)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = NULL;
    assert_int_equal(pf_store_create(path, false, &s, &err), PF_OK);
    struct pf_store_options o = {.workers = workers, .codec = codec, .sha256 = sha256};
    assert_int_equal(pf_store_start(s, &o, &err), PF_OK);
    struct pf_packer *packer = NULL;
    assert_int_equal(pf_packer_new(codec, 0, &packer), PF_OK);
    for (unsigned i = 0; i < flows; i++) {
        unsigned flow = (i * 37 + 11) % flows; /* flows is not to be a multiple of 37 */
        fake_flow(s, (flow * 5 + 1) % workers, packer, flow);
    }
    pf_packer_free(packer);
    return s;
}

static inline void fake_result(const char *path, unsigned workers, unsigned flows,
                               enum pf_store_codec codec, bool sha256)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = fake_fill(path, workers, flows, codec, sha256);
    struct pf_manifest m = fake_manifest();
    m.sha256 = sha256;
    assert_int_equal(pf_store_finish(s, &m, &err), PF_OK);
    pf_store_free(s);
}

#endif
