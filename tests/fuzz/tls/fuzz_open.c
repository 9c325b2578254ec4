// SPDX-License-Identifier: Apache-2.0
/*
 * Any body under any suite: pf_open_record and pf_open_find_seq must neither read or write where
 * they should not, nor take for true what nobody sealed. The first four bytes choose the suite, the
 * version and the options, the rest is the record's body. Targets: tls/open.c, cipher_*.c,
 * seqsearch.c, idea.c, inflate.c, ghash.c.
 */
#include "tls/open.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, OPTION_ETM = 1, OPTION_DEFLATE = 2, OPTION_NO_IV = 4, OPTION_TYPE = 8 };

static const uint16_t suites[] = {0x002f, 0x0035, 0x000a, 0x0007, 0x0008, 0x0006, 0x003c, 0xc028,
                                  0x0041, 0x0096, 0x0004, 0x0005, 0x0003, 0x0002, 0x003b, 0x009c,
                                  0x009d, 0xc09c, 0xc0a0, 0xc07a, 0xc050, 0xcca8, 0x1301, 0x1302,
                                  0x1303, 0x1304, 0x1305, 0x0000, 0xc03c, 0x00c6};

static const uint16_t versions[] = {PF_VERSION_SSL3, PF_VERSION_TLS10, PF_VERSION_TLS11,
                                    PF_VERSION_TLS12};

static void check(enum pf_status st, const struct pf_keys *keys)
{
    /* Nothing can be forged; a suite without a MAC promises nothing. */
    if (st == PF_OK && keys->suite->id != 0x0000) {
        abort();
    }
    if (st == PF_ERR_INTERNAL || st > PF_OK) {
        abort();
    }
}

static void open_and_find(struct pf_crypt *crypt, const struct pf_keys *keys, unsigned options,
                          const struct pf_record *record)
{
    static uint8_t out[PF_RECORD_MAX];
    struct pf_chain chain;
    struct pf_plain plain;
    uint64_t seq = 0;
    uint32_t trials = 0;
    const struct pf_seq_search search = {.lo = 3,
                                         .hi = 12,
                                         .likely = 5,
                                         .next_seq = 3,
                                         .gap_bytes = record->body.len,
                                         .max_trials = 20};
    uint8_t compression = options & OPTION_DEFLATE && keys->version != PF_VERSION_TLS13;
    if (pf_chain_init(&chain, keys, compression) != PF_OK) {
        abort();
    }
    chain.iv_known = (options & OPTION_NO_IV) == 0;
    size_t cap = record->body.len < sizeof out ? record->body.len : sizeof out;
    check(pf_open_find_seq(crypt, keys, &chain, record, &search, &seq, &trials), keys);
    check(pf_open_record(crypt, keys, &chain, 5, record, out, cap, &plain), keys);
    pf_chain_pass(&chain, keys, record->body);
    check(pf_open_record(crypt, keys, &chain, 6, record, out, cap, &plain), keys);
    pf_chain_fini(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pf_crypt *crypt; /* one for all inputs: what it remembers must not matter */
    if (size < HEAD || (crypt == NULL && pf_crypt_new(&crypt, NULL) != PF_OK)) {
        return 0;
    }
    const struct pf_suite *suite =
        pf_suite_find(suites[data[0] % (sizeof suites / sizeof suites[0])]);
    struct pf_keys keys = {.suite = suite, .etm = (data[2] & OPTION_ETM) != 0};
    keys.version = suite->kx == PF_KX_TLS13 ? PF_VERSION_TLS13 : versions[data[1] % 4];
    unsigned key = data[3] % 3; /* 0: keys without an id */
    keys.id = key == 0 ? 0 : (uint64_t)suite->id << 16 | (keys.version & 15U) << 4 | key;
    memset(keys.key, 0x11 + (int)key, sizeof keys.key);
    memset(keys.iv, 0x22, sizeof keys.iv);
    memset(keys.mac_key, 0x33, sizeof keys.mac_key);
    const struct pf_record record = {
        .type = data[2] & OPTION_TYPE ? 22 : 23,
        .version = keys.version == PF_VERSION_TLS13 ? 0x0303 : keys.version,
        .body = {data + HEAD, size - HEAD},
    };
    open_and_find(crypt, &keys, data[2], &record);
    unsigned lo = 0;
    unsigned hi = 0;
    bool exact = false;
    pf_open_body_bounds(&keys, &lo, &hi);
    if (lo > hi || pf_open_plaintext_len(&keys, (uint32_t)(size - HEAD), &exact) > size) {
        abort();
    }
    return 0;
}
