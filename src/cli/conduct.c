// SPDX-License-Identifier: Apache-2.0
#include "cli/conduct.h"

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/report.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 50 };

static int failed(const struct pf_error *err)
{
    pf_cli_say("%s", err->text);
    bool ours = err->status == PF_ERR_NOMEM || err->status == PF_ERR_INTERNAL;
    return ours ? PF_EXIT_INTERNAL : PF_EXIT_USAGE;
}

/*
 * Signals are blocked in all threads and fetched here: no handler, no global. The first one asks
 * the run to stop; the second one ends the process at once.
 */
static void fetch_signal(struct pf_run *run, const sigset_t *set, int *stopped_by)
{
    static const struct timespec now = {.tv_sec = 0};
    int number = sigtimedwait(set, NULL, &now);
    if (number <= 0) {
        return;
    }
    if (*stopped_by != 0) {
        _exit(PF_EXIT_SIGNAL + number);
    }
    *stopped_by = number;
    pf_run_stop(run, number);
}

static int wait_for(struct pf_run *run, const struct pf_options *o, const sigset_t *set)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_report_progress line;
    pf_report_progress_init(&line, o->verbosity >= 0);
    int stopped_by = 0;
    if (pf_run_start(run, &err) != PF_OK) {
        pf_cli_say("%s", err.text);
        return err.status == PF_ERR_IO ? PF_EXIT_OUTPUT : PF_EXIT_INTERNAL;
    }
    while (pf_run_wait(run, POLL_MS) == PF_AGAIN) {
        fetch_signal(run, set, &stopped_by);
        struct pf_progress p;
        pf_run_progress(run, &p);
        pf_report_progress_show(&line, &p);
    }
    pf_report_progress_end(&line);
    return PF_EXIT_OK;
}

static int conduct(const struct pf_options *o, pf_cli_finish *finish)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_run *run = NULL;
    if (pf_run_new(o, &run, &err) != PF_OK) {
        return failed(&err);
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* the run's threads inherit it */
    int status = wait_for(run, o, &set);
    if (status == PF_EXIT_OK) {
        status = finish(run, o);
    }
    pf_run_free(run);
    return status;
}

int pf_cli_conduct(int argc, char **argv, enum pf_run_mode mode, const char *help,
                   pf_cli_finish *finish)
{
    struct pf_cli_options o;
    int status = PF_EXIT_USAGE;
    if (pf_cli_options_parse(argc, argv, mode, &o)) {
        if (o.help) {
            (void)fputs(help, stdout);
            status = pf_cli_end_output(PF_EXIT_OK);
        } else {
            status = conduct(&o.run, finish);
        }
    }
    pf_cli_options_fini(&o);
    return status;
}

int pf_cli_print_lines(struct pf_run *run, const struct pf_options *o)
{
    struct pf_error err = {.status = PF_OK};
    const char *text;
    size_t len;
    enum pf_status st = PF_OK;
    while (ferror(stdout) == 0 && (st = pf_run_next_line(run, &text, &len, &err)) == PF_OK) {
        (void)fwrite(text, 1, len, stdout);
    }
    int written = pf_cli_end_output(PF_EXIT_OK);
    const struct pf_summary *s = pf_run_summary(run);
    pf_report_summary(s, NULL, o->verbosity - 1); /* the lines say it */
    int status = pf_report_exit_read(s);
    if (st < 0) {
        pf_cli_say("%s", err.text);
        return st == PF_ERR_IO ? PF_EXIT_OUTPUT : PF_EXIT_INTERNAL;
    }
    return written != PF_EXIT_OK && status != PF_EXIT_INTERNAL ? written : status;
}
