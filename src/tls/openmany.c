// SPDX-License-Identifier: Apache-2.0
/*
 * Several CBC records at once. A MAC is a chain of SHA steps that wait for each other; two records'
 * chains side by side take hardly longer than one. What the MACs are over is laid out first, each
 * behind its head, then all are computed together, then what verified becomes plaintext.
 *
 *      out    [head] covered 1 [head] covered 2 …
 *      then   content 1 content 2 …
 *
 * MAC-then-encrypt: records are decrypted to be laid out, and moved together afterwards.
 * Encrypt-then-MAC (RFC 7366): ciphertext is copied to be laid out, and decrypted afterwards.
 */
#include "tls/cipher.h"
#include "tls/open.h"

#include <openssl/crypto.h>
#include <string.h>

_Static_assert((int)PF_OPEN_LANES <= (int)PF_MULTIBUF_LANES, "a MAC each");

/* Records that are laid out, and the MACs that they say they have. */
struct lanes {
    struct pf_crypt *crypt;
    const struct pf_keys *keys;
    const struct pf_record *records;
    uint64_t seq; /* of the first */
    size_t n;
    struct pf_span message[PF_OPEN_LANES]; /* head and what is covered */
    uint8_t mac[PF_OPEN_LANES][PF_DIGEST_MAX];
};

size_t pf_open_lanes(struct pf_crypt *crypt, const struct pf_keys *keys,
                     const struct pf_chain *chain)
{
    bool several = keys->suite->bulk->mode == PF_MODE_CBC && keys->suite->bulk->supported &&
                   keys->version != PF_VERSION_SSL3 && chain->inflate == NULL &&
                   (chain->iv_known || !pf_cbc_is_chained(keys)) &&
                   pf_multibuf_has_mac(crypt->multibuf, pf_cipher_mac(crypt, keys));
    return several ? PF_OPEN_LANES : 1;
}

static struct pf_sealed sealed(const struct lanes *l, size_t i)
{
    return (struct pf_sealed){.seq = l->seq + i,
                              .version = l->records[i].version,
                              .type = l->records[i].type,
                              .body = l->records[i].body};
}

/* What the next record is chained to: an end of ciphertext, its IV where those are chained. */
static const uint8_t *last_block(const struct lanes *l, size_t i)
{
    size_t behind = l->keys->etm ? pf_hash_len(l->keys->suite->mac) : 0;
    const struct pf_span body = l->records[i].body;
    return body.ptr + body.len - behind - l->keys->suite->bulk->block_len;
}

/* Decrypts, or copies, record i to `covered`; *len: how much of it the MAC covers. */
static enum pf_status lay_out(struct lanes *l, size_t i, const uint8_t *iv, uint8_t *covered,
                              size_t *len)
{
    const struct pf_sealed rec = sealed(l, i);
    size_t mac_len = pf_hash_len(l->keys->suite->mac);
    struct pf_cbc_layout at;
    if (rec.body.len > PF_RECORD_MAX) {
        return PF_ERR_MALFORMED;
    }
    if (!l->keys->etm) {
        enum pf_status st = pf_cbc_bare(l->crypt, l->keys, &rec, iv, covered, len);
        if (st == PF_OK) {
            memcpy(l->mac[i], covered + *len, mac_len);
        }
        return st;
    }
    if (!pf_cbc_split(l->keys, rec.body, &at)) {
        return PF_ERR_MALFORMED;
    }
    *len = at.iv.len + at.blocks.len;
    memcpy(covered, rec.body.ptr, *len);
    memcpy(l->mac[i], at.mac, mac_len);
    return PF_OK;
}

/* As many as can be, from out on. */
static enum pf_status lay_out_all(struct lanes *l, const struct pf_chain *chain, size_t n,
                                  uint8_t *out)
{
    const uint8_t *iv = chain->iv;
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        enum pf_status st = lay_out(l, i, iv, out + PF_MAC_HEAD, &len);
        if (st != PF_OK) {
            return st;
        }
        const struct pf_sealed rec = sealed(l, i);
        size_t head = pf_cipher_mac_head(l->keys, &rec, len, out);
        l->message[i] = (struct pf_span){out, head + len};
        l->n++;
        iv = last_block(l, i);
        out += head + len;
    }
    return PF_OK;
}

/* How many verify. */
static size_t verify(const struct lanes *l, enum pf_status *st)
{
    const struct pf_mac *mac = pf_cipher_mac(l->crypt, l->keys);
    uint8_t expected[PF_OPEN_LANES][PF_DIGEST_MAX];
    if (!pf_multibuf_macs(l->crypt->multibuf, mac, l->message, l->n, expected)) {
        *st = PF_ERR_INTERNAL;
        return 0;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (CRYPTO_memcmp(expected[i], l->mac[i], pf_hash_len(mac->hash)) != 0) {
            *st = PF_ERR_REJECTED;
            return i;
        }
    }
    return l->n;
}

/* Record i, which is verified, as plaintext at out. */
static enum pf_status finish(const struct lanes *l, size_t i, const uint8_t *iv, uint8_t *out,
                             size_t *len)
{
    if (!l->keys->etm) {
        *len = l->message[i].len - PF_MAC_HEAD;
        memmove(out, l->message[i].ptr + PF_MAC_HEAD, *len);
        return PF_OK;
    }
    const struct pf_sealed rec = sealed(l, i);
    return pf_cbc_inside(l->crypt, l->keys, &rec, iv, out, len);
}

/* The head in front of the first may be more than what the others' MACs leave. */
static bool is_room(const struct pf_record *records, size_t n, size_t out_cap)
{
    size_t need = PF_MAC_HEAD;
    for (size_t i = 0; i < n; i++) {
        need += records[i].body.len;
    }
    return need <= out_cap;
}

size_t pf_open_records(struct pf_crypt *crypt, const struct pf_keys *keys, struct pf_chain *chain,
                       uint64_t seq, const struct pf_record *records, size_t n, uint8_t *out,
                       size_t out_cap, struct pf_plain *plains, enum pf_status *st)
{
    if (n == 1 || !is_room(records, n, out_cap)) {
        *st = pf_open_record(crypt, keys, chain, seq, records, out, out_cap, plains);
        return *st == PF_OK ? 1 : 0;
    }
    struct lanes lanes = {.crypt = crypt, .keys = keys, .records = records, .seq = seq};
    *st = lay_out_all(&lanes, chain, n, out);
    size_t verified = lanes.n > 0 ? verify(&lanes, st) : 0;
    for (size_t i = 0; i < verified; i++) {
        size_t len = 0;
        enum pf_status inside = finish(&lanes, i, chain->iv, out, &len);
        if (inside != PF_OK) {
            *st = inside;
            return i;
        }
        if (pf_cbc_is_chained(keys)) {
            memcpy(chain->iv, last_block(&lanes, i), keys->suite->bulk->block_len);
        }
        plains[i] = (struct pf_plain){.type = records[i].type, .data = {out, len}};
        out += len;
    }
    return verified;
}
