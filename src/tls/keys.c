// SPDX-License-Identifier: Apache-2.0
#include "tls/keys.h"

#include "tls/kdf.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum pf_status pf_kdf_new(struct pf_kdf **out)
{
    *out = NULL;
    struct pf_kdf *kdf = malloc(sizeof *kdf);
    if (kdf == NULL) {
        return PF_ERR_NOMEM;
    }
    if (RAND_bytes((unsigned char *)&kdf->next_id, sizeof kdf->next_id) != 1) {
        ERR_clear_error();
        free(kdf);
        return PF_ERR_INTERNAL;
    }
    *out = kdf;
    return PF_OK;
}

void pf_kdf_free(struct pf_kdf *kdf)
{
    free(kdf);
}

uint64_t pf_kdf_next_id(struct pf_kdf *kdf)
{
    if (++kdf->next_id == 0) {
        kdf->next_id = 1;
    }
    return kdf->next_id;
}

void pf_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

static void put_u16_vector(uint8_t **p, const uint8_t *bytes, size_t len)
{
    *(*p)++ = (uint8_t)(len >> 8);
    *(*p)++ = (uint8_t)len;
    if (bytes != NULL) {
        memcpy(*p, bytes, len);
    } else {
        memset(*p, 0, len);
    }
    *p += len;
}

enum pf_status pf_psk_pre_master(struct pf_span psk, struct pf_span other, uint8_t *out, size_t cap,
                                 size_t *len)
{
    size_t other_len = other.ptr != NULL ? other.len : psk.len;
    if (psk.len > UINT16_MAX || other_len > UINT16_MAX || cap < 4 + psk.len + other_len) {
        return PF_ERR_LIMIT;
    }
    uint8_t *p = out;
    put_u16_vector(&p, other.ptr, other_len);
    put_u16_vector(&p, psk.ptr, psk.len);
    *len = (size_t)(p - out);
    return PF_OK;
}
