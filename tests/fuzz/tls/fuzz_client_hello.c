// SPDX-License-Identifier: Apache-2.0
/* A ClientHello body, and the same bytes as an SSLv2-framed one: every span must lie in them. */
#include "tls/hsmsg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(struct pf_span s, const uint8_t *data, size_t size)
{
    if (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size)) {
        abort();
    }
}

static void check_hello(const struct pf_client_hello *h, const uint8_t *data, size_t size)
{
    check_span(h->session_id, data, size);
    check_span(h->suites, data, size);
    check_span(h->compressions, data, size);
    check_span(h->extensions, data, size);
    check_span(h->server_name, data, size);
    check_span(h->alpn, data, size);
    check_span(h->ticket, data, size);
    check_span(h->supported_versions, data, size);
    check_span(h->supported_groups, data, size);
    check_span(h->psk_identity, data, size);
    if (h->session_id.len > PF_SESSION_ID_MAX || h->suites.len == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_span s = {.ptr = data, .len = size};
    struct pf_client_hello h;
    if (pf_hs_client_hello(s, &h) == PF_OK) {
        check_hello(&h, data, size);
    }
    if (pf_hs_sslv2_client_hello(s, &h) == PF_OK) {
        check_hello(&h, data, size);
    }
    return 0;
}
