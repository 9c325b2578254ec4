// SPDX-License-Identifier: Apache-2.0
#include "tls/certcache.h"

#include "tls/hash.h"

#include <stdlib.h>
#include <string.h>

enum { DIGEST_LEN = 32 };

struct place {
    bool taken;
    enum pf_status status;
    uint8_t digest[DIGEST_LEN]; /* SHA-256 of the DER: nobody makes two that share it */
    struct pf_cert cert;
};

struct pf_cert_cache {
    struct place places[PF_CERT_CACHE];
};

enum pf_status pf_cert_cache_new(struct pf_cert_cache **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PF_OK : PF_ERR_NOMEM;
}

void pf_cert_cache_free(struct pf_cert_cache *cache)
{
    free(cache);
}

enum pf_status pf_cert_cache_parse(struct pf_cert_cache *cache, struct pf_span der,
                                   struct pf_cert *out)
{
    if (cache == NULL) {
        return pf_cert_parse(der, out);
    }
    union pf_hash_state hash;
    uint8_t digest[DIGEST_LEN];
    pf_hash_begin(PF_HASH_SHA256, &hash);
    pf_hash_add(PF_HASH_SHA256, &hash, der.ptr, der.len);
    pf_hash_end(PF_HASH_SHA256, &hash, digest);
    struct place *p = &cache->places[digest[0] % PF_CERT_CACHE];
    if (!p->taken || memcmp(p->digest, digest, sizeof digest) != 0) {
        enum pf_status st = pf_cert_parse(der, &p->cert);
        p->taken = st == PF_OK || st == PF_ERR_MALFORMED;
        p->status = st;
        memcpy(p->digest, digest, sizeof digest);
    }
    *out = p->cert;
    return p->status;
}
