// SPDX-License-Identifier: Apache-2.0
/*
 * What:    private keys and self-signed certificates of the two ends.
 * Owns:    what it gave in a struct forge_key, until forge_key_fini.
 * Threads: -
 * Errors:  end the program.
 * Limits:  RSA and P-256.
 */
#ifndef FORGE_KEYS_H
#define FORGE_KEYS_H

#include <openssl/x509.h>

struct forge_key {
    EVP_PKEY *pkey;
    X509 *cert;
};

void forge_key_make_rsa(struct forge_key *k, unsigned bits, const char *name);
void forge_key_make_ec(struct forge_key *k, const char *name);

/* A PEM file without passphrase. */
void forge_key_load(struct forge_key *k, const char *path, const char *name);

/* PKCS#8 PEM, readable by its owner alone; the certificate as PEM. */
void forge_key_save(const struct forge_key *k, const char *key_path, const char *cert_path);
void forge_key_fini(struct forge_key *k);

#endif
