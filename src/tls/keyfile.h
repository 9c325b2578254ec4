// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a key file -> the RSA private keys in it. PEM (PKCS#1, PKCS#8, either encrypted), DER
 *          (the same), PKCS#12.
 * Owns:    nothing that outlives a call, except the keys handed over. What was read is wiped.
 * Threads: one at a time.
 * Errors:  PF_ERR_USAGE with a message that names the file and what to do; PF_ERR_NOMEM.
 * Limits:  PF_KEYFILE_MAX bytes a file, PF_KEYFILE_KEYS keys in one, 512 to 16,384 bits a key.
 */
#ifndef PF_TLS_KEYFILE_H
#define PF_TLS_KEYFILE_H

#include "base/pkt.h"
#include "base/status.h"

#include <openssl/types.h>
#include <stddef.h>

enum { PF_KEYFILE_MAX = 1 << 20, PF_KEYFILE_KEYS = 1024, PF_RSA_BYTES_MAX = 16384 / 8 };

/* What else stood in a file: named to the user when there was no RSA key. */
enum pf_keyfile_kind {
    PF_KEYFILE_NOTHING,
    PF_KEYFILE_EMPTY,
    PF_KEYFILE_CERTIFICATE,
    PF_KEYFILE_REQUEST,
    PF_KEYFILE_PUBLIC,
    PF_KEYFILE_OTHER_KEY, /* EC, Ed25519, DSA: a private key that decrypts nothing */
    PF_KEYFILE_OPENSSH,
    PF_KEYFILE_KEYLOG,
    PF_KEYFILE_CAPTURE
};

struct pf_keyfile {
    EVP_PKEY *keys[PF_KEYFILE_KEYS]; /* the caller frees them, each with EVP_PKEY_free */
    size_t count;
    enum pf_keyfile_kind other; /* the first thing in it that is no RSA key */
};

/*
 * Reads the file. libctx has the providers that old encryptions need. PF_OK with count 0: it holds
 * no RSA key; pf_keyfile_complain says so. On an error count is 0.
 */
PF_MUST_USE enum pf_status pf_keyfile_read(OSSL_LIB_CTX *libctx, const char *path,
                                           const char *password, struct pf_keyfile *out,
                                           struct pf_error *err);

/* The same for bytes in memory; path is only for messages. */
PF_MUST_USE enum pf_status pf_keyfile_parse(OSSL_LIB_CTX *libctx, struct pf_span bytes,
                                            const char *path, const char *password,
                                            struct pf_keyfile *out, struct pf_error *err);

/* The message for a file without an RSA key. Returns PF_ERR_USAGE. */
enum pf_status pf_keyfile_complain(const struct pf_keyfile *file, const char *path,
                                   struct pf_error *err);

#endif
