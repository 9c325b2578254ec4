// SPDX-License-Identifier: Apache-2.0
#include "run/triage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pf_triage *triage;
static struct pf_buf out;

static int setup(void **state)
{
    (void)state;
    pf_buf_init(&out, 4 << 20, NULL);
    return pf_triage_new(&triage) == PF_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pf_triage_free(triage);
    pf_buf_fini(&out);
    return 0;
}

static void add(enum pf_need need, enum pf_kx kx, uint64_t bytes, unsigned spki,
                const char *subject)
{
    struct pf_triage_row row = {
        .bytes = bytes, .need = (uint8_t)need, .kx = (uint8_t)kx, .has_spki = spki != 0};
    row.spki[0] = (uint8_t)(spki >> 8);
    row.spki[1] = (uint8_t)spki;
    row.spki[2] = (uint8_t)(spki >> 24);
    row.spki[3] = (uint8_t)(spki >> 16);
    (void)snprintf(row.subject, sizeof row.subject, "%s", subject);
    assert_int_equal(pf_triage_add(triage, &row), PF_OK);
}

static const char *text(bool json)
{
    assert_int_equal(pf_triage_write(triage, json, &out), PF_OK);
    assert_int_equal(pf_buf_append(&out, "", 1), PF_OK);
    return (const char *)out.ptr;
}

static void damaged_row(void **state)
{
    (void)state;
    struct pf_triage_row row = {.need = PF_NEED_COUNT};
    assert_int_equal(pf_triage_add(triage, &row), PF_ERR_INTERNAL);
    row = (struct pf_triage_row){.kx = 200};
    assert_int_equal(pf_triage_add(triage, &row), PF_ERR_INTERNAL);
}

static void nothing(void **state)
{
    (void)state;
    assert_string_equal(text(true), "{\"triage\":{\"flows\":0,\"bytes\":0,\"by_key_exchange\":{},"
                                    "\"by_need\":{},\"keys\":[]}}\n");
}

static void no_room(void **state)
{
    (void)state;
    struct pf_buf small;
    pf_buf_init(&small, 50, NULL);
    assert_int_equal(pf_triage_write(triage, true, &small), PF_ERR_LIMIT);
    pf_buf_fini(&small);
}

static void fill(void)
{
    add(PF_NEED_RSA_KEY, PF_KX_RSA, 100, 7, "");
    add(PF_NEED_RSA_KEY, PF_KX_RSA, 300, 9, "CN=nine");
    add(PF_NEED_RSA_KEY, PF_KX_RSA, 250, 7, "CN=seven\x01\"");
    add(PF_NEED_RSA_KEY, PF_KX_RSA, 50, 0, "");
    add(PF_NEED_KEYLOG, PF_KX_ECDHE, 1000, 11, "CN=not a key to look for");
    add(PF_NEED_NOTHING, PF_KX_TLS13, 300, 12, "CN=opened");
}

static void largest_key_first(void **state)
{
    (void)state;
    fill();
    assert_string_equal(
        text(true),
        "{\"triage\":{\"flows\":6,\"bytes\":2000,\"by_key_exchange\":{"
        "\"TLS13\":{\"flows\":1,\"bytes\":300},\"ECDHE\":{\"flows\":1,\"bytes\":1000},"
        "\"RSA\":{\"flows\":4,\"bytes\":700}},\"by_need\":{"
        "\"opened\":{\"flows\":1,\"bytes\":300},\"rsa_key\":{\"flows\":4,\"bytes\":700},"
        "\"keylog\":{\"flows\":1,\"bytes\":1000}},\"keys\":["
        "{\"spki_sha256\":\"0007000000000000000000000000000000000000000000000000000000000000\","
        "\"subject\":\"CN=seven\\\\x01\\\"\",\"flows\":2,\"bytes\":350},"
        "{\"spki_sha256\":\"0009000000000000000000000000000000000000000000000000000000000000\","
        "\"subject\":\"CN=nine\",\"flows\":1,\"bytes\":300}],"
        "\"other_keys\":{\"flows\":1,\"bytes\":50}}}\n");
}

static void shares_in_text(void **state)
{
    (void)state;
    fill();
    const char *t = text(false);
    assert_non_null(strstr(t, "triage: 6 TLS connections, 2.0 kB\n"));
    assert_non_null(strstr(t, "         1   16.7%      1.0 kB   50.0%  ECDHE\n"));
    assert_non_null(strstr(t, "         4   66.7%       700 B   35.0%  an RSA private key"));
    assert_null(strchr(t, '\x01'));
}

/* Keys that share a bucket stay apart, and only so many are shown. */
static void many_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        add(PF_NEED_RSA_KEY, PF_KX_RSA, i + 1, (i + 1) << 16 | 5, "");
    }
    const char *t = text(false);
    assert_non_null(strstr(t, "\n      2000 more keys\n"));
    assert_non_null(strstr(t, "         1    0.0%      3.0 kB    0.1%  00050bb8")); /* 3000 */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(damaged_row),       T(nothing),        T(no_room),
        T(largest_key_first), T(shares_in_text), T(many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
