// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/options.h"

#include <inttypes.h>
#include <string.h>

enum { END_TEXT = 64, SHARE_TEXT = 16, CELL = 128 };

static const char help[] =
    "plainflow list DIR [--json]\n\n"
    "The flows of a result as a table: number, time (UTC), client and server, server name,\n"
    "version, cipher suite, status, reason, plaintext bytes of the client and of the server, and\n"
    "of partial flows the share of the plaintext that was recovered (with '~' the share of the\n"
    "records, where what is missing cannot be known to the byte; '?' where neither is known).\n\n"
    "  --json   the lines of flows.jsonl as they are\n";

static void end_text(const char *host, unsigned port, char out[END_TEXT])
{
    char safe[48];
    (void)pf_cli_harmless(host, safe, sizeof(safe));
    (void)snprintf(out, END_TEXT, strchr(safe, ':') != NULL ? "[%s]:%u" : "%s:%u", safe, port);
}

/* Rounded down: 100.0% is for flows that are whole. */
static void percent(const char *about, uint64_t have, uint64_t missing, char out[SHARE_TEXT])
{
    double all = (double)have + (double)missing;
    if (all > 0) {
        double tenths = (double)(unsigned)(1000 * ((double)have / all));
        (void)snprintf(out, SHARE_TEXT, "%s%.1f%%", about, tenths / 10);
    }
}

/* Of what was sent: the bytes recovered; about, by records, where only their number is known. */
static void share_text(const struct pf_flow *f, char out[SHARE_TEXT])
{
    uint64_t bytes[2] = {0, 0};
    uint64_t records[2] = {0, 0};
    bool exact = true;
    bool known = true;
    for (unsigned d = 0; d < 2; d++) {
        exact &= f->dir[d].missing_bytes != PF_COUNT_UNKNOWN;
        known &= f->dir[d].missing_records != PF_COUNT_UNKNOWN;
        bytes[0] += f->dir[d].bytes;
        bytes[1] += f->dir[d].missing_bytes;
        records[0] += f->dir[d].records;
        records[1] += f->dir[d].missing_records;
    }
    (void)snprintf(out, SHARE_TEXT, "-");
    if (strcmp(f->status, "partial") != 0) {
        return;
    }
    if (exact) {
        percent("", bytes[0], bytes[1], out);
    } else if (known) {
        percent("~", records[0], records[1], out);
    } else {
        (void)snprintf(out, SHARE_TEXT, "?");
    }
}

static void print_row(const struct pf_flow *f)
{
    char time[24];
    char orig[END_TEXT];
    char resp[END_TEXT];
    char share[SHARE_TEXT];
    char name[CELL];
    char version[CELL];
    char cipher[CELL];
    char status[CELL];
    char reason[CELL];
    (void)pf_cli_harmless(f->ts, time, sizeof(time)); /* to the millisecond */
    end_text(f->orig_h, f->orig_p, orig);
    end_text(f->resp_h, f->resp_p, resp);
    share_text(f, share);
    (void)printf("%6" PRIu64 "  %-23s  %-21s -> %-21s  %-24s  %-6s  %-36s  %-9s  %-17s  %10" PRIu64
                 "  %10" PRIu64 "  %6s\n",
                 f->flow, time, orig, resp, pf_cli_harmless(f->server_name, name, sizeof(name)),
                 pf_cli_harmless(f->version, version, sizeof(version)),
                 pf_cli_harmless(f->cipher, cipher, sizeof(cipher)),
                 pf_cli_harmless(f->status, status, sizeof(status)),
                 pf_cli_harmless(f->reason, reason, sizeof(reason)), f->dir[0].bytes,
                 f->dir[1].bytes, share);
}

static void print_head(void)
{
    (void)printf("%6s  %-23s  %-21s -> %-21s  %-24s  %-6s  %-36s  %-9s  %-17s  %10s  %10s  %6s\n",
                 "flow", "time", "client", "server", "server name", "tls", "cipher", "status",
                 "reason", "c2s bytes", "s2c bytes", "share");
}

static int print_flows(struct pf_result *r, bool json)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_flow f;
    enum pf_status st = PF_OK;
    if (!json) {
        print_head();
    }
    for (uint64_t n = 1; ferror(stdout) == 0 && (st = pf_result_flow(r, n, &f, &err)) == PF_OK;
         n++) {
        if (json) {
            (void)fwrite(f.json, 1, f.json_len, stdout);
            (void)putchar('\n');
        } else {
            print_row(&f);
        }
    }
    return st < 0 ? pf_cli_read_failed(&err) : PF_EXIT_OK;
}

int pf_cli_list(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool json = false;
    int c;
    while ((c = pf_option_next(argc, argv, ":h", longs)) != -1) {
        if (c == '?') {
            return PF_EXIT_USAGE;
        }
        if (c == 'h') {
            (void)fputs(help, stdout);
            return pf_cli_end_output(PF_EXIT_OK);
        }
        json = true;
    }
    if (argc - optind != 1) {
        return pf_option_usage(argv[0], "name one result directory");
    }
    struct pf_result *r = NULL;
    int status = pf_cli_open_result(argv[optind], &r);
    if (status == PF_EXIT_OK) {
        status = pf_cli_end_output(print_flows(r, json));
    }
    pf_result_close(r);
    return status;
}
