// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what a run says on standard error: the progress line and the summary; its exit status.
 * Owns:    nothing.
 * Threads: the main thread's.
 * Errors:  -
 * Limits:  the progress line is drawn at most 4 times a second, and only on a terminal.
 */
#ifndef PF_CLI_REPORT_H
#define PF_CLI_REPORT_H

#include "plainflow.h"

#include <stdbool.h>
#include <stddef.h>

struct pf_report_progress {
    bool wanted;
    bool drawn;
    double last; /* seconds into the run */
};

void pf_report_progress_init(struct pf_report_progress *p, bool wanted);
void pf_report_progress_show(struct pf_report_progress *p, const struct pf_progress *now);
void pf_report_progress_end(struct pf_report_progress *p);

/* The text of the line, without going to its beginning. */
void pf_report_progress_text(const struct pf_progress *now, char *out, size_t size);

/* output: the result directory, or NULL where there is none. verbosity below 0: only what went
 * wrong; above 0: also what is zero. */
void pf_report_summary(const struct pf_summary *s, const char *output, int verbosity);

/* Where several apply: 5, 4, a signal, 2, 3, 0. */
int pf_report_exit(const struct pf_summary *s, bool strict);

/* As pf_report_exit for a run that decrypts nothing: without 3. */
int pf_report_exit_read(const struct pf_summary *s);

#endif
