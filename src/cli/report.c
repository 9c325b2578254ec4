// SPDX-License-Identifier: Apache-2.0
#include "cli/report.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <unistd.h>

enum { BYTES_TEXT = 32 };

static const double first_line_after = 1.0; /* seconds: a short run needs none */
static const double line_every = 0.25;

static const char *bytes_text(double bytes, char out[BYTES_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    unsigned u = 0;
    while (bytes >= 1000 && u < 5) {
        bytes /= 1000;
        u++;
    }
    (void)snprintf(out, BYTES_TEXT, u == 0 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
    return out;
}

void pf_report_progress_init(struct pf_report_progress *p, bool wanted)
{
    *p = (struct pf_report_progress){.wanted = wanted && isatty(STDERR_FILENO) == 1};
}

static void time_left(const struct pf_progress *now, char *out, size_t size)
{
    out[0] = '\0';
    if (now->bytes_total == 0 || now->bytes_done == 0 || now->bytes_done > now->bytes_total) {
        return;
    }
    double left =
        now->seconds * (double)(now->bytes_total - now->bytes_done) / (double)now->bytes_done;
    unsigned long seconds = left < 1e6 ? (unsigned long)left : 1000000;
    (void)snprintf(out, size, ", %lu:%02lu left", seconds / 60, seconds % 60);
}

void pf_report_progress_text(const struct pf_progress *now, char *out, size_t size)
{
    char done[BYTES_TEXT];
    char total[BYTES_TEXT + 8] = "";
    char rate[BYTES_TEXT];
    char left[48];
    char text[BYTES_TEXT];
    if (now->bytes_total > 0) {
        (void)snprintf(total, sizeof(total), " of %s", bytes_text((double)now->bytes_total, text));
    }
    double seconds = now->seconds > 0 ? now->seconds : 1;
    time_left(now, left, sizeof(left));
    (void)snprintf(out, size, "%s%s, %s/s, %" PRIu64 " flows%s",
                   bytes_text((double)now->bytes_done, done), total,
                   bytes_text((double)now->bytes_done / seconds, rate), now->flows_tls, left);
}

void pf_report_progress_show(struct pf_report_progress *p, const struct pf_progress *now)
{
    if (!p->wanted || now->seconds < first_line_after || now->seconds - p->last < line_every) {
        return;
    }
    char text[192];
    pf_report_progress_text(now, text, sizeof(text));
    (void)fprintf(stderr, "\r%s\033[K", text);
    (void)fflush(stderr);
    p->last = now->seconds;
    p->drawn = true;
}

void pf_report_progress_end(struct pf_report_progress *p)
{
    if (p->drawn) {
        (void)fprintf(stderr, "\r\033[K");
        (void)fflush(stderr);
    }
}

static void say_inputs(const struct pf_summary *s, int verbosity)
{
    for (size_t i = 0; i < s->input_count; i++) {
        const struct pf_input *in = &s->inputs[i];
        const char *path = in->path != NULL ? in->path : "-";
        if (in->status != PF_OK) {
            pf_cli_say("%s: %s (%" PRIu64 " packets before that were read)", path,
                       in->message != NULL ? in->message : pf_status_text(in->status), in->packets);
        } else if (verbosity >= 0) {
            pf_cli_say("%s: %" PRIu64 " packets%s%s", path, in->packets,
                       in->message != NULL ? ", " : "", in->message != NULL ? in->message : "");
        }
    }
}

static void say_counts(const struct pf_counts *c, const char *what, bool zeroes)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct pf_count *n = &c->items[i];
        if (n->count > 0 || zeroes) {
            pf_cli_say("  %" PRIu64 " %s %s%s%s", n->count, what, n->name,
                       n->text != NULL ? ": " : "", n->text != NULL ? n->text : "");
        }
    }
}

static uint64_t sum(const struct pf_counts *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        n += c->items[i].count;
    }
    return n;
}

static void say_speed(const struct pf_summary *s, const char *output)
{
    char plain[BYTES_TEXT];
    char rate[BYTES_TEXT];
    double seconds = s->seconds > 0.001 ? s->seconds : 0.001;
    pf_cli_say("%s of plaintext in %s, %.1f s, %s of capture per second",
               bytes_text((double)s->plaintext_bytes, plain), output, s->seconds,
               bytes_text((double)s->capture_bytes / seconds, rate));
}

void pf_report_summary(const struct pf_summary *s, const char *output, int verbosity)
{
    say_inputs(s, verbosity);
    if (verbosity >= 0) {
        uint64_t dropped = sum(&s->dropped);
        if (dropped > 0 || verbosity > 0) {
            pf_cli_say("%" PRIu64 " of %" PRIu64 " packets were not used", dropped, s->packets);
            say_counts(&s->dropped, "packets", verbosity > 0);
        }
        pf_cli_say("%" PRIu64 " TLS flows: %" PRIu64 " decrypted, %" PRIu64 " partial, %" PRIu64
                   " locked",
                   s->flows, s->flows_decrypted, s->flows_partial, s->flows_locked);
        say_counts(&s->by_reason, "flows", verbosity > 0);
        say_counts(&s->limits, "times", verbosity > 0);
        if (output != NULL) {
            say_speed(s, output);
        }
    }
    if (s->stop_signal != 0) {
        pf_cli_say("stopped by a signal: %s%s", output != NULL ? output : "what was said",
                   output != NULL ? " is marked incomplete" : " is of a part of the captures");
    }
    if (s->status < 0) {
        pf_cli_say("%s", s->message != NULL ? s->message : pf_status_text(s->status));
    }
}

static bool damaged_input(const struct pf_summary *s)
{
    for (size_t i = 0; i < s->input_count; i++) {
        if (s->inputs[i].status != PF_OK) {
            return true;
        }
    }
    return false;
}

int pf_report_exit_read(const struct pf_summary *s)
{
    enum pf_class class = pf_status_class(s->status);
    if (s->status == PF_ERR_IO) {
        return PF_EXIT_OUTPUT;
    }
    if (class != PF_CLASS_NONE && class != PF_CLASS_INPUT) {
        return PF_EXIT_INTERNAL;
    }
    if (s->stop_signal != 0) {
        return PF_EXIT_SIGNAL + s->stop_signal;
    }
    if (class == PF_CLASS_INPUT || damaged_input(s)) {
        return PF_EXIT_INPUT;
    }
    return PF_EXIT_OK;
}

int pf_report_exit(const struct pf_summary *s, bool strict)
{
    int status = pf_report_exit_read(s);
    if (status != PF_EXIT_OK) {
        return status;
    }
    uint64_t opened = s->flows_decrypted + (strict ? 0 : s->flows_partial);
    uint64_t wanted = strict ? s->flows : 1;
    return s->flows > 0 && opened < wanted ? PF_EXIT_LOCKED : PF_EXIT_OK;
}
