// SPDX-License-Identifier: Apache-2.0
#include "forge/rc4.h"

#include "forge/common.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>

enum { HEADER = 5, KEY_LEN = 16, SHA1_LEN = 20, MD5_LEN = 16, HELLO_SESSION_ID = 4 + 2 + 32 };
enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2 };

static void must(bool ok)
{
    if (!ok) {
        forge_die("libcrypto has no RC4, or no key block for it (legacy provider)");
    }
}

void forge_rc4_fini(struct forge_rc4 *r)
{
    EVP_CIPHER_CTX_free(r->stream);
    r->stream = NULL;
}

/* The key block (RFC 5246 and RFC 2246, section 6.3). */
static void key_block(SSL *end, uint8_t *out, size_t len)
{
    static char label[] = "key expansion";
    uint8_t master[SSL_MAX_MASTER_KEY_LENGTH];
    uint8_t randoms[2 * SSL3_RANDOM_SIZE];
    size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(end), master, sizeof master);
    SSL_get_server_random(end, randoms, SSL3_RANDOM_SIZE);
    SSL_get_client_random(end, randoms + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
    const char *digest = SSL_version(end) == TLS1_2_VERSION ? "SHA256" : "MD5-SHA1";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, sizeof label - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms, sizeof randoms),
        OSSL_PARAM_construct_end()};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    must(ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void begin(struct forge_rc4 *r, SSL *end, const struct forge_suite *suite)
{
    uint8_t block[2 * SHA1_LEN + 2 * KEY_LEN];
    size_t mac = SSL_CIPHER_get_digest_nid(suite->cipher) == NID_md5 ? MD5_LEN : SHA1_LEN;
    key_block(end, block, 2 * mac + 2 * KEY_LEN);
    const uint8_t *key = block + 2 * mac + (SSL_is_server(end) ? KEY_LEN : 0);
    EVP_CIPHER *rc4 = EVP_CIPHER_fetch(NULL, "RC4", NULL);
    r->stream = EVP_CIPHER_CTX_new();
    must(rc4 != NULL && r->stream != NULL &&
         EVP_EncryptInit_ex2(r->stream, rc4, key, NULL, NULL) == 1);
    EVP_CIPHER_free(rc4);
}

/* The number of the suite that is spoken becomes that of the suite with RC4. */
static void rename_suite(const struct forge_suite *suite, uint8_t *hello, size_t len)
{
    uint16_t from = SSL_CIPHER_get_protocol_id(suite->cipher);
    size_t at = HELLO_SESSION_ID + 1 + (size_t)hello[HELLO_SESSION_ID];
    size_t end = at + 2;
    if (hello[0] == CLIENT_HELLO) {
        at += 2;
        end = at + (size_t)(hello[at - 2] << 8 | hello[at - 1]);
    }
    for (; at + 2 <= end && end <= len; at += 2) {
        if ((hello[at] << 8 | hello[at + 1]) == from) {
            hello[at] = (uint8_t)(suite->rc4 >> 8);
            hello[at + 1] = (uint8_t)suite->rc4;
        }
    }
}

void forge_rc4_translate(struct forge_rc4 *r, SSL *end, const struct forge_suite *suite,
                         uint8_t *wire, size_t len)
{
    for (size_t at = 0; at + HEADER <= len;) {
        uint8_t *body = wire + at + HEADER;
        int n = wire[at + 3] << 8 | wire[at + 4];
        if (r->stream != NULL) {
            int done = 0;
            must(EVP_EncryptUpdate(r->stream, body, &done, body, n) == 1 && done == n);
        } else if (wire[at] == CHANGE_CIPHER_SPEC) {
            begin(r, end, suite);
        } else if (wire[at] == HANDSHAKE && (body[0] == CLIENT_HELLO || body[0] == SERVER_HELLO)) {
            rename_suite(suite, body, (size_t)n);
        }
        at += HEADER + (size_t)n;
    }
}
