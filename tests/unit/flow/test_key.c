// SPDX-License-Identifier: Apache-2.0
#include "flow/key.h"
#include "support/flow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1], v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0], v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1], v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2], v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

/* SipHash-c-d as its paper (Aumasson, Bernstein 2012) describes it, for any length. */
static uint64_t siphash(int c, int d, const uint8_t *key, const uint8_t *data, size_t len)
{
    uint64_t v[4] = {0x736f6d6570736575U ^ load(key, 8), 0x646f72616e646f6dU ^ load(key + 8, 8),
                     0x6c7967656e657261U ^ load(key, 8), 0x7465646279746573U ^ load(key + 8, 8)};
    for (size_t i = 0; i <= len / 8; i++) {
        uint64_t m = load(data + i * 8, i < len / 8 ? 8 : len % 8);
        m |= i < len / 8 ? 0 : (uint64_t)len << 56;
        v[3] ^= m;
        rounds(v, c);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void test_hash_is_siphash_1_3(void **state)
{
    (void)state;
    uint8_t seed[16];
    uint8_t data[sizeof(struct pf_flow_key)];
    for (uint8_t i = 0; i < sizeof data; i++) {
        data[i] = i;
        seed[i % 16] = i % 16;
    }
    /* the vector of the paper's appendix A says that the reference above is right */
    assert_true(siphash(2, 4, seed, data, 15) == 0xa129ca6149be45e5U);
    struct pf_flow_key key;
    memcpy(&key, data, sizeof key);
    assert_true(pf_key_hash(&key, seed) == siphash(1, 3, seed, data, sizeof data));
    seed[3]++;
    assert_true(pf_key_hash(&key, seed) == siphash(1, 3, seed, data, sizeof data));
}

static void test_each_byte_and_the_seed_matter(void **state)
{
    (void)state;
    uint8_t seed[16] = {0};
    struct pf_flow_key a = pf_test_key(1);
    uint64_t hash = pf_key_hash(&a, seed);
    for (size_t i = 0; i < sizeof a; i++) {
        struct pf_flow_key b = a;
        ((uint8_t *)&b)[i] ^= 1;
        assert_false(pf_key_equal(&a, &b));
        assert_true(pf_key_hash(&b, seed) != hash);
    }
    seed[15] = 1;
    assert_true(pf_key_hash(&a, seed) != hash);
    struct pf_flow_key same = pf_test_key(1);
    assert_true(pf_key_equal(&a, &same));
}

/* Neighbouring keys, as a scan makes them, spread over low bits (slots) and high bits (shards). */
static void test_low_and_high_bits_spread(void **state)
{
    (void)state;
    uint8_t seed[16] = {7};
    uint32_t low[256] = {0};
    uint32_t high[256] = {0};
    for (uint32_t i = 0; i < 256 * 1000; i++) {
        struct pf_flow_key key = pf_test_key(i);
        uint64_t hash = pf_key_hash(&key, seed);
        low[hash & 255]++;
        high[hash >> 56]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(low[i], 800, 1200);
        assert_in_range(high[i], 800, 1200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_siphash_1_3),
        cmocka_unit_test(test_each_byte_and_the_seed_matter),
        cmocka_unit_test(test_low_and_high_bits_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
