// SPDX-License-Identifier: Apache-2.0
#include "forge/suites.h"

#include "forge/common.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

static const int VERSIONS[] = {0, TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};

/* RSA key exchange where there is one: a capture that its private key opens. */
static const char *const DEFAULTS[] = {"AES128-GCM-SHA256", "AES128-SHA", "AES128-SHA",
                                       "AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"};

/* RFC 5246 appendix A.5, RFC 4492: suites that libssl has no more, and those that only lack RC4. */
static const struct {
    uint16_t number;
    const char *name;
    const char *iana;
    const char *carrier;
} RC4[] = {
    {0x0004, "RC4-MD5", "TLS_RSA_WITH_RC4_128_MD5", "NULL-MD5"},
    {0x0005, "RC4-SHA", "TLS_RSA_WITH_RC4_128_SHA", "NULL-SHA"},
    {0xC011, "ECDHE-RSA-RC4-SHA", "TLS_ECDHE_RSA_WITH_RC4_128_SHA", "ECDHE-RSA-NULL-SHA"},
};
enum { RC4_COUNT = sizeof RC4 / sizeof RC4[0] };

static SSL_CTX *ctx_with_all(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (ctx == NULL ||
        SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:!aDSS:!SRP:@SECLEVEL=0") != 1) {
        forge_die("libssl does not start");
    }
    /* Those of TLS 1.3 that are off by default, if this libssl has them. */
    if (SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
                                      "TLS_AES_128_CCM_8_SHA256") != 1) {
        ERR_clear_error();
    }
    return ctx;
}

static bool is_tls13(const SSL_CIPHER *c)
{
    return SSL_CIPHER_get_kx_nid(c) == NID_kx_any;
}

/* The oldest version a suite goes with: AEAD and SHA-2 came with TLS 1.2. */
static int oldest(const SSL_CIPHER *c)
{
    if (is_tls13(c)) {
        return TLS1_3_VERSION;
    }
    return strcmp(SSL_CIPHER_get_version(c), "TLSv1.2") == 0 ? TLS1_2_VERSION : TLS1_VERSION;
}

static bool is_named(const SSL_CIPHER *c, const char *name)
{
    const char *iana = SSL_CIPHER_standard_name(c);
    return strcmp(SSL_CIPHER_get_name(c), name) == 0 || (iana != NULL && strcmp(iana, name) == 0);
}

static bool uses_psk(const SSL_CIPHER *c)
{
    int kx = SSL_CIPHER_get_kx_nid(c);
    return kx == NID_kx_psk || kx == NID_kx_rsa_psk || kx == NID_kx_dhe_psk ||
           kx == NID_kx_ecdhe_psk;
}

struct forge_suite forge_suite_find(const char *name, int version)
{
    SSL_CTX *ctx = ctx_with_all();
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    struct forge_suite found = {0};
    const char *wanted = name != NULL ? name : DEFAULTS[version];
    for (size_t i = 0; i < RC4_COUNT; i++) {
        if (strcmp(wanted, RC4[i].name) == 0 || strcmp(wanted, RC4[i].iana) == 0) {
            found = (struct forge_suite){
                .rc4 = RC4[i].number, .name = RC4[i].name, .iana = RC4[i].iana};
            wanted = RC4[i].carrier;
        }
    }
    for (int i = 0; i < sk_SSL_CIPHER_num(all) && found.cipher == NULL; i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        if (is_named(c, wanted)) {
            found.cipher = c;
        }
    }
    SSL_CTX_free(ctx);
    if (found.cipher == NULL) {
        forge_die("this libssl does not know the suite %s (see --list-suites)", wanted);
    }
    int newest = is_tls13(found.cipher) ? TLS1_3_VERSION : TLS1_2_VERSION;
    found.version = version == 0 ? newest : VERSIONS[version];
    if (found.version < oldest(found.cipher) || found.version > newest) {
        forge_die("%s does not go with the --version that is asked for", wanted);
    }
    found.ecdsa = SSL_CIPHER_get_auth_nid(found.cipher) == NID_auth_ecdsa;
    found.psk = uses_psk(found.cipher);
    if (found.rc4 == 0) {
        found.name = SSL_CIPHER_get_name(found.cipher);
        found.iana = SSL_CIPHER_standard_name(found.cipher);
    }
    return found;
}

void forge_suites_print(void)
{
    SSL_CTX *ctx = ctx_with_all();
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        const char *iana = SSL_CIPHER_standard_name(c);
        int first = oldest(c);
        const char *since = first == TLS1_3_VERSION   ? "tls1.3"
                            : first == TLS1_2_VERSION ? "tls1.2"
                                                      : "tls1.0-tls1.2";
        printf("%-34s %-48s %s%s\n", SSL_CIPHER_get_name(c), iana != NULL ? iana : "-", since,
               uses_psk(c) ? " (--psk)" : "");
    }
    for (size_t i = 0; i < RC4_COUNT; i++) {
        printf("%-34s %-48s tls1.0-tls1.2\n", RC4[i].name, RC4[i].iana);
    }
    SSL_CTX_free(ctx);
}
