// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/options.h"

#include <string.h>

static const char help[] =
    "plainflow cat DIR FLOW [--c2s | --s2c] [--clear] [--mark-gaps]\n\n"
    "One flow's plaintext on standard output: both directions in the order of the capture, or\n\n"
    "  --c2s        what the client sent\n"
    "  --s2c        what the server sent\n"
    "  --clear      also what was sent in the clear before TLS began (STARTTLS, proxies)\n"
    "  --mark-gaps  a line where plaintext is missing ('?': not known; 'end': of the stream):\n"
    "               [plainflow: N records, M bytes missing, packets A-B]\n";

struct wish {
    enum pf_side side;
    bool clear;
    bool mark_gaps;
};

/* Nothing to write is worth a word: why, and what to do. */
static int say_locked(const struct pf_flow *f)
{
    pf_cli_say("flow %llu is locked: %s%s%s", (unsigned long long)f->flow,
               f->reason != NULL ? f->reason : "no reason is noted", f->detail != NULL ? ": " : "",
               f->detail != NULL ? f->detail : "");
    return PF_EXIT_LOCKED;
}

static int copy(struct pf_plain *p, bool mark_gaps)
{
    char mark[PF_CLI_MARK];
    struct pf_error err = {.status = PF_OK};
    struct pf_piece piece;
    enum pf_status st = PF_OK;
    while (ferror(stdout) == 0 && (st = pf_plain_next(p, &piece, &err)) == PF_OK) {
        if (piece.len > 0) {
            (void)fwrite(piece.data, 1, piece.len, stdout);
        } else if (piece.gap && mark_gaps) {
            (void)fputs(pf_cli_gap_mark(&piece, mark), stdout);
        }
    }
    return st < 0 ? pf_cli_read_failed(&err) : PF_EXIT_OK;
}

static bool has_clear(const struct pf_flow *f)
{
    return f->dir[0].clear_bytes + f->dir[1].clear_bytes > 0;
}

static int cat(const char *dir, uint64_t number, const struct wish *w)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_result *r = NULL;
    struct pf_plain *p = NULL;
    struct pf_flow f;
    int status = pf_cli_open_result(dir, &r);
    if (status != PF_EXIT_OK) {
        return status;
    }
    enum pf_status st = pf_result_flow(r, number, &f, &err);
    if (st == PF_END) {
        status = pf_cli_no_flow(r, dir, number);
    } else if (st != PF_OK) {
        status = pf_cli_read_failed(&err);
    } else if (strcmp(f.status, "locked") == 0 && !(w->clear && has_clear(&f))) {
        status = say_locked(&f);
    } else if (pf_plain_open(r, number, w->side, &p, &err) != PF_OK) {
        status = pf_cli_read_failed(&err);
    } else {
        if (w->clear) {
            pf_plain_want_clear(p);
        }
        status = pf_cli_end_output(copy(p, w->mark_gaps));
    }
    pf_plain_close(p);
    pf_result_close(r);
    return status;
}

int pf_cli_cat(int argc, char **argv)
{
    static const struct option longs[] = {
        {"c2s", no_argument, NULL, 'c'},   {"s2c", no_argument, NULL, 's'},
        {"clear", no_argument, NULL, 'C'}, {"mark-gaps", no_argument, NULL, 'M'},
        {"help", no_argument, NULL, 'h'},  {NULL, 0, NULL, 0}};
    struct wish w = {.side = PF_SIDE_BOTH};
    int c;
    while ((c = pf_option_next(argc, argv, ":h", longs)) != -1) {
        if (c == '?') {
            return PF_EXIT_USAGE;
        }
        if (c == 'h') {
            (void)fputs(help, stdout);
            return pf_cli_end_output(PF_EXIT_OK);
        }
        if (c == 'C' || c == 'M') {
            w.clear |= c == 'C';
            w.mark_gaps |= c == 'M';
            continue;
        }
        enum pf_side asked = c == 'c' ? PF_SIDE_C2S : PF_SIDE_S2C;
        if (w.side != PF_SIDE_BOTH && w.side != asked) {
            return pf_option_usage(argv[0], "--c2s and --s2c exclude each other");
        }
        w.side = asked;
    }
    uint64_t number;
    if (argc - optind != 2) {
        return pf_option_usage(argv[0], "name a result directory and the number of a flow");
    }
    if (!pf_cli_flow_number(argv[optind + 1], &number)) {
        return PF_EXIT_USAGE;
    }
    return cat(argv[optind], number, &w);
}
