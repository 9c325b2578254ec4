// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/suite.h"

#include <string.h>

static void unknown_ids(void **state)
{
    (void)state;
    static const uint16_t ids[] = {0x0a0a, 0x00ff, 0x5600, 0x1306,
                                   0x1300, 0xffff, 0xc0ff, 0x003a + 0x5000};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_null(pf_suite_find(ids[i]));
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name);
    size_t m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static void check_bulk(const struct pf_suite *s)
{
    const struct pf_bulk *b = s->bulk;
    assert_true(b->row < PF_BULK_ROWS);
    assert_true(b->key_len <= 32 && b->key_material <= b->key_len);
    assert_true(b->key_material == b->key_len || b->exportable);
    assert_int_equal(b->mode == PF_MODE_CBC, b->block_len != 0);
    assert_int_equal(b->mode >= PF_MODE_GCM, b->tag_len != 0);
    if (b->supported && b->mode >= PF_MODE_GCM) {
        assert_int_equal(b->fixed_iv_len + b->explicit_len, 12);
    }
}

/* What the table says must agree with the name. */
static void names_and_rows_agree(void **state)
{
    (void)state;
    unsigned count = 0;
    for (unsigned id = 0; id <= 0xffff; id++) {
        const struct pf_suite *s = pf_suite_find((uint16_t)id);
        if (s == NULL) {
            continue;
        }
        count++;
        assert_int_equal(s->id, id);
        check_bulk(s);
        const char *with = strstr(s->name, "WITH_");
        const char *name = with != NULL ? with + 5 : s->name;
        bool aead = s->bulk->tag_len != 0;
        bool known = s->bulk->supported;
        assert_int_equal(strstr(name, "_GCM") != NULL && known, s->bulk->mode == PF_MODE_GCM);
        assert_int_equal(strstr(name, "_CCM") != NULL && known, s->bulk->mode == PF_MODE_CCM);
        assert_int_equal(strstr(name, "RC4_") != NULL, s->bulk->mode == PF_MODE_STREAM);
        assert_int_equal(strstr(s->name, "EXPORT") != NULL, s->bulk->exportable);
        assert_true(!aead || s->mac == PF_HASH_NONE);
        if (s->kx == PF_KX_TLS13 || aead || !known) {
            assert_true(s->mac == PF_HASH_NONE || !known);
        } else if (ends_with(name, "_SHA384")) {
            assert_int_equal(s->mac, PF_HASH_SHA384);
        } else if (ends_with(name, "_SHA256")) {
            assert_int_equal(s->mac, PF_HASH_SHA256);
        } else if (ends_with(name, "_SHA")) {
            assert_int_equal(s->mac, PF_HASH_SHA1);
        } else if (ends_with(name, "_MD5")) {
            assert_int_equal(s->mac, PF_HASH_MD5);
        } else {
            assert_int_equal(id, 0);
        }
        if (known) {
            assert_int_equal(s->prf, ends_with(name, "_SHA384") ? PF_HASH_SHA384 : PF_HASH_SHA256);
            assert_int_equal(strstr(name, "256_") != NULL && strncmp(name, "SHA", 3) != 0 &&
                                 s->bulk->mode != PF_MODE_NULL,
                             s->bulk->key_len == 32 && s->bulk->mode != PF_MODE_CHACHA);
        }
    }
    assert_int_equal(count, 357);
}

static void some_by_hand(void **state)
{
    (void)state;
    const struct pf_suite *s = pf_suite_find(0xc02f);
    assert_string_equal(s->name, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    assert_int_equal(s->kx, PF_KX_ECDHE);
    assert_string_equal(s->bulk->evp_name, "AES-128-GCM");
    s = pf_suite_find(0x0003);
    assert_int_equal(s->kx, PF_KX_RSA_EXPORT);
    assert_int_equal(s->bulk->key_material, 5);
    s = pf_suite_find(0xc028);
    assert_int_equal(s->mac, PF_HASH_SHA384);
    assert_int_equal(s->bulk->key_len, 32);
    assert_int_equal(pf_suite_find(0xc0a5)->kx, PF_KX_PSK);
    assert_int_equal(pf_suite_find(0x00ae)->kx, PF_KX_PSK);
    assert_int_equal(pf_suite_find(0x00b6)->kx, PF_KX_RSA_PSK);
    assert_int_equal(pf_suite_find(0x0034)->kx, PF_KX_ANON);
    assert_int_equal(pf_suite_find(0xc018)->kx, PF_KX_ANON);
    assert_int_equal(pf_suite_find(0xc01d)->kx, PF_KX_SRP);
    assert_int_equal(pf_suite_find(0x1304)->bulk->mode, PF_MODE_CCM);
    assert_int_equal(pf_suite_find(0x1305)->bulk->tag_len, 8);
    assert_false(pf_suite_find(0xcc13)->bulk->supported);
}

static void small_functions(void **state)
{
    (void)state;
    assert_int_equal(pf_hash_len(PF_HASH_NONE), 0);
    assert_int_equal(pf_hash_len(PF_HASH_MD5), 16);
    assert_int_equal(pf_hash_len(PF_HASH_SHA384), 48);
    assert_string_equal(pf_kx_name(PF_KX_ECDHE_PSK), "ECDHE_PSK");
    for (int kx = PF_KX_NULL; kx <= PF_KX_TLS13; kx++) {
        assert_non_null(pf_kx_name((enum pf_kx)kx));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_ids),
        cmocka_unit_test(names_and_rows_agree),
        cmocka_unit_test(some_by_hand),
        cmocka_unit_test(small_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
