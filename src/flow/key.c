// SPDX-License-Identifier: Apache-2.0
#include "flow/key.h"

#include <endian.h>

enum { WORDS = sizeof(struct pf_flow_key) / 8 };

_Static_assert(sizeof(struct pf_flow_key) % 8 == 0, "the last block holds the length alone");

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static inline void sip_block(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
}

uint64_t pf_key_hash(const struct pf_flow_key *key, const uint8_t seed[PF_KEY_SEED_LEN])
{
    uint8_t bytes[sizeof *key];
    memcpy(bytes, key, sizeof bytes);
    uint64_t k0 = load_le64(seed);
    uint64_t k1 = load_le64(seed + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                     k1 ^ 0x7465646279746573U};
    for (size_t i = 0; i < WORDS; i++) {
        sip_block(v, load_le64(bytes + i * 8));
    }
    sip_block(v, (uint64_t)sizeof bytes << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
