// SPDX-License-Identifier: Apache-2.0
/* A Certificate message in both forms, and each certificate in it, or the bytes as a certificate.
 */
#include "tls/cert.h"
#include "tls/hsmsg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_cert(struct pf_span der)
{
    uint8_t spki[PF_SPKI_LEN];
    struct pf_cert cert;
    enum pf_status st = pf_cert_spki(der, spki);
    if (pf_cert_parse(der, &cert) == PF_OK &&
        (st != PF_OK || memcmp(spki, cert.spki_sha256, sizeof spki) != 0 ||
         memchr(cert.subject, '\0', sizeof cert.subject) == NULL ||
         memchr(cert.issuer, '\0', sizeof cert.issuer) == NULL)) {
        abort();
    }
}

static void read_message(struct pf_span body, bool tls13)
{
    struct pf_span der;
    size_t pos = 0;
    size_t rounds = 0;
    while (pf_hs_certificate_at(body, tls13, &pos, &der) == PF_OK) {
        if (rounds++ == 0) {
            struct pf_span leaf;
            if (pf_hs_certificate(body, tls13, &leaf) != PF_OK || leaf.ptr != der.ptr) {
                abort();
            }
        }
        if (rounds > body.len) {
            abort();
        }
        read_cert(der);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_span s = {.ptr = data, .len = size};
    read_message(s, false);
    read_message(s, true);
    read_cert(s);
    return 0;
}
