// SPDX-License-Identifier: Apache-2.0
#include "run/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 5000, SHARE = 4 << 20 };

static struct pf_lines *make(bool secret, size_t max_bytes)
{
    struct pf_lines *l = NULL;
    struct pf_error err = {.status = PF_OK};
    assert_int_equal(pf_lines_new(secret, max_bytes, &l, &err), PF_OK);
    return l;
}

static enum pf_status put(struct pf_lines *l, uint64_t packet, uint16_t port, const char *text)
{
    struct pf_flow_key key = {.port = {port, 443}};
    struct pf_error err = {.status = PF_OK};
    return pf_lines_append(l, packet, &key, (struct pf_span){(const uint8_t *)text, strlen(text)},
                           &err);
}

static void close_all(struct pf_lines **all, size_t count)
{
    struct pf_error err = {.status = PF_OK};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pf_lines_close(all[i], &err), PF_OK);
    }
}

static void expect_next(struct pf_lines **all, size_t count, uint64_t packet, const char *text)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_span s;
    uint64_t first;
    assert_int_equal(pf_lines_next(all, count, &s, &first, &err), PF_OK);
    assert_int_equal(first, packet);
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

static void expect_end(struct pf_lines **all, size_t count)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_span s;
    uint64_t first;
    assert_int_equal(pf_lines_next(all, count, &s, &first, &err), PF_END);
}

static void no_directory_says_so(void **state)
{
    (void)state;
    struct pf_lines *l = NULL;
    struct pf_error err = {.status = PF_OK};
    char *before = getenv("TMPDIR");
    before = before != NULL ? strdup(before) : NULL;
    setenv("TMPDIR", "/nonexistent", 1);
    assert_int_equal(pf_lines_new(false, SHARE, &l, &err), PF_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_int_equal(pf_lines_new(true, SHARE, &l, &err), PF_OK); /* secrets touch no file */
    pf_lines_free(l);
    if (before != NULL) {
        setenv("TMPDIR", before, 1);
    } else {
        unsetenv("TMPDIR");
    }
    free(before);
}

static void secrets_stop_at_the_limit(void **state)
{
    (void)state;
    struct pf_lines *l = make(true, 256 * 1024);
    static char text[PF_LINES_SECRET_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(put(l, 1, 1, text), PF_ERR_LIMIT);
    text[40000] = '\0';
    unsigned kept = 0;
    while (put(l, 10 + kept, 1, text) == PF_OK) {
        assert_true(++kept < 10);
    }
    assert_true(kept >= 2); /* three chunks of 64 KiB, and the rows */
    close_all(&l, 1);
    for (unsigned i = 0; i < kept; i++) {
        expect_next(&l, 1, 10 + i, text);
    }
    expect_end(&l, 1);
    pf_lines_free(l);
}

static void rows_stop_at_the_limit(void **state)
{
    (void)state;
    struct pf_lines *l = make(false, 300 * 24);
    enum pf_status st = PF_OK;
    unsigned kept = 0;
    for (; st == PF_OK && kept < 1000; kept++) {
        st = put(l, 1000 - kept, 1, "x\n");
    }
    assert_int_equal(st, PF_ERR_LIMIT);
    close_all(&l, 1);
    expect_next(&l, 1, 1000 - (kept - 2), "x\n");
    pf_lines_free(l);
}

static void first_packets_decide(bool secret)
{
    struct pf_lines *all[2] = {make(secret, SHARE), make(secret, SHARE)};
    assert_int_equal(put(all[0], 9, 1, "nine\n"), PF_OK);
    assert_int_equal(put(all[0], 2, 2, "two\n"), PF_OK);
    assert_int_equal(put(all[1], 5, 3, "five\n"), PF_OK);
    assert_int_equal(put(all[1], 2, 2, "two again\n"), PF_OK);
    assert_int_equal(put(all[1], 5, 3, "five again\n"), PF_OK);
    assert_int_equal(put(all[1], 7, 3, ""), PF_OK); /* says nothing: is not there */
    close_all(all, 2);
    assert_int_equal(pf_lines_before(all, 2, 2), 0);
    assert_int_equal(pf_lines_before(all, 2, 5), 2);
    assert_int_equal(pf_lines_before(all, 2, 99), 5);
    expect_next(all, 2, 2, "two\n");
    expect_next(all, 2, 2, "two again\n");
    expect_next(all, 2, 5, "five\n");
    expect_next(all, 2, 5, "five again\n");
    expect_next(all, 2, 9, "nine\n");
    expect_end(all, 2);
    pf_lines_free(all[0]);
    pf_lines_free(all[1]);
}

static void order_is_of_first_packets(void **state)
{
    (void)state;
    first_packets_decide(false);
    first_packets_decide(true);
}

/* Texts longer than a chunk among short ones, written in descending order. */
static void many_texts_come_back(void **state)
{
    (void)state;
    struct pf_lines *l = make(false, SHARE);
    static char text[100001];
    for (unsigned i = MANY; i > 0; i--) {
        size_t len = i % 1000 == 0 ? 100000 : i % 97 + 1;
        memset(text, 'a' + (int)(i % 26), len);
        text[len] = '\0';
        assert_int_equal(put(l, i, 1, text), PF_OK);
    }
    close_all(&l, 1);
    for (unsigned i = 1; i <= MANY; i++) {
        size_t len = i % 1000 == 0 ? 100000 : i % 97 + 1;
        memset(text, 'a' + (int)(i % 26), len);
        text[len] = '\0';
        expect_next(&l, 1, i, text);
    }
    expect_end(&l, 1);
    pf_lines_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_directory_says_so),   cmocka_unit_test(secrets_stop_at_the_limit),
        cmocka_unit_test(rows_stop_at_the_limit), cmocka_unit_test(order_is_of_first_packets),
        cmocka_unit_test(many_texts_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
