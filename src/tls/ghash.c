// SPDX-License-Identifier: Apache-2.0
#include "tls/ghash.h"

#include "tls/clmul.h"

#include <endian.h>
#include <string.h>

/* In this field bit 0 is the leftmost bit, and multiplying by x shifts to the right. */
static const uint64_t REDUCTION = 0xe100000000000000U;

static struct pf_gf128 add(struct pf_gf128 a, struct pf_gf128 b)
{
    return (struct pf_gf128){a.hi ^ b.hi, a.lo ^ b.lo};
}

static struct pf_gf128 times_x(struct pf_gf128 a)
{
    uint64_t carry = a.lo & 1;
    return (struct pf_gf128){(a.hi >> 1) ^ (carry * REDUCTION), a.hi << 63 | a.lo >> 1};
}

static uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static void store_u64(uint64_t v, uint8_t *p)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

struct pf_gf128 pf_gf128_load(const uint8_t bytes[16])
{
    return (struct pf_gf128){load_u64(bytes), load_u64(bytes + 8)};
}

void pf_gf128_store(struct pf_gf128 x, uint8_t bytes[16])
{
    store_u64(x.hi, bytes);
    store_u64(x.lo, bytes + 8);
}

struct pf_gf128 pf_gf128_mul(struct pf_gf128 a, struct pf_gf128 b)
{
    return pf_clmul_is_there() ? pf_clmul(a, b) : pf_gf128_mul_portable(a, b);
}

struct pf_gf128 pf_gf128_mul_portable(struct pf_gf128 a, struct pf_gf128 b)
{
    struct pf_gf128 z = {0, 0};
    for (int i = 0; i < 128; i++) {
        uint64_t bit = (i < 64 ? a.hi >> (63 - i) : a.lo >> (127 - i)) & 1;
        uint64_t mask = 0 - bit;
        z = add(z, (struct pf_gf128){b.hi & mask, b.lo & mask});
        b = times_x(b);
    }
    return z;
}

static struct pf_gf128 one(void)
{
    return (struct pf_gf128){(uint64_t)1 << 63, 0};
}

struct pf_gf128 pf_gf128_power(struct pf_gf128 x, uint64_t exponent)
{
    struct pf_gf128 z = one();
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1) {
            z = pf_gf128_mul(z, x);
        }
        x = pf_gf128_mul(x, x);
    }
    return z;
}

/* The field has 2^128 - 1 elements besides 0: 1/x = x^(2^128 - 2). From x^(2^n - 1) follow those of
 * 2n and 2n + 1, and so that of 127 (Itoh, Tsujii). */
struct pf_gf128 pf_gf128_inverse(struct pf_gf128 x)
{
    struct pf_gf128 z = x;
    for (int n = 1; n < 127; n = 2 * n + 1) {
        struct pf_gf128 raised = z;
        for (int i = 0; i < n; i++) {
            raised = pf_gf128_mul(raised, raised);
        }
        z = pf_gf128_mul(raised, z);
        z = pf_gf128_mul(pf_gf128_mul(z, z), x);
    }
    return pf_gf128_mul(z, z);
}

void pf_ghash_key(struct pf_ghash *ghash, const uint8_t h[16])
{
    if (!pf_clmul_is_there()) {
        pf_ghash_key_portable(ghash, h);
        return;
    }
    ghash->by_processor = true;
    ghash->h = pf_gf128_load(h);
}

void pf_ghash_key_portable(struct pf_ghash *ghash, const uint8_t h[16])
{
    struct pf_gf128 multiple = pf_gf128_load(h);
    ghash->by_processor = false;
    ghash->h = multiple;
    ghash->multiple[0] = (struct pf_gf128){0, 0};
    for (unsigned bit = 8; bit > 0; bit >>= 1) {
        ghash->multiple[bit] = multiple;
        multiple = times_x(multiple);
    }
    for (unsigned i = 3; i < 16; i++) {
        unsigned top = i & 8 ? 8 : i & 4 ? 4 : 2;
        ghash->multiple[i] = add(ghash->multiple[top], ghash->multiple[i ^ top]);
    }
}

/* What the four bits that fall off on the right come to on the left. */
static const uint64_t fold[16] = {
    0x0000000000000000U, 0x1c20000000000000U, 0x3840000000000000U, 0x2460000000000000U,
    0x7080000000000000U, 0x6ca0000000000000U, 0x48c0000000000000U, 0x54e0000000000000U,
    0xe100000000000000U, 0xfd20000000000000U, 0xd940000000000000U, 0xc560000000000000U,
    0x9180000000000000U, 0x8da0000000000000U, 0xa9c0000000000000U, 0xb5e0000000000000U};

static struct pf_gf128 times_h(const struct pf_ghash *ghash, struct pf_gf128 x)
{
    struct pf_gf128 z = {0, 0};
    if (ghash->by_processor) {
        return pf_clmul(x, ghash->h);
    }
    for (int i = 0; i < 32; i++) {
        uint64_t word = i < 16 ? x.lo : x.hi;
        struct pf_gf128 m = ghash->multiple[(word >> (4 * (i % 16))) & 15];
        uint64_t off = fold[z.lo & 15];
        z.lo = (z.hi << 60 | z.lo >> 4) ^ m.lo;
        z.hi = (z.hi >> 4) ^ off ^ m.hi;
    }
    return z;
}

static struct pf_gf128 absorb(const struct pf_ghash *ghash, struct pf_gf128 y, struct pf_span bytes)
{
    size_t whole = bytes.len - bytes.len % 16;
    if (ghash->by_processor) {
        y = pf_clmul_absorb(ghash->h, y, bytes.ptr, whole / 16);
    }
    for (size_t i = 0; !ghash->by_processor && i < whole; i += 16) {
        y = times_h(ghash, add(y, pf_gf128_load(bytes.ptr + i)));
    }
    if (whole < bytes.len) {
        uint8_t last[16] = {0};
        memcpy(last, bytes.ptr + whole, bytes.len - whole);
        y = times_h(ghash, add(y, pf_gf128_load(last)));
    }
    return y;
}

struct pf_gf128 pf_ghash_run(const struct pf_ghash *ghash, struct pf_span aad, struct pf_span text)
{
    struct pf_gf128 y = {0, 0};
    y = absorb(ghash, y, aad);
    y = absorb(ghash, y, text);
    return times_h(ghash, add(y, (struct pf_gf128){8 * (uint64_t)aad.len, 8 * (uint64_t)text.len}));
}
