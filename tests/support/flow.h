// SPDX-License-Identifier: Apache-2.0
/*
 * What:    decoded packets made by hand, and the stream content that tests of src/flow/ agree on.
 * Owns:    nothing.
 * Threads: -
 * Errors:  -
 * Limits:  one flow's packets: its key is pf_test_key(n).
 */
#ifndef PF_TESTS_SUPPORT_FLOW_H
#define PF_TESTS_SUPPORT_FLOW_H

#include "base/pkt.h"

#include <string.h>

static inline struct pf_flow_key pf_test_key(uint32_t n)
{
    struct pf_flow_key key = {.port = {1024, 443}, .family = 4, .proto = 6};
    memcpy(key.addr[0], &n, sizeof n);
    key.addr[1][0] = 255;
    return key;
}

/* The byte at an offset of every stream: differs between neighbours and from period to period. */
static inline uint8_t pf_test_byte(uint64_t off)
{
    return (uint8_t)(off * 31 + (off >> 8) * 7 + (off >> 16));
}

static inline struct pf_pkt pf_test_pkt(uint8_t side, uint8_t flags, uint32_t seq, uint32_t ack)
{
    return (struct pf_pkt){.side = side, .flags = flags, .seq = seq, .ack = ack, .number = 1};
}

static inline struct pf_pkt pf_test_data(uint8_t side, uint32_t seq, const uint8_t *data,
                                         uint32_t len)
{
    return (struct pf_pkt){.side = side,
                           .flags = PF_TCP_ACK | PF_TCP_PSH,
                           .seq = seq,
                           .data = data,
                           .len = len,
                           .number = 1};
}

#endif
