// SPDX-License-Identifier: Apache-2.0
#include "run/abreast.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 3 * PF_ABREAST_MAX };

struct calls {
    unsigned times[MANY];
    pthread_barrier_t meet;
};

static void count(void *ctx, unsigned k)
{
    ((struct calls *)ctx)->times[k]++;
}

static void every_piece_is_done_once(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= MANY; n++) {
        struct calls calls = {.times = {0}};
        pf_abreast(count, &calls, n);
        for (unsigned k = 0; k < MANY; k++) {
            assert_int_equal(calls.times[k], k < n ? 1 : 0);
        }
    }
}

static void wait_for_the_others(void *ctx, unsigned k)
{
    struct calls *calls = ctx;
    (void)pthread_barrier_wait(&calls->meet);
    calls->times[k]++;
}

/* One after the other, they would wait for ever. */
static void pieces_run_at_the_same_time(void **state)
{
    (void)state;
    struct calls calls = {.times = {0}};
    assert_int_equal(pthread_barrier_init(&calls.meet, NULL, PF_ABREAST_MAX), 0);
    pf_abreast(wait_for_the_others, &calls, PF_ABREAST_MAX);
    for (unsigned k = 0; k < PF_ABREAST_MAX; k++) {
        assert_int_equal(calls.times[k], 1);
    }
    assert_int_equal(pthread_barrier_destroy(&calls.meet), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once),
        cmocka_unit_test(pieces_run_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
