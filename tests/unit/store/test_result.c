// SPDX-License-Identifier: Apache-2.0
#include "support/fake_result.h"

#include "store/records.h"
#include "store/result.h"
#include "store/verify.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct fake_dir dir;

static int setup(void **state)
{
    (void)state;
    fake_dir_init(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_dir_fini(&dir);
    return 0;
}

static const char *in_dir(const char *name)
{
    static char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", dir.path, name);
    return path;
}

/* Changes one byte of a file; negative positions count from its end. */
static void damage(const char *name, long pos)
{
    FILE *f = fopen(in_dir(name), "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, pos, pos < 0 ? SEEK_END : SEEK_SET), 0);
    int c = fgetc(f);
    assert_true(c != EOF);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    assert_int_equal(fputc(c ^ 0x55, f), c ^ 0x55);
    assert_int_equal(fclose(f), 0);
}

static char first_finding[PF_ERROR_TEXT];

static enum pf_status verify(void)
{
    struct pf_error items[4];
    struct pf_findings found = {.items = items, .max = 4};
    struct pf_error err = {.status = PF_OK};
    enum pf_status st = pf_stored_verify(dir.path, &found, &err);
    first_finding[0] = '\0';
    if (found.count > 0) {
        memcpy(first_finding, items[0].text, sizeof(first_finding));
    }
    return st;
}

static void not_a_result(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_stored *s = NULL;
    assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_ERR_USAGE);
    assert_null(s);
    err.status = PF_OK;
    assert_int_equal(pf_stored_open(dir.base, &s, &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, "not a result"));
}

static void a_killed_run_is_not_complete(void **state)
{
    (void)state;
    pf_store_free(fake_fill(dir.path, 1, 5, PF_CODEC_LZ4, false));
    assert_int_equal(verify(), PF_ERR_MALFORMED);
    assert_non_null(strstr(first_finding, "not complete"));
}

static void no_manifest_is_not_complete_but_can_be_read(void **state)
{
    (void)state;
    fake_result(dir.path, 1, 5, PF_CODEC_LZ4, false);
    assert_int_equal(unlink(in_dir("manifest.json")), 0);
    assert_int_equal(verify(), PF_ERR_MALFORMED);
    assert_non_null(strstr(first_finding, "not complete: there is no manifest.json"));
    struct pf_error err = {.status = PF_OK};
    struct pf_stored *s = NULL;
    assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_OK);
    assert_int_equal(pf_stored_flows(s), 5);
    pf_stored_close(s);
}

static void verify_says_which_file_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long pos;
        const char *said;
    } cases[] = {
        {"data/000.idx", 40, "000.idx"},       {"data/000.lz4", 60, "000.lz4"},
        {"data/flows.idx", 80, "flows.idx"},   {"data/flows.idx", -20, "flow 12"},
        {"flows.jsonl", 2, "flows.jsonl"},     {"data/000.idx", 1, "000.idx"},
        {"manifest.json", 0, "manifest.json"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(dir.path, sizeof(dir.path), "%s/r%zu", dir.base, i);
        fake_result(dir.path, 1, 12, PF_CODEC_LZ4, false);
        assert_int_equal(verify(), PF_OK);
        damage(cases[i].name, cases[i].pos);
        assert_int_equal(verify(), PF_ERR_MALFORMED);
        if (strstr(first_finding, cases[i].said) == NULL) {
            fail_msg("%s at %ld: %s", cases[i].name, cases[i].pos, first_finding);
        }
    }
}

static void verify_sees_a_flipped_bit_in_raw_plaintext_by_hash(void **state)
{
    (void)state;
    fake_result(dir.path, 2, 8, PF_CODEC_RAW, true);
    assert_int_equal(verify(), PF_OK);
    damage("data/001.raw", 5000);
    assert_int_equal(verify(), PF_ERR_MALFORMED);
    assert_non_null(strstr(first_finding, "data/001.raw: its SHA-256"));
}

static void verify_does_not_follow_the_manifest_out_of_the_directory(void **state)
{
    (void)state;
    fake_result(dir.path, 1, 2, PF_CODEC_LZ4, false);
    FILE *f = fopen(in_dir("manifest.json"), "w");
    assert_non_null(f);
    (void)fputs("{\"complete\":true,\"outputs\":[{\"file\":\"data/../../x\",\"size\":1}]}", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(verify(), PF_ERR_MALFORMED);
    assert_non_null(strstr(first_finding, "list of outputs"));
}

static void truncated_data_is_told(void **state)
{
    (void)state;
    fake_result(dir.path, 1, 8, PF_CODEC_LZ4, false);
    assert_int_equal(truncate(in_dir("data/000.lz4"), 3000), 0);
    assert_int_equal(verify(), PF_ERR_MALFORMED);
    assert_non_null(strstr(first_finding, "data/000.lz4: has 3000 bytes"));
}

static void check_item(const struct pf_records_item *item, unsigned flow, uint64_t offset[2])
{
    unsigned d = item->dir;
    assert_int_equal(item->offset, offset[d]);
    if (item->is_gap) {
        assert_int_equal(d, PF_S2C);
        assert_int_equal(item->offset, 2 * FAKE_CHUNK);
        assert_int_equal(item->gap.bytes, FAKE_GAP_BYTES);
        assert_int_equal(item->gap.records, 1);
        assert_int_equal(item->gap.packet_after, 1000 * flow + 25);
        return;
    }
    uint8_t expected[FAKE_RECORD];
    assert_int_equal(item->plain.len, FAKE_RECORD);
    fake_plain(flow, d, offset[d], expected, sizeof(expected));
    assert_memory_equal(item->plain.ptr, expected, FAKE_RECORD);
    assert_int_equal(item->record.seq, 1 + offset[d] / FAKE_RECORD);
    assert_int_equal(item->record.type, 23);
    offset[d] += FAKE_RECORD;
}

static void read_flow(struct pf_stored *s, struct pf_records *r, unsigned flow, const bool want[2])
{
    struct pf_error err = {.status = PF_OK};
    struct pf_flows_row row;
    assert_int_equal(pf_stored_row(s, flow + 1, &row, &err), PF_OK);
    assert_int_equal(pf_records_start(r, s, &row, want, &err), PF_OK);
    uint64_t offset[2] = {0, 0};
    uint64_t packet = 0;
    struct pf_records_item item;
    while (pf_records_next(r, &item, &err) == PF_OK) {
        check_item(&item, flow, offset);
        uint64_t p = item.is_gap ? item.gap.packet_after : item.record.packet;
        assert_true(p >= packet);
        packet = p;
    }
    assert_int_equal(err.status, PF_OK);
    for (unsigned d = 0; d < 2; d++) {
        assert_int_equal(offset[d], want[d] ? fake_chunks(flow) * FAKE_CHUNK : 0);
    }
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        (void)snprintf(dir.path, sizeof(dir.path), "%s/r%u", dir.base, round);
        fake_result(dir.path, round < 2 ? 1 : 3, 30, round % 2 ? PF_CODEC_RAW : PF_CODEC_LZ4,
                    round == 3);
        assert_int_equal(verify(), PF_OK);
        struct pf_error err = {.status = PF_OK};
        struct pf_stored *s = NULL;
        struct pf_records *r = NULL;
        const char *why;
        assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_OK);
        assert_true(pf_stored_complete(s, &why));
        assert_int_equal(pf_records_new(&r), PF_OK);
        for (unsigned flow = 0; flow < 30; flow++) {
            read_flow(s, r, flow, (const bool[2]){true, true});
            read_flow(s, r, flow, (const bool[2]){true, false});
            read_flow(s, r, flow, (const bool[2]){false, true});
        }
        struct pf_flows_row row;
        assert_int_equal(pf_stored_row(s, 31, &row, &err), PF_END);
        assert_int_equal(pf_stored_row(s, 0, &row, &err), PF_END);
        pf_records_free(r);
        pf_stored_close(s);
    }
}

static void a_flow_has_its_fields(void **state)
{
    (void)state;
    fake_result(dir.path, 2, 30, PF_CODEC_LZ4, true);
    struct pf_error err = {.status = PF_OK};
    struct pf_stored *s = NULL;
    assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_OK);
    struct pf_stored_flow f;
    assert_int_equal(pf_stored_flow(s, 3, &f, &err), PF_OK);
    assert_int_equal(f.flow, 3);
    assert_int_equal(f.ts_ns, 1700000000000000002);
    assert_string_equal(f.orig_h, "10.0.0.1");
    assert_int_equal(f.orig_p, 20002);
    assert_string_equal(f.server_name, "www.example.org");
    assert_string_equal(f.status, "partial");
    assert_string_equal(f.reason, "bytes_missing");
    assert_null(f.detail);
    assert_int_equal(f.dir[PF_S2C].missing_bytes, FAKE_GAP_BYTES);
    assert_int_equal(f.dir[PF_S2C].bytes, 2 * FAKE_CHUNK);
    assert_int_equal(f.dir[PF_S2C].records, 4);
    assert_int_equal(strlen(f.dir[PF_S2C].sha256), 64);
    assert_int_equal(strlen((const char *)f.line.ptr), f.line.len);
    pf_stored_close(s);
}

static void seeking_finds_the_chunk_of_every_offset(void **state)
{
    (void)state;
    fake_result(dir.path, 1, 30, PF_CODEC_LZ4, false);
    struct pf_error err = {.status = PF_OK};
    struct pf_stored *s = NULL;
    struct pf_walkback *c = NULL;
    struct pf_flows_row row;
    assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_OK);
    assert_int_equal(pf_walkback_new(&c), PF_OK);
    assert_int_equal(pf_stored_row(s, 7, &row, &err), PF_OK); /* six chunks, and a gap */
    assert_int_equal(pf_stored_chain(s, &row, PF_S2C, c, &err), PF_OK);
    for (uint64_t offset = 6 * FAKE_CHUNK; offset > 0; offset -= 500) {
        const struct pf_index_entry *e;
        assert_int_equal(pf_walkback_seek(c, offset - 1, &err), PF_OK);
        assert_int_equal(pf_walkback_next(c, &e, &err), PF_OK);
        assert_int_equal(e->kind, PF_INDEX_CHUNK);
        assert_int_equal(e->offset, (offset - 1) / FAKE_CHUNK * FAKE_CHUNK);
    }
    pf_walkback_free(c);
    pf_stored_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(not_a_result),
        T(a_killed_run_is_not_complete),
        T(no_manifest_is_not_complete_but_can_be_read),
        T(verify_says_which_file_is_wrong),
        T(verify_sees_a_flipped_bit_in_raw_plaintext_by_hash),
        T(verify_does_not_follow_the_manifest_out_of_the_directory),
        T(truncated_data_is_told),
        T(what_was_written_is_read),
        T(a_flow_has_its_fields),
        T(seeking_finds_the_chunk_of_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
