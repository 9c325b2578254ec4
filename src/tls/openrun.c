// SPDX-License-Identifier: Apache-2.0
#include "tls/openrun.h"

#include "base/cursor.h"
#include "tls/hsmsg.h"
#include "tls/wire.h"

#include <string.h>

/* DEFLATE hands its plaintext out of a buffer of its own (see open.h): moved to where it belongs.
 */
static void settle(uint8_t *at, const struct pf_plain *plain)
{
    if (plain->data.ptr != at && plain->data.len > 0) {
        memmove(at, plain->data.ptr, plain->data.len);
    }
}

/* Whole messages, of which KeyUpdate is the last: it must be (RFC 8446 section 5.1). */
static bool ends_in_key_update(struct pf_span messages)
{
    struct pf_cur c = pf_cur_of(messages);
    uint8_t type = 0;
    struct pf_cur body;
    while (!pf_cur_at_end(&c)) {
        if (!pf_cur_u8(&c, &type) || !pf_cur_vec24(&c, &body)) {
            return false;
        }
    }
    return type == PF_HS_KEY_UPDATE;
}

/* What only the inside of a TLS 1.3 record tells. True: what follows is under other keys. */
static bool look_inside(const struct pf_keys *keys, const struct pf_run_record *r,
                        const struct pf_plain *plain, struct pf_run_result *result)
{
    bool exact;
    result->padded |= plain->data.len < pf_open_plaintext_len(keys, r->body_len, &exact);
    result->key_update = plain->type == PF_CT_HANDSHAKE && ends_in_key_update(plain->data);
    return result->key_update;
}

static bool begins_tls(struct pf_span plain)
{
    if (plain.len == 0 || plain.ptr[0] != PF_CT_HANDSHAKE) {
        return false;
    }
    enum pf_looks looks = pf_hs_looks_like(plain);
    return looks == PF_LOOKS_CLIENT_HELLO || looks == PF_LOOKS_SERVER_HELLO;
}

/* Takes what record number i of the run opened to. True: what follows is under other keys. */
static bool take(const struct pf_record_run *run, size_t i, const struct pf_plain *plain,
                 uint8_t *out, struct pf_opened *opened, struct pf_run_result *result)
{
    const struct pf_run_record *r = &run->records[i];
    uint8_t *at = out + result->plain_len;
    result->consumed++;
    if (run->keys->version == PF_VERSION_TLS13 && look_inside(run->keys, r, plain, result)) {
        return true;
    }
    if (plain->type != PF_CT_APPLICATION_DATA) {
        return false; /* TLS 1.3 post-handshake messages and alerts */
    }
    settle(at, plain);
    result->tls_inside |= begins_tls((struct pf_span){at, plain->data.len});
    opened[result->opened_count++] = (struct pf_opened){.packet = r->packet,
                                                        .ts_ns = r->ts_ns,
                                                        .seq = run->first_seq + i,
                                                        .len = (uint32_t)plain->data.len,
                                                        .type = plain->type};
    result->plain_len += plain->data.len;
    return false;
}

/* The records from number i on, at most n of them and no more than there is room for. */
static size_t gather(const struct pf_record_run *run, size_t i, size_t n, size_t room,
                     struct pf_record *records)
{
    size_t spare = run->chain->inflate != NULL ? PF_RECORD_MAX : 0;
    size_t k = 0;
    while (k < n && i + k < run->count) {
        const struct pf_run_record *r = &run->records[i + k];
        if (room < r->body_len || room < spare) {
            break;
        }
        room -= r->body_len;
        records[k++] = (struct pf_record){
            .type = r->type,
            .version = r->version,
            .body = {.ptr = run->bytes + r->offset, .len = r->body_len},
        };
    }
    return k;
}

void pf_run_open(struct pf_crypt *crypt, const struct pf_record_run *run, uint8_t *out,
                 size_t out_cap, struct pf_opened *opened, struct pf_run_result *result)
{
    struct pf_record records[PF_OPEN_LANES];
    struct pf_plain plains[PF_OPEN_LANES];
    *result = (struct pf_run_result){.status = PF_OK};
    size_t lanes = pf_open_lanes(crypt, run->keys, run->chain);
    while (result->status == PF_OK && result->consumed < run->count) {
        size_t i = result->consumed;
        size_t room = out_cap - result->plain_len;
        size_t n = gather(run, i, lanes, room, records);
        if (n == 0) {
            result->status = PF_AGAIN;
            return;
        }
        size_t done = pf_open_records(crypt, run->keys, run->chain, run->first_seq + i, records, n,
                                      out + result->plain_len, room, plains, &result->status);
        for (size_t k = 0; k < done; k++) {
            if (take(run, i + k, &plains[k], out, opened, result)) {
                result->status = result->consumed < run->count ? PF_AGAIN : PF_OK;
                return;
            }
        }
    }
}
