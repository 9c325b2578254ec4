// SPDX-License-Identifier: Apache-2.0
#include "forge/keys.h"

#include "forge/common.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        forge_die("%s failed", what);
    }
}

/* Dates are fixed: the certificate is part of the capture. */
static void make_cert(struct forge_key *k, const char *name)
{
    X509 *x = X509_new();
    must(x != NULL, "X509_new");
    X509_NAME *subject = X509_get_subject_name(x);
    must(X509_set_version(x, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
             ASN1_TIME_set_string(X509_getm_notBefore(x), "20200101000000Z") == 1 &&
             ASN1_TIME_set_string(X509_getm_notAfter(x), "20491231235959Z") == 1 &&
             X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                        (const unsigned char *)"plainflow-forge", -1, -1, 0) == 1 &&
             X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                        -1, -1, 0) == 1 &&
             X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, k->pkey) == 1 &&
             X509_sign(x, k->pkey, EVP_sha256()) > 0,
         "making a certificate");
    k->cert = x;
}

void forge_key_make_rsa(struct forge_key *k, unsigned bits, const char *name)
{
    k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    must(k->pkey != NULL, "making an RSA key");
    make_cert(k, name);
}

void forge_key_make_ec(struct forge_key *k, const char *name)
{
    k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    must(k->pkey != NULL, "making an EC key");
    make_cert(k, name);
}

void forge_key_load(struct forge_key *k, const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        forge_die("%s: %s", path, strerror(errno));
    }
    static char no_passphrase[] = "";
    k->pkey = PEM_read_PrivateKey(f, NULL, NULL, no_passphrase);
    fclose(f);
    if (k->pkey == NULL || EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA) {
        forge_die("%s: no RSA private key in PEM without passphrase", path);
    }
    make_cert(k, name);
}

static FILE *create(const char *path, mode_t mode)
{
    /* An older, more open file must not lend its mode to the key. */
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL) {
        forge_die("%s: %s", path, strerror(errno));
    }
    return f;
}

void forge_key_save(const struct forge_key *k, const char *key_path, const char *cert_path)
{
    if (key_path != NULL) {
        FILE *f = create(key_path, 0600);
        bool ok = PEM_write_PKCS8PrivateKey(f, k->pkey, NULL, NULL, 0, NULL, NULL) == 1;
        must(fclose(f) == 0 && ok, "writing the key");
    }
    FILE *f = create(cert_path, 0644);
    bool ok = PEM_write_X509(f, k->cert) == 1;
    must(fclose(f) == 0 && ok, "writing the certificate");
}

void forge_key_fini(struct forge_key *k)
{
    EVP_PKEY_free(k->pkey);
    X509_free(k->cert);
    *k = (struct forge_key){0};
}
