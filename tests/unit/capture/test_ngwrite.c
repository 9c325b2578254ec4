// SPDX-License-Identifier: Apache-2.0
#include "capture/ngwrite.h"
#include "capture/source.h"
#include "support/capfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LINE = 100 };

static struct cf out; /* only its file */
static struct pf_ngwrite *w;
static struct pf_source *source;
static struct pf_item item;
static struct pf_error err;

static int setup(void **state)
{
    (void)state;
    cf_init(&out);
    (void)cf_path(&out); /* an empty file */
    err.status = PF_OK;
    assert_int_equal(pf_ngwrite_new(out.fd, &w), PF_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pf_ngwrite_free(w);
    pf_source_free(source);
    source = NULL;
    cf_fini(&out);
    return 0;
}

static void end_and_read(void)
{
    const char *path = out.path;
    assert_int_equal(pf_ngwrite_end(w, &err), PF_OK);
    assert_int_equal(pf_source_new(&path, 1, NULL, &source, &err), PF_OK);
}

static void next_is(enum pf_status status)
{
    assert_int_equal(pf_source_next(source, &item), status);
}

static void at_the_end(void)
{
    next_is(PF_END);
    assert_int_equal(pf_source_input(source, 0)->status, PF_OK);
}

static struct pf_item frame(const void *data, uint32_t caplen, int64_t ts_ns)
{
    return (struct pf_item){.kind = PF_ITEM_FRAME,
                            .data = data,
                            .caplen = caplen,
                            .len = caplen + 5,
                            .ts_ns = ts_ns,
                            .linktype = 1};
}

static void put(struct pf_item one)
{
    assert_int_equal(pf_ngwrite_frame(w, &one, &err), PF_OK);
}

static void write_fails(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        skip();
    }
    struct pf_ngwrite *to_full;
    assert_int_equal(pf_ngwrite_new(full, &to_full), PF_OK);
    assert_int_equal(pf_ngwrite_end(to_full, &err), PF_ERR_IO);
    assert_string_equal(err.text, strerror(ENOSPC));
    assert_int_equal(pf_ngwrite_end(to_full, &err), PF_ERR_IO); /* and it stays so */
    pf_ngwrite_free(to_full);
    pf_ngwrite_free(NULL);
    close(full);
}

static void nothing(void **state)
{
    (void)state;
    end_and_read();
    at_the_end();
}

/* Every padding, the smallest and the largest; times that need all 64 bits. */
static void packets_as_they_were(void **state)
{
    static uint8_t bytes[PF_FRAME_MAX];
    static const uint32_t lens[] = {0, 1, 2, 3, 4, 1514, 65535, PF_FRAME_MAX};
    static const int64_t times[] = {0, 1, 1700000000123456789, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (int i = 0; i < 32; i++) {
        put(frame(bytes + i, lens[i % 8] - (lens[i % 8] == PF_FRAME_MAX ? 32 : 0), times[i / 8]));
    }
    put(frame(bytes, 4, -1));
    end_and_read();
    for (int i = 0; i < 32; i++) {
        uint32_t len = lens[i % 8] - (lens[i % 8] == PF_FRAME_MAX ? 32 : 0);
        next_is(PF_OK);
        assert_int_equal(item.caplen, len);
        assert_int_equal(item.len, len + 5);
        assert_int_equal(item.ts_ns, times[i / 8]);
        assert_int_equal(item.linktype, 1);
        assert_memory_equal(item.data, bytes + i, len);
    }
    next_is(PF_OK);
    assert_int_equal(item.ts_ns, 0); /* before 1970: cannot be said */
    at_the_end();
}

static void interfaces_are_told_apart(void **state)
{
    static const struct {
        uint32_t input, section, interface, linktype, here;
    } rows[] = {
        {0, 1, 2, 113, 0}, {0, 1, 0, 1, 1},   {0, 1, 2, 113, 0}, {0, 2, 0, 276, 2},
        {0, 2, 9, 1, 3},   {1, 0, 0, 101, 4}, {2, 0, 0, 101, 5}, {2, 0, 0, 101, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pf_item one = frame("abcd", 4, (int64_t)i);
        one.input = rows[i].input;
        one.section = rows[i].section;
        one.interface = rows[i].interface;
        one.linktype = rows[i].linktype;
        put(one);
    }
    end_and_read();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        next_is(PF_OK);
        assert_int_equal(item.linktype, rows[i].linktype);
        assert_int_equal(item.interface, rows[i].here);
        assert_int_equal(item.section, 1);
    }
    at_the_end();
}

static void secrets_come_first(void **state)
{
    (void)state;
    struct pf_span half = {(const uint8_t *)"CLIENT_RANDOM 1 2\n", 18};
    assert_int_equal(pf_ngwrite_secrets(w, half, &err), PF_OK);
    assert_int_equal(pf_ngwrite_secrets(w, half, &err), PF_OK);
    put(frame("abcd", 4, 1));
    assert_int_equal(pf_ngwrite_secrets(w, half, &err), PF_OK);
    end_and_read();
    next_is(PF_OK);
    assert_int_equal(item.kind, PF_ITEM_SECRETS);
    assert_int_equal(item.secrets.len, 36);
    assert_memory_equal(item.secrets.ptr + 18, half.ptr, 18);
    next_is(PF_OK);
    assert_int_equal(item.kind, PF_ITEM_FRAME);
    next_is(PF_OK); /* what comes late is not lost */
    assert_int_equal(item.secrets.len, 18);
    at_the_end();
}

/* No line is cut, whatever the number of lines given at once. */
static void many_secrets_in_whole_lines(void **state)
{
    enum { LINES = 30000 }; /* three blocks */
    static char text[LINES * LINE + 1];
    (void)state;
    for (int i = 0; i < LINES; i++) {
        (void)sprintf(text + i * LINE, "%098d\n", i);
        memset(text + i * LINE + LINE - 1, '\n', 1);
    }
    size_t at = 0;
    for (size_t n = 1; at < LINES; n = n * 5 + 1) {
        size_t lines = n < LINES - at ? n : LINES - at;
        struct pf_span some = {(const uint8_t *)text + at * LINE, lines * LINE};
        assert_int_equal(pf_ngwrite_secrets(w, some, &err), PF_OK);
        at += lines;
    }
    end_and_read();
    size_t got = 0;
    size_t blocks = 0;
    while (pf_source_next(source, &item) == PF_OK) {
        assert_int_equal(item.secrets.len % LINE, 0);
        assert_memory_equal(item.secrets.ptr, text + got, item.secrets.len);
        got += item.secrets.len;
        blocks++;
    }
    assert_int_equal(got, LINES * LINE);
    assert_int_equal(blocks, 3);
    at_the_end();
}

/* What is no text of lines still fits. */
static void secrets_without_lines(void **state)
{
    static uint8_t bytes[3 << 20];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(pf_ngwrite_secrets(w, (struct pf_span){bytes, sizeof bytes}, &err), PF_OK);
    end_and_read();
    size_t got = 0;
    while (pf_source_next(source, &item) == PF_OK) {
        got += item.secrets.len;
    }
    assert_int_equal(got, sizeof bytes);
    at_the_end();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(write_fails),           T(nothing),
        T(packets_as_they_were),  T(interfaces_are_told_apart),
        T(secrets_come_first),    T(many_secrets_in_whole_lines),
        T(secrets_without_lines),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
