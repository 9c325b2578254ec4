// SPDX-License-Identifier: Apache-2.0
#include "tls/open.h"

#include "tls/cipher.h"
#include "tls/inflate.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum pf_status pf_crypt_new(struct pf_crypt **out, struct pf_error *err)
{
    *out = NULL;
    struct pf_crypt *crypt = malloc(sizeof *crypt);
    if (crypt == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "no memory for cipher contexts");
    }
    enum pf_status st = pf_crypt_init(crypt);
    if (st != PF_OK) {
        free(crypt);
        return pf_error_set(err, st, "OpenSSL's default provider cannot be loaded");
    }
    *out = crypt;
    return PF_OK;
}

void pf_crypt_free(struct pf_crypt *crypt)
{
    if (crypt != NULL) {
        pf_crypt_fini(crypt);
    }
    free(crypt);
}

bool pf_open_needs_iv(const struct pf_keys *keys)
{
    return keys->suite->bulk->mode == PF_MODE_CBC && pf_cbc_is_chained(keys);
}

enum pf_status pf_chain_init(struct pf_chain *chain, const struct pf_keys *keys,
                             uint8_t compression)
{
    *chain = (struct pf_chain){.iv_known = true};
    memcpy(chain->iv, keys->iv, sizeof chain->iv);
    if (compression > 1) {
        return PF_ERR_UNSUPPORTED;
    }
    if (keys->suite->bulk->mode == PF_MODE_STREAM) {
        chain->stream = pf_rc4_new(keys);
    }
    if (compression == 1) {
        chain->inflate = pf_inflate_new();
    }
    if ((keys->suite->bulk->mode == PF_MODE_STREAM && chain->stream == NULL) ||
        (compression == 1 && chain->inflate == NULL)) {
        pf_chain_fini(chain);
        return PF_ERR_NOMEM;
    }
    return PF_OK;
}

void pf_chain_fini(struct pf_chain *chain)
{
    pf_rc4_free(chain->stream);
    pf_inflate_free(chain->inflate);
    *chain = (struct pf_chain){.iv_known = false};
}

bool pf_chain_is_sequential(const struct pf_chain *chain)
{
    return chain->stream != NULL || chain->inflate != NULL;
}

/* The last ciphertext block is the next record's IV; with RFC 7366 the MAC lies behind it. */
static void move_iv(struct pf_chain *chain, const struct pf_keys *keys, struct pf_span body)
{
    struct pf_cbc_layout at;
    chain->iv_known = body.ptr != NULL && pf_cbc_split(keys, body, &at);
    if (chain->iv_known) {
        size_t block_len = keys->suite->bulk->block_len;
        memcpy(chain->iv, at.blocks.ptr + at.blocks.len - block_len, block_len);
    }
}

void pf_chain_pass(struct pf_chain *chain, const struct pf_keys *keys, struct pf_span body)
{
    if (pf_open_needs_iv(keys)) {
        move_iv(chain, keys, body);
    }
    if (chain->stream != NULL) {
        pf_rc4_skip(chain->stream, body.len);
    }
    if (chain->inflate != NULL) {
        pf_inflate_lose(chain->inflate);
    }
}

static enum pf_status open_cbc(struct pf_crypt *crypt, const struct pf_keys *keys,
                               struct pf_chain *chain, const struct pf_sealed *rec, uint8_t *out,
                               size_t *len)
{
    if (!pf_open_needs_iv(keys)) {
        return pf_cbc_open(crypt, keys, rec, NULL, out, len);
    }
    enum pf_status st = PF_ERR_TRUNCATED;
    if (chain->iv_known) {
        st = pf_cbc_open(crypt, keys, rec, chain->iv, out, len);
    }
    if (st == PF_OK || st == PF_ERR_TRUNCATED) {
        move_iv(chain, keys, rec->body);
    }
    return st;
}

static enum pf_status decrypt(struct pf_crypt *crypt, const struct pf_keys *keys,
                              struct pf_chain *chain, const struct pf_sealed *rec, uint8_t *out,
                              size_t *len)
{
    switch (keys->suite->bulk->mode) {
    case PF_MODE_GCM:
    case PF_MODE_CCM:
    case PF_MODE_CHACHA:
        return pf_aead_open(crypt, keys, rec, out, len);
    case PF_MODE_CBC:
        return open_cbc(crypt, keys, chain, rec, out, len);
    case PF_MODE_STREAM:
        return chain->stream != NULL ? pf_stream_open(crypt, keys, rec, chain->stream, out, len)
                                     : PF_ERR_INTERNAL;
    case PF_MODE_NULL:
        return pf_stream_open(crypt, keys, rec, NULL, out, len);
    }
    return PF_ERR_INTERNAL;
}

/* RFC 8446 section 5.2: content, its type, any number of zeros. */
static enum pf_status strip_inner(const uint8_t *text, size_t len, struct pf_plain *plain)
{
    while (len > 0 && text[len - 1] == 0) {
        len--;
    }
    if (len == 0) {
        return PF_ERR_MALFORMED;
    }
    plain->type = text[len - 1];
    plain->data = (struct pf_span){text, len - 1};
    return PF_OK;
}

enum pf_status pf_open_record(struct pf_crypt *crypt, const struct pf_keys *keys,
                              struct pf_chain *chain, uint64_t seq, const struct pf_record *record,
                              uint8_t *out, size_t out_cap, struct pf_plain *plain)
{
    bool tls13 = keys->version == PF_VERSION_TLS13;
    if (!keys->suite->bulk->supported) {
        return PF_ERR_UNSUPPORTED;
    }
    if (record->body.len > PF_RECORD_MAX || (tls13 && record->type != PF_CT_APPLICATION_DATA)) {
        return PF_ERR_MALFORMED;
    }
    if (record->body.len > out_cap) {
        return PF_ERR_INTERNAL;
    }
    const struct pf_sealed rec = {
        .seq = seq, .version = record->version, .type = record->type, .body = record->body};
    size_t len = 0;
    enum pf_status st = decrypt(crypt, keys, chain, &rec, out, &len);
    if (st == PF_OK && tls13) {
        return strip_inner(out, len, plain);
    }
    plain->type = record->type;
    plain->data = (struct pf_span){out, len};
    if (chain->inflate != NULL && st == PF_OK) {
        st = pf_inflate_run(chain->inflate, plain->data, &plain->data);
    }
    return st;
}

enum pf_status pf_open_verify(struct pf_crypt *crypt, const struct pf_keys *keys,
                              const struct pf_chain *chain, uint64_t seq,
                              const struct pf_record *record)
{
    uint8_t out[PF_RECORD_MAX];
    struct pf_plain plain;
    struct pf_chain copy = *chain;
    copy.inflate = NULL; /* the MAC is over what is compressed */
    if (chain->stream != NULL) {
        copy.stream = pf_rc4_dup(chain->stream);
        if (copy.stream == NULL) {
            return PF_ERR_NOMEM;
        }
    }
    enum pf_status st = pf_open_record(crypt, keys, &copy, seq, record, out, sizeof out, &plain);
    pf_rc4_free(copy.stream);
    return st == PF_ERR_MALFORMED ? PF_ERR_REJECTED : st;
}

/* Bytes that every body has beyond its plaintext. */
static unsigned overhead(const struct pf_keys *keys)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    unsigned mac_len = pf_hash_len(keys->suite->mac);
    switch (bulk->mode) {
    case PF_MODE_GCM:
    case PF_MODE_CCM:
    case PF_MODE_CHACHA:
        return keys->version == PF_VERSION_TLS13 ? bulk->tag_len + 1U
                                                 : (unsigned)bulk->explicit_len + bulk->tag_len;
    case PF_MODE_CBC:
        return mac_len + 1 + (pf_cbc_is_chained(keys) ? 0U : bulk->block_len);
    case PF_MODE_STREAM:
    case PF_MODE_NULL:
        return mac_len;
    }
    return 0;
}

void pf_open_body_bounds(const struct pf_keys *keys, unsigned *min_body, unsigned *max_body)
{
    const struct pf_bulk *bulk = keys->suite->bulk;
    *min_body = overhead(keys);
    *max_body = keys->version == PF_VERSION_TLS13 ? PF_RECORD_MAX_TLS13 : PF_RECORD_MAX;
    if (bulk->mode == PF_MODE_CBC) {
        unsigned outside = keys->etm ? pf_hash_len(keys->suite->mac) : 0;
        unsigned inside = *min_body - outside;
        *min_body = (inside + bulk->block_len - 1) / bulk->block_len * bulk->block_len + outside;
    }
}

bool pf_open_body_fits(const struct pf_keys *keys, uint32_t body_len)
{
    unsigned min_body;
    unsigned max_body;
    pf_open_body_bounds(keys, &min_body, &max_body);
    const struct pf_bulk *bulk = keys->suite->bulk;
    unsigned outside = keys->etm ? pf_hash_len(keys->suite->mac) : 0;
    return body_len >= min_body && body_len <= max_body &&
           (bulk->mode != PF_MODE_CBC || (body_len - outside) % bulk->block_len == 0);
}

uint32_t pf_open_plaintext_len(const struct pf_keys *keys, uint32_t body_len, bool *exact)
{
    unsigned less = overhead(keys);
    *exact = keys->suite->bulk->mode != PF_MODE_CBC && keys->version != PF_VERSION_TLS13;
    return body_len > less ? body_len - less : 0;
}
