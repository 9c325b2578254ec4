// SPDX-License-Identifier: Apache-2.0
/* X. Lai: On the Design and Security of Block Ciphers (1992), chapter 3; RFC 3058 for its use. */
#include "tls/idea.h"

#include "tls/keys.h"

enum { ROUNDS = 8, SUBKEYS = 6 * ROUNDS + 4 };

/* Multiplication modulo 2^16 + 1, where 0 stands for 2^16. */
static uint16_t mul(uint16_t a, uint16_t b)
{
    if (a == 0) {
        return (uint16_t)(1U - b);
    }
    if (b == 0) {
        return (uint16_t)(1U - a);
    }
    return (uint16_t)((uint32_t)a * b % 0x10001U);
}

/* a^(2^16 - 1) is 1/a, as 2^16 + 1 is prime: fifteen squarings, all multiplied in. */
static uint16_t mul_inverse(uint16_t a)
{
    uint16_t z = 1;
    for (int i = 0; i < 16; i++) {
        z = mul(z, a);
        a = mul(a, a);
    }
    return z;
}

static uint16_t negated(uint16_t a)
{
    return (uint16_t)(0U - a);
}

/* Sixteen bits from each position of the key, which turns by 25 bits after every eight of them. */
static void encryption_keys(const uint8_t key[16], uint16_t sub[SUBKEYS])
{
    for (unsigned i = 0; i < SUBKEYS; i++) {
        unsigned bit = (i / 8 * 25 + i % 8 * 16) % 128;
        unsigned byte = bit / 8;
        uint32_t three =
            (uint32_t)key[byte] << 16 | (uint32_t)key[(byte + 1) % 16] << 8 | key[(byte + 2) % 16];
        sub[i] = (uint16_t)(three >> (8 - bit % 8));
    }
}

static void decryption_keys(const uint8_t key[16], uint16_t out[SUBKEYS])
{
    uint16_t sub[SUBKEYS];
    encryption_keys(key, sub);
    for (int round = 0; round <= ROUNDS; round++) {
        const uint16_t *from = sub + 6 * (ROUNDS - round);
        uint16_t *to = out + 6 * round;
        int outer = round == 0 || round == ROUNDS; /* the middle words are not swapped there */
        to[0] = mul_inverse(from[0]);
        to[1] = negated(from[outer ? 1 : 2]);
        to[2] = negated(from[outer ? 2 : 1]);
        to[3] = mul_inverse(from[3]);
        if (round < ROUNDS) {
            to[4] = from[-2];
            to[5] = from[-1];
        }
    }
    pf_wipe(sub, sizeof sub);
}

static uint16_t load(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static void crypt_block(const uint16_t k[SUBKEYS], uint16_t x[4])
{
    for (int round = 0; round < ROUNDS; round++, k += 6) {
        uint16_t a = mul(x[0], k[0]);
        uint16_t b = (uint16_t)(x[1] + k[1]);
        uint16_t c = (uint16_t)(x[2] + k[2]);
        uint16_t d = mul(x[3], k[3]);
        uint16_t e = mul(a ^ c, k[4]);
        uint16_t f = mul((uint16_t)((b ^ d) + e), k[5]);
        e = (uint16_t)(e + f);
        x[0] = a ^ f;
        x[1] = c ^ f;
        x[2] = b ^ e;
        x[3] = d ^ e;
    }
    uint16_t swapped = x[1];
    x[0] = mul(x[0], k[0]);
    x[1] = (uint16_t)(x[2] + k[1]);
    x[2] = (uint16_t)(swapped + k[2]);
    x[3] = mul(x[3], k[3]);
}

void pf_idea_cbc_decrypt(const uint8_t key[16], const uint8_t iv[8], const uint8_t *in, size_t len,
                         uint8_t *out)
{
    uint16_t sub[SUBKEYS];
    decryption_keys(key, sub);
    const uint8_t *last = iv;
    for (size_t at = 0; at + 8 <= len; at += 8) {
        uint16_t x[4];
        for (int i = 0; i < 4; i++) {
            x[i] = load(in + at + 2 * i);
        }
        crypt_block(sub, x);
        for (int i = 0; i < 8; i++) {
            uint8_t byte = (uint8_t)(i % 2 == 0 ? x[i / 2] >> 8 : x[i / 2]);
            out[at + (size_t)i] = byte ^ last[i];
        }
        last = in + at;
    }
    pf_wipe(sub, sizeof sub);
}
