// SPDX-License-Identifier: Apache-2.0
#include "tls/session.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PLENTY = 16 << 20 };

static struct pf_span span(const char *text)
{
    return (struct pf_span){.ptr = (const uint8_t *)text, .len = strlen(text)};
}

static struct pf_session session(uint8_t master, uint64_t packet)
{
    struct pf_session s = {.packet = packet, .version = 0x0303, .suite = 0x2f, .opened_by = 2};
    memset(&s.master, master, sizeof s.master);
    s.key_spki[0] = master;
    return s;
}

static struct pf_sessions *new_sessions(size_t max_bytes)
{
    struct pf_sessions *s;
    assert_int_equal(pf_sessions_new(max_bytes, &s), PF_OK);
    return s;
}

static void put(struct pf_sessions *s, const char *id, uint8_t master, uint64_t packet)
{
    struct pf_session one = session(master, packet);
    assert_int_equal(pf_sessions_put(s, PF_SESSION_ID, span(id), &one, NULL), PF_OK);
}

/* The nth candidate's master, or -1. */
static int get(struct pf_sessions *s, const char *id, uint64_t packet, unsigned nth)
{
    struct pf_session out;
    return pf_sessions_get(s, PF_SESSION_ID, span(id), packet, nth, &out) ? out.master.bytes[0]
                                                                          : -1;
}

static void test_misses(void **state)
{
    struct pf_sessions *s = new_sessions(PLENTY);
    struct pf_session one = session(1, 5);
    struct pf_session out;
    (void)state;
    assert_int_equal(get(s, "id", 100, 0), -1);
    put(s, "id", 1, 5);
    assert_int_equal(get(s, "id", 4, 0), -1); /* not known yet */
    assert_int_equal(get(s, "id", 5, 1), -1);
    assert_int_equal(get(s, "id", 5, UINT32_MAX), -1);
    assert_int_equal(get(s, "i", 5, 0), -1);
    assert_false(pf_sessions_get(s, PF_SESSION_TICKET, span("id"), 5, 0, &out));
    /* The empty id is the server's way to say "not resumable". */
    assert_int_equal(pf_sessions_put(s, PF_SESSION_ID, span(""), &one, NULL), PF_OK);
    assert_int_equal(get(s, "", 100, 0), -1);
    pf_sessions_free(s);
    pf_sessions_free(NULL);
}

/* The fill of the master secret, from which packet on it is known; whether others find more now. */
static bool put_is_new(struct pf_sessions *s, uint8_t master, uint64_t packet)
{
    struct pf_session one = session(master, packet);
    bool is_new = false;
    assert_int_equal(pf_sessions_put(s, PF_SESSION_ID, span("id"), &one, &is_new), PF_OK);
    return is_new;
}

static void test_what_is_new(void **state)
{
    struct pf_sessions *s = new_sessions(PLENTY);
    (void)state;
    assert_true(put_is_new(s, 1, 50));
    assert_false(put_is_new(s, 1, 50)); /* a resumption says it again */
    assert_false(put_is_new(s, 1, 60));
    assert_true(put_is_new(s, 1, 40)); /* known earlier than was said */
    assert_true(put_is_new(s, 2, 51));
    assert_true(put_is_new(s, 3, 52));
    assert_true(put_is_new(s, 4, 53));
    assert_false(put_is_new(s, 5, 54)); /* four are kept, the earliest */
    assert_true(put_is_new(s, 6, 49));
    struct pf_session one = session(1, 1);
    bool is_new = true;
    assert_int_equal(pf_sessions_put(s, PF_SESSION_ID, span(""), &one, &is_new), PF_OK);
    assert_false(is_new);
    pf_sessions_free(s);
}

static void test_found_as_it_was(void **state)
{
    struct pf_sessions *s = new_sessions(PLENTY);
    struct pf_session one = session(7, 9);
    struct pf_session out;
    static uint8_t ticket[2000];
    struct pf_span t = {.ptr = ticket, .len = sizeof ticket};
    (void)state;
    one.extended_master = true;
    assert_int_equal(pf_sessions_put(s, PF_SESSION_TICKET, t, &one, NULL), PF_OK);
    assert_true(pf_sessions_get(s, PF_SESSION_TICKET, t, 9, 0, &out));
    assert_memory_equal(out.master.bytes, one.master.bytes, sizeof one.master.bytes);
    assert_int_equal(out.packet, 9);
    assert_int_equal(out.suite, 0x2f);
    assert_int_equal(out.opened_by, 2);
    assert_int_equal(out.key_spki[0], 7);
    assert_true(out.extended_master);
    assert_false(pf_sessions_get(s, PF_SESSION_ID, t, 9, 0, &out));
    pf_sessions_free(s);
}

static void test_candidates_by_packet(void **state)
{
    struct pf_sessions *s = new_sessions(PLENTY);
    (void)state;
    put(s, "id", 2, 20);
    put(s, "id", 1, 10);
    put(s, "id", 3, 30);
    put(s, "id", 2, 25); /* the same session again: known since 20 */
    assert_int_equal(get(s, "id", 40, 0), 3);
    assert_int_equal(get(s, "id", 40, 1), 2);
    assert_int_equal(get(s, "id", 40, 2), 1);
    assert_int_equal(get(s, "id", 40, 3), -1);
    assert_int_equal(get(s, "id", 29, 0), 2);
    assert_int_equal(get(s, "id", 20, 0), 2);
    assert_int_equal(get(s, "id", 19, 0), 1);
    put(s, "id", 3, 5); /* known earlier than was thought */
    assert_int_equal(get(s, "id", 9, 0), 3);
    pf_sessions_free(s);
}

/* Six sessions of one id, two of them from one packet, in every order: the same four remain. */
static void test_order_of_puts_does_not_matter(void **state)
{
    static const uint8_t masters[] = {1, 2, 3, 4, 5, 6};
    static const uint64_t packets[] = {60, 30, 30, 20, 10, 50};
    static const int want[] = {3, 2, 4, 5, -1};
    unsigned order[6];
    (void)state;
    for (unsigned p = 0; p < 720; p++) {
        unsigned rest = p;
        unsigned pool[6] = {0, 1, 2, 3, 4, 5};
        struct pf_sessions *s = new_sessions(PLENTY);
        for (unsigned i = 0; i < 6; i++) {
            unsigned pick = rest % (6 - i);
            rest /= 6 - i;
            order[i] = pool[pick];
            memmove(&pool[pick], &pool[pick + 1], (5 - i - pick) * sizeof pool[0]);
            put(s, "id", masters[order[i]], packets[order[i]]);
        }
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(get(s, "id", 100, i), want[i]);
        }
        assert_int_equal(get(s, "id", 30, 0), 3);
        assert_int_equal(pf_sessions_evicted(s), 2);
        pf_sessions_free(s);
    }
}

static void test_ceiling(void **state)
{
    enum { COUNT = 20000 };
    struct pf_sessions *s = new_sessions(1 << 20);
    char id[32];
    unsigned found = 0;
    (void)state;
    put(s, "used all the time", 9, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%u", i);
        put(s, id, 1, i);
        assert_int_equal(get(s, "used all the time", COUNT, 0), 9);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%u", i);
        found += get(s, id, COUNT, 0) == 1;
    }
    assert_true(found > 2000 && found < 8000);
    assert_int_equal(pf_sessions_evicted(s), COUNT - found);
    snprintf(id, sizeof id, "%u", COUNT - 1);
    assert_int_equal(get(s, id, COUNT, 0), 1);
    pf_sessions_free(s);
}

static void test_no_room_at_all(void **state)
{
    struct pf_sessions *s = new_sessions(100);
    (void)state;
    put(s, "id", 1, 1);
    assert_int_equal(get(s, "id", 1, 0), -1);
    assert_int_equal(pf_sessions_evicted(s), 1);
    pf_sessions_free(s);
}

enum { THREADS = 4, PER_THREAD = 3000 };

struct job {
    struct pf_sessions *s;
    unsigned number;
    unsigned wrong;
};

/* Puts its own, and looks for everybody's: what is found must be whole. */
static void *work(void *arg)
{
    struct job *job = arg;
    struct pf_session out;
    char id[32];
    for (unsigned i = 0; i < PER_THREAD; i++) {
        uint8_t mark = (uint8_t)(i % 251);
        struct pf_session one = session(mark, i);
        snprintf(id, sizeof id, "shared %u", i);
        struct pf_span s = span(id);
        job->wrong += pf_sessions_put(job->s, PF_SESSION_ID, s, &one, NULL) != PF_OK;
        snprintf(id, sizeof id, "shared %u", (i * 7 + job->number) % PER_THREAD);
        s = span(id);
        if (pf_sessions_get(job->s, PF_SESSION_ID, s, UINT64_MAX, 0, &out)) {
            job->wrong += out.master.bytes[0] != out.packet % 251;
            job->wrong += out.master.bytes[47] != out.master.bytes[0];
        }
        (void)pf_sessions_evicted(job->s);
    }
    return NULL;
}

static void run_threads(size_t max_bytes)
{
    struct pf_sessions *s = new_sessions(max_bytes);
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.s = s, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(jobs[i].wrong, 0);
    }
    pf_sessions_free(s);
}

static void test_threads(void **state)
{
    (void)state;
    run_threads(PLENTY);
    run_threads(200 << 10); /* evicting all the while */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misses),
        cmocka_unit_test(test_what_is_new),
        cmocka_unit_test(test_found_as_it_was),
        cmocka_unit_test(test_candidates_by_packet),
        cmocka_unit_test(test_order_of_puts_does_not_matter),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_no_room_at_all),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
