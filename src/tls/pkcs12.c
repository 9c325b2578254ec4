// SPDX-License-Identifier: Apache-2.0
#include "tls/pkcs12.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <string.h>

/* One password being tried on one file. */
struct attempt {
    OSSL_LIB_CTX *libctx;
    const char *password; /* NULL is not "": they are encoded differently (RFC 7292 appendix B.1) */
    EVP_PKEY **keys;
    size_t cap;
    size_t count;
};

static void drop_keys(struct attempt *a)
{
    while (a->count > 0) {
        EVP_PKEY_free(a->keys[--a->count]);
    }
}

static enum pf_status take_info(struct attempt *a, const PKCS8_PRIV_KEY_INFO *info)
{
    if (a->count == a->cap) {
        return PF_ERR_LIMIT;
    }
    EVP_PKEY *key = EVP_PKCS82PKEY_ex(info, a->libctx, NULL);
    if (key == NULL) {
        return PF_ERR_MALFORMED;
    }
    a->keys[a->count++] = key;
    return PF_OK;
}

static enum pf_status read_bag(struct attempt *a, const PKCS12_SAFEBAG *bag)
{
    if (PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag) {
        return take_info(a, PKCS12_SAFEBAG_get0_p8inf(bag));
    }
    if (PKCS12_SAFEBAG_get_nid(bag) != NID_pkcs8ShroudedKeyBag) {
        return PF_OK;
    }
    PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey_ex(bag, a->password, -1, a->libctx, NULL);
    if (info == NULL) {
        return PF_ERR_NOKEY;
    }
    enum pf_status st = take_info(a, info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return st;
}

static enum pf_status read_safe(struct attempt *a, PKCS7 *safe)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    enum pf_status st = PF_OK;
    if (OBJ_obj2nid(safe->type) == NID_pkcs7_data) {
        bags = PKCS12_unpack_p7data(safe);
        st = bags != NULL ? PF_OK : PF_ERR_MALFORMED;
    } else if (OBJ_obj2nid(safe->type) == NID_pkcs7_encrypted) {
        bags = PKCS12_unpack_p7encdata(safe, a->password, -1);
        st = bags != NULL ? PF_OK : PF_ERR_NOKEY;
    }
    for (int i = 0; st == PF_OK && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        st = read_bag(a, sk_PKCS12_SAFEBAG_value(bags, i));
    }
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return st;
}

static enum pf_status try_password(struct attempt *a, PKCS12 *p12)
{
    int len = a->password != NULL ? (int)strlen(a->password) : 0;
    if (PKCS12_mac_present(p12) && PKCS12_verify_mac(p12, a->password, len) != 1) {
        return PF_ERR_NOKEY;
    }
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    enum pf_status st = safes != NULL ? PF_OK : PF_ERR_MALFORMED;
    for (int i = 0; st == PF_OK && i < sk_PKCS7_num(safes); i++) {
        st = read_safe(a, sk_PKCS7_value(safes, i));
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    if (st != PF_OK) {
        drop_keys(a);
    }
    return st;
}

enum pf_status pf_pkcs12_open(OSSL_LIB_CTX *libctx, struct pf_span der, const char *password,
                              EVP_PKEY **keys, size_t cap, size_t *count)
{
    const char *const passwords[] = {NULL, "", password};
    size_t tries = password != NULL ? 3 : 2;
    struct attempt a = {.libctx = libctx, .keys = keys, .cap = cap};
    const unsigned char *p = der.ptr;
    *count = 0;
    PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, libctx, NULL);
    if (p12 == NULL) {
        return PF_ERR_NOMEM;
    }
    if (d2i_PKCS12(&p12, &p, (long)der.len) == NULL) {
        return PF_ERR_MALFORMED; /* libcrypto has freed p12 */
    }
    enum pf_status st = PF_ERR_NOKEY;
    for (size_t i = 0; st == PF_ERR_NOKEY && i < tries; i++) {
        ERR_clear_error();
        a.password = passwords[i];
        st = try_password(&a, p12);
    }
    *count = a.count;
    PKCS12_free(p12);
    return st;
}
