// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/conduct.h"
#include "cli/report.h"

static const char help[] =
    "plainflow secrets [OPTIONS] CAPTURE...\n\n"
    "The session secrets as a key log, on standard output: with it, and without the private key,\n"
    "Wireshark opens the capture, and plainflow opens other captures of the same sessions (-l).\n"
    "Only secrets that opened a record are written, in the order of the connections.\n\n"
    "CAPTURE is a pcap or pcapng, also compressed (gzip, zstd, lz4), or - for standard input.\n\n"
    "  -k, --key [ADDR[:PORT]=]FILE  an RSA private key: PEM, DER or PKCS#12; repeatable\n"
    "      --key-dir DIR             every key file in DIR\n"
    "      --key-password-file FILE  the passphrase of encrypted keys\n"
    "  -l, --keylog FILE             NSS key log; repeatable\n"
    "      --psk HEX                 a pre-shared key; repeatable\n"
    "  -o, --output FILE             the key log goes there; made, and refused if it is there\n"
    "      --inject FILE             instead, or with -o as well: the captures as one pcapng with\n"
    "                                the secrets inside; made, and refused if it is there\n"
    "      --force                   replace FILE\n"
    "      --two-pass                read the captures twice, so that a session that begins "
    "behind\n"
    "                                its resumption is known, too\n"
    "  -f, --filter EXPR             only packets that match a pcap filter\n"
    "  -j, --jobs N                  worker threads (default: the processors there are)\n"
    "      --memory SIZE             ceiling for all buffers (default 1G)\n"
    "  -q                            only errors on standard error\n"
    "  -v                            more\n\n"
    "Exit status: 0 done; 1 usage, key or output file, nothing written; 2 a capture is damaged;\n"
    "3 nothing was opened; 4 an output could not be written; 5 out of memory or internal; 130 or\n"
    "143 stopped by a signal.\n";

static int print_lines(struct pf_run *run, struct pf_error *err)
{
    const char *text;
    size_t len;
    enum pf_status st = PF_OK;
    while (ferror(stdout) == 0 && (st = pf_run_next_line(run, &text, &len, err)) == PF_OK) {
        (void)fwrite(text, 1, len, stdout);
    }
    int status = pf_cli_end_output(PF_EXIT_OK);
    if (st < 0) {
        pf_cli_say("%s", err->text);
        status = PF_EXIT_INTERNAL;
    }
    return status;
}

static int finish(struct pf_run *run, const struct pf_options *o)
{
    struct pf_error err = {.status = PF_OK};
    bool print = o->output == NULL && o->inject == NULL;
    int printed = print ? print_lines(run, &err) : PF_EXIT_OK;
    const struct pf_summary *s = pf_run_summary(run);
    /* what is printed says enough, if it is anything */
    bool says = print && (s->flows_locked < s->flows || s->flows == 0);
    pf_report_summary(s, NULL, o->verbosity - (says ? 1 : 0));
    int status = pf_report_exit(s, false);
    bool worse = status == PF_EXIT_INTERNAL || printed == PF_EXIT_OK;
    return worse ? status : printed;
}

int pf_cli_secrets(int argc, char **argv)
{
    return pf_cli_conduct(argc, argv, PF_RUN_SECRETS, help, finish);
}
