// SPDX-License-Identifier: Apache-2.0
#include "store/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CAP = 4096, LEN = 200000 };

static char dir[] = "/tmp/pf-test-XXXXXX";
static struct pf_place place;
static struct pf_error err;
static uint8_t expected[LEN];
static uint8_t found[LEN + 1];

static void check_file(const char *name, size_t len)
{
    int fd = openat(place.fd, name, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof found), len);
    assert_memory_equal(found, expected, len);
    close(fd);
    assert_int_equal(unlinkat(place.fd, name, 0), 0);
}

/* Copied in, or written into room that was asked for, larger than what it was used for. */
static void room_and_copies_mixed(void **state)
{
    (void)state;
    struct pf_file f;
    uint32_t seed = 7;
    size_t len = 0;
    assert_int_equal(pf_file_open(&f, &place, "mixed", CAP, false, &err), PF_OK);
    while (len < LEN - CAP) {
        seed = seed * 1664525 + 1013904223;
        size_t n = (seed >> 8) % (CAP + 1);
        uint8_t *room;
        if (seed >> 31 == 0) {
            assert_int_equal(pf_file_room(&f, CAP, &room, &err), PF_OK);
            memcpy(room, expected + len, n);
            assert_int_equal(pf_file_append(&f, room, n, &err), PF_OK);
        } else {
            assert_int_equal(pf_file_append(&f, expected + len, n, &err), PF_OK);
        }
        len += n;
        assert_int_equal(f.size, len);
    }
    assert_int_equal(pf_file_commit(&f, &err), PF_OK);
    check_file("mixed", len);
}

static void no_more_room_than_the_buffer(void **state)
{
    (void)state;
    struct pf_file f;
    uint8_t *room;
    assert_int_equal(pf_file_open(&f, &place, "room", CAP, false, &err), PF_OK);
    assert_int_equal(pf_file_room(&f, CAP + 1, &room, &err), PF_ERR_INTERNAL);
    assert_int_equal(pf_file_append(&f, expected, 10, &err), PF_OK);
    assert_int_equal(pf_file_room(&f, CAP, &room, &err), PF_OK);
    assert_int_equal(pf_file_commit(&f, &err), PF_OK); /* what was not appended is not there */
    check_file("room", 10);
}

/* Long enough that its beginning is on the disk, and out of the page cache, before its end comes.
 */
static void a_long_file(void **state)
{
    (void)state;
    enum { PIECES = 400 }; /* 80 MB */
    struct pf_file f;
    err.status = PF_OK;
    assert_int_equal(pf_file_open(&f, &place, "long", 256 * CAP, false, &err), PF_OK);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(pf_file_append(&f, expected, LEN, &err), PF_OK);
    }
    assert_true(f.dropped > 0);
    assert_int_equal(pf_file_commit(&f, &err), PF_OK);
    int fd = openat(place.fd, "long", O_RDONLY);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(read(fd, found, LEN), LEN);
        assert_memory_equal(found, expected, LEN);
    }
    assert_int_equal(read(fd, found, 1), 0);
    close(fd);
    assert_int_equal(unlinkat(place.fd, "long", 0), 0);
}

static void errors_stay(void **state)
{
    (void)state;
    struct pf_file f;
    uint8_t *room;
    err.status = PF_OK;
    assert_int_equal(pf_file_open(&f, &place, "full", CAP, false, &err), PF_OK);
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0 && dup2(full, f.fd) >= 0);
    close(full);
    assert_int_equal(pf_file_append(&f, expected, 100, &err), PF_OK); /* buffered */
    assert_int_equal(pf_file_room(&f, CAP, &room, &err), PF_ERR_IO);
    assert_non_null(strstr(err.text, "full: No space left on device"));
    assert_int_equal(pf_file_room(&f, 1, &room, &err), PF_ERR_IO);
    assert_int_equal(pf_file_append(&f, expected, 1, &err), PF_ERR_IO);
    pf_file_discard(&f);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN; i++) {
        expected[i] = (uint8_t)(i * 31 + i / 251);
    }
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    place = (struct pf_place){.fd = open(dir, O_RDONLY | O_DIRECTORY), .path = dir};
    return place.fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    close(place.fd);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_and_copies_mixed),
        cmocka_unit_test(no_more_room_than_the_buffer),
        cmocka_unit_test(a_long_file),
        cmocka_unit_test(errors_stay),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
