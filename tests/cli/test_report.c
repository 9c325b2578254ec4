// SPDX-License-Identifier: Apache-2.0
#include "cli/report.h"

#include "cli/cli.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct pf_input whole = {.path = "a.pcap", .status = PF_OK};
static const struct pf_input cut = {.path = "b.pcap", .status = PF_ERR_TRUNCATED};

static struct pf_summary summary(uint64_t decrypted, uint64_t partial, uint64_t locked)
{
    return (struct pf_summary){.inputs = &whole,
                               .input_count = 1,
                               .flows = decrypted + partial + locked,
                               .flows_decrypted = decrypted,
                               .flows_partial = partial,
                               .flows_locked = locked};
}

static void exit_status_of_flows(void **state)
{
    (void)state;
    static const struct {
        uint64_t decrypted, partial, locked;
        int status, strict;
    } cases[] = {
        {0, 0, 0, 0, 0}, {5, 0, 0, 0, 0}, {1, 0, 9, 0, 3}, {0, 1, 9, 0, 3},
        {0, 0, 9, 3, 3}, {5, 1, 0, 0, 3}, {0, 3, 0, 0, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pf_summary s = summary(cases[i].decrypted, cases[i].partial, cases[i].locked);
        assert_int_equal(pf_report_exit(&s, false), cases[i].status);
        assert_int_equal(pf_report_exit(&s, true), cases[i].strict);
    }
}

static void the_worst_comes_first(void **state)
{
    (void)state;
    struct pf_summary s = summary(0, 0, 3);
    assert_int_equal(pf_report_exit(&s, false), 3);
    s.inputs = &cut;
    assert_int_equal(pf_report_exit(&s, false), 2);
    s.stop_signal = SIGTERM;
    assert_int_equal(pf_report_exit(&s, false), 143);
    s.stop_signal = SIGINT;
    assert_int_equal(pf_report_exit(&s, false), 130);
    s.status = PF_ERR_IO;
    assert_int_equal(pf_report_exit(&s, false), 4);
    s.status = PF_ERR_NOMEM;
    assert_int_equal(pf_report_exit(&s, false), 5);
    s.status = PF_ERR_INTERNAL;
    assert_int_equal(pf_report_exit(&s, false), 5);
}

static void the_progress_line(void **state)
{
    (void)state;
    char text[192];
    struct pf_progress p = {
        .bytes_done = 2500000000, .bytes_total = 10000000000, .flows_tls = 12, .seconds = 50};
    pf_report_progress_text(&p, text, sizeof(text));
    assert_string_equal(text, "2.5 GB of 10.0 GB, 50.0 MB/s, 12 flows, 2:30 left");
    p.bytes_total = 0;
    pf_report_progress_text(&p, text, sizeof(text));
    assert_string_equal(text, "2.5 GB, 50.0 MB/s, 12 flows");
    p = (struct pf_progress){.bytes_total = 100};
    pf_report_progress_text(&p, text, sizeof(text));
    assert_string_equal(text, "0 B of 100 B, 0 B/s, 0 flows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_status_of_flows),
        cmocka_unit_test(the_worst_comes_first),
        cmocka_unit_test(the_progress_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
