// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a run from the command line: started, watched, stopped by signals, and finished.
 * Owns:    the run.
 * Threads: the main thread's.
 * Errors:  said on standard error; the exit status comes back.
 * Limits:  -
 */
#ifndef PF_CLI_CONDUCT_H
#define PF_CLI_CONDUCT_H

#include "plainflow.h"

/* What is done with a run that is over; returns the exit status. */
typedef int pf_cli_finish(struct pf_run *run, const struct pf_options *o);

/* A command that reads captures, from its words to its exit status. */
int pf_cli_conduct(int argc, char **argv, enum pf_run_mode mode, const char *help,
                   pf_cli_finish *finish);

/* A pf_cli_finish: the run's lines to standard output, its summary to standard error. */
int pf_cli_print_lines(struct pf_run *run, const struct pf_options *o);

#endif
