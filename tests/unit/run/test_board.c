// SPDX-License-Identifier: Apache-2.0
/* Who is woken by what is published, and who is left asleep. */
#include "run/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORKERS = 4 };

static struct pf_board board;
static struct pf_gate gates[WORKERS];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(pf_board_init(&board, WORKERS), PF_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(pf_gate_init(&gates[i]), PF_OK);
        board.lines[i].gate = &gates[i];
        pf_board_publish(&board, i, 10, PF_POSITION_END);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        pf_gate_fini(&gates[i]);
    }
    pf_board_fini(&board);
    return 0;
}

/* As a worker does before it sleeps. */
static void wait_for(unsigned worker, uint64_t target, uint64_t first_packet)
{
    pf_board_wait(&board, worker, target, first_packet);
    pf_gate_prepare(&gates[worker]);
    assert_false(pf_board_is_settled(&board, target, first_packet));
}

static bool is_woken(unsigned worker)
{
    return !gates[worker].sleeping;
}

static void the_last_position_wakes(void **state)
{
    (void)state;
    pf_board_publish(&board, 0, 50, PF_POSITION_END);
    wait_for(0, 50, 1);
    pf_board_publish(&board, 1, 50, PF_POSITION_END);
    pf_board_publish(&board, 2, 60, PF_POSITION_END);
    pf_board_publish(&board, 3, 49, PF_POSITION_END);
    assert_false(is_woken(0));
    pf_board_publish(&board, 1, 70, PF_POSITION_END);
    assert_false(is_woken(0));
    pf_board_publish(&board, 3, 50, PF_POSITION_END);
    assert_true(is_woken(0));
}

static void the_last_earlier_flow_wakes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        pf_board_publish(&board, i, 90, i == 2 ? 5 : PF_POSITION_END);
    }
    wait_for(0, 50, 20);
    pf_board_publish(&board, 1, 95, PF_POSITION_END);
    pf_board_publish(&board, 2, 95, 19);
    assert_false(is_woken(0));
    pf_board_publish(&board, 2, 95, 20);
    assert_true(is_woken(0));
}

/* Parked flows come and go: an obstacle that is new counts as well. */
static void an_obstacle_that_came_meanwhile_counts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        pf_board_publish(&board, i, i == 3 ? 10 : 90, PF_POSITION_END);
    }
    wait_for(0, 50, 20);
    pf_board_publish(&board, 1, 91, 7);
    pf_board_publish(&board, 3, 90, PF_POSITION_END);
    assert_false(is_woken(0));
    pf_board_publish(&board, 1, 92, PF_POSITION_END);
    assert_true(is_woken(0));
}

static void each_is_woken_for_what_it_waits_for(void **state)
{
    (void)state;
    pf_board_publish(&board, 3, 90, PF_POSITION_END);
    pf_board_publish(&board, 0, 90, PF_POSITION_END);
    pf_board_publish(&board, 1, 90, PF_POSITION_END);
    wait_for(0, 30, 1);
    wait_for(1, 60, 1);
    pf_board_publish(&board, 2, 40, PF_POSITION_END);
    assert_true(is_woken(0));
    assert_false(is_woken(1));
    pf_board_publish(&board, 2, 60, PF_POSITION_END);
    assert_true(is_woken(1));
}

static void the_end_wakes_everybody(void **state)
{
    (void)state;
    pf_board_publish(&board, 0, 90, 3);
    pf_board_publish(&board, 1, 90, 4);
    pf_board_publish(&board, 2, 90, PF_POSITION_END);
    wait_for(0, 80, 3);
    pf_board_publish(&board, 3, PF_POSITION_END, PF_POSITION_END);
    assert_true(is_woken(0));
}

static void who_does_not_wait_is_left_alone(void **state)
{
    (void)state;
    wait_for(0, 50, 1);
    pf_board_wait_over(&board, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        pf_board_publish(&board, i, 90, PF_POSITION_END);
    }
    assert_false(is_woken(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_position_wakes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_earlier_flow_wakes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_obstacle_that_came_meanwhile_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(each_is_woken_for_what_it_waits_for, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_wakes_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_wait_is_left_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
