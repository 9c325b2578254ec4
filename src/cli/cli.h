// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what the subcommands share: their entry points, exit statuses, messages, output.
 * Owns:    nothing.
 * Threads: the main thread's.
 * Errors:  a subcommand returns the exit status of the process.
 * Limits:  -
 */
#ifndef PF_CLI_CLI_H
#define PF_CLI_CLI_H

#include "plainflow.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum pf_exit {
    PF_EXIT_OK = 0,
    PF_EXIT_USAGE = 1,    /* nothing was written */
    PF_EXIT_INPUT = 2,    /* a capture (or a result that is read) is damaged */
    PF_EXIT_LOCKED = 3,   /* TLS flows were found and none was decrypted */
    PF_EXIT_OUTPUT = 4,   /* an output could not be written */
    PF_EXIT_INTERNAL = 5, /* also: out of memory */
    PF_EXIT_SIGNAL = 128  /* plus the signal's number */
};

int pf_cli_decrypt(int argc, char **argv);
int pf_cli_handshakes(int argc, char **argv);
int pf_cli_secrets(int argc, char **argv);
int pf_cli_list(int argc, char **argv);
int pf_cli_cat(int argc, char **argv);
int pf_cli_extract(int argc, char **argv);
int pf_cli_verify(int argc, char **argv);

/* "plainflow: ..." on standard error. */
void pf_cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says err and returns the exit status for a result that cannot be read. */
int pf_cli_read_failed(const struct pf_error *err);

/* Opens a result, and says so when it is not complete. Returns an exit status, 0 with *out set. */
int pf_cli_open_result(const char *dir, struct pf_result **out);

/* Says that there is no such flow. */
int pf_cli_no_flow(const struct pf_result *r, const char *dir, uint64_t number);

/* A flow's number from the command line; says what is wrong with it. */
PF_MUST_USE bool pf_cli_flow_number(const char *text, uint64_t *out);

/*
 * Flushes standard output and returns the exit status: PF_EXIT_OUTPUT when something could not be
 * written, without a word when the reader has closed the pipe.
 */
int pf_cli_end_output(int status);

enum { PF_CLI_MARK = 128 };

/* The line that stands for a gap in plaintext (cat and extract with --mark-gaps):
 * "\n[plainflow: N records, M bytes missing, packets A-B]\n". */
const char *pf_cli_gap_mark(const struct pf_piece *gap, char out[PF_CLI_MARK]);

/* Captured text made harmless for a terminal: printable ASCII, anything else is '?'. NULL is "-".
 */
const char *pf_cli_harmless(const char *text, char *out, size_t size);

#endif
