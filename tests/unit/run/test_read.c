// SPDX-License-Identifier: Apache-2.0
#include "support/fake_result.h"

#include "plainflow.h"

enum { FLOW = 6, FLOWS = 9 }; /* flow 6 has six chunks each way */

static struct fake_dir dir;
static struct pf_result *result;

static int setup(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    fake_dir_init(&dir);
    fake_result(dir.path, 2, FLOWS, PF_CODEC_LZ4, false);
    return pf_result_open(dir.path, &result, &err) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_result_close(result);
    fake_dir_fini(&dir);
    return 0;
}

static void check_range(enum pf_side side, uint64_t offset, size_t len)
{
    static uint8_t buf[8 * FAKE_CHUNK];
    static uint8_t expected[8 * FAKE_CHUNK];
    struct pf_error err = {.status = PF_OK};
    size_t got = 0;
    uint64_t all = 6 * FAKE_CHUNK;
    size_t want = offset >= all ? 0 : all - offset < len ? (size_t)(all - offset) : len;
    assert_int_equal(pf_result_read(result, FLOW + 1, side, offset, buf, len, &got, &err), PF_OK);
    assert_int_equal(got, want);
    fake_plain(FLOW, side, offset, expected, got);
    assert_memory_equal(buf, expected, got);
}

static void what_is_not_there(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_plain *p = NULL;
    struct pf_flow f;
    uint8_t buf[1];
    size_t got = 1;
    assert_int_equal(pf_result_flow(result, FLOWS + 1, &f, &err), PF_END);
    assert_int_equal(pf_plain_open(result, 0, PF_SIDE_BOTH, &p, &err), PF_END);
    assert_null(p);
    assert_int_equal(pf_result_read(result, FLOWS + 1, PF_SIDE_C2S, 0, buf, 1, &got, &err), PF_END);
    assert_int_equal(got, 0);
    assert_int_equal(pf_result_read(result, 1, PF_SIDE_BOTH, 0, buf, 1, &got, &err), PF_ERR_USAGE);
}

static void ranges(void **state)
{
    (void)state;
    for (uint64_t offset = 0; offset < 7 * FAKE_CHUNK; offset += 701) {
        check_range(PF_SIDE_S2C, offset, 1);
        check_range(PF_SIDE_S2C, offset, FAKE_CHUNK);
        check_range(PF_SIDE_C2S, offset, 2 * FAKE_CHUNK + 1);
    }
    check_range(PF_SIDE_C2S, 0, 8 * FAKE_CHUNK);
    check_range(PF_SIDE_S2C, 2 * FAKE_CHUNK, FAKE_CHUNK); /* right behind the gap */
    check_range(PF_SIDE_S2C, UINT64_MAX, 1);
    check_range(PF_SIDE_S2C, 0, 0);
}

static void both_directions_come_in_the_order_of_packets(void **state)
{
    (void)state;
    struct pf_error err = {.status = PF_OK};
    struct pf_plain *p = NULL;
    struct pf_piece piece;
    uint64_t packet = 0;
    unsigned pieces = 0;
    unsigned gaps = 0;
    enum pf_status st;
    assert_int_equal(pf_plain_open(result, FLOW + 1, PF_SIDE_BOTH, &p, &err), PF_OK);
    while ((st = pf_plain_next(p, &piece, &err)) == PF_OK) {
        assert_true(piece.packet >= packet);
        packet = piece.packet;
        pieces++;
        gaps += piece.gap;
        assert_int_equal(piece.lost_bytes, piece.gap ? FAKE_GAP_BYTES : 0);
    }
    assert_int_equal(st, PF_END);
    assert_int_equal(pieces, 25);
    assert_int_equal(gaps, 1);
    pf_plain_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(ranges),
        cmocka_unit_test(both_directions_come_in_the_order_of_packets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
