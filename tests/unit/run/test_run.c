// SPDX-License-Identifier: Apache-2.0
/* Runs from birth to death, at every stage, with outputs and captures that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plainflow.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const sample[] = {PF_SAMPLES "/http-rsa.pcap"};
static const char *const sample_key[] = {PF_SAMPLES "/http-rsa.key"};
static char folder[256];
static char out_dir[300];

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(file) != 0) {
            remove_folder(file);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    rmdir(path);
}

static int begin(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/pf-run-XXXXXX", tmp != NULL ? tmp : "/tmp");
    snprintf(out_dir, sizeof out_dir, "%s/out", mkdtemp(folder));
    return 0;
}

static int end(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static struct pf_options options(unsigned jobs)
{
    return (struct pf_options){
        .captures = {sample, 1}, .keys = {sample_key, 1}, .output = out_dir, .jobs = jobs};
}

static const char *file_of(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(file_of(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
    return file_of(name);
}

/* The status of pf_run_new, whose message must name `what`. */
static enum pf_status refused(const struct pf_options *o, const char *what)
{
    struct pf_run *r = NULL;
    struct pf_error err = {.status = PF_OK};
    enum pf_status st = pf_run_new(o, &r, &err);
    assert_null(r);
    assert_int_equal(err.status, st);
    if (strstr(err.text, what) == NULL) {
        fail_msg("no '%s' in '%s'", what, err.text);
    }
    assert_int_not_equal(access(out_dir, F_OK), 0); /* nothing was written */
    return st;
}

static struct pf_run *made(const struct pf_options *o)
{
    struct pf_run *r = NULL;
    struct pf_error err = {.status = PF_OK};
    if (pf_run_new(o, &r, &err) != PF_OK) {
        fail_msg("%s", err.text);
    }
    return r;
}

static struct pf_run *started(const struct pf_options *o)
{
    struct pf_run *r = made(o);
    struct pf_error err = {.status = PF_OK};
    if (pf_run_start(r, &err) != PF_OK) {
        fail_msg("%s", err.text);
    }
    return r;
}

/* ---- what is refused ---- */

static void wrong_options(void **state)
{
    (void)state;
    static const char *const odd[] = {"abc"};
    static const char *const not_hex[] = {"zz"};
    static const char *const missing[] = {"/nonexistent/key.pem"};
    struct pf_options o = options(1);
    o.jobs = 100000;
    assert_int_equal(refused(&o, "--jobs"), PF_ERR_USAGE);
    o = options(1);
    o.memory = 1 << 20;
    assert_int_equal(refused(&o, "--memory"), PF_ERR_USAGE);
    o = options(512);
    o.memory = 64 << 20;
    assert_int_equal(refused(&o, "fewer --jobs"), PF_ERR_USAGE);
    o = options(1);
    o.psks = (struct pf_strings){odd, 1};
    assert_int_equal(refused(&o, "--psk"), PF_ERR_USAGE);
    o.psks = (struct pf_strings){not_hex, 1};
    assert_int_equal(refused(&o, "hexadecimal"), PF_ERR_USAGE);
    o = options(1);
    o.keys = (struct pf_strings){missing, 1};
    assert_int_equal(refused(&o, "key.pem"), PF_ERR_USAGE);
    o.keys = (struct pf_strings){sample, 1};
    assert_int_equal(refused(&o, "http-rsa.pcap"), PF_ERR_USAGE);
    o = options(1);
    o.keylogs = (struct pf_strings){missing, 1};
    assert_int_equal(refused(&o, "key.pem"), PF_ERR_USAGE);
    o = options(1);
    o.key_dirs = (struct pf_strings){missing, 1};
    assert_int_equal(refused(&o, "key.pem"), PF_ERR_USAGE);
    o = options(1);
    o.key_password_file = missing[0];
    assert_int_equal(refused(&o, "key.pem"), PF_ERR_USAGE);
    o = options(1);
    o.filter = "tcp prot 443";
    assert_int_equal(refused(&o, "filter"), PF_ERR_USAGE);
    o = options(1);
    o.output = "/nonexistent/folder/out";
    assert_int_equal(refused(&o, "/nonexistent"), PF_ERR_USAGE);
}

static void an_output_that_is_not_empty(void **state)
{
    (void)state;
    struct pf_options o = options(1);
    assert_int_equal(mkdir(out_dir, 0700), 0);
    write_file("out/mine", "x", 1);
    struct pf_run *r = NULL;
    struct pf_error err = {.status = PF_OK};
    assert_int_equal(pf_run_new(&o, &r, &err), PF_ERR_USAGE);
    assert_null(r);
    assert_int_equal(access(file_of("out/mine"), F_OK), 0);
    assert_int_not_equal(access(file_of("out/data"), F_OK), 0);
}

/* ---- captures ---- */

static const struct pf_summary *summary_of(struct pf_run *r)
{
    assert_int_equal(pf_run_wait(r, -1), PF_END);
    return pf_run_summary(r);
}

static void no_captures(void **state)
{
    (void)state;
    struct pf_options o = options(2);
    o.captures.count = 0;
    struct pf_run *r = started(&o);
    const struct pf_summary *s = summary_of(r);
    assert_int_equal(s->status, PF_OK);
    assert_int_equal(s->packets + s->flows + s->input_count, 0);
    pf_run_free(r);
}

static void captures_without_packets(void **state)
{
    (void)state;
    static const uint8_t header[24] = {0xd4, 0xc3, 0xb2,        0xa1, 2,       0,
                                       4,    0,    [16] = 0xff, 0xff, [20] = 1};
    char paths[4][400];
    snprintf(paths[0], sizeof paths[0], "%s", write_file("nothing", "", 0));
    snprintf(paths[1], sizeof paths[1], "%s", write_file("header", header, sizeof header));
    snprintf(paths[2], sizeof paths[2], "%s", write_file("cut", header, 11));
    snprintf(paths[3], sizeof paths[3], "%s", file_of("missing"));
    const char *const all[] = {paths[0], paths[1], paths[2], paths[3], sample[0]};
    struct pf_options o = options(3);
    o.captures = (struct pf_strings){all, 5};
    struct pf_run *r = started(&o);
    const struct pf_summary *s = summary_of(r);
    assert_int_equal(s->status, PF_OK);
    assert_int_equal(s->input_count, 5);
    assert_int_not_equal(s->inputs[0].status, PF_OK);
    assert_int_not_equal(s->inputs[2].status, PF_OK);
    assert_int_not_equal(s->inputs[3].status, PF_OK);
    assert_non_null(s->inputs[3].message);
    assert_int_equal(s->inputs[4].status, PF_OK);
    assert_int_equal(s->flows_decrypted, 3); /* the others are read all the same */
    pf_run_free(r);
}

static void any_number_of_workers(void **state)
{
    (void)state;
    for (unsigned jobs = 1; jobs <= 16; jobs += 5) {
        struct pf_options o = options(jobs);
        o.force = true;
        struct pf_run *r = started(&o);
        const struct pf_summary *s = summary_of(r);
        assert_int_equal(s->status, PF_OK);
        assert_null(s->message);
        assert_int_equal(s->packets, 48);
        assert_int_equal(s->flows, 3);
        assert_int_equal(s->flows_decrypted, 3);
        assert_int_equal(s->stop_signal, 0);
        struct pf_progress p;
        pf_run_progress(r, &p);
        assert_int_equal(p.flows_tls, 3);
        assert_int_equal(p.packets, 48);
        assert_int_equal(p.plaintext_bytes, s->plaintext_bytes);
        pf_run_free(r);
    }
}

/* ---- birth and death ---- */

static void freed_at_every_stage(void **state)
{
    (void)state;
    struct pf_options o = options(4);
    o.force = true;
    pf_run_free(NULL);
    pf_run_free(made(&o));
    pf_run_free(started(&o)); /* in the middle of it */
    struct pf_run *r = made(&o);
    pf_run_stop(r, SIGINT); /* before it starts */
    pf_run_free(r);
    r = started(&o);
    assert_true(pf_run_wait(r, 0) == PF_AGAIN || pf_run_wait(r, 0) == PF_END);
    assert_int_equal(pf_run_wait(r, -1), PF_END);
    assert_int_equal(pf_run_wait(r, 0), PF_END);
    pf_run_stop(r, SIGINT); /* behind its end: changes nothing */
    assert_int_equal(pf_run_summary(r)->stop_signal, 0);
    pf_run_free(r);
}

static void stopped_before_the_first_packet(void **state)
{
    (void)state;
    struct pf_options o = options(2);
    struct pf_run *r = made(&o);
    struct pf_error err = {.status = PF_OK};
    pf_run_stop(r, SIGTERM);
    assert_int_equal(pf_run_start(r, &err), PF_OK);
    const struct pf_summary *s = summary_of(r);
    assert_int_equal(s->status, PF_OK);
    assert_int_equal(s->stop_signal, SIGTERM);
    pf_run_free(r);
    struct pf_result *result;
    const char *why = NULL;
    assert_int_equal(pf_result_open(out_dir, &result, &err), PF_OK);
    assert_false(pf_result_complete(result, &why));
    assert_non_null(strstr(why, "SIGTERM"));
    pf_result_close(result);
}

/* ---- outputs ---- */

/* No file may grow beyond `bytes`, as on a full disk: the run says so, and ends. */
static void a_full_disk(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes < 3000; bytes += 250) {
        struct pf_options o = options(2);
        o.force = true;
        const struct rlimit small = {.rlim_cur = bytes, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        struct pf_run *r = NULL;
        struct pf_error err = {.status = PF_OK};
        enum pf_status st = pf_run_new(&o, &r, &err);
        st = st == PF_OK ? pf_run_start(r, &err) : st;
        if (st == PF_OK) {
            const struct pf_summary *s = summary_of(r);
            assert_int_equal(s->status, PF_ERR_IO);
            assert_non_null(s->message);
            assert_non_null(strstr(s->message, "out/"));
        } else {
            assert_true(st == PF_ERR_IO || st == PF_ERR_USAGE);
        }
        pf_run_free(r);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    }
    signal(SIGXFSZ, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_options, begin, end),
        cmocka_unit_test_setup_teardown(an_output_that_is_not_empty, begin, end),
        cmocka_unit_test_setup_teardown(no_captures, begin, end),
        cmocka_unit_test_setup_teardown(captures_without_packets, begin, end),
        cmocka_unit_test_setup_teardown(any_number_of_workers, begin, end),
        cmocka_unit_test_setup_teardown(freed_at_every_stage, begin, end),
        cmocka_unit_test_setup_teardown(stopped_before_the_first_packet, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
