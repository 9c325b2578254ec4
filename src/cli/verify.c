// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/options.h"

enum { FINDINGS = 20 };

static const char help[] =
    "plainflow verify DIR\n\n"
    "Checks a result: it is complete, every file is as long as the manifest says (and has its\n"
    "SHA-256 where noted), every chunk unpacks, and the sums of bytes, records and flows agree.\n"
    "Exit status 0 if so, 2 if not.\n";

static int verify(const char *dir)
{
    struct pf_error found[FINDINGS];
    size_t count = 0;
    struct pf_error err = {.status = PF_OK};
    enum pf_status st = pf_result_verify(dir, found, FINDINGS, &count, &err);
    for (size_t i = 0; i < count; i++) {
        pf_cli_say("%s", found[i].text);
    }
    if (st == PF_OK) {
        (void)printf("%s: complete and sound\n", dir);
        return pf_cli_end_output(PF_EXIT_OK);
    }
    if (st == PF_ERR_MALFORMED) {
        pf_cli_say("%s: not sound%s", dir, count == FINDINGS ? " (more is wrong than said)" : "");
        return PF_EXIT_INPUT;
    }
    return pf_cli_read_failed(&err);
}

int pf_cli_verify(int argc, char **argv)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int c;
    while ((c = pf_option_next(argc, argv, ":h", longs)) != -1) {
        if (c == '?') {
            return PF_EXIT_USAGE;
        }
        (void)fputs(help, stdout);
        return pf_cli_end_output(PF_EXIT_OK);
    }
    if (argc - optind != 1) {
        return pf_option_usage(argv[0], "name one result directory");
    }
    return verify(argv[optind]);
}
