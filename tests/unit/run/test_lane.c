// SPDX-License-Identifier: Apache-2.0
/* Gates, lanes and the board: what threads hand each other. Made for ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/board.h"
#include "run/lane.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { ROUNDS = 20000, BATCHES = 3000, WORKERS = 3 };

/* ---- the gate ---- */

struct table_tennis {
    struct pf_gate gate[2];
    _Atomic unsigned ball; /* how often it was struck */
};

static void *player(struct table_tennis *g, unsigned me)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned mine = 2 * i + me;
        while (atomic_load_explicit(&g->ball, memory_order_relaxed) != mine) {
            pf_gate_prepare(&g->gate[me]);
            if (atomic_load_explicit(&g->ball, memory_order_relaxed) == mine) {
                pf_gate_cancel(&g->gate[me]);
                break;
            }
            pf_gate_sleep(&g->gate[me], -1);
        }
        atomic_store_explicit(&g->ball, mine + 1, memory_order_relaxed);
        pf_gate_open(&g->gate[1 - me]);
    }
    return NULL;
}

static void *other_player(void *arg)
{
    return player(arg, 1);
}

/* A lost wake-up would hang it. */
static void no_wake_up_is_lost(void **state)
{
    (void)state;
    static struct table_tennis g;
    pthread_t thread;
    assert_int_equal(pf_gate_init(&g.gate[0]), PF_OK);
    assert_int_equal(pf_gate_init(&g.gate[1]), PF_OK);
    assert_int_equal(pthread_create(&thread, NULL, other_player, &g), 0);
    player(&g, 0);
    pthread_join(thread, NULL);
    assert_int_equal(g.ball, 2 * ROUNDS);
    pf_gate_fini(&g.gate[0]);
    pf_gate_fini(&g.gate[1]);
}

static void a_sleep_ends_by_itself(void **state)
{
    (void)state;
    struct pf_gate g;
    assert_int_equal(pf_gate_init(&g), PF_OK);
    pf_gate_prepare(&g);
    pf_gate_sleep(&g, 0);
    pf_gate_prepare(&g);
    pf_gate_sleep(&g, 1);
    pf_gate_prepare(&g);
    pf_gate_open(&g); /* between the two: the sleep returns at once */
    pf_gate_sleep(&g, -1);
    pf_gate_fini(&g);
}

/* ---- the lane ---- */

static void *reader(void *arg)
{
    struct pf_lane *l = arg;
    uint8_t byte;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct pf_batch *b = pf_lane_take(l);
        byte = (uint8_t)i;
        const struct pf_pkt pkt = {.number = i, .data = &byte, .len = 1};
        b->upto = pf_batch_add(b, &pkt, NULL) ? i : UINT64_MAX;
        b->last = i + 1 == BATCHES;
        pf_lane_send(l, b);
    }
    return NULL;
}

static void batches_come_in_order(void **state)
{
    (void)state;
    struct pf_lane *l;
    pthread_t thread;
    assert_int_equal(pf_lane_new(&l), PF_OK);
    assert_null(pf_lane_poll(l));
    assert_int_equal(pthread_create(&thread, NULL, reader, l), 0);
    bool last = false;
    for (unsigned i = 0; !last; i++) {
        struct pf_batch *b = pf_lane_receive(l);
        assert_non_null(b);
        assert_int_equal(b->upto, i);
        assert_int_equal(b->count, 1);
        assert_int_equal(b->packets[0].number, i);
        assert_int_equal(b->packets[0].data[0], (uint8_t)i);
        last = b->last;
        assert_int_equal(last, i + 1 == BATCHES);
        pf_lane_return(l, b);
    }
    pthread_join(thread, NULL);
    pf_lane_free(l);
    pf_lane_free(NULL);
}

static void *late_reader(void *arg)
{
    struct pf_lane *l = arg;
    struct pf_batch *b = pf_lane_take(l);
    while (!atomic_load(&l->worker.sleeping)) {
        sched_yield();
    }
    pf_gate_open(&l->worker); /* as for a batch that was taken before */
    while (!atomic_load(&l->worker.sleeping)) {
        sched_yield();
    }
    pf_lane_send(l, b);
    return NULL;
}

static void a_late_opening_is_no_batch(void **state)
{
    (void)state;
    struct pf_lane *l;
    pthread_t thread;
    assert_int_equal(pf_lane_new(&l), PF_OK);
    assert_int_equal(pthread_create(&thread, NULL, late_reader, l), 0);
    struct pf_batch *b = pf_lane_receive(l);
    assert_non_null(b);
    pf_lane_return(l, b);
    pthread_join(thread, NULL);
    pf_lane_free(l);
}

static void a_batch_is_full_or_not(void **state)
{
    (void)state;
    struct pf_batch *b;
    static uint8_t payload[PF_BATCH_BYTES];
    assert_int_equal(pf_batch_new(&b), PF_OK);
    struct pf_pkt pkt = {.data = payload, .len = sizeof payload};
    assert_true(pf_batch_add(b, &pkt, NULL)); /* as large as can be */
    pkt.len = 1;
    assert_false(pf_batch_add(b, &pkt, NULL));
    assert_int_equal(b->count, 1);
    pkt.len = 0;
    for (unsigned i = 1; i < PF_BATCH_PACKETS; i++) {
        assert_true(pf_batch_add(b, &pkt, NULL));
    }
    assert_false(pf_batch_add(b, &pkt, NULL));
    pf_batch_clear(b);
    assert_int_equal(b->count + b->used, 0);
    pkt.len = 3;
    assert_true(pf_batch_add(b, &pkt, NULL));
    assert_ptr_not_equal(b->packets[0].data, payload); /* a copy */
    pf_batch_free(b);
    pf_batch_free(NULL);
}

/* What lies in the slab is referred to, once held however many packets; what does not is copied. */
static void a_batch_holds_its_slabs(void **state)
{
    (void)state;
    struct pf_batch *b;
    struct pf_slab *slab;
    uint8_t outside[3] = {1, 2, 3};
    assert_int_equal(pf_batch_new(&b), PF_OK);
    assert_int_equal(pf_slab_new(4096, &slab), PF_OK);
    struct pf_pkt pkt = {.data = slab->mem + 4000, .len = 96};
    assert_true(pf_batch_add(b, &pkt, slab));
    assert_true(pf_batch_add(b, &pkt, slab));
    assert_ptr_equal(b->packets[1].data, pkt.data);
    assert_int_equal(b->used, 0);
    assert_int_equal(b->slabs_count, 1);
    assert_false(pf_slab_is_free(slab));
    pkt = (struct pf_pkt){.data = outside, .len = sizeof outside};
    assert_true(pf_batch_add(b, &pkt, slab));
    assert_ptr_not_equal(b->packets[2].data, outside);
    assert_memory_equal(b->packets[2].data, outside, sizeof outside);
    pf_batch_clear(b);
    assert_true(pf_slab_is_free(slab));
    pkt = (struct pf_pkt){.data = slab->mem, .len = 1};
    assert_true(pf_batch_add(b, &pkt, slab));
    pf_batch_free(b); /* lets go of it, too */
    assert_true(pf_slab_is_free(slab));
    pf_slab_release(slab);
}

/* ---- the board ---- */

static void settled_when_all_have_passed(void **state)
{
    (void)state;
    struct pf_board b;
    assert_int_equal(pf_board_init(&b, WORKERS), PF_OK);
    assert_false(pf_board_is_settled(&b, 1, 0));
    for (unsigned w = 0; w < WORKERS; w++) {
        assert_false(pf_board_is_settled(&b, 100, 50));
        pf_board_publish(&b, w, 100, PF_POSITION_END);
    }
    assert_true(pf_board_is_settled(&b, 100, 50));
    assert_false(pf_board_is_settled(&b, 101, 50));
    pf_board_publish(&b, 1, 200, 49); /* one that began before is parked */
    assert_false(pf_board_is_settled(&b, 100, 50));
    assert_true(pf_board_is_settled(&b, 100, 49)); /* that one itself */
    pf_board_publish(&b, 1, 200, 51);
    assert_true(pf_board_is_settled(&b, 100, 50));
    for (unsigned w = 0; w < WORKERS; w++) {
        pf_board_publish(&b, w, PF_POSITION_END, PF_POSITION_END);
    }
    assert_true(pf_board_is_settled(&b, PF_POSITION_END, PF_POSITION_END));
    pf_board_fini(&b);
}

static void who_waits_is_told_of_sessions(void **state)
{
    (void)state;
    struct pf_board b;
    struct pf_gate gate;
    assert_int_equal(pf_board_init(&b, WORKERS), PF_OK);
    assert_int_equal(pf_gate_init(&gate), PF_OK);
    for (unsigned w = 0; w < WORKERS; w++) {
        b.lines[w].gate = &gate;
    }
    assert_int_equal(pf_board_sessions(&b), 0);
    pf_board_tell_sessions(&b, 0, 3);
    pf_board_tell_sessions(&b, 1, 4);
    pf_board_tell_sessions(&b, 0, 5);
    assert_int_equal(pf_board_sessions(&b), 9);
    pf_board_wait(&b, 1, PF_POSITION_END, 1);
    pf_gate_prepare(&gate);
    pf_board_tell_sessions(&b, 0, 6);
    pf_gate_sleep(&gate, -1); /* for ever, if nobody opens */
    pf_board_wait_over(&b, 1);
    pf_gate_fini(&gate);
    pf_board_fini(&b);
}

struct publisher {
    struct pf_board *board;
    unsigned worker;
    uint64_t *known; /* what this worker brought about, before its position */
};

static void *publish_all(void *arg)
{
    const struct publisher *p = arg;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        p->known[i] = i * 3; /* a plain write: only the board orders it */
        pf_board_publish(p->board, p->worker, i, PF_POSITION_END);
    }
    return NULL;
}

/* Who sees that all have passed sees what they had done by then. */
static void what_was_done_before_is_seen(void **state)
{
    (void)state;
    static uint64_t known[WORKERS][ROUNDS + 1];
    struct pf_board b;
    struct publisher p[WORKERS];
    pthread_t threads[WORKERS];
    assert_int_equal(pf_board_init(&b, WORKERS), PF_OK);
    for (unsigned w = 0; w < WORKERS; w++) {
        p[w] = (struct publisher){&b, w, known[w]};
        assert_int_equal(pthread_create(&threads[w], NULL, publish_all, &p[w]), 0);
    }
    for (uint64_t i = 1; i <= ROUNDS; i += 97) {
        while (!pf_board_is_settled(&b, i, 1)) {
            sched_yield();
        }
        for (unsigned w = 0; w < WORKERS; w++) {
            assert_int_equal(known[w][i], i * 3);
        }
    }
    for (unsigned w = 0; w < WORKERS; w++) {
        pthread_join(threads[w], NULL);
    }
    pf_board_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(a_sleep_ends_by_itself),
        cmocka_unit_test(batches_come_in_order),
        cmocka_unit_test(a_late_opening_is_no_batch),
        cmocka_unit_test(a_batch_is_full_or_not),
        cmocka_unit_test(a_batch_holds_its_slabs),
        cmocka_unit_test(settled_when_all_have_passed),
        cmocka_unit_test(who_waits_is_told_of_sessions),
        cmocka_unit_test(what_was_done_before_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
