// SPDX-License-Identifier: Apache-2.0
#include "tls/certcache.h"

#include "support/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static EVP_PKEY *key;

static int set_up(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    return key == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static void assert_parsed(struct pf_cert_cache *cache, const char *name)
{
    uint8_t *der;
    struct pf_cert got;
    struct pf_cert want;
    X509 *x = pki_cert(key, name);
    struct pf_span s = pki_cert_der(x, &der);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_cert_parse(s, &want), PF_OK);
        assert_int_equal(pf_cert_cache_parse(cache, s, &got), PF_OK);
        assert_memory_equal(&got, &want, sizeof got);
    }
    OPENSSL_free(der);
    X509_free(x);
}

static void test_malformed(void **state)
{
    static const uint8_t junk[] = {0x30, 0x03, 0x02, 0x01, 0x01};
    struct pf_cert_cache *cache;
    struct pf_cert cert;
    (void)state;
    assert_int_equal(pf_cert_cache_new(&cache), PF_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_cert_cache_parse(cache, (struct pf_span){junk, sizeof junk}, &cert),
                         PF_ERR_MALFORMED);
    }
    pf_cert_cache_free(cache);
}

/* More certificates than places, round and round: each answer is its own. */
static void test_many(void **state)
{
    struct pf_cert_cache *cache;
    (void)state;
    assert_int_equal(pf_cert_cache_new(&cache), PF_OK);
    for (int i = 0; i < 3 * PF_CERT_CACHE; i++) {
        char name[32];
        snprintf(name, sizeof name, "host%d.example", i);
        assert_parsed(cache, name);
    }
    pf_cert_cache_free(cache);
    assert_parsed(NULL, "none.example");
    pf_cert_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
