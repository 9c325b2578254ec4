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
#include <stdint.h>

/* What the two ends must bring for a suite. */
struct forge_suite {
    const SSL_CIPHER *cipher; /* of an RC4 suite: the same without a cipher (forge/rc4.h) */
    uint16_t rc4;             /* its number, if it is one; else 0 */
    const char *name;         /* OpenSSL's */
    const char *iana;
    int version; /* TLS1_VERSION … TLS1_3_VERSION */
    bool ecdsa;
    bool psk;
};

/* `version`: as in struct forge_options; `name` NULL is the default of that version. */
struct forge_suite forge_suite_find(const char *name, int version);

/* One line per suite to standard output. */
void forge_suites_print(void);

#endif
