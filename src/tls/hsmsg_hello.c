// SPDX-License-Identifier: Apache-2.0
/*
 * The hellos and their extensions. What an extension holds is read by a row of a table; of an
 * extension that comes twice the first counts, and those without a row (GREASE, RFC 8701, among
 * them) are stepped over.
 */
#include "base/cursor.h"
#include "tls/hsmsg.h"

enum {
    EXT_SERVER_NAME = 0,
    EXT_MAX_FRAGMENT_LENGTH = 1,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_ALPN = 16,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER = 23,
    EXT_RECORD_SIZE_LIMIT = 28,
    EXT_SESSION_TICKET = 35,
    EXT_KEY_SHARE_DRAFT = 40, /* TLS 1.3 drafts before 23 */
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_KEY_SHARE = 51,
    EXT_ECH = 0xfe0d
};

/* RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[PF_RANDOM_LEN] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* Reads one extension into the message it belongs to; false when the contents do not fit. */
typedef bool read_ext_fn(struct pf_cur data, void *message);

struct ext_row {
    uint16_t type;
    read_ext_fn *read;
};

/* What to make of an extension whose frame is whole and whose contents are not. */
enum on_misfit { MISFIT_IGNORED, MISFIT_MALFORMED };

static bool read_ext(const struct ext_row *rows, size_t count, uint16_t type, struct pf_cur data,
                     uint32_t *seen, void *message)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type == type) {
            bool first = (*seen & 1U << i) == 0;
            *seen |= 1U << i;
            return !first || rows[i].read(data, message);
        }
    }
    return true;
}

static bool read_exts(struct pf_span block, const struct ext_row *rows, size_t count,
                      enum on_misfit misfit, void *message)
{
    struct pf_cur c = pf_cur_of(block);
    uint32_t seen = 0;
    for (int i = 0; i < PF_EXTENSIONS_MAX && !pf_cur_at_end(&c); i++) {
        uint16_t type;
        struct pf_cur data;
        if (!pf_cur_u16(&c, &type) || !pf_cur_vec16(&c, &data)) {
            return false;
        }
        if (!read_ext(rows, count, type, data, &seen, message) && misfit == MISFIT_MALFORMED) {
            return false;
        }
    }
    return true;
}

/* The block that ends a hello; before TLS 1.2 it could be left out. */
static bool read_ext_block(struct pf_cur *c, struct pf_span *block)
{
    struct pf_cur exts;
    if (pf_cur_at_end(c)) {
        return true;
    }
    if (!pf_cur_vec16(c, &exts) || !pf_cur_at_end(c)) {
        return false;
    }
    *block = pf_cur_rest(&exts);
    return true;
}

static bool is_draft(uint16_t version)
{
    return (version & 0xff00) == PF_VERSION_TLS13_DRAFT;
}

static bool read_max_fragment(struct pf_cur *c, uint8_t *code)
{
    uint8_t n;
    if (!pf_cur_u8(c, &n) || !pf_cur_at_end(c) || n < 1 || n > 4) {
        return false;
    }
    *code = n;
    return true;
}

/* RFC 8449 section 4: values below 64 are an error. */
static bool read_size_limit(struct pf_cur *c, uint16_t *limit)
{
    uint16_t n;
    if (!pf_cur_u16(c, &n) || !pf_cur_at_end(c) || n < 64) {
        return false;
    }
    *limit = n;
    return true;
}

static bool read_u16_list(struct pf_cur list, struct pf_span *out)
{
    if (list.left == 0 || list.left % 2 != 0) {
        return false;
    }
    *out = pf_cur_rest(&list);
    return true;
}

static bool client_server_name(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    struct pf_cur list;
    struct pf_cur name;
    uint8_t type;
    if (!pf_cur_vec16(&data, &list)) {
        return false;
    }
    while (pf_cur_u8(&list, &type) && pf_cur_vec16(&list, &name)) {
        if (type == 0 && name.left > 0) {
            h->server_name = pf_cur_rest(&name);
            return true;
        }
    }
    return false;
}

static bool client_max_fragment(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    return read_max_fragment(&data, &h->max_fragment_length);
}

static bool client_groups(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    struct pf_cur list;
    return pf_cur_vec16(&data, &list) && read_u16_list(list, &h->supported_groups);
}

static bool client_alpn(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    struct pf_cur list;
    if (!pf_cur_vec16(&data, &list)) {
        return false;
    }
    h->alpn = pf_cur_rest(&list);
    return true;
}

static bool client_encrypt_then_mac(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_client_hello *)message)->encrypt_then_mac = true;
    return true;
}

static bool client_extended_master(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_client_hello *)message)->extended_master = true;
    return true;
}

static bool client_size_limit(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    return read_size_limit(&data, &h->record_size_limit);
}

static bool client_ticket(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    h->has_ticket = true;
    h->ticket = pf_cur_rest(&data);
    return true;
}

static bool client_psk(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    struct pf_cur identities;
    struct pf_cur first;
    if (!pf_cur_vec16(&data, &identities) || !pf_cur_vec16(&identities, &first)) {
        return false;
    }
    h->psk_identity = pf_cur_rest(&first);
    return true;
}

static bool client_early_data(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_client_hello *)message)->early_data = true;
    return true;
}

static bool client_versions(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    struct pf_cur list;
    return pf_cur_vec8(&data, &list) && read_u16_list(list, &h->supported_versions);
}

/* RFC 9849 section 5: type 0 is the outer hello; type 1 stands in the inner one, which is never on
 * the wire in the clear. */
static bool client_ech(struct pf_cur data, void *message)
{
    struct pf_client_hello *h = message;
    uint8_t type;
    h->ech = pf_cur_u8(&data, &type) && type == 0;
    return true;
}

static const struct ext_row client_rows[] = {
    {EXT_SERVER_NAME, client_server_name},
    {EXT_MAX_FRAGMENT_LENGTH, client_max_fragment},
    {EXT_SUPPORTED_GROUPS, client_groups},
    {EXT_ALPN, client_alpn},
    {EXT_ENCRYPT_THEN_MAC, client_encrypt_then_mac},
    {EXT_EXTENDED_MASTER, client_extended_master},
    {EXT_RECORD_SIZE_LIMIT, client_size_limit},
    {EXT_SESSION_TICKET, client_ticket},
    {EXT_PRE_SHARED_KEY, client_psk},
    {EXT_EARLY_DATA, client_early_data},
    {EXT_SUPPORTED_VERSIONS, client_versions},
    {EXT_ECH, client_ech},
};

static bool client_hello(struct pf_cur *c, struct pf_client_hello *h)
{
    struct pf_cur id;
    struct pf_cur suites;
    struct pf_cur compressions;
    if (!pf_cur_u16(c, &h->version) || !pf_cur_copy(c, h->random, PF_RANDOM_LEN) ||
        !pf_cur_vec8(c, &id) || id.left > PF_SESSION_ID_MAX || !pf_cur_vec16(c, &suites) ||
        !read_u16_list(suites, &h->suites) || !pf_cur_vec8(c, &compressions) ||
        compressions.left == 0 || !read_ext_block(c, &h->extensions)) {
        return false;
    }
    h->session_id = pf_cur_rest(&id);
    h->compressions = pf_cur_rest(&compressions);
    return read_exts(h->extensions, client_rows, sizeof client_rows / sizeof client_rows[0],
                     MISFIT_IGNORED, h);
}

enum pf_status pf_hs_client_hello(struct pf_span body, struct pf_client_hello *out)
{
    struct pf_cur c = pf_cur_of(body);
    *out = (struct pf_client_hello){0};
    return client_hello(&c, out) ? PF_OK : PF_ERR_MALFORMED;
}

enum pf_status pf_hs_sslv2_client_hello(struct pf_span record, struct pf_client_hello *out)
{
    struct pf_cur c = pf_cur_of(record);
    uint8_t type;
    uint16_t suites_len;
    uint16_t id_len;
    uint16_t challenge_len;
    *out = (struct pf_client_hello){.sslv2 = true};
    if (!pf_cur_u8(&c, &type) || type != PF_HS_CLIENT_HELLO || !pf_cur_u16(&c, &out->version) ||
        !pf_cur_u16(&c, &suites_len) || !pf_cur_u16(&c, &id_len) ||
        !pf_cur_u16(&c, &challenge_len) || suites_len == 0 || suites_len % 3 != 0 ||
        id_len > PF_SESSION_ID_MAX || challenge_len == 0 || challenge_len > PF_RANDOM_LEN) {
        return PF_ERR_MALFORMED;
    }
    if (!pf_cur_span(&c, suites_len, &out->suites) || !pf_cur_span(&c, id_len, &out->session_id) ||
        !pf_cur_copy(&c, out->random + PF_RANDOM_LEN - challenge_len, challenge_len) ||
        !pf_cur_at_end(&c)) {
        return PF_ERR_MALFORMED;
    }
    return PF_OK;
}

static bool server_max_fragment(struct pf_cur data, void *message)
{
    struct pf_server_hello *h = message;
    return read_max_fragment(&data, &h->max_fragment_length);
}

/* RFC 7301 section 3.1: a list of exactly one name. */
static bool read_chosen_alpn(struct pf_cur data, struct pf_span *out)
{
    struct pf_cur list;
    struct pf_cur name;
    if (!pf_cur_vec16(&data, &list) || !pf_cur_vec8(&list, &name) || !pf_cur_at_end(&list)) {
        return false;
    }
    *out = pf_cur_rest(&name);
    return true;
}

static bool server_alpn(struct pf_cur data, void *message)
{
    return read_chosen_alpn(data, &((struct pf_server_hello *)message)->alpn);
}

static bool server_encrypt_then_mac(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_server_hello *)message)->encrypt_then_mac = true;
    return true;
}

static bool server_extended_master(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_server_hello *)message)->extended_master = true;
    return true;
}

static bool server_size_limit(struct pf_cur data, void *message)
{
    struct pf_server_hello *h = message;
    return read_size_limit(&data, &h->record_size_limit);
}

static bool server_ticket(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_server_hello *)message)->ticket_promised = true;
    return true;
}

static bool server_psk(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_server_hello *)message)->psk_selected = true;
    return true;
}

static bool server_version(struct pf_cur data, void *message)
{
    struct pf_server_hello *h = message;
    return pf_cur_u16(&data, &h->version) && pf_cur_at_end(&data);
}

/* The group stands first, in a HelloRetryRequest alone. */
static bool server_key_share(struct pf_cur data, void *message)
{
    struct pf_server_hello *h = message;
    return pf_cur_u16(&data, &h->key_share_group);
}

static const struct ext_row server_rows[] = {
    {EXT_MAX_FRAGMENT_LENGTH, server_max_fragment},  {EXT_ALPN, server_alpn},
    {EXT_ENCRYPT_THEN_MAC, server_encrypt_then_mac}, {EXT_EXTENDED_MASTER, server_extended_master},
    {EXT_RECORD_SIZE_LIMIT, server_size_limit},      {EXT_SESSION_TICKET, server_ticket},
    {EXT_KEY_SHARE_DRAFT, server_key_share},         {EXT_PRE_SHARED_KEY, server_psk},
    {EXT_SUPPORTED_VERSIONS, server_version},        {EXT_KEY_SHARE, server_key_share},
};

static bool server_exts(struct pf_server_hello *h)
{
    return read_exts(h->extensions, server_rows, sizeof server_rows / sizeof server_rows[0],
                     MISFIT_MALFORMED, h);
}

/* Session id and compression left the ServerHello with draft 13 and came back with draft 22. */
static bool server_choice(struct pf_cur *c, struct pf_server_hello *h)
{
    struct pf_cur id;
    if (is_draft(h->legacy_version)) {
        return pf_cur_u16(c, &h->suite);
    }
    if (!pf_cur_vec8(c, &id) || id.left > PF_SESSION_ID_MAX || !pf_cur_u16(c, &h->suite) ||
        !pf_cur_u8(c, &h->compression)) {
        return false;
    }
    h->session_id = pf_cur_rest(&id);
    return true;
}

static bool server_hello(struct pf_cur c, struct pf_server_hello *h)
{
    *h = (struct pf_server_hello){0};
    if (!pf_cur_u16(&c, &h->legacy_version) || !pf_cur_copy(&c, h->random, PF_RANDOM_LEN) ||
        !server_choice(&c, h) || !read_ext_block(&c, &h->extensions)) {
        return false;
    }
    h->version = h->legacy_version;
    h->hello_retry = memcmp(h->random, retry_random, PF_RANDOM_LEN) == 0;
    return server_exts(h);
}

/* HelloRetryRequest of drafts before 22, a message of its own: version, from draft 19 on the suite,
 * extensions. */
static bool draft_retry(struct pf_cur c, struct pf_server_hello *h)
{
    *h = (struct pf_server_hello){.hello_retry = true};
    if (!pf_cur_u16(&c, &h->legacy_version) || !is_draft(h->legacy_version)) {
        return false;
    }
    h->version = h->legacy_version;
    bool has_suite = (h->legacy_version & 0xff) >= 19;
    return (!has_suite || pf_cur_u16(&c, &h->suite)) && !pf_cur_at_end(&c) &&
           read_ext_block(&c, &h->extensions) && server_exts(h);
}

enum pf_status pf_hs_server_hello(struct pf_span body, struct pf_server_hello *out)
{
    struct pf_cur c = pf_cur_of(body);
    return server_hello(c, out) || draft_retry(c, out) ? PF_OK : PF_ERR_MALFORMED;
}

static bool encrypted_alpn(struct pf_cur data, void *message)
{
    return read_chosen_alpn(data, &((struct pf_encrypted_extensions *)message)->alpn);
}

static bool encrypted_size_limit(struct pf_cur data, void *message)
{
    struct pf_encrypted_extensions *e = message;
    return read_size_limit(&data, &e->record_size_limit);
}

static bool encrypted_early_data(struct pf_cur data, void *message)
{
    (void)data;
    ((struct pf_encrypted_extensions *)message)->early_data = true;
    return true;
}

static const struct ext_row encrypted_rows[] = {
    {EXT_ALPN, encrypted_alpn},
    {EXT_RECORD_SIZE_LIMIT, encrypted_size_limit},
    {EXT_EARLY_DATA, encrypted_early_data},
};

enum pf_status pf_hs_encrypted_extensions(struct pf_span body, struct pf_encrypted_extensions *out)
{
    struct pf_cur c = pf_cur_of(body);
    struct pf_cur exts;
    *out = (struct pf_encrypted_extensions){0};
    if (!pf_cur_vec16(&c, &exts) || !pf_cur_at_end(&c) ||
        !read_exts(pf_cur_rest(&exts), encrypted_rows,
                   sizeof encrypted_rows / sizeof encrypted_rows[0], MISFIT_MALFORMED, out)) {
        return PF_ERR_MALFORMED;
    }
    return PF_OK;
}
