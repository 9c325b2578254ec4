// SPDX-License-Identifier: Apache-2.0
/*
 * What a search for a number costs. Estimated and not measured, so that what a flow's budget covers
 * is the same on every machine; bench_open says what it is on this one.
 */
#include "tls/open.h"
#include "tls/seqfilter.h"

/* In nanoseconds; per byte of the record: in 64ths. */
enum {
    COST_START = 150,
    COST_TRIAL = 260,
    COST_TRIAL_BYTE = 12,
    COST_GCM_START = 700, /* the key may be a new one */
    COST_GCM = 150,
    COST_GCM_BYTE = 8,
    COST_CCM = 420,
    COST_CCM_BYTE = 48,
    COST_FILTERED = 32,
    COST_FILTERED_CCM = 12,
    FILTER_PASSES = 48, /* one in so many numbers, at least */
    COST_MAC = 140,
    COST_MAC_BYTE = 36,
    COST_MAC_BYTE_SHA384 = 96,
    COST_CBC = 300,
    COST_CBC_BYTE = 40,
    COST_SOLVE = 1000,
    COST_SOLVE_TLS12 = 3900, /* with an inverse */
    COST_SOLVE_BYTE = 62,
    COST_KEYSTREAM_BYTE = 112,
    PER_BYTE = 64,
    COST_UPDATE = 780, /* with SHA-256 */
    COST_UPDATE_SHA384 = 2350
};

static uint64_t per_byte(uint64_t bytes, unsigned cost)
{
    return bytes * cost / PER_BYTE;
}

struct pf_seq_cost pf_open_seq_cost(const struct pf_keys *keys, uint32_t body_len,
                                    const struct pf_seq_search *s)
{
    bool sha384 = keys->suite->mac == PF_HASH_SHA384;
    uint64_t trial = COST_TRIAL + per_byte(body_len, COST_TRIAL_BYTE);
    uint64_t ccm = COST_CCM + per_byte(body_len, COST_CCM_BYTE);
    uint64_t mac = COST_MAC + per_byte(body_len, sha384 ? COST_MAC_BYTE_SHA384 : COST_MAC_BYTE);
    uint64_t solve = keys->version == PF_VERSION_TLS13 ? COST_SOLVE : COST_SOLVE_TLS12;
    bool filtered = pf_seqfilter_has(keys);
    switch (keys->suite->bulk->mode) {
    case PF_MODE_GCM:
        if (s->hi - s->lo < PF_SEQ_FEW) {
            return (struct pf_seq_cost){COST_GCM_START,
                                        COST_GCM + per_byte(body_len, COST_GCM_BYTE)};
        }
        return (struct pf_seq_cost){COST_START, solve + per_byte(body_len, COST_SOLVE_BYTE)};
    case PF_MODE_CHACHA:
        return (struct pf_seq_cost){COST_START,
                                    filtered ? COST_FILTERED + trial / FILTER_PASSES : trial};
    case PF_MODE_CCM:
        return (struct pf_seq_cost){COST_START,
                                    filtered ? COST_FILTERED_CCM + ccm / FILTER_PASSES : ccm};
    case PF_MODE_CBC:
        return (struct pf_seq_cost){
            COST_START + COST_CBC + per_byte(keys->etm ? 0 : body_len, COST_CBC_BYTE), mac};
    case PF_MODE_STREAM:
        return (struct pf_seq_cost){COST_START + per_byte(s->gap_bytes, COST_KEYSTREAM_BYTE), mac};
    case PF_MODE_NULL:
        break;
    }
    return (struct pf_seq_cost){COST_START, mac};
}

uint64_t pf_open_update_cost(const struct pf_keys *keys)
{
    return keys->suite->prf == PF_HASH_SHA384 ? COST_UPDATE_SHA384 : COST_UPDATE;
}
