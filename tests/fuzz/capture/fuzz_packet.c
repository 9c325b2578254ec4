// SPDX-License-Identifier: Apache-2.0
/*
 * pf_decoder_packet: the input is frames, each behind a byte that chooses the link type and two
 * that say its length; one decoder sees them all, so that fragments meet.
 */
#include "capture/packet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_packet(const struct pf_pkt *p, const struct pf_decoder *d, const uint8_t *frame,
                         size_t len)
{
    volatile uint8_t sum = 0;
    for (uint32_t i = 0; i < p->len; i++) {
        sum = (uint8_t)(sum + p->data[i]); /* ASan watches */
    }
    bool inside = p->data >= frame && p->data + p->len <= frame + len;
    check(inside || pf_decoder_counts(d)->datagrams_joined > 0);
    check(p->key.family == 4 || p->key.family == 6);
    check(p->key.proto == 6 || p->key.proto == 17);
    int order = memcmp(p->key.addr[0], p->key.addr[1], sizeof p->key.addr[0]);
    check(order < 0 || (order == 0 && p->key.port[0] <= p->key.port[1]));
    check(p->side < 2 && p->hash == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t linktypes[] = {1, 0,  108, 101, 228, 229, 113, 276,
                                         9, 50, 51,  104, 105, 127, 239};
    struct pf_decoder *d;
    if (pf_decoder_new(64 << 10, &d) != PF_OK) {
        return 0;
    }
    int64_t ts = 0;
    while (size >= 3) {
        uint32_t linktype = linktypes[data[0] % (sizeof linktypes / sizeof linktypes[0])];
        size_t len = (size_t)data[1] << 8 | data[2];
        len = len < size - 3 ? len : size - 3;
        uint32_t missing = data[0] >= 128 ? 100 : 0;
        struct pf_pkt pkt;
        ts += INT64_C(1000000000);
        if (pf_decoder_packet(d, linktype, data + 3, (uint32_t)len, (uint32_t)len + missing, ts,
                              &pkt) == PF_DROP_NONE) {
            check_packet(&pkt, d, data + 3, len);
        }
        data += 3 + len;
        size -= 3 + len;
    }
    pf_decoder_free(d);
    return 0;
}
