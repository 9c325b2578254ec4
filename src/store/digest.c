// SPDX-License-Identifier: Apache-2.0
#include "store/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

struct pf_digest {
    EVP_MD_CTX *ctx;
};

enum pf_status pf_digest_new(struct pf_digest **out)
{
    *out = NULL;
    struct pf_digest *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return PF_ERR_NOMEM;
    }
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
        pf_digest_free(d);
        return PF_ERR_NOMEM;
    }
    *out = d;
    return PF_OK;
}

void pf_digest_free(struct pf_digest *d)
{
    if (d != NULL) {
        EVP_MD_CTX_free(d->ctx);
        free(d);
    }
}

enum pf_status pf_digest_update(struct pf_digest *d, const void *ptr, size_t len)
{
    return EVP_DigestUpdate(d->ctx, ptr, len) == 1 ? PF_OK : PF_ERR_INTERNAL;
}

enum pf_status pf_digest_value(const struct pf_digest *d, uint8_t out[PF_SHA256_LEN])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    if (copy == NULL) {
        return PF_ERR_NOMEM;
    }
    unsigned len = 0;
    int ok = EVP_MD_CTX_copy_ex(copy, d->ctx) == 1 && EVP_DigestFinal_ex(copy, out, &len) == 1;
    EVP_MD_CTX_free(copy);
    return ok && len == PF_SHA256_LEN ? PF_OK : PF_ERR_INTERNAL;
}

static enum pf_status update_from(struct pf_digest *d, int fd, uint8_t *buf, size_t cap)
{
    for (;;) {
        ssize_t n = read(fd, buf, cap);
        if (n == 0) {
            return PF_OK;
        }
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return PF_ERR_IO;
        }
        enum pf_status st = pf_digest_update(d, buf, (size_t)n);
        if (st != PF_OK) {
            return st;
        }
    }
}

enum pf_status pf_digest_fd(int fd, uint8_t out[PF_SHA256_LEN])
{
    enum { CAP = 1 << 18 };
    struct pf_digest *d = NULL;
    enum pf_status st = PF_ERR_NOMEM;
    uint8_t *buf = malloc(CAP);
    if (buf == NULL) {
        goto out;
    }
    st = pf_digest_new(&d);
    if (st != PF_OK) {
        goto out;
    }
    st = update_from(d, fd, buf, CAP);
    if (st == PF_OK) {
        st = pf_digest_value(d, out);
    }
out:
    pf_digest_free(d);
    free(buf);
    return st;
}
