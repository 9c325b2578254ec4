// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/conduct.h"
#include "cli/report.h"

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
    "      --shard I/N               only the flows of shard I of N\n"
    "  -j, --jobs N                  worker threads (default: the processors there are)\n"
    "      --two-pass                read the captures twice, so that a session that begins "
    "behind\n"
    "                                its resumption opens it, too\n"
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

static int finish(struct pf_run *run, const struct pf_options *o)
{
    const struct pf_summary *s = pf_run_summary(run);
    pf_report_summary(s, o->output, o->verbosity);
    return pf_report_exit(s, o->strict);
}

int pf_cli_decrypt(int argc, char **argv)
{
    return pf_cli_conduct(argc, argv, PF_RUN_DECRYPT, help, finish);
}
