// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include "cli/options.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void pf_cli_say(const char *fmt, ...)
{
    char text[PF_ERROR_TEXT + 256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++) { /* names of files and flows may hold anything */
        unsigned char c = (unsigned char)*p;
        *p = c < 0x20 || c == 0x7f ? '?' : *p;
    }
    (void)fprintf(stderr, "plainflow: %s\n", text);
}

int pf_cli_read_failed(const struct pf_error *err)
{
    pf_cli_say("%s", err->text);
    switch (err->status) {
    case PF_ERR_NOMEM:
    case PF_ERR_INTERNAL:
        return PF_EXIT_INTERNAL;
    case PF_ERR_USAGE:
        return PF_EXIT_USAGE;
    default: /* whatever else is wrong, it is wrong with what is read */
        return PF_EXIT_INPUT;
    }
}

int pf_cli_open_result(const char *dir, struct pf_result **out)
{
    struct pf_error err = {.status = PF_OK};
    if (pf_result_open(dir, out, &err) != PF_OK) {
        return pf_cli_read_failed(&err);
    }
    const char *why = NULL;
    if (!pf_result_complete(*out, &why)) {
        pf_cli_say("%s: %s", dir, why);
    }
    return PF_EXIT_OK;
}

int pf_cli_no_flow(const struct pf_result *r, const char *dir, uint64_t number)
{
    uint64_t n = pf_result_flows(r);
    pf_cli_say("there is no flow %llu: %s has %llu", (unsigned long long)number, dir,
               (unsigned long long)n);
    return PF_EXIT_USAGE;
}

bool pf_cli_flow_number(const char *text, uint64_t *out)
{
    if (!pf_option_number(text, 1, INT64_MAX, out)) {
        pf_cli_say("'%s' is not the number of a flow: they count from 1, see plainflow list", text);
        return false;
    }
    return true;
}

int pf_cli_end_output(int status)
{
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !failed) {
        return status;
    }
    if (errno != EPIPE) {
        pf_cli_say("standard output: %s", errno == 0 ? "cannot be written" : strerror(errno));
    }
    return PF_EXIT_OUTPUT;
}

const char *pf_cli_harmless(const char *text, char *out, size_t size)
{
    if (text == NULL) {
        text = "-";
    }
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < size; i++) {
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    }
    out[i] = '\0';
    return out;
}

static void count_text(uint64_t n, char out[24])
{
    if (n == PF_COUNT_UNKNOWN) {
        (void)snprintf(out, 24, "?");
    } else {
        (void)snprintf(out, 24, "%llu", (unsigned long long)n);
    }
}

const char *pf_cli_gap_mark(const struct pf_piece *gap, char out[PF_CLI_MARK])
{
    char records[24];
    char bytes[24];
    char after[24];
    count_text(gap->lost_records, records);
    count_text(gap->lost_bytes, bytes);
    if (gap->packet == 0) {
        (void)snprintf(after, sizeof(after), "end");
    } else {
        count_text(gap->packet, after);
    }
    (void)snprintf(out, PF_CLI_MARK,
                   "\n[plainflow: %s records, %s bytes missing, packets %llu-%s]\n", records, bytes,
                   (unsigned long long)gap->packet_before, after);
    return out;
}
