// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/conduct.h"

static const char help[] =
    "plainflow handshakes [OPTIONS] CAPTURE...\n\n"
    "Every TLS connection step by step: hellos, certificates, key exchange, Finished, alerts, "
    "each\n"
    "with its packet and time; then what would open it, and at the end of all what would open how\n"
    "much. No key is needed. With keys, it says which connections they open.\n\n"
    "CAPTURE is a pcap or pcapng, also compressed (gzip, zstd, lz4), or - for standard input.\n\n"
    "      --json                    one JSON object a line: the connections, then the triage\n"
    "  -k, --key [ADDR[:PORT]=]FILE  an RSA private key: PEM, DER or PKCS#12; repeatable\n"
    "      --key-dir DIR             every key file in DIR\n"
    "      --key-password-file FILE  the passphrase of encrypted keys\n"
    "  -l, --keylog FILE             NSS key log; repeatable\n"
    "      --psk HEX                 a pre-shared key; repeatable\n"
    "  -f, --filter EXPR             only packets that match a pcap filter\n"
    "  -j, --jobs N                  worker threads (default: the processors there are)\n"
    "      --two-pass                read the captures twice, so that a session that begins "
    "behind\n"
    "                                its resumption opens it, too\n"
    "      --memory SIZE             ceiling for all buffers (default 1G)\n"
    "  -q                            only errors on standard error\n"
    "  -v                            more\n\n"
    "Exit status: 0 done; 1 usage or key; 2 a capture is damaged; 4 an output could not be\n"
    "written; 5 out of memory or internal; 130 or 143 stopped by a signal.\n";

int pf_cli_handshakes(int argc, char **argv)
{
    return pf_cli_conduct(argc, argv, PF_RUN_HANDSHAKES, help, pf_cli_print_lines);
}
