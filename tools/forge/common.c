// SPDX-License-Identifier: Apache-2.0
#include "forge/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

noreturn void forge_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("plainflow-forge: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *forge_alloc(size_t len)
{
    void *p = calloc(1, len > 0 ? len : 1);
    if (p == NULL) {
        forge_die("out of memory");
    }
    return p;
}

void *forge_realloc(void *ptr, size_t len)
{
    void *p = realloc(ptr, len > 0 ? len : 1);
    if (p == NULL) {
        forge_die("out of memory");
    }
    return p;
}

/* splitmix64: spreads a seed over the state (the authors of xoshiro recommend it for that). */
static uint64_t spread(uint64_t *x)
{
    *x += 0x9e3779b97f4a7c15U;
    uint64_t z = *x;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

void forge_rng_init(struct forge_rng *rng, uint64_t seed, const char *purpose)
{
    uint64_t x = seed;
    for (const char *p = purpose; *p != '\0'; p++) {
        x = (x ^ (unsigned char)*p) * 0x100000001b3U;
    }
    for (size_t i = 0; i < 4; i++) {
        rng->s[i] = spread(&x);
    }
}

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

uint64_t forge_rng_next(struct forge_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

void forge_rng_fill(struct forge_rng *rng, void *dst, size_t len)
{
    uint8_t *p = dst;
    while (len > 0) {
        uint64_t word = forge_rng_next(rng);
        size_t n = len < sizeof word ? len : sizeof word;
        memcpy(p, &word, n);
        p += n;
        len -= n;
    }
}

uint32_t forge_rng_range(struct forge_rng *rng, uint32_t lo, uint32_t hi)
{
    uint64_t span = (uint64_t)hi - lo + 1;
    return lo + (uint32_t)((forge_rng_next(rng) >> 32) * span >> 32);
}

bool forge_rng_chance(struct forge_rng *rng, double rate)
{
    return rate > 0 && (double)(forge_rng_next(rng) >> 11) * 0x1p-53 < rate;
}
