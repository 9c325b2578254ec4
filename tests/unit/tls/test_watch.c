// SPDX-License-Identifier: Apache-2.0
#include "tls/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct pf_watch watch;
static struct pf_budget budget;

static int setup(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 1 << 20};
    pf_watch_init(&watch, &budget);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pf_watch_fini(&watch);
    return budget.used == 0 ? 0 : -1;
}

static void note(const void *ptr, size_t len)
{
    pf_watch_note(&watch, (struct pf_watch_event){.packet = watch.count + 1},
                  (struct pf_span){ptr, len});
}

static void floods_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < PF_WATCH_EVENTS + 1000; i++) {
        note("message", 7);
    }
    assert_int_equal(watch.count, PF_WATCH_EVENTS);
    assert_int_equal(watch.missed, 1000);
    assert_int_equal(watch.bytes.len, PF_WATCH_EVENTS * 7);
}

/* What finds no room is noted without its bytes, and what comes behind it may find some. */
static void long_messages_are_not_cut(void **state)
{
    (void)state;
    static uint8_t big[PF_WATCH_BYTES];
    note(big, PF_WATCH_BYTES - 10);
    note(big, 11);
    note("ten bytes!", 10);
    note("x", 1);
    assert_int_equal(watch.count, 4);
    assert_int_equal(watch.missed, 0);
    const uint32_t kept[] = {PF_WATCH_BYTES - 10, 0, 10, 0};
    const uint32_t len[] = {PF_WATCH_BYTES - 10, 11, 10, 1};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(watch.events[i].kept, kept[i]);
        assert_int_equal(watch.events[i].len, len[i]);
        assert_int_equal(watch.events[i].packet, i + 1);
    }
    struct pf_span last = pf_watch_bytes(&watch, &watch.events[2]);
    assert_int_equal(last.len, 10);
    assert_memory_equal(last.ptr, "ten bytes!", 10);
}

static void a_spent_budget_loses_bytes_only(void **state)
{
    (void)state;
    budget.limit = 600;
    note("first", 5);
    static uint8_t big[2000];
    note(big, sizeof big);
    assert_int_equal(watch.events[1].kept, 0);
    assert_int_equal(watch.events[1].len, sizeof big);
    assert_memory_equal(pf_watch_bytes(&watch, &watch.events[0]).ptr, "first", 5);
}

/* A record that is sealed, a gap: only their lengths are known. */
static void lengths_without_bytes(void **state)
{
    (void)state;
    note(NULL, 1000);
    assert_int_equal(watch.events[0].kept, 0);
    assert_int_equal(watch.events[0].len, 1000);
    assert_int_equal(watch.bytes.len, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(floods_are_counted),
        T(long_messages_are_not_cut),
        T(a_spent_budget_loses_bytes_only),
        T(lengths_without_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
