// SPDX-License-Identifier: Apache-2.0
#include "tls/wire.h"

#include <stddef.h>

struct named {
    uint8_t value;
    const char *name;
};

/* RFC 8446 section 6 and appendix B.2; RFC 5246 section 7.2; RFC 7301, 4279, 6066, 7507. */
static const struct named alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed"},
    {22, "record_overflow"},
    {30, "decompression_failure"},
    {40, "handshake_failure"},
    {41, "no_certificate"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {52, "too_many_cids_requested"},
    {60, "export_restriction"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
    {121, "ech_required"},
};

static const struct named messages[] = {
    {PF_HS_HELLO_REQUEST, "hello_request"},
    {PF_HS_CLIENT_HELLO, "client_hello"},
    {PF_HS_SERVER_HELLO, "server_hello"},
    {PF_HS_NEW_SESSION_TICKET, "new_session_ticket"},
    {PF_HS_END_OF_EARLY_DATA, "end_of_early_data"},
    {PF_HS_HELLO_RETRY_REQUEST, "hello_retry_request"},
    {PF_HS_ENCRYPTED_EXTENSIONS, "encrypted_extensions"},
    {PF_HS_CERTIFICATE, "certificate"},
    {PF_HS_SERVER_KEY_EXCHANGE, "server_key_exchange"},
    {PF_HS_CERTIFICATE_REQUEST, "certificate_request"},
    {PF_HS_SERVER_HELLO_DONE, "server_hello_done"},
    {PF_HS_CERTIFICATE_VERIFY, "certificate_verify"},
    {PF_HS_CLIENT_KEY_EXCHANGE, "client_key_exchange"},
    {PF_HS_FINISHED, "finished"},
    {PF_HS_CERTIFICATE_URL, "certificate_url"},
    {PF_HS_CERTIFICATE_STATUS, "certificate_status"},
    {PF_HS_KEY_UPDATE, "key_update"},
    {PF_HS_COMPRESSED_CERTIFICATE, "compressed_certificate"},
    {PF_HS_NEXT_PROTOCOL, "next_protocol"},
};

static const char *name_of(const struct named *rows, size_t count, uint8_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].value == value) {
            return rows[i].name;
        }
    }
    return "unknown";
}

bool pf_version_is_draft(uint16_t version)
{
    uint16_t kind = version & 0xff00;
    return kind == PF_VERSION_TLS13_DRAFT || kind == PF_VERSION_TLS13_FIZZ;
}

const char *pf_version_name(uint16_t version)
{
    switch (version) {
    case PF_VERSION_SSL3:
        return "SSLv3";
    case PF_VERSION_TLS10:
        return "TLSv10";
    case PF_VERSION_TLS11:
        return "TLSv11";
    case PF_VERSION_TLS12:
        return "TLSv12";
    case PF_VERSION_TLS13:
        return "TLSv13";
    default:
        return pf_version_is_draft(version) ? "TLSv13" : NULL;
    }
}

const char *pf_alert_name(uint8_t description)
{
    return name_of(alerts, sizeof alerts / sizeof alerts[0], description);
}

const char *pf_hs_name(uint8_t hs_type)
{
    return name_of(messages, sizeof messages / sizeof messages[0], hs_type);
}
