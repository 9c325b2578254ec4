// SPDX-License-Identifier: Apache-2.0
/* What a server says: ServerHello, EncryptedExtensions, NewSessionTicket, and the client's answer.
 */
#include "tls/hsmsg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(struct pf_span s, const uint8_t *data, size_t size)
{
    if (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_span s = {.ptr = data, .len = size};
    struct pf_server_hello h;
    struct pf_encrypted_extensions e;
    struct pf_span part;
    uint32_t lifetime;
    if (pf_hs_server_hello(s, &h) == PF_OK) {
        check_span(h.session_id, data, size);
        check_span(h.extensions, data, size);
        check_span(h.alpn, data, size);
    }
    if (pf_hs_encrypted_extensions(s, &e) == PF_OK) {
        check_span(e.alpn, data, size);
    }
    if (pf_hs_new_session_ticket(s, &lifetime, &part) == PF_OK) {
        check_span(part, data, size);
    }
    for (uint16_t version = PF_VERSION_SSL3; version <= PF_VERSION_TLS12; version++) {
        if (pf_hs_client_key_exchange_rsa(s, version, &part) == PF_OK) {
            check_span(part, data, size);
        }
    }
    return 0;
}
