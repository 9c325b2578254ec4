// SPDX-License-Identifier: Apache-2.0
#include "support/fake_result.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
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

static void touch(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)n + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)n, f), n);
    (void)fclose(f);
    return text;
}

static void refused(bool force, const char *expected)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = NULL;
    assert_int_equal(pf_store_create(dir.path, force, &s, &err), PF_ERR_USAGE);
    assert_null(s);
    assert_non_null(strstr(err.text, dir.path));
    assert_non_null(strstr(err.text, expected));
}

static void refuses_a_directory_with_foreign_files(void **state)
{
    (void)state;
    assert_int_equal(mkdir(dir.path, 0755), 0);
    touch(in_dir("notes.txt"), "mine");
    refused(false, "not empty");
    assert_int_equal(access(in_dir("data"), F_OK), -1);
}

static void refuses_files_that_only_look_like_a_result_even_with_force(void **state)
{
    (void)state;
    assert_int_equal(mkdir(dir.path, 0755), 0);
    touch(in_dir("manifest.json"), "{\"manifest_version\": 3}");
    refused(true, "not one of plainflow's");
    char *text = slurp(in_dir("manifest.json"));
    assert_string_equal(text, "{\"manifest_version\": 3}");
    free(text);
    assert_int_equal(access(in_dir("data"), F_OK), -1);
}

static void refuses_a_file_and_a_missing_parent(void **state)
{
    (void)state;
    touch(dir.path, "");
    refused(true, strerror(ENOTDIR));
    assert_int_equal(unlink(dir.path), 0);
    (void)snprintf(dir.path, sizeof(dir.path), "%s/no/r", dir.base);
    refused(false, strerror(ENOENT));
}

static void refuses_a_data_directory_that_is_a_link(void **state)
{
    (void)state;
    assert_int_equal(mkdir(dir.path, 0755), 0);
    assert_int_equal(symlink("/tmp", in_dir("data")), 0);
    refused(true, "data");
}

static void refuses_a_second_run(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = NULL;
    assert_int_equal(pf_store_create(dir.path, false, &s, &err), PF_OK);
    refused(true, "another run");
    pf_store_free(s);
}

static void leaves_nothing_when_never_started(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = NULL;
    assert_int_equal(pf_store_create(dir.path, false, &s, &err), PF_OK);
    assert_int_equal(access(in_dir("data/lock"), F_OK), 0);
    pf_store_free(s);
    assert_int_equal(access(dir.path, F_OK), -1);
}

static void keeps_files_private_whatever_the_umask(void **state)
{
    (void)state;
    mode_t before = umask(0);
    fake_result(dir.path, 1, 3, PF_CODEC_LZ4, false);
    (void)umask(before);
    static const char *const names[] = {"manifest.json", "flows.jsonl", "data/000.lz4",
                                        "data/000.idx",  "data/lock",   "data/flows.idx"};
    struct stat sb;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(stat(in_dir(names[i]), &sb), 0);
        assert_int_equal(sb.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(dir.path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);
    assert_int_equal(stat(in_dir("data"), &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);
    assert_int_equal(access(in_dir("data/000.spool.part"), F_OK), -1);
}

static void force_replaces_an_earlier_result_and_nothing_else(void **state)
{
    (void)state;
    fake_result(dir.path, 3, 5, PF_CODEC_LZ4, false);
    touch(in_dir("notes.txt"), "mine");
    touch(in_dir("data/007.spool.part"), "left by a run that was killed");
    refused(false, "not empty");
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = NULL;
    assert_int_equal(pf_store_create(dir.path, true, &s, &err), PF_OK);
    assert_int_equal(access(in_dir("manifest.json"), F_OK), -1);
    assert_int_equal(access(in_dir("data/002.lz4"), F_OK), -1);
    assert_int_equal(access(in_dir("data/007.spool.part"), F_OK), -1);
    assert_int_equal(access(in_dir("notes.txt"), F_OK), 0);
    pf_store_free(s);
}

static void flows_do_not_depend_on_the_number_of_workers(void **state)
{
    (void)state;
    char *text[2];
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(dir.path, sizeof(dir.path), "%s/r%u", dir.base, i);
        fake_result(dir.path, i == 0 ? 1 : 3, 200, PF_CODEC_LZ4, true);
        text[i] = slurp(in_dir("flows.jsonl"));
    }
    assert_string_equal(text[0], text[1]);
    assert_memory_equal(text[0], "{\"flow\":1,\"community_id\":\"1:", 28);
    free(text[0]);
    free(text[1]);
}

static void a_line_has_the_fields_in_their_order(void **state)
{
    (void)state;
    fake_result(dir.path, 1, 3, PF_CODEC_LZ4, false);
    char *text = slurp(in_dir("flows.jsonl"));
    static const char expected[] =
        "\"ts\":\"2023-11-14T22:13:20.000000000Z\",\"ts_ns\":1700000000000000000,"
        "\"duration_ns\":1000000000,\"first_packet\":1,\"packets\":20,"
        "\"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":20000,\"id.resp_h\":\"10.0.0.2\","
        "\"id.resp_p\":443,\"version\":\"TLSv12\",\"cipher\":\"TLS_RSA_WITH_AES_128_GCM_SHA256\","
        "\"server_name\":\"www.example.org\",\"next_protocol\":null,\"client_random\":null,"
        "\"server_random\":null,\"session_id\":null,\"resumed\":null,\"cert_spki_sha256\":null,"
        "\"cert_subject\":null,\"opened_by\":null,\"key_spki_sha256\":null,\"status\":\"locked\","
        "\"reason\":\"no_private_key\","
        "\"detail\":\"give the private key of www.example.org with --key\","
        "\"c2s\":{\"records\":0,\"bytes\":0,\"missing_records\":0,\"missing_bytes\":0,\"gaps\":[],";
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "\"gaps\":[{\"offset\":6000,\"records\":1,\"bytes\":77,"
                                 "\"packet\":2025,\"packet_before\":null,"
                                 "\"cipher_bytes\":0}]"));
    free(text);
}

static void abandoning_keeps_what_was_complete(void **state)
{
    (void)state;
    struct pf_store *s = fake_fill(dir.path, 2, 10, PF_CODEC_LZ4, false);
    struct pf_manifest m = fake_manifest();
    struct pf_error err = {.status = PF_OK};
    assert_int_equal(pf_store_abandon(s, &m, "stopped by a signal", &err), PF_OK);
    pf_store_free(s);
    char *text = slurp(in_dir("manifest.json"));
    assert_non_null(strstr(text, "\"complete\": false"));
    assert_non_null(strstr(text, "\"stopped\": \"stopped by a signal\""));
    free(text);
    text = slurp(in_dir("flows.jsonl"));
    assert_non_null(strstr(text, "{\"flow\":10,"));
    free(text);
}

static void a_killed_run_leaves_parts_and_no_manifest(void **state)
{
    (void)state;
    struct pf_store *s = fake_fill(dir.path, 1, 10, PF_CODEC_LZ4, false);
    pf_store_free(s); /* all that a killed process does: its descriptors are closed */
    assert_int_equal(access(in_dir("manifest.json"), F_OK), -1);
    assert_int_equal(access(in_dir("data/000.lz4.part"), F_OK), 0);
    assert_int_equal(access(in_dir("data/000.lz4"), F_OK), -1);
    refused(false, "not empty");
    struct pf_error err = {.status = PF_OK};
    assert_int_equal(pf_store_create(dir.path, true, &s, &err), PF_OK);
    pf_store_free(s);
}

/* No space left, as far as a program can tell: every write beyond the limit fails. */
static void with_file_size_limit(rlim_t limit, void (*body)(void))
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = {.rlim_cur = limit, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    body();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void write_until_full(void)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = fake_fill(dir.path, 1, 10, PF_CODEC_LZ4, false);
    struct pf_chunks *c = pf_store_chunks(s, 0);
    struct pf_flow_ref ref = {.dir = {{0}}};
    static uint8_t bytes[PF_CHUNK_MAX];
    struct pf_record_entry r = {.len = PF_CHUNK_MAX, .type = 23, .packet = 1};
    struct pf_span span = {.ptr = bytes, .len = sizeof(bytes)};
    enum pf_status st = PF_OK;
    unsigned done = 0;
    while (st == PF_OK && done < 10) {
        st = pf_chunks_append(c, &ref, PF_C2S, span, span.len, &r, 1, &err);
        done += st == PF_OK;
    }
    assert_int_equal(st, PF_ERR_IO);
    assert_non_null(strstr(err.text, in_dir("data/000.lz4")));
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    assert_int_equal(ref.dir[PF_C2S].records, done);
    struct pf_error again = {.status = PF_OK};
    assert_int_equal(pf_chunks_append(c, &ref, PF_C2S, span, span.len, &r, 1, &again), PF_ERR_IO);
    struct pf_manifest m = fake_manifest();
    struct pf_error third = {.status = PF_OK};
    assert_int_equal(pf_store_finish(s, &m, &third), PF_ERR_IO);
    assert_int_equal(pf_store_abandon(s, &m, err.text, &third), PF_OK);
    pf_store_free(s);
}

static void a_full_disk_is_named_and_not_success(void **state)
{
    (void)state;
    with_file_size_limit(3 << 20, write_until_full);
    char *text = slurp(in_dir("manifest.json"));
    assert_non_null(strstr(text, "\"complete\": false"));
    assert_non_null(strstr(text, strerror(EFBIG)));
    free(text);
    text = slurp(in_dir("flows.jsonl"));
    assert_non_null(strstr(text, "{\"flow\":10,"));
    free(text);
}

static void abandon_on_full(void)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = fake_fill(dir.path, 1, 10, PF_CODEC_LZ4, false);
    struct pf_manifest m = fake_manifest();
    assert_int_equal(pf_store_finish(s, &m, &err), PF_ERR_IO);
    struct pf_error more = {.status = PF_OK};
    assert_int_equal(pf_store_abandon(s, &m, err.text, &more), PF_ERR_IO);
    pf_store_free(s);
}

static void no_manifest_when_not_even_that_fits(void **state)
{
    (void)state;
    with_file_size_limit(100, abandon_on_full);
    assert_int_equal(access(in_dir("manifest.json"), F_OK), -1);
    assert_int_equal(access(in_dir("manifest.json.part"), F_OK), -1);
}

static void wrong_arguments_are_told(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_store *s = fake_fill(dir.path, 1, 1, PF_CODEC_LZ4, false);
    struct pf_flow_ref ref = {.dir = {{0}}};
    uint8_t byte = 0;
    struct pf_record_entry r = {.len = 2};
    struct pf_span span = {.ptr = &byte, .len = 1};
    struct pf_chunks *c = pf_store_chunks(s, 0);
    assert_int_equal(pf_chunks_append(c, &ref, PF_C2S, span, 1, &r, 1, &err), PF_ERR_INTERNAL);
    assert_int_equal(ref.dir[PF_C2S].last, 0);
    struct pf_flow_info info = fake_info(1);
    info.reason = (enum pf_reason)PF_REASON_COUNT;
    assert_int_equal(pf_flows_append(pf_store_flows(s, 0), &info, &ref, &err), PF_ERR_INTERNAL);
    pf_store_free(s);
    struct pf_store_options none = {.workers = 0};
    (void)snprintf(dir.path, sizeof(dir.path), "%s/q", dir.base);
    assert_int_equal(pf_store_create(dir.path, false, &s, &err), PF_OK);
    assert_int_equal(pf_store_start(s, &none, &err), PF_ERR_USAGE);
    pf_store_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refuses_a_directory_with_foreign_files),
        T(refuses_files_that_only_look_like_a_result_even_with_force),
        T(refuses_a_file_and_a_missing_parent),
        T(refuses_a_data_directory_that_is_a_link),
        T(refuses_a_second_run),
        T(leaves_nothing_when_never_started),
        T(wrong_arguments_are_told),
        T(keeps_files_private_whatever_the_umask),
        T(force_replaces_an_earlier_result_and_nothing_else),
        T(flows_do_not_depend_on_the_number_of_workers),
        T(a_line_has_the_fields_in_their_order),
        T(abandoning_keeps_what_was_complete),
        T(a_killed_run_leaves_parts_and_no_manifest),
        T(a_full_disk_is_named_and_not_success),
        T(no_manifest_when_not_even_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
