// SPDX-License-Identifier: Apache-2.0
/* What different threads write lies on different cache lines, by the layout of the structs; what a
 * run then does is counted by tests/sharing/lines. */
#include "base/ring.h"
#include "run/board.h"
#include "run/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PAIR = 128 }; /* processors fetch lines of 64 bytes in pairs */

static void each_workers_line_of_the_board_is_its_own(void **state)
{
    (void)state;
    struct pf_board board;
    assert_int_equal(sizeof(struct pf_board_line) % PAIR, 0);
    assert_int_equal(pf_board_init(&board, 5), PF_OK);
    for (unsigned i = 0; i < board.workers; i++) {
        assert_int_equal((uintptr_t)&board.lines[i] % PAIR, 0);
    }
    /* and nothing that a worker writes for every batch is in struct pf_board itself */
    assert_true((uintptr_t)&board.packets / PAIR != (uintptr_t)&board.lines[0] / PAIR);
    pf_board_fini(&board);
}

/* Wherever a ring begins: struct pf_lane comes from calloc. */
static void the_ends_of_a_ring_are_a_pair_of_lines_apart(void **state)
{
    (void)state;
    size_t head = offsetof(struct pf_ring, head);
    size_t tail = offsetof(struct pf_ring, tail);
    assert_true(head >= offsetof(struct pf_ring, mask) + sizeof(size_t) + PAIR - 8);
    assert_true(tail >= head + PAIR);
    assert_true(sizeof(struct pf_ring) >= tail + PAIR);
    /* what the producer reads each time (slots, mask) is on no line that a consumer writes */
    assert_true(tail - offsetof(struct pf_ring, mask) >= PAIR);
}

static void the_rings_of_a_lane_are_apart(void **state)
{
    (void)state;
    size_t full_tail = offsetof(struct pf_lane, full) + offsetof(struct pf_ring, tail);
    size_t empty_head = offsetof(struct pf_lane, empty) + offsetof(struct pf_ring, head);
    size_t empty_tail = offsetof(struct pf_lane, empty) + offsetof(struct pf_ring, tail);
    assert_true(empty_head - full_tail >= PAIR);
    assert_true(offsetof(struct pf_lane, reader) - empty_tail >= PAIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_workers_line_of_the_board_is_its_own),
        cmocka_unit_test(the_ends_of_a_ring_are_a_pair_of_lines_apart),
        cmocka_unit_test(the_rings_of_a_lane_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
