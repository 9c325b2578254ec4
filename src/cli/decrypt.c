// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/report.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 50 };

static const char help[] =
    "plainflow decrypt [OPTIONS] -o DIR CAPTURE...\n\n"
    "CAPTURE is a pcap or pcapng, also compressed (gzip, zstd, lz4), or - for standard input.\n\n"
    "  -k, --key [ADDR[:PORT]=]FILE  an RSA private key: PEM, DER or PKCS#12; repeatable\n"
    "      --key-dir DIR             every key file in DIR\n"
    "      --key-password-file FILE  the passphrase of encrypted keys\n"
    "  -l, --keylog FILE             NSS key log; repeatable\n"
    "      --psk HEX                 a pre-shared key; repeatable\n"
    "  -o, --output DIR              the result; created, and refused if it is not empty\n"
    "      --force                   replace an earlier result\n"
    "  -f, --filter EXPR             only packets that match a pcap filter\n"
    "  -j, --jobs N                  worker threads (default: the processors there are)\n"
    "      --memory SIZE             ceiling for all buffers (default 1G)\n"
    "      --compress lz4 | none     how the plaintext is stored\n"
    "      --level N                 0 (fast) to 12 (small)\n"
    "      --sha256                  SHA-256 of captures, outputs and flows in the manifest\n"
    "      --strict                  exit 3 unless every TLS flow was decrypted whole\n"
    "  -q                            only errors on standard error\n"
    "  -v                            more\n\n"
    "Exit status: 0 done; 1 usage, key or output directory, nothing written; 2 a capture is\n"
    "damaged; 3 nothing was decrypted; 4 an output could not be written; 5 out of memory or\n"
    "internal; 130 or 143 stopped by a signal.\n";

static int failed(const struct pf_error *err)
{
    pf_cli_say("%s", err->text);
    bool ours = err->status == PF_ERR_NOMEM || err->status == PF_ERR_INTERNAL;
    return ours ? PF_EXIT_INTERNAL : PF_EXIT_USAGE;
}

/*
 * Signals are blocked in all threads and fetched here: no handler, no global. The first one asks
 * the run to stop; the second one ends the process at once.
 */
static void fetch_signal(struct pf_run *run, const sigset_t *set, int *stopped_by)
{
    static const struct timespec now = {.tv_sec = 0};
    int number = sigtimedwait(set, NULL, &now);
    if (number <= 0) {
        return;
    }
    if (*stopped_by != 0) {
        _exit(PF_EXIT_SIGNAL + number);
    }
    *stopped_by = number;
    pf_run_stop(run, number);
}

static int conduct(struct pf_run *run, const struct pf_options *o, const sigset_t *set)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_report_progress line;
    pf_report_progress_init(&line, o->verbosity >= 0);
    int stopped_by = 0;
    if (pf_run_start(run, &err) != PF_OK) {
        pf_cli_say("%s", err.text);
        return err.status == PF_ERR_IO ? PF_EXIT_OUTPUT : PF_EXIT_INTERNAL;
    }
    while (pf_run_wait(run, POLL_MS) == PF_AGAIN) {
        fetch_signal(run, set, &stopped_by);
        struct pf_progress p;
        pf_run_progress(run, &p);
        pf_report_progress_show(&line, &p);
    }
    pf_report_progress_end(&line);
    const struct pf_summary *s = pf_run_summary(run);
    pf_report_summary(s, o->output, o->verbosity);
    return pf_report_exit(s, o->strict);
}

int pf_cli_decrypt(int argc, char **argv)
{
    struct pf_cli_options o;
    if (!pf_cli_options_parse(argc, argv, &o)) {
        pf_cli_options_fini(&o);
        return PF_EXIT_USAGE;
    }
    if (o.help) {
        pf_cli_options_fini(&o);
        (void)fputs(help, stdout);
        return pf_cli_end_output(PF_EXIT_OK);
    }
    struct pf_error err = {.status = PF_OK};
    struct pf_run *run = NULL;
    int status;
    if (pf_run_new(&o.run, &run, &err) != PF_OK) {
        status = failed(&err);
    } else {
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGTERM);
        (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* the run's threads inherit it */
        status = conduct(run, &o.run, &set);
        pf_run_free(run);
    }
    pf_cli_options_fini(&o);
    return status;
}
