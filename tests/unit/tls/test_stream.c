// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/stream.h"
#include "tls/wire.h"

#include <stdlib.h>
#include <string.h>

static struct pf_budget budget;
static struct pf_stream stream;

static int begin(void **state)
{
    (void)state;
    budget = (struct pf_budget){.limit = 1 << 20};
    pf_stream_init(&stream, 64 * 1024, &budget);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pf_stream_fini(&stream);
    return budget.used == 0 ? 0 : -1;
}

static void append(const void *data, size_t len, uint64_t packet)
{
    assert_int_equal(
        pf_stream_append(&stream, (struct pf_span){data, len}, packet, (int64_t)packet * 10),
        PF_OK);
}

static uint64_t packet_at(uint64_t pos)
{
    uint64_t packet;
    int64_t ts_ns;
    pf_stream_packet(&stream, pos, &packet, &ts_ns);
    assert_int_equal(ts_ns, (int64_t)packet * 10);
    return packet;
}

static const uint8_t record[9] = {23, 3, 3, 0, 4, 'a', 'b', 'c', 'd'};

static void beyond_the_cap(void **state)
{
    (void)state;
    static uint8_t bytes[64 * 1024];
    append(bytes, sizeof bytes, 1);
    assert_int_equal(pf_stream_append(&stream, (struct pf_span){bytes, 1}, 2, 0), PF_ERR_LIMIT);
    assert_int_equal(pf_stream_end(&stream), sizeof bytes);
    pf_stream_consume(&stream, 40000); /* what was let go makes room */
    append(bytes, 40000, 3);
    assert_int_equal(pf_stream_end(&stream), sizeof bytes + 40000);
    assert_int_equal(packet_at(sizeof bytes), 3);
}

static void beyond_the_budget(void **state)
{
    (void)state;
    static uint8_t bytes[4096];
    budget.limit = 2048;
    assert_int_equal(pf_stream_append(&stream, (struct pf_span){bytes, sizeof bytes}, 1, 0),
                     PF_ERR_LIMIT);
    append(bytes, 10, 1);
}

static void headers_that_are_none(void **state)
{
    (void)state;
    static const uint8_t bad[][5] = {
        {19, 3, 3, 0, 1}, {25, 3, 3, 0, 1},    {23, 2, 3, 0, 1}, {23, 3, 5, 0, 1},
        {23, 4, 0, 0, 1}, {23, 3, 3, 0x48, 1}, {0, 0, 0, 0, 0},  {'G', 'E', 'T', ' ', '/'}};
    struct pf_frame f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        append(bad[i], 5, 1);
        assert_int_equal(pf_stream_frame(&stream, pf_stream_at(&stream), &f), PF_FRAME_BAD);
        pf_stream_consume(&stream, pf_stream_end(&stream));
    }
    static const uint8_t largest[5] = {23, 3, 3, 0x48, 0};
    append(largest, 5, 1);
    assert_int_equal(pf_stream_frame(&stream, pf_stream_at(&stream), &f), PF_FRAME_MORE);
    assert_int_equal(f.body_len, PF_RECORD_MAX);
}

static void a_record_byte_by_byte(void **state)
{
    (void)state;
    struct pf_frame f;
    for (size_t i = 0; i < sizeof record; i++) {
        assert_int_equal(pf_stream_frame(&stream, 0, &f), PF_FRAME_MORE);
        append(record + i, 1, i + 1);
    }
    assert_int_equal(pf_stream_frame(&stream, 0, &f), PF_FRAME_WHOLE);
    struct pf_span body = pf_stream_body(&stream, &f);
    assert_int_equal(body.len, 4);
    assert_memory_equal(body.ptr, "abcd", 4);
    for (size_t i = 0; i < sizeof record; i++) {
        assert_int_equal(packet_at(i), i + 1);
    }
}

/* A gap at every place of a record, seen from its header. */
static void a_gap_anywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof record; at++) {
        uint64_t pos = pf_stream_end(&stream);
        struct pf_frame f;
        append(record, at, 1);
        assert_int_equal(pf_stream_gap(&stream, 100, 2), PF_OK);
        assert_int_equal(pf_stream_gap(&stream, 10, 3), PF_OK); /* one gap with the one before */
        assert_int_equal(pf_stream_frame(&stream, pos, &f), at < 5 ? PF_FRAME_GAP : PF_FRAME_CUT);
        append(record + at, sizeof record - at, 4);
        assert_int_equal(pf_stream_frame(&stream, pos, &f), at < 5 ? PF_FRAME_GAP : PF_FRAME_CUT);
        const struct pf_stream_gap *gap = pf_stream_next_gap(&stream, pos);
        assert_non_null(gap);
        assert_int_equal(gap->pos, pos + at);
        assert_int_equal(gap->lost, 110);
        assert_int_equal(gap->packet_after, 3);
        pf_stream_consume(&stream, pf_stream_end(&stream));
        assert_null(pf_stream_next_gap(&stream, pos));
    }
}

/* Against a flat model: random appends, looks and consumes, over several times the cap. */
static void as_a_flat_model_says(void **state)
{
    (void)state;
    enum { TOTAL = 400000 };
    uint8_t *model = malloc(TOTAL);
    assert_non_null(model);
    for (size_t i = 0; i < TOTAL; i++) {
        model[i] = (uint8_t)(i * 31 + i / 253);
    }
    uint32_t x = 12345;
    uint64_t packet = 0;
    for (size_t fed = 0; fed < TOTAL;) {
        x = x * 1664525 + 1013904223;
        size_t n = 1 + (x >> 8) % 3000;
        n = n < TOTAL - fed ? n : TOTAL - fed;
        append(model + fed, n, ++packet);
        fed += n;
        assert_int_equal(pf_stream_end(&stream), fed);
        assert_int_equal(packet_at(fed - 1), packet);
        size_t held = (size_t)(pf_stream_end(&stream) - pf_stream_at(&stream));
        size_t gone = held > 50000 ? held : (x >> 20) % (held + 1);
        pf_stream_consume(&stream, pf_stream_at(&stream) + gone);
        struct pf_frame f = {.pos = pf_stream_at(&stream)};
        held -= gone;
        if (held >= PF_RECORD_HEADER_LEN) {
            f.body_len = (uint32_t)(held - PF_RECORD_HEADER_LEN);
            struct pf_span body = pf_stream_body(&stream, &f);
            assert_memory_equal(body.ptr, model + f.pos + PF_RECORD_HEADER_LEN, body.len);
        }
    }
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(beyond_the_cap, begin, end),
        cmocka_unit_test_setup_teardown(beyond_the_budget, begin, end),
        cmocka_unit_test_setup_teardown(headers_that_are_none, begin, end),
        cmocka_unit_test_setup_teardown(a_record_byte_by_byte, begin, end),
        cmocka_unit_test_setup_teardown(a_gap_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(as_a_flat_model_says, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
