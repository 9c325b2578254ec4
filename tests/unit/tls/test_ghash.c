// SPDX-License-Identifier: Apache-2.0
#include "unit/tls/seal.h"

#include "tls/ghash.h"

static const uint8_t h_bytes[16] = {0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b,
                                    0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34, 0x2b, 0x2e};

/* McGrew, Viega: The Galois/Counter Mode of Operation, test case 2. */
static void published_vector(void **state)
{
    (void)state;
    static const uint8_t text[16] = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92,
                                     0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78};
    static const uint8_t expected[16] = {0xf3, 0x8c, 0xbb, 0x1a, 0xd6, 0x92, 0x23, 0xdc,
                                         0xc3, 0x45, 0x7a, 0xe5, 0xb6, 0xb0, 0xf8, 0x85};
    void (*const key[])(struct pf_ghash *, const uint8_t *) = {pf_ghash_key, pf_ghash_key_portable};
    for (int i = 0; i < 2; i++) {
        struct pf_ghash ghash;
        uint8_t out[16];
        key[i](&ghash, h_bytes);
        pf_gf128_store(pf_ghash_run(&ghash, (struct pf_span){NULL, 0}, (struct pf_span){text, 16}),
                       out);
        assert_memory_equal(out, expected, 16);
    }
}

/* Against AES-GCM's own tags: tag = E(J0) + GHASH. */
static void against_aes_gcm(void **state)
{
    (void)state;
    struct sealer s;
    uint8_t aad[64];
    uint8_t text[300];
    uint8_t sealed[300];
    uint8_t tag[16];
    uint8_t mask[16];
    const uint8_t zeros[16] = {0};
    uint8_t h[16];
    struct pf_ghash ghash;
    struct pf_ghash portable;
    sealer_init(&s, 0x1302, PF_VERSION_TLS13, false);
    seal_cipher(&s, "AES-256-ECB", NULL, zeros, 16, h);
    pf_ghash_key(&ghash, h);
    pf_ghash_key_portable(&portable, h);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * i + 5);
        aad[i % sizeof aad] = (uint8_t)(i * 3);
    }
    for (size_t len = 0; len <= sizeof text; len += 13) {
        uint8_t j0[16] = {[0] = (uint8_t)len, [15] = 1};
        size_t aad_len = len % sizeof aad;
        seal_evp_aead(&s, j0, aad, aad_len, text, len, sealed, tag);
        seal_cipher(&s, "AES-256-ECB", NULL, j0, 16, mask);
        struct pf_gf128 sum =
            pf_ghash_run(&ghash, (struct pf_span){aad, aad_len}, (struct pf_span){sealed, len});
        struct pf_gf128 m = pf_gf128_load(mask);
        struct pf_gf128 t = pf_gf128_load(tag);
        assert_true((sum.hi ^ m.hi) == t.hi && (sum.lo ^ m.lo) == t.lo);
        struct pf_gf128 same =
            pf_ghash_run(&portable, (struct pf_span){aad, aad_len}, (struct pf_span){sealed, len});
        assert_true(same.hi == sum.hi && same.lo == sum.lo);
    }
    sealer_fini(&s);
}

static void assert_same(struct pf_gf128 a, struct pf_gf128 b)
{
    assert_true(a.hi == b.hi && a.lo == b.lo);
}

static void arithmetic(void **state)
{
    (void)state;
    const struct pf_gf128 one = {(uint64_t)1 << 63, 0};
    const struct pf_gf128 zero = {0, 0};
    struct pf_gf128 x = pf_gf128_load(h_bytes);
    struct pf_gf128 power = one;
    for (uint64_t n = 0; n < 40; n++) {
        assert_same(pf_gf128_power(x, n), power);
        assert_same(pf_gf128_mul(pf_gf128_power(pf_gf128_inverse(x), n), power), one);
        assert_same(pf_gf128_mul(power, x), pf_gf128_mul_portable(power, x));
        power = pf_gf128_mul(power, x);
    }
    assert_same(pf_gf128_inverse(one), one);
    assert_same(pf_gf128_inverse(zero), zero);
    assert_same(pf_gf128_mul(x, zero), zero);
    assert_same(pf_gf128_mul(x, power), pf_gf128_mul(power, x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vector),
        cmocka_unit_test(against_aes_gcm),
        cmocka_unit_test(arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
