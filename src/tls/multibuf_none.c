// SPDX-License-Identifier: Apache-2.0
/* Built in place of multibuf.c where Intel's library is not there: nothing is done here. */
#include "tls/multibuf.h"

struct pf_multibuf *pf_multibuf_new(void)
{
    return NULL;
}

void pf_multibuf_free(struct pf_multibuf *mb)
{
    (void)mb;
}

bool pf_multibuf_has(const struct pf_multibuf *mb, const struct pf_bulk *bulk)
{
    (void)mb;
    (void)bulk;
    return false;
}

void pf_multibuf_key(struct pf_multibuf *mb, const struct pf_bulk *bulk, const uint8_t *key,
                     void *expanded)
{
    (void)mb;
    (void)bulk;
    (void)key;
    (void)expanded;
}

bool pf_multibuf_aead(struct pf_multibuf *mb, const struct pf_bulk *bulk, const void *expanded,
                      const uint8_t nonce[12], struct pf_span aad, struct pf_span text,
                      const uint8_t *tag, uint8_t *out)
{
    (void)mb;
    (void)bulk;
    (void)expanded;
    (void)nonce;
    (void)aad;
    (void)text;
    (void)tag;
    (void)out;
    return false;
}

bool pf_multibuf_cbc(struct pf_multibuf *mb, const struct pf_bulk *bulk, const void *expanded,
                     const uint8_t *iv, struct pf_span blocks, uint8_t *out)
{
    (void)mb;
    (void)bulk;
    (void)expanded;
    (void)iv;
    (void)blocks;
    (void)out;
    return false;
}

bool pf_multibuf_has_mac(const struct pf_multibuf *mb, const struct pf_mac *mac)
{
    (void)mb;
    (void)mac;
    return false;
}

bool pf_multibuf_macs(struct pf_multibuf *mb, const struct pf_mac *mac,
                      const struct pf_span *messages, size_t n, uint8_t macs[][PF_DIGEST_MAX])
{
    (void)mb;
    (void)mac;
    (void)messages;
    (void)n;
    (void)macs;
    return false;
}
