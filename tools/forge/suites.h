// SPDX-License-Identifier: Apache-2.0
/*
 * What:    which suites this libssl can do, by either name, and the versions they go with.
 * Owns:    nothing; suites belong to libssl's static tables.
 * Threads: -
 * Errors:  an unknown suite ends the program.
 * Limits:  -
 */
#ifndef FORGE_SUITES_H
#define FORGE_SUITES_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* What the two ends must bring for a suite. */
struct forge_suite {
    const SSL_CIPHER *cipher;
    int version; /* TLS1_VERSION … TLS1_3_VERSION */
    bool ecdsa;
    bool psk;
};

/* `version`: as in struct forge_options; `name` NULL is the default of that version. */
struct forge_suite forge_suite_find(const char *name, int version);

/* One line per suite to standard output. */
void forge_suites_print(void);

#endif
