// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 64 };

/* Parses "decrypt WORDS": split at blanks. */
static bool parse(const char *words, struct pf_cli_options *o)
{
    static char text[512];
    static char *argv[WORDS + 1];
    int argc = 0;
    (void)snprintf(text, sizeof(text), "decrypt %s", words);
    for (char *w = strtok(text, " "); w != NULL && argc < WORDS; w = strtok(NULL, " ")) {
        argv[argc++] = w;
    }
    argv[argc] = NULL;
    optind = 0; /* glibc: begin anew */
    return pf_cli_options_parse(argc, argv, PF_RUN_DECRYPT, o);
}

static void wrong_command_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "c",
                                        "-o d",
                                        "-o",
                                        "-o d c --nonsense",
                                        "-o d c -Z",
                                        "-o d c --sha256=1",
                                        "-o d c -j 0",
                                        "-o d c -j -1",
                                        "-o d c -j 1001",
                                        "-o d c -j 0x2",
                                        "-o d c --memory 0",
                                        "-o d c --memory 12X",
                                        "-o d c --memory -1",
                                        "-o d c --memory 99999999999999G",
                                        "-o d c --level 13",
                                        "-o d c --level x",
                                        "-o d c --compress zip"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct pf_cli_options o;
        if (parse(lines[i], &o)) {
            fail_msg("taken: %s", lines[i]);
        }
        pf_cli_options_fini(&o);
    }
}

static void everything_arrives(void **state)
{
    (void)state;
    struct pf_cli_options o;
    assert_true(parse("one -k a.pem --key [::1]:443=b.pem -l x.log two --keylog y.log --psk 00ff "
                      "--key-dir kd --key-password-file pw -o out --force -f tcp -j 3 "
                      "--memory 512M --compress none --level 9 --sha256 --strict -qq -",
                      &o));
    const struct pf_options *r = &o.run;
    assert_int_equal(r->captures.count, 3);
    assert_string_equal(r->captures.items[0], "one");
    assert_string_equal(r->captures.items[1], "two");
    assert_string_equal(r->captures.items[2], "-");
    assert_int_equal(r->keys.count, 2);
    assert_string_equal(r->keys.items[1], "[::1]:443=b.pem");
    assert_int_equal(r->keylogs.count, 2);
    assert_string_equal(r->keylogs.items[1], "y.log");
    assert_int_equal(r->psks.count, 1);
    assert_int_equal(r->key_dirs.count, 1);
    assert_string_equal(r->key_password_file, "pw");
    assert_string_equal(r->output, "out");
    assert_string_equal(r->filter, "tcp");
    assert_true(r->force && r->sha256 && r->strict);
    assert_int_equal(r->jobs, 3);
    assert_int_equal(r->memory, 512 << 20);
    assert_int_equal(r->compress, PF_COMPRESS_NONE);
    assert_int_equal(r->level, 9);
    assert_int_equal(r->verbosity, -2);
    pf_cli_options_fini(&o);
}

static void sizes(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_true(pf_option_size("1", &v) && v == 1);
    assert_true(pf_option_size("3k", &v) && v == 3072);
    assert_true(pf_option_size("2G", &v) && v == (uint64_t)2 << 30);
    assert_true(pf_option_size("1T", &v) && v == (uint64_t)1 << 40);
    assert_true(pf_option_number("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX);
    assert_false(pf_option_number("18446744073709551616", 0, UINT64_MAX, &v));
    assert_false(pf_option_size("", &v));
    assert_false(pf_option_size("G", &v));
    assert_false(pf_option_size("1 G", &v));
    assert_false(pf_option_size("1.5G", &v));
    assert_false(pf_option_size("16777216T", &v));
}

static void captured_text_is_harmless(void **state)
{
    (void)state;
    char out[16];
    assert_string_equal(pf_cli_harmless("a\033[2J\x7f\xc3\xa9z", out, sizeof(out)), "a?[2J???z");
    assert_string_equal(pf_cli_harmless(NULL, out, sizeof(out)), "-");
    assert_string_equal(pf_cli_harmless("0123456789abcdefg", out, sizeof(out)), "0123456789abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_command_lines),
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(sizes),
        cmocka_unit_test(captured_text_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
