// SPDX-License-Identifier: Apache-2.0
#include "tls/clmul.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_CLMUL __attribute__((target("pclmul,sse2")))

bool pf_clmul_is_there(void)
{
    return __builtin_cpu_supports("pclmul");
}

static inline __m128i to_vector(struct pf_gf128 x)
{
    return _mm_set_epi64x((long long)x.hi, (long long)x.lo);
}

/* 256 bits, one to the left: bit 0 is the leftmost here, so the product came out one too far to the
 * right. */
static inline void shift_left(__m128i *low, __m128i *high)
{
    __m128i low_carry = _mm_srli_epi32(*low, 31);
    __m128i high_carry = _mm_srli_epi32(*high, 31);
    *low = _mm_or_si128(_mm_slli_epi32(*low, 1), _mm_slli_si128(low_carry, 4));
    *high = _mm_or_si128(_mm_slli_epi32(*high, 1), _mm_slli_si128(high_carry, 4));
    *high = _mm_or_si128(*high, _mm_srli_si128(low_carry, 12));
}

/* Modulo x^128 + x^7 + x^2 + x + 1. */
static inline __m128i reduce(__m128i low, __m128i high)
{
    __m128i a = _mm_xor_si128(_mm_slli_epi32(low, 31), _mm_slli_epi32(low, 30));
    a = _mm_xor_si128(a, _mm_slli_epi32(low, 25));
    low = _mm_xor_si128(low, _mm_slli_si128(a, 12));
    __m128i b = _mm_xor_si128(_mm_srli_epi32(low, 1), _mm_srli_epi32(low, 2));
    b = _mm_xor_si128(b, _mm_srli_epi32(low, 7));
    b = _mm_xor_si128(b, _mm_srli_si128(a, 4));
    return _mm_xor_si128(high, _mm_xor_si128(low, b));
}

/* S. Gueron, M. Kounaivis: Intel Carry-Less Multiplication Instruction and its Usage for Computing
 * the GCM Mode, 2010, figure 5. */
WITH_CLMUL static inline __m128i multiply(__m128i a, __m128i b)
{
    __m128i low = _mm_clmulepi64_si128(a, b, 0x00);
    __m128i high = _mm_clmulepi64_si128(a, b, 0x11);
    __m128i middle =
        _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x10), _mm_clmulepi64_si128(a, b, 0x01));
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    shift_left(&low, &high);
    return reduce(low, high);
}

static inline struct pf_gf128 from_vector(__m128i x)
{
    return (struct pf_gf128){(uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x)),
                             (uint64_t)_mm_cvtsi128_si64(x)};
}

WITH_CLMUL struct pf_gf128 pf_clmul(struct pf_gf128 a, struct pf_gf128 b)
{
    return from_vector(multiply(to_vector(a), to_vector(b)));
}

WITH_CLMUL struct pf_gf128 pf_clmul_absorb(struct pf_gf128 h, struct pf_gf128 y,
                                           const uint8_t *blocks, size_t n)
{
    __m128i key = to_vector(h);
    __m128i sum = to_vector(y);
    for (size_t i = 0; i < n; i++) {
        sum = _mm_xor_si128(sum, to_vector(pf_gf128_load(blocks + 16 * i)));
        sum = multiply(sum, key);
    }
    return from_vector(sum);
}

#else

bool pf_clmul_is_there(void)
{
    return false;
}

struct pf_gf128 pf_clmul(struct pf_gf128 a, struct pf_gf128 b)
{
    (void)b;
    return a;
}

struct pf_gf128 pf_clmul_absorb(struct pf_gf128 h, struct pf_gf128 y, const uint8_t *blocks,
                                size_t n)
{
    (void)h;
    (void)blocks;
    (void)n;
    return y;
}

#endif
