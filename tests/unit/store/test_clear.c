// SPDX-License-Identifier: Apache-2.0
/* What was captured in the clear before TLS began, beside the plaintext of the same flow. */
#include "support/fake_result.h"

#include "store/records.h"
#include "store/result.h"
#include "store/verify.h"

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

static const char greeting[] = "220 mail.example ESMTP\r\n";
static const char secret[] = "250 behind TLS\r\n";

static void append(struct pf_chunks *c, struct pf_packer *packer, struct pf_flow_ref *ref,
                   const char *text, bool clear)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_span packed;
    struct pf_span plain = {.ptr = (const uint8_t *)text, .len = strlen(text)};
    struct pf_record_entry r = {
        .packet = clear ? 4 : 9, .len = (uint32_t)plain.len, .type = clear ? 0 : 23};
    assert_int_equal(pf_pack(packer, plain, &packed), PF_OK);
    assert_int_equal((clear ? pf_chunks_clear : pf_chunks_append)(c, ref, PF_S2C, packed, plain.len,
                                                                  &r, 1, &err),
                     PF_OK);
}

/* One flow whose server spoke in the clear; its line says `told` clear bytes. */
static void make_result(uint64_t told)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = fake_fill(dir.path, 1, 0, PF_CODEC_LZ4, false);
    struct pf_packer *packer = NULL;
    struct pf_flow_ref ref = {.dir = {{0}}};
    struct pf_flow_info info = fake_info(1);
    assert_int_equal(pf_packer_new(PF_CODEC_LZ4, 0, &packer), PF_OK);
    append(pf_store_chunks(s, 0), packer, &ref, greeting, true);
    assert_int_equal(ref.dir[PF_S2C].bytes, 0);
    assert_int_equal(ref.dir[PF_S2C].records, 0);
    append(pf_store_chunks(s, 0), packer, &ref, secret, false);
    info.starttls = "smtp";
    info.dir[PF_S2C].clear_bytes = told;
    assert_int_equal(pf_flows_append(pf_store_flows(s, 0), &info, &ref, &err), PF_OK);
    pf_packer_free(packer);
    struct pf_manifest m = fake_manifest();
    assert_int_equal(pf_store_finish(s, &m, &err), PF_OK);
    pf_store_free(s);
}

static void verify_finds_a_wrong_count(void **state)
{
    (void)state;
    struct pf_error found[4];
    struct pf_findings f = {.items = found, .max = 4};
    struct pf_error err = {.status = PF_OK};
    make_result(5);
    assert_int_equal(pf_stored_verify(dir.path, &f, &err), PF_ERR_MALFORMED);
    assert_int_equal(f.count, 1);
    assert_non_null(strstr(found[0].text, "clear bytes"));
}

static void next_is(struct pf_records *r, const char *text, bool clear)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_records_item item;
    assert_int_equal(pf_records_next(r, &item, &err), PF_OK);
    assert_int_equal(item.plain.len, strlen(text));
    assert_memory_equal(item.plain.ptr, text, strlen(text));
    assert_int_equal(item.is_clear, clear);
    assert_int_equal(item.record.type, clear ? 0 : 23);
    assert_int_equal(item.offset, 0);
}

static void is_read_when_asked_for(void **state)
{
    (void)state;
    struct pf_error found[4];
    struct pf_findings f = {.items = found, .max = 4};
    struct pf_error err = {.status = PF_OK};
    struct pf_stored *s;
    struct pf_stored_flow flow;
    struct pf_records *r;
    struct pf_records_item none;
    static const bool both[2] = {true, true};
    make_result(sizeof(greeting) - 1);
    assert_int_equal(pf_stored_verify(dir.path, &f, &err), PF_OK);
    assert_int_equal(pf_stored_open(dir.path, &s, &err), PF_OK);
    assert_int_equal(pf_stored_flow(s, 1, &flow, &err), PF_OK);
    assert_int_equal(flow.dir[PF_S2C].clear_bytes, sizeof(greeting) - 1);
    assert_int_equal(flow.dir[PF_C2S].clear_bytes, 0);
    assert_int_equal(flow.dir[PF_S2C].bytes, sizeof(secret) - 1);
    assert_non_null(strstr((const char *)flow.line.ptr, "\"starttls\":\"smtp\""));
    assert_int_equal(pf_records_new(&r), PF_OK);
    for (unsigned asked = 0; asked < 2; asked++) {
        assert_int_equal(pf_records_start(r, s, &flow.row, both, &err), PF_OK);
        if (asked == 1) {
            pf_records_want_clear(r);
            next_is(r, greeting, true);
        }
        next_is(r, secret, false);
        assert_int_equal(pf_records_next(r, &none, &err), PF_END);
    }
    pf_records_free(r);
    pf_stored_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(verify_finds_a_wrong_count),
        T(is_read_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
