// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <signal.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *text;
};

static const struct command commands[] = {
    {"decrypt", pf_cli_decrypt, "[OPTIONS] -o DIR CAPTURE...",
     "decrypt captures into a result directory"},
    {"handshakes", pf_cli_handshakes, "[OPTIONS] CAPTURE...",
     "what connections negotiated and what would open them; needs no key"},
    {"secrets", pf_cli_secrets, "[OPTIONS] CAPTURE...", "the session secrets as a key log"},
    {"list", pf_cli_list, "DIR [--json]", "the flows of a result"},
    {"cat", pf_cli_cat, "DIR FLOW [--c2s | --s2c] [--clear]",
     "one flow's plaintext to standard output"},
    {"extract", pf_cli_extract, "DIR -o OUT [--clear] [FLOW...]", "each flow's plaintext as files"},
    {"verify", pf_cli_verify, "DIR", "check a result against its manifest"},
};

static void usage(FILE *f)
{
    (void)fprintf(f, "Decrypts TLS captures in bulk.\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        (void)fprintf(f, "  plainflow %-10s %-36s %s\n", commands[i].name, commands[i].usage,
                      commands[i].text);
    }
    (void)fprintf(f, "\n  plainflow COMMAND --help     what its options mean\n"
                     "  plainflow --version\n");
}

int main(int argc, char **argv)
{
    /* Both become errors of the write that met them, with a message and an exit status. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        usage(stderr);
        return PF_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("plainflow " PF_VERSION "\n");
        return pf_cli_end_output(PF_EXIT_OK);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return pf_cli_end_output(PF_EXIT_OK);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    pf_cli_say("there is no command '%s' (see plainflow --help)", argv[1]);
    return PF_EXIT_USAGE;
}
