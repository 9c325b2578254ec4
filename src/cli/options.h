// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the command line: getopt_long with messages that say what to do; numbers and sizes.
 * Owns:    a struct pf_cli_options owns its lists; the strings are argv's.
 * Threads: the main thread's (getopt has state of its own).
 * Errors:  said on standard error; the functions return false.
 * Limits:  -
 */
#ifndef PF_CLI_OPTIONS_H
#define PF_CLI_OPTIONS_H

#include "plainflow.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* Decimal digits only, within bounds. Says nothing. */
PF_MUST_USE bool pf_option_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* As pf_option_number with an optional K, M, G or T (powers of 1024). Says nothing. */
PF_MUST_USE bool pf_option_size(const char *text, uint64_t *out);

/*
 * One step of getopt_long: the option, -1 at the end, '?' when the command line is wrong, which
 * was said then. shorts begins with ':'. argv[0] is the name of the subcommand.
 */
int pf_option_next(int argc, char **argv, const char *shorts, const struct option *longs);

/* Points to the help of the subcommand; returns PF_EXIT_USAGE. */
int pf_option_usage(const char *command, const char *what);

struct pf_cli_options {
    struct pf_options run;
    bool help;
    const char **lists; /* the repeatable options' values: room for all of argv in each */
    size_t room;
};

/* The options of the command that runs in this mode. False: it was said what is wrong with them.
 * Then, too: _fini. */
PF_MUST_USE bool pf_cli_options_parse(int argc, char **argv, enum pf_run_mode mode,
                                      struct pf_cli_options *o);
void pf_cli_options_fini(struct pf_cli_options *o);

#endif
