// SPDX-License-Identifier: Apache-2.0
/*
 * RC4, and no cipher at all. RC4 is the low-level one of libcrypto, deprecated since OpenSSL 3.0:
 * its state can be copied, which the search for a position in the keystream lives on, and it needs
 * no legacy provider.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls/cipher.h"

#include <openssl/rc4.h>
#include <stdlib.h>
#include <string.h>

struct pf_rc4 {
    RC4_KEY key;
};

struct pf_rc4 *pf_rc4_new(const struct pf_keys *keys)
{
    struct pf_rc4 *rc4 = malloc(sizeof *rc4);
    if (rc4 != NULL) {
        RC4_set_key(&rc4->key, keys->suite->bulk->key_len, keys->key);
    }
    return rc4;
}

struct pf_rc4 *pf_rc4_dup(const struct pf_rc4 *rc4)
{
    struct pf_rc4 *dup = malloc(sizeof *dup);
    if (dup != NULL) {
        *dup = *rc4;
    }
    return dup;
}

void pf_rc4_free(struct pf_rc4 *rc4)
{
    if (rc4 != NULL) {
        pf_wipe(rc4, sizeof *rc4);
    }
    free(rc4);
}

void pf_rc4_copy(struct pf_rc4 *to, const struct pf_rc4 *from)
{
    *to = *from;
}

void pf_rc4_skip(struct pf_rc4 *rc4, uint64_t len)
{
    static const uint8_t zeros[1024] = {0};
    uint8_t ignored[sizeof zeros];
    while (len > 0) {
        size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        RC4(&rc4->key, n, zeros, ignored);
        len -= n;
    }
}

enum pf_status pf_stream_open(struct pf_crypt *crypt, const struct pf_keys *keys,
                              const struct pf_sealed *rec, struct pf_rc4 *rc4, uint8_t *out,
                              size_t *len)
{
    const uint8_t *body = rec->body.ptr;
    size_t mac_len = pf_hash_len(keys->suite->mac);
    if (rec->body.len < mac_len) {
        return PF_ERR_MALFORMED;
    }
    struct pf_rc4 before;
    if (rc4 != NULL) {
        before = *rc4;
        RC4(&rc4->key, rec->body.len, body, out);
    } else if (rec->body.len > 0) {
        memcpy(out, body, rec->body.len);
    }
    *len = rec->body.len - mac_len;
    if (mac_len == 0) {
        return PF_OK; /* TLS_NULL_WITH_NULL_NULL: nothing was promised */
    }
    const struct pf_span content = {out, *len};
    bool fits = pf_cipher_mac_fits(pf_cipher_mac(crypt, keys), keys, rec, content, out + *len);
    if (rc4 != NULL && !fits) {
        *rc4 = before;
    }
    if (rc4 != NULL) {
        pf_wipe(&before, sizeof before);
    }
    return fits ? PF_OK : PF_ERR_REJECTED;
}
