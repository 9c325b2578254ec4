// SPDX-License-Identifier: Apache-2.0
/*
 * What searching behind gaps may cost: about as much again as opening what was captured. Counted in
 * nanoseconds as tls/seqcost.c estimates them, and of the bytes that the search itself may see, so
 * that it is the same on every machine and for any number of threads.
 */
#include "tls/half.h"

enum {
    FUND_FREE = 12000, /* what the handshake of a connection costs at least */
    FUND_BYTE = 1,     /* for each byte that was captured, */
    FUND_BYTE_CBC = 2, /* of which opening takes longer */
    FUND_GAP = 300, /* for each gap, since a packet lies behind it: many are cut to their headers */
    FUND_STREAM = 16000000 /* RC4: the keystream of what was lost has to be made */
};

uint64_t pf_fund_left(const struct pf_half *h, uint64_t end)
{
    bool cbc = h->keys.suite != NULL && h->keys.suite->bulk->mode == PF_MODE_CBC;
    uint64_t byte = cbc ? FUND_BYTE_CBC : FUND_BYTE;
    uint64_t fund = FUND_FREE + end * byte + h->gaps_passed * (uint64_t)FUND_GAP +
                    (h->chain.stream != NULL ? FUND_STREAM : 0);
    return fund > h->search_cost ? fund - h->search_cost : 0;
}

bool pf_fund_pays_keys(struct pf_half *h, uint64_t end)
{
    uint64_t cost = pf_open_update_cost(&h->keys);
    bool pays = pf_fund_left(h, end) >= cost;
    h->search_cost += pays ? cost : 0;
    return pays;
}
