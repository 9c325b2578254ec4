// SPDX-License-Identifier: Apache-2.0
#include "tls/keylog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define R1                                                                                         \
    "11111111111111111111111111111111"                                                             \
    "11111111111111111111111111111111"
#define R2                                                                                         \
    "22222222222222222222222222222222"                                                             \
    "22222222222222222222222222222222"
#define S32                                                                                        \
    "abababababababababababababababab"                                                             \
    "abababababababababababababababab"
#define S48                                                                                        \
    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"                                                             \
    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"                                                             \
    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define T48                                                                                        \
    "efefefefefefefefefefefefefefefef"                                                             \
    "efefefefefefefefefefefefefefefef"                                                             \
    "efefefefefefefefefefefefefefefef"
#define S64 S32 S32

enum { PLENTY = 64 << 20 };

static uint8_t r1[32];
static uint8_t r2[32];

static int set_up(void **state)
{
    (void)state;
    memset(r1, 0x11, sizeof r1);
    memset(r2, 0x22, sizeof r2);
    return 0;
}

static struct pf_keylog *new_log(size_t max_bytes)
{
    struct pf_keylog *log;
    assert_int_equal(pf_keylog_new(max_bytes, &log), PF_OK);
    return log;
}

static struct pf_keylog *log_of(const char *text, size_t len)
{
    struct pf_keylog *log = new_log(PLENTY);
    uint8_t *exact = malloc(len + 1);
    memcpy(exact, text, len);
    assert_int_equal(pf_keylog_add_text(log, (struct pf_span){.ptr = exact, .len = len}), PF_OK);
    free(exact);
    pf_keylog_freeze(log);
    return log;
}

static void assert_counts(const struct pf_keylog *log, unsigned lines, unsigned secrets,
                          unsigned foreign)
{
    struct pf_keylog_counts c = pf_keylog_counts(log);
    assert_int_equal(c.lines, lines);
    assert_int_equal(c.secrets, secrets);
    assert_int_equal(c.foreign, foreign);
}

static void test_lines_that_are_none(void **state)
{
    static const char *const bad[] = {
        "CLIENT_RANDOM",
        "CLIENT_RANDOM ",
        "CLIENT_RANDOM " R1,
        "CLIENT_RANDOM " R1 " ",
        "CLIENT_RANDOM " R1 " " S32,
        "CLIENT_RANDOM " R1 " " S48 "0",
        "CLIENT_RANDOM " R1 " " S48 "00",
        "CLIENT_RANDOM " R1 "0 " S48,
        "CLIENT_RANDOM " R1 "00 " S48,
        "CLIENT_RANDOM " R1 " " S48 " more",
        "CLIENT_RANDOM " R1 " g" S48,
        "CLIENT_RANDOM" R1 " " S48,
        "client_random " R1 " " S48,
        "CLIENT_RANDOM\v" R1 " " S48,
        "CLIENT_TRAFFIC_SECRET_0 " R1 " abcd",
        "CLIENT_TRAFFIC_SECRET_1 " R1 " " S32,
        "EXPORTER_SECRET " R1 " " S32,
        "EARLY_EXPORTER_SECRET " R1 " " S32,
        "QUIC_CLIENT_TRAFFIC_SECRET_0 " R1 " " S32,
        "PMS_CLIENT_RANDOM " R1 " " S64 "0",
        "RSA 0011223344556677 " S32,
        "RSA 00112233445566 " S48,
        "RSA Session-ID: Master-Key:" S48,
        "RSA Session-ID:00 Master-Key:" S32,
        "RSA Session-ID:00 " S48,
        "RSA Session-ID:" R1 "00 Master-Key:" S48,
        "PF_TICKET " R1 " " S32,
        "PF_TICKET " R1 "00 " S48,
        "PF_TICKET " R1,
        "-----BEGIN RSA PRIVATE KEY-----",
        "\x01\xff\xfe",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pf_keylog *log = log_of(bad[i], strlen(bad[i]));
        assert_counts(log, 1, 0, 1);
        pf_keylog_free(log);
    }
}

static void test_every_cut_of_a_line(void **state)
{
    static const char line[] = "SERVER_TRAFFIC_SECRET_0 " R1 " " S48;
    (void)state;
    for (size_t n = 1; n < sizeof line - 1; n++) {
        struct pf_keylog *log = log_of(line, n);
        unsigned good = n == sizeof line - 1 - 32; /* a secret of 32 bytes in its own right */
        assert_counts(log, 1, good, 1 - good);
        pf_keylog_free(log);
    }
}

static void test_misses(void **state)
{
    static const char text[] = "CLIENT_RANDOM " R1 " " S48 "\n";
    struct pf_keylog *log = new_log(PLENTY);
    struct pf_secret s;
    struct pf_span id = {.ptr = r1, .len = 32};
    (void)state;
    pf_keylog_freeze(log);
    assert_false(pf_keylog_find(log, PF_KEYLOG_MASTER, r1, 0, &s));
    assert_false(pf_keylog_find_session(log, id, &s));
    pf_keylog_free(log);
    log = log_of(text, sizeof text - 1);
    assert_false(pf_keylog_find(log, PF_KEYLOG_MASTER, r2, 0, &s));
    assert_false(pf_keylog_find(log, PF_KEYLOG_MASTER, r1, 1, &s));
    assert_false(pf_keylog_find(log, PF_KEYLOG_PRE_MASTER, r1, 0, &s));
    assert_false(pf_keylog_find_session(log, id, &s));
    assert_false(pf_keylog_find_encrypted(log, id, &s));
    id.len = 0;
    assert_false(pf_keylog_find_session(log, id, &s));
    id.len = 7;
    assert_false(pf_keylog_find_encrypted(log, id, &s));
    pf_keylog_free(log);
    pf_keylog_free(NULL);
}

static void assert_found(const struct pf_keylog *log, enum pf_keylog_label label,
                         const uint8_t *random, unsigned nth, uint8_t first, size_t len)
{
    struct pf_secret s;
    assert_true(pf_keylog_find(log, label, random, nth, &s));
    assert_int_equal(s.bytes[0], first);
    assert_int_equal(s.bytes[len - 1], first);
    assert_int_equal(s.len, len);
}

static void test_labels(void **state)
{
    static const char text[] = "# a comment\r\n"
                               "\r\n"
                               "\xef\xbb\xbf"
                               "CLIENT_RANDOM " R1 " " S48 "\r\n"
                               "  PMS_CLIENT_RANDOM\t" R1 "  " S48 " \t\n"
                               "CLIENT_EARLY_TRAFFIC_SECRET " R2 " " S32 "\n"
                               "CLIENT_HANDSHAKE_TRAFFIC_SECRET " R2 " " S48 "\n"
                               "SERVER_HANDSHAKE_TRAFFIC_SECRET " R2 " " S64 "\n"
                               "CLIENT_TRAFFIC_SECRET_0 " R2 " ABABABABABABABABABABABABABABABABabab"
                               "abababababababababababababab\n"
                               "EXPORTER_SECRET " R2 " " S32 "\n"
                               "SERVER_TRAFFIC_SECRET_0 " R2 " " T48; /* no newline */
    struct pf_keylog *log = log_of(text, sizeof text - 1);
    (void)state;
    assert_counts(log, 10, 7, 1);
    assert_found(log, PF_KEYLOG_MASTER, r1, 0, 0xcd, 48);
    assert_found(log, PF_KEYLOG_PRE_MASTER, r1, 0, 0xcd, 48);
    assert_found(log, PF_KEYLOG_CLIENT_EARLY, r2, 0, 0xab, 32);
    assert_found(log, PF_KEYLOG_CLIENT_HANDSHAKE, r2, 0, 0xcd, 48);
    assert_found(log, PF_KEYLOG_SERVER_HANDSHAKE, r2, 0, 0xab, 64);
    assert_found(log, PF_KEYLOG_CLIENT_TRAFFIC, r2, 0, 0xab, 32);
    assert_found(log, PF_KEYLOG_SERVER_TRAFFIC, r2, 0, 0xef, 48);
    pf_keylog_free(log);
}

static void test_rsa_lines(void **state)
{
    static const char text[] = "RSA 0011223344556677 " S48 "\n"
                               "RSA Session-ID:A1B2 Master-Key:" T48 "\n"
                               "RSA Session-ID:" R2 " Master-Key:" S48 "\n";
    static const uint8_t encrypted[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    static const uint8_t id[] = {0xa1, 0xb2};
    struct pf_keylog *log = log_of(text, sizeof text - 1);
    struct pf_secret s;
    (void)state;
    assert_counts(log, 3, 3, 0);
    assert_true(pf_keylog_find_encrypted(
        log, (struct pf_span){.ptr = encrypted, .len = sizeof encrypted}, &s));
    assert_int_equal(s.bytes[47], 0xcd);
    assert_true(pf_keylog_find_session(log, (struct pf_span){.ptr = id, .len = 2}, &s));
    assert_int_equal(s.bytes[47], 0xef);
    assert_true(pf_keylog_find_session(log, (struct pf_span){.ptr = r2, .len = 32}, &s));
    assert_false(pf_keylog_find_session(log, (struct pf_span){.ptr = r2, .len = 31}, &s));
    pf_keylog_free(log);
}

/* SHA-256 of "abc": FIPS 180-2 appendix B.1 */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_tickets(void **state)
{
    static const char text[] = "PF_TICKET " ABC " " S48 "\n";
    static const uint8_t ticket[] = {'a', 'b', 'c', 'd'};
    struct pf_keylog *log = log_of(text, sizeof text - 1);
    struct pf_secret s;
    (void)state;
    assert_counts(log, 1, 1, 0);
    assert_true(pf_keylog_find_ticket(log, (struct pf_span){.ptr = ticket, .len = 3}, &s));
    assert_int_equal(s.bytes[47], 0xcd);
    assert_int_equal(s.len, 48);
    assert_false(pf_keylog_find_ticket(log, (struct pf_span){.ptr = ticket, .len = 4}, &s));
    assert_false(pf_keylog_find_ticket(log, (struct pf_span){.ptr = ticket, .len = 0}, &s));
    pf_keylog_free(log);
}

static void test_several_secrets_of_one_random(void **state)
{
    static const char text[] = "CLIENT_RANDOM " R1 " " T48 "\n"
                               "CLIENT_RANDOM " R1 " " S48 "\n"
                               "CLIENT_RANDOM " R1 " " T48 "\n"
                               "CLIENT_RANDOM " R2 " " T48 "\n";
    struct pf_keylog *log = log_of(text, sizeof text - 1);
    struct pf_secret s;
    (void)state;
    assert_counts(log, 4, 3, 0);
    assert_found(log, PF_KEYLOG_MASTER, r1, 0, 0xef, 48); /* in file order */
    assert_found(log, PF_KEYLOG_MASTER, r1, 1, 0xcd, 48);
    assert_false(pf_keylog_find(log, PF_KEYLOG_MASTER, r1, 2, &s));
    pf_keylog_free(log);
}

/* len bytes of secret behind PMS_CLIENT_RANDOM, the last one 0x5a. */
static size_t pre_master_line(size_t len, char *line)
{
    size_t at = (size_t)sprintf(line, "PMS_CLIENT_RANDOM " R1 " ");
    for (size_t i = 0; i < len; i++) {
        at += (size_t)sprintf(line + at, "%02x", i + 1 == len ? 0x5a : (unsigned)(i & 0xff));
    }
    line[at++] = '\n';
    return at;
}

/* DHE and long curves give pre-master secrets that no other label has. */
static void test_long_pre_master(void **state)
{
    static const size_t lens[] = {1, 48, 64, 65, 66, 256, PF_PRE_MASTER_MAX};
    char line[4096];
    struct pf_span got;
    struct pf_secret s;
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct pf_keylog *log = new_log(PLENTY);
        struct pf_span text = {.ptr = (const uint8_t *)line, .len = pre_master_line(lens[i], line)};
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
        }
        assert_counts(log, 2, 1, 0);
        assert_int_equal(pf_keylog_count(log, PF_KEYLOG_PRE_MASTER, r1), 1);
        assert_true(pf_keylog_find_pre_master(log, r1, 0, &got));
        assert_int_equal(got.len, lens[i]);
        assert_int_equal(got.ptr[lens[i] - 1], 0x5a);
        assert_false(pf_keylog_find_pre_master(log, r1, 1, &got));
        assert_false(pf_keylog_find_pre_master(log, r2, 0, &got));
        assert_int_equal(pf_keylog_find(log, PF_KEYLOG_PRE_MASTER, r1, 0, &s), lens[i] <= 64);
        pf_keylog_free(log);
    }
}

static void test_long_pre_master_refused(void **state)
{
    char line[4096];
    struct pf_span text = {.ptr = (const uint8_t *)line};
    struct pf_keylog *log = new_log(PLENTY);
    (void)state;
    text.len = pre_master_line(PF_PRE_MASTER_MAX + 1, line);
    assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    text.len = pre_master_line(100, line);
    line[text.len - 9] = 'x'; /* no digit */
    assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    text.len = pre_master_line(100, line) - 1;
    line[text.len - 1] = '\n'; /* half a byte */
    assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    assert_counts(log, 3, 0, 3);
    pf_keylog_free(log);
    log = new_log(0);
    text.len = pre_master_line(100, line);
    assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    assert_counts(log, 1, 0, 0);
    assert_int_equal(pf_keylog_counts(log).dropped, 1);
    pf_keylog_free(log);
}

/* Secrets without end for one client random must not make every find slow. */
static void test_secrets_of_one_random_are_bounded(void **state)
{
    struct pf_keylog *log = new_log(PLENTY);
    struct pf_secret s = {.len = 48};
    char line[PF_KEYLOG_LINE_MAX];
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        s.bytes[0] = (uint8_t)i;
        size_t len = pf_keylog_format(PF_KEYLOG_MASTER, r1, &s, line, sizeof line);
        struct pf_span text = {.ptr = (const uint8_t *)line, .len = len};
        assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    }
    assert_counts(log, 100, PF_KEYLOG_SAME_MAX, 0);
    assert_int_equal(pf_keylog_counts(log).dropped, 100 - PF_KEYLOG_SAME_MAX);
    assert_true(pf_keylog_find(log, PF_KEYLOG_MASTER, r1, PF_KEYLOG_SAME_MAX - 1, &s));
    assert_int_equal(s.bytes[0], PF_KEYLOG_SAME_MAX - 1);
    pf_keylog_free(log);
}

static size_t numbered_line(unsigned i, char line[PF_KEYLOG_LINE_MAX])
{
    uint8_t random[32] = {0};
    struct pf_secret s = {.len = 48};
    memcpy(random, &i, sizeof i);
    memcpy(s.bytes, &i, sizeof i);
    return pf_keylog_format(PF_KEYLOG_MASTER, random, &s, line, PF_KEYLOG_LINE_MAX);
}

static unsigned count_found(const struct pf_keylog *log, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t random[32] = {0};
        struct pf_secret s;
        memcpy(random, &i, sizeof i);
        if (pf_keylog_find(log, PF_KEYLOG_MASTER, random, 0, &s)) {
            assert_memory_equal(s.bytes, &i, sizeof i);
            found++;
        }
    }
    return found;
}

static void fill(struct pf_keylog *log, unsigned count)
{
    char line[PF_KEYLOG_LINE_MAX];
    for (unsigned i = 0; i < count; i++) {
        struct pf_span text = {.ptr = (const uint8_t *)line, .len = numbered_line(i, line)};
        assert_int_equal(pf_keylog_add_text(log, text), PF_OK);
    }
}

static void test_ceiling(void **state)
{
    struct pf_keylog *log = new_log(1 << 20);
    (void)state;
    fill(log, 20000);
    unsigned found = count_found(log, 20000);
    assert_true(found > 5000 && found < 10000);
    assert_counts(log, 20000, found, 0);
    assert_int_equal(pf_keylog_counts(log).dropped, 20000 - found);
    pf_keylog_free(log);
    log = new_log(0);
    fill(log, 3);
    assert_int_equal(count_found(log, 3), 0);
    assert_int_equal(pf_keylog_counts(log).dropped, 3);
    pf_keylog_free(log);
}

static void test_many(void **state)
{
    struct pf_keylog *log = new_log(PLENTY);
    (void)state;
    fill(log, 30000);
    fill(log, 30000);
    pf_keylog_freeze(log);
    assert_int_equal(count_found(log, 30000), 30000);
    assert_counts(log, 60000, 30000, 0);
    pf_keylog_free(log);
}

static char path[256];

static FILE *make_file(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/pf-keylog-XXXXXX", tmp != NULL ? tmp : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return fdopen(fd, "wb");
}

static void test_file_refused(void **state)
{
    struct pf_keylog *log = new_log(PLENTY);
    struct pf_error err = {0};
    (void)state;
    assert_int_equal(pf_keylog_add_file(log, "/nowhere/keys.log", &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, "/nowhere/keys.log"));
    err = (struct pf_error){0};
    assert_int_equal(pf_keylog_add_file(log, "/", &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, "directory"));
    pf_keylog_free(log);
}

/* Lines that straddle the pieces in which a file is read, among lines too long to be any. */
static void test_file(void **state)
{
    enum { COUNT = 10000, LONG_EVERY = 100 };
    struct pf_keylog *log = new_log(PLENTY);
    char line[PF_KEYLOG_LINE_MAX];
    struct pf_error err = {0};
    FILE *f = make_file();
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        size_t len = numbered_line(i, line);
        if (i % LONG_EVERY == 0) {
            fprintf(f, "%*s%.*s", 4000 + (int)i * 37, "CLIENT_RANDOM", (int)len, line);
        }
        fwrite(line, 1, i + 1 < COUNT ? len : len - 1, f);
    }
    fclose(f);
    if (pf_keylog_add_file(log, path, &err) != PF_OK) {
        fail_msg("%s", err.text);
    }
    pf_keylog_freeze(log);
    unlink(path);
    assert_counts(log, COUNT + COUNT / LONG_EVERY, COUNT, COUNT / LONG_EVERY);
    assert_int_equal(count_found(log, COUNT), COUNT);
    pf_keylog_free(log);
}

static void test_file_of_junk(void **state)
{
    struct pf_keylog *log = new_log(PLENTY);
    FILE *f = make_file();
    (void)state;
    for (unsigned i = 0; i < 3U << 20; i++) {
        fputc((int)(i * 2654435761U >> 24), f); /* NULs and newlines among them */
    }
    fputs("\nCLIENT_RANDOM " R1 " " S48, f);
    fclose(f);
    assert_int_equal(pf_keylog_add_file(log, path, NULL), PF_OK);
    unlink(path);
    assert_int_equal(pf_keylog_counts(log).secrets, 1);
    assert_found(log, PF_KEYLOG_MASTER, r1, 0, 0xcd, 48);
    pf_keylog_free(log);
}

static void test_format(void **state)
{
    static const char want[] = "CLIENT_TRAFFIC_SECRET_0 " R1 " " S32 "\n";
    struct pf_secret s = {.len = 32};
    char line[PF_KEYLOG_LINE_MAX];
    (void)state;
    memset(s.bytes, 0xab, 32);
    size_t need = sizeof want;
    assert_int_equal(pf_keylog_format(PF_KEYLOG_CLIENT_TRAFFIC, r1, &s, line, need - 1), 0);
    assert_int_equal(pf_keylog_format(PF_KEYLOG_CLIENT_TRAFFIC, r1, &s, line, need), need - 1);
    assert_string_equal(line, want);
    s.len = 64; /* the longest label, the longest secret */
    assert_true(pf_keylog_format(PF_KEYLOG_SERVER_HANDSHAKE, r1, &s, line, sizeof line) > 0);
    struct pf_master master;
    memset(&master, 0xcd, sizeof master);
    struct pf_span abc = {.ptr = (const uint8_t *)"abc", .len = 3};
    assert_int_equal(pf_keylog_format_ticket(abc, &master, line, 10), 0);
    size_t ticket_len = pf_keylog_format_ticket(abc, &master, line, sizeof line);
    assert_int_equal(ticket_len, strlen(line));
    assert_string_equal(line, "PF_TICKET " ABC " " S48 "\n");
    size_t session_len = pf_keylog_format_session(abc, &master, line, sizeof line);
    assert_int_equal(session_len, strlen(line));
    assert_string_equal(line, "RSA Session-ID:616263 Master-Key:" S48 "\n");
    struct pf_span long_id = {.ptr = (const uint8_t *)want, .len = 33};
    assert_int_equal(pf_keylog_format_session(long_id, &master, line, sizeof line), 0);
}

static void test_line_by_line(void **state)
{
    (void)state;
    static const char text[] = "CLIENT_RANDOM " R1 " " S48 "\n# a comment\n"
                               "RSA Session-ID:616263 Master-Key:" S48 "\n"
                               "SERVER_TRAFFIC_SECRET_0 " R2 " " S32 "\n";
    struct pf_keylog *log;
    assert_int_equal(pf_keylog_new(1 << 20, &log), PF_OK);
    assert_int_equal(pf_keylog_size(log), 0);
    assert_int_equal(pf_keylog_add_text(log, (struct pf_span){(const uint8_t *)text, strlen(text)}),
                     PF_OK);
    pf_keylog_freeze(log);
    enum pf_keylog_label label;
    uint8_t random[PF_RANDOM_LEN];
    struct pf_secret secret;
    assert_int_equal(pf_keylog_size(log), 3);
    assert_true(pf_keylog_line(log, 0, &label, random, &secret));
    assert_int_equal(label, PF_KEYLOG_MASTER);
    assert_int_equal(random[31], 0x11);
    assert_int_equal(secret.len, 48);
    assert_false(pf_keylog_line(log, 1, &label, random, &secret));
    assert_true(pf_keylog_line(log, 2, &label, random, &secret));
    assert_int_equal(label, PF_KEYLOG_SERVER_TRAFFIC);
    assert_int_equal(random[0], 0x22);
    assert_int_equal(secret.len, 32);
    assert_int_equal(secret.bytes[31], 0xab);
    pf_keylog_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_every_cut_of_a_line),
        cmocka_unit_test(test_misses),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_rsa_lines),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_long_pre_master),
        cmocka_unit_test(test_long_pre_master_refused),
        cmocka_unit_test(test_several_secrets_of_one_random),
        cmocka_unit_test(test_secrets_of_one_random_are_bounded),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_file_refused),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_of_junk),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_line_by_line),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
