// SPDX-License-Identifier: Apache-2.0
#include "support/pki.h"
#include "tls/keyring.h"
#include "tls/keys.h"
#include "tls/unwrap.h"

#include <dirent.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BITS = 1024 };

static char dir[256];
static EVP_PKEY *rsa;
static EVP_PKEY *other_rsa;
static X509 *cert;
static uint8_t spki[PF_SPKI_LEN];

static const char *in_dir(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int set_up(void **state)
{
    uint8_t *owned;
    (void)state;
    pki_make_dir(dir);
    rsa = pki_rsa(BITS);
    other_rsa = pki_rsa(BITS);
    cert = pki_cert(rsa, "server.example");
    struct pf_span der = pki_cert_der(cert, &owned);
    int good = pf_cert_spki(der, spki) == PF_OK;
    OPENSSL_free(owned);
    return good ? 0 : 1;
}

static void remove_files(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && unlink(name) != 0) {
            rmdir(name);
        }
    }
    closedir(d);
}

static int tear_down(void **state)
{
    (void)state;
    remove_files(dir);
    rmdir(dir);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other_rsa);
    X509_free(cert);
    return 0;
}

static void write_pem(const char *name, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    pki_check(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, name);
    pki_write_bio(in_dir(name), bio);
}

static enum pf_status try_add(const char *spec, const char *password, struct pf_error *err)
{
    struct pf_keyring *ring;
    *err = (struct pf_error){0};
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    enum pf_status st = pf_keyring_add(ring, spec, password, err);
    assert_int_equal(pf_keyring_count(ring), st == PF_OK ? 1 : 0);
    if (st == PF_OK) {
        assert_memory_equal(pf_keyring_spki(ring, 0), spki, PF_SPKI_LEN);
        assert_int_equal(pf_keyring_bits(ring, 0), BITS);
        assert_int_equal(pf_keyring_find(ring, spki), 0);
    }
    pf_keyring_free(ring);
    assert_int_equal(ERR_peek_error(), 0);
    return st;
}

/* Refused with a message that names the file and says `says`. */
static void assert_refused(const char *path, const char *password, const char *says)
{
    struct pf_error err;
    assert_int_equal(try_add(path, password, &err), PF_ERR_USAGE);
    if (strstr(err.text, path) == NULL || strstr(err.text, says) == NULL) {
        fail_msg("message: %s (expected: %s)", err.text, says);
    }
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    assert_refused(in_dir("missing.pem"), NULL, "No such file");
    assert_refused(dir, NULL, "--key-dir");
    pki_check(mkfifo(in_dir("fifo"), 0600) == 0, "mkfifo");
    assert_refused(in_dir("fifo"), NULL, "regular file");
    pki_write(in_dir("empty"), "", 0);
    assert_refused(in_dir("empty"), NULL, "is empty");
    uint8_t *big = calloc(1, (1 << 20) + 1);
    pki_write(in_dir("big"), big, (1 << 20) + 1);
    pki_write(in_dir("zeros"), big, 1 << 20);
    free(big);
    assert_refused(in_dir("big"), NULL, "larger than 1 MiB");
    assert_refused(in_dir("zeros"), NULL, "holds no private key");
    unlink(in_dir("big"));
}

static void test_files_without_a_private_key(void **state)
{
    BIO *bio = BIO_new(BIO_s_mem());
    (void)state;
    PEM_write_bio_X509(bio, cert);
    pki_write_bio(in_dir("cert.pem"), bio);
    assert_refused(in_dir("cert.pem"), NULL, "a certificate, not its private key");

    bio = BIO_new(BIO_s_mem());
    i2d_X509_bio(bio, cert);
    pki_write_bio(in_dir("cert.der"), bio);
    assert_refused(in_dir("cert.der"), NULL, "a certificate, not its private key");

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, rsa);
    pki_write_bio(in_dir("public.pem"), bio);
    assert_refused(in_dir("public.pem"), NULL, "public key");

    bio = BIO_new(BIO_s_mem());
    i2d_PUBKEY_bio(bio, rsa);
    pki_write_bio(in_dir("public.der"), bio);
    assert_refused(in_dir("public.der"), NULL, "public key");

    uint8_t *pkcs1 = NULL;
    int len = i2d_PublicKey(rsa, &pkcs1);
    pki_write(in_dir("public1.der"), pkcs1, (size_t)len);
    OPENSSL_free(pkcs1);
    assert_refused(in_dir("public1.der"), NULL, "public key");

    X509_REQ *req = X509_to_X509_REQ(cert, rsa, EVP_sha256());
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, req);
    pki_write_bio(in_dir("req.pem"), bio);
    bio = BIO_new(BIO_s_mem());
    i2d_X509_REQ_bio(bio, req);
    pki_write_bio(in_dir("req.der"), bio);
    X509_REQ_free(req);
    assert_refused(in_dir("req.pem"), NULL, "certificate request");
    assert_refused(in_dir("req.der"), NULL, "certificate request");
}

static void test_other_files(void **state)
{
    static const char keylog[] = "# log\nCLIENT_RANDOM 00 11\n";
    static const char capture[] = "\xd4\xc3\xb2\xa1\2\0\4\0";
    static const char damaged[] = "-----BEGIN RSA PRIVATE KEY-----\nMIIB!!!!\n"
                                  "-----END RSA PRIVATE KEY-----\n";
    static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
                                  "-----END OPENSSH PRIVATE KEY-----\n";
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    (void)state;
    pki_write(in_dir("keys.log"), keylog, sizeof keylog - 1);
    assert_refused(in_dir("keys.log"), NULL, "--keylog");
    pki_write(in_dir("a.pcap"), capture, sizeof capture - 1);
    assert_refused(in_dir("a.pcap"), NULL, "capture");
    pki_write(in_dir("damaged.pem"), damaged, sizeof damaged - 1);
    assert_refused(in_dir("damaged.pem"), NULL, "damaged");
    pki_write(in_dir("openssh"), openssh, sizeof openssh - 1);
    assert_refused(in_dir("openssh"), NULL, "ssh-keygen");
    write_pem("ec.pem", ec);
    EVP_PKEY_free(ec);
    assert_refused(in_dir("ec.pem"), NULL, "not RSA");
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    write_pem("ed.pem", ed);
    EVP_PKEY_free(ed);
    assert_refused(in_dir("ed.pem"), NULL, "not RSA");
}

static void test_cut_key_files(void **state)
{
    uint8_t *der = NULL;
    struct pf_error err;
    (void)state;
    int len = i2d_PrivateKey(rsa, &der);
    for (int n = 0; n < len; n += n < 16 ? 1 : 37) {
        pki_write(in_dir("cut.der"), der, (size_t)n);
        assert_int_equal(try_add(in_dir("cut.der"), NULL, &err), PF_ERR_USAGE);
    }
    der[20] ^= 0xff;
    der[2] = 0xff; /* a length that no file has */
    pki_write(in_dir("cut.der"), der, (size_t)len);
    assert_int_equal(try_add(in_dir("cut.der"), NULL, &err), PF_ERR_USAGE);
    OPENSSL_free(der);
}

static void write_sealed(const char *name, const EVP_CIPHER *cipher, const char *password,
                         bool traditional, bool der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len = (int)strlen(password);
    int good;
    if (traditional) {
        good = PEM_write_bio_PrivateKey_traditional(bio, rsa, cipher, (const uint8_t *)password,
                                                    len, NULL, NULL);
    } else if (der) {
        good = i2d_PKCS8PrivateKey_bio(bio, rsa, cipher, password, len, NULL, NULL);
    } else {
        good = PEM_write_bio_PKCS8PrivateKey(bio, rsa, cipher, password, len, NULL, NULL);
    }
    pki_check(good == 1, name);
    pki_write_bio(in_dir(name), bio);
}

static void assert_password_matters(const char *name)
{
    struct pf_error err;
    assert_refused(in_dir(name), NULL, "--key-password-file");
    assert_refused(in_dir(name), "wrong", "the password does not fit");
    if (try_add(in_dir(name), "right", &err) != PF_OK) {
        fail_msg("%s", err.text);
    }
}

static void test_encrypted(void **state)
{
    (void)state;
    write_sealed("enc8.pem", EVP_aes_256_cbc(), "right", false, false);
    assert_password_matters("enc8.pem");
    write_sealed("enc8.der", EVP_des_ede3_cbc(), "right", false, true);
    assert_password_matters("enc8.der");
    write_sealed("enc1.pem", EVP_aes_128_cbc(), "right", true, false);
    assert_password_matters("enc1.pem");
    write_sealed("enc1-3des.pem", EVP_des_ede3_cbc(), "right", true, false);
    assert_password_matters("enc1-3des.pem");
}

/* One wrong password in 256 gives good padding: none of them may pass for a damaged file. */
static void test_many_wrong_passwords(void **state)
{
    (void)state;
    write_sealed("enc1.pem", EVP_aes_128_cbc(), "right", true, false);
    for (int i = 0; i < 1000; i++) {
        char password[32];
        snprintf(password, sizeof password, "wrong%d", i);
        assert_refused(in_dir("enc1.pem"), password, "the password does not fit");
    }
}

struct providers {
    OSSL_LIB_CTX *ctx;
    OSSL_PROVIDER *standard;
    OSSL_PROVIDER *legacy;
};

static bool load_providers(struct providers *p)
{
    p->ctx = OSSL_LIB_CTX_new();
    p->standard = OSSL_PROVIDER_load(p->ctx, "default");
    p->legacy = OSSL_PROVIDER_load(p->ctx, "legacy");
    return p->legacy != NULL;
}

static void unload_providers(struct providers *p)
{
    if (p->legacy != NULL) {
        OSSL_PROVIDER_unload(p->legacy);
    }
    OSSL_PROVIDER_unload(p->standard);
    OSSL_LIB_CTX_free(p->ctx);
    ERR_clear_error();
}

/* mac: 0 for the usual one, -1 for none. */
static void write_pkcs12(const char *name, OSSL_LIB_CTX *ctx, const char *password, int key_nid,
                         int cert_nid, int mac)
{
    PKCS12 *p12 = PKCS12_create_ex(password, "name", rsa, cert, NULL, key_nid, cert_nid, 0, mac, 0,
                                   ctx, NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    pki_check(p12 != NULL && i2d_PKCS12_bio(bio, p12) == 1, name);
    PKCS12_free(p12);
    pki_write_bio(in_dir(name), bio);
}

static void test_pkcs12(void **state)
{
    struct providers p;
    struct pf_error err;
    (void)state;
    write_pkcs12("key.p12", NULL, "right", 0, 0, 0);
    assert_password_matters("key.p12");
    write_pkcs12("nomac.p12", NULL, "right", 0, 0, -1);
    assert_password_matters("nomac.p12");
    write_pkcs12("empty.p12", NULL, "", 0, 0, 0);
    assert_int_equal(try_add(in_dir("empty.p12"), NULL, &err), PF_OK);
    assert_int_equal(try_add(in_dir("empty.p12"), "needless", &err), PF_OK);
    if (load_providers(&p)) {
        write_pkcs12("old.p12", p.ctx, "right", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                     NID_pbe_WithSHA1And40BitRC2_CBC, 0);
        assert_password_matters("old.p12");
    }
    unload_providers(&p);
}

/* Two RSA keys and one that is none, one of them not encrypted, as keytool may put them together.
 */
static void test_pkcs12_with_several_keys(void **state)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    STACK_OF(PKCS7) *safes = NULL;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    struct pf_keyring *ring;
    BIO *bio = BIO_new(BIO_s_mem());
    (void)state;
    pki_check(PKCS12_add_key(&bags, ec, 0, 0, NID_aes_256_cbc, "right") != NULL &&
                  PKCS12_add_key(&bags, rsa, 0, 0, NID_aes_256_cbc, "right") != NULL &&
                  PKCS12_add_key(&bags, other_rsa, 0, 0, -1, NULL) != NULL &&
                  PKCS12_add_safe(&safes, bags, -1, 0, NULL) == 1,
              "PKCS12_add_key");
    PKCS12 *p12 = PKCS12_add_safes(safes, 0);
    pki_check(p12 != NULL && PKCS12_set_mac(p12, "right", -1, NULL, 0, 0, NULL) == 1 &&
                  i2d_PKCS12_bio(bio, p12) == 1,
              "PKCS12_add_safes");
    pki_write_bio(in_dir("several.p12"), bio);
    PKCS12_free(p12);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    EVP_PKEY_free(ec);
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    assert_int_equal(pf_keyring_add(ring, in_dir("several.p12"), "wrong", NULL), PF_ERR_USAGE);
    assert_int_equal(pf_keyring_count(ring), 0);
    assert_int_equal(pf_keyring_add(ring, in_dir("several.p12"), "right", NULL), PF_OK);
    assert_int_equal(pf_keyring_count(ring), 2);
    assert_int_equal(pf_keyring_find(ring, spki), 0);
    pf_keyring_free(ring);
}

static void test_plain_formats(void **state)
{
    struct pf_error err;
    uint8_t *der = NULL;
    (void)state;
    write_pem("key8.pem", rsa);
    assert_int_equal(try_add(in_dir("key8.pem"), NULL, &err), PF_OK);
    assert_int_equal(try_add(in_dir("key8.pem"), "needless", &err), PF_OK);
    BIO *bio = BIO_new(BIO_s_mem());
    BIO_puts(bio, "\xef\xbb\xbf"); /* a byte order mark */
    PEM_write_bio_PrivateKey_traditional(bio, rsa, NULL, NULL, 0, NULL, NULL);
    pki_write_bio(in_dir("key1.pem"), bio);
    assert_int_equal(try_add(in_dir("key1.pem"), NULL, &err), PF_OK);
    int len = i2d_PrivateKey(rsa, &der);
    pki_write(in_dir("key1.der"), der, (size_t)len);
    OPENSSL_free(der);
    assert_int_equal(try_add(in_dir("key1.der"), NULL, &err), PF_OK);
    bio = BIO_new(BIO_s_mem());
    i2d_PKCS8PrivateKey_bio(bio, rsa, NULL, NULL, 0, NULL, NULL);
    BIO_puts(bio, "\n"); /* bytes behind the structure */
    pki_write_bio(in_dir("key8.der"), bio);
    assert_int_equal(try_add(in_dir("key8.der"), NULL, &err), PF_OK);
}

static void test_several_in_one_file(void **state)
{
    struct pf_keyring *ring;
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    (void)state;
    PEM_write_bio_X509(bio, cert);
    BIO_puts(bio, "a comment\r\n");
    PEM_write_bio_PrivateKey(bio, ec, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_PrivateKey(bio, rsa, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(bio, cert);
    PEM_write_bio_PrivateKey(bio, other_rsa, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_PrivateKey(bio, rsa, NULL, NULL, 0, NULL, NULL);
    pki_write_bio(in_dir("bundle.pem"), bio);
    EVP_PKEY_free(ec);
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    assert_int_equal(pf_keyring_add(ring, in_dir("bundle.pem"), NULL, NULL), PF_OK);
    assert_int_equal(pf_keyring_count(ring), 2); /* the same key twice is kept once */
    assert_int_equal(pf_keyring_add(ring, in_dir("bundle.pem"), NULL, NULL), PF_OK);
    assert_int_equal(pf_keyring_count(ring), 2);
    assert_int_equal(pf_keyring_find(ring, spki), 0);
    assert_int_equal(pf_keyring_find(ring, pf_keyring_spki(ring, 1)), 1);
    uint8_t unknown[PF_SPKI_LEN] = {0};
    assert_true(pf_keyring_find(ring, unknown) == PF_KEY_NONE);
    assert_string_equal(pf_keyring_file(ring, 1), in_dir("bundle.pem"));
    pf_keyring_free(ring);
    pf_keyring_free(NULL);
}

static void test_folder(void **state)
{
    char sub[512];
    size_t skipped;
    struct pf_keyring *ring;
    struct pf_error err = {0};
    (void)state;
    snprintf(sub, sizeof sub, "%s/keys", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    assert_int_equal(pf_keyring_add_dir(ring, in_dir("nowhere"), NULL, &skipped, &err),
                     PF_ERR_USAGE);
    err = (struct pf_error){0};
    assert_int_equal(pf_keyring_add_dir(ring, sub, NULL, &skipped, &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, sub));
    pki_write(in_dir("keys/README"), "read me", 7);
    write_pem("keys/a.pem", rsa);
    write_pem("keys/b.pem", other_rsa);
    assert_int_equal(mkfifo(in_dir("keys/fifo"), 0600), 0);
    assert_int_equal(mkdir(in_dir("keys/sub"), 0700), 0);
    err = (struct pf_error){0};
    assert_int_equal(pf_keyring_add_dir(ring, sub, NULL, &skipped, &err), PF_OK);
    assert_int_equal(skipped, 2); /* README and the FIFO */
    assert_int_equal(pf_keyring_count(ring), 2);
    assert_int_equal(pf_keyring_find(ring, spki), 0);
    /* A key that cannot be opened is not passed over in silence. */
    write_sealed("keys/c.pem", EVP_aes_128_cbc(), "right", false, false);
    assert_int_equal(pf_keyring_add_dir(ring, sub, NULL, &skipped, &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, "c.pem"));
    pf_keyring_free(ring);
    remove_files(sub);
    rmdir(sub);
}

static void test_bad_address(void **state)
{
    static const char *const bad[] = {"10.0.0.1:0=key.pem",      "10.0.0.1:65536=key.pem",
                                      "10.0.0.1:443x=key.pem",   "10.0.0.1:=key.pem",
                                      "[::1]443=key.pem",        "::1=key.pem",
                                      "2001:db8::1:443=key.pem", "10.0.0.1="};
    struct pf_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(try_add(bad[i], NULL, &err), PF_ERR_USAGE);
        assert_null(strstr(err.text, "No such file"));
    }
    assert_int_equal(try_add("server.example:443=key.pem", NULL, &err), PF_ERR_USAGE);
    assert_non_null(strstr(err.text, "server.example:443=key.pem"));
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(try_add("[::1=key.pem", NULL, &err), PF_ERR_USAGE);
    assert_int_equal(try_add("=key.pem", NULL, &err), PF_ERR_USAGE);
    assert_int_equal(try_add("", NULL, &err), PF_ERR_USAGE);
}

static void add_bound(struct pf_keyring *ring, const char *address, const char *name)
{
    char spec[1024];
    snprintf(spec, sizeof spec, "%s=%s", address, in_dir(name));
    assert_int_equal(pf_keyring_add(ring, spec, NULL, NULL), PF_OK);
}

static void test_bound(void **state)
{
    static const uint8_t v4[16] = {10, 0, 0, 1};
    static const uint8_t v4_other[16] = {10, 0, 0, 2};
    static const uint8_t v6[16] = {[15] = 1};
    static const uint8_t v6_db8[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct pf_keyring *ring;
    (void)state;
    write_pem("a.pem", rsa);
    write_pem("b=c.pem", other_rsa);
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    add_bound(ring, "10.0.0.1", "a.pem");
    add_bound(ring, "10.0.0.1:8443", "b=c.pem");
    add_bound(ring, "[::1]:443", "a.pem");
    add_bound(ring, "[2001:db8::1]", "b=c.pem");
    assert_int_equal(pf_keyring_count(ring), 2);
    assert_int_equal(pf_keyring_bound(ring, 4, v4, 443), 0);
    assert_int_equal(pf_keyring_bound(ring, 4, v4, 8443), 1);
    assert_true(pf_keyring_bound(ring, 4, v4_other, 443) == PF_KEY_NONE);
    assert_int_equal(pf_keyring_bound(ring, 6, v6, 443), 0);
    assert_true(pf_keyring_bound(ring, 6, v6, 444) == PF_KEY_NONE);
    assert_int_equal(pf_keyring_bound(ring, 6, v6_db8, 1), 1);
    assert_int_equal(pf_keyring_add(ring, in_dir("b=c.pem"), NULL, NULL), PF_OK);
    pf_keyring_free(ring);
}

static struct pf_keyring *ring_of(EVP_PKEY *a, EVP_PKEY *b)
{
    struct pf_keyring *ring;
    assert_int_equal(pf_keyring_new(&ring), PF_OK);
    write_pem("u0.pem", a);
    write_pem("u1.pem", b);
    assert_int_equal(pf_keyring_add(ring, in_dir("u0.pem"), NULL, NULL), PF_OK);
    assert_int_equal(pf_keyring_add(ring, in_dir("u1.pem"), NULL, NULL), PF_OK);
    return ring;
}

/* The block as it is, under the public key. */
static size_t encrypt_raw(EVP_PKEY *key, const uint8_t *block, size_t len, uint8_t *out, size_t cap)
{
    size_t out_len = cap;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    pki_check(EVP_PKEY_encrypt_init(ctx) == 1 &&
                  EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
                  EVP_PKEY_encrypt(ctx, out, &out_len, block, len) == 1,
              "raw RSA");
    EVP_PKEY_CTX_free(ctx);
    return out_len;
}

static void test_unwrap_refuses(void **state)
{
    struct pf_keyring *ring = ring_of(rsa, other_rsa);
    struct pf_unwrapper *u;
    uint8_t pm[48] = {3, 3};
    uint8_t out[48];
    uint8_t c[BITS / 8 + 8];
    uint8_t block[BITS / 8];
    (void)state;
    assert_int_equal(pf_unwrapper_new(ring, &u), PF_OK);
    struct pf_span s = {.ptr = c, .len = pki_encrypt(rsa, pm, 48, c, sizeof c)};
    assert_int_equal(pf_unwrap(u, 1, s, out), PF_ERR_NOKEY);
    assert_int_equal(pf_unwrap(u, 1, s, out), PF_ERR_NOKEY); /* from the cache */
    assert_int_equal(pf_unwrap(u, 0, (struct pf_span){.ptr = c, .len = 0}, out), PF_ERR_NOKEY);
    memset(c, 0xff, sizeof c); /* not below the modulus; longer than it */
    s.len = BITS / 8;
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    s.len = sizeof c;
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    s.len = pki_encrypt(rsa, pm, 47, c, sizeof c);
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    s.len = pki_encrypt(rsa, block, 49, c, sizeof c);
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    memset(block, 0x55, sizeof block);
    block[0] = 0;
    block[1] = 1; /* a signature's block */
    block[sizeof block - 49] = 0;
    s.len = encrypt_raw(rsa, block, sizeof block, c, sizeof c);
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    block[1] = 2;
    s.len = encrypt_raw(rsa, block, sizeof block, c, sizeof c);
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_OK);
    block[9] = 0; /* the message would start too early */
    s.len = encrypt_raw(rsa, block, sizeof block, c, sizeof c);
    assert_int_equal(pf_unwrap(u, 0, s, out), PF_ERR_NOKEY);
    assert_int_equal(ERR_peek_error(), 0);
    pf_unwrapper_free(u);
    pf_unwrapper_free(NULL);
    pf_keyring_free(ring);
}

static void test_unwrap(void **state)
{
    struct pf_keyring *ring = ring_of(rsa, other_rsa);
    struct pf_unwrapper *u;
    uint8_t pm[48];
    uint8_t out[48];
    uint8_t c[BITS / 8 + 2] = {0};
    (void)state;
    assert_int_equal(pf_unwrapper_new(ring, &u), PF_OK);
    for (unsigned i = 0; i < 600; i++) { /* some ciphertexts start with a zero byte */
        memset(pm, (int)i, sizeof pm);
        EVP_PKEY *key = i % 2 == 0 ? rsa : other_rsa;
        size_t len = pki_encrypt(key, pm, 48, c + 2, sizeof c - 2);
        struct pf_span padded = {.ptr = c, .len = len + 2};
        struct pf_span stripped = {.ptr = c + 2, .len = len};
        while (stripped.ptr[0] == 0) {
            stripped.ptr++;
            stripped.len--;
        }
        assert_int_equal(pf_unwrap(u, i % 2, stripped, out), PF_OK);
        assert_memory_equal(out, pm, 48);
        memset(out, 0, sizeof out);
        assert_int_equal(pf_unwrap(u, i % 2, padded, out), PF_OK);
        assert_memory_equal(out, pm, 48);
    }
    pf_unwrapper_free(u);
    pf_keyring_free(ring);
}

/* The same key with its primes the other way round, as some old tools wrote it. */
static EVP_PKEY *swap_primes(EVP_PKEY *key)
{
    static const char *const from[] = {OSSL_PKEY_PARAM_RSA_N,        OSSL_PKEY_PARAM_RSA_E,
                                       OSSL_PKEY_PARAM_RSA_D,        OSSL_PKEY_PARAM_RSA_FACTOR2,
                                       OSSL_PKEY_PARAM_RSA_FACTOR1,  OSSL_PKEY_PARAM_RSA_EXPONENT2,
                                       OSSL_PKEY_PARAM_RSA_EXPONENT1};
    static const char *const to[] = {OSSL_PKEY_PARAM_RSA_N,        OSSL_PKEY_PARAM_RSA_E,
                                     OSSL_PKEY_PARAM_RSA_D,        OSSL_PKEY_PARAM_RSA_FACTOR1,
                                     OSSL_PKEY_PARAM_RSA_FACTOR2,  OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                     OSSL_PKEY_PARAM_RSA_EXPONENT2};
    BIGNUM *n[8] = {NULL};
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BN_CTX *bn = BN_CTX_new();
    for (int i = 0; i < 7; i++) {
        pki_check(EVP_PKEY_get_bn_param(key, from[i], &n[i]) == 1, from[i]);
        OSSL_PARAM_BLD_push_BN(bld, to[i], n[i]);
    }
    assert_true(BN_cmp(n[3], n[4]) < 0);
    n[7] = BN_mod_inverse(NULL, n[4], n[3], bn);
    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, n[7]);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY *swapped = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    pki_check(EVP_PKEY_fromdata_init(ctx) == 1 &&
                  EVP_PKEY_fromdata(ctx, &swapped, EVP_PKEY_KEYPAIR, params) == 1,
              "EVP_PKEY_fromdata");
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_CTX_free(bn);
    for (int i = 0; i < 8; i++) {
        BN_clear_free(n[i]);
    }
    return swapped;
}

static void assert_unwraps(EVP_PKEY *key, unsigned rounds)
{
    struct pf_keyring *ring = ring_of(key, other_rsa);
    struct pf_unwrapper *u;
    uint8_t pm[48] = {3, 1};
    uint8_t out[48];
    uint8_t c[2048];
    assert_int_equal(pf_unwrapper_new(ring, &u), PF_OK);
    for (unsigned i = 0; i < rounds; i++) {
        pm[2] = (uint8_t)i;
        struct pf_span s = {.ptr = c, .len = pki_encrypt(key, pm, 48, c, sizeof c)};
        assert_int_equal(pf_unwrap(u, 0, s, out), PF_OK);
        assert_memory_equal(out, pm, 48);
    }
    pf_unwrapper_free(u);
    pf_keyring_free(ring);
}

static void test_key_with_swapped_primes(void **state)
{
    (void)state;
    EVP_PKEY *swapped = swap_primes(rsa);
    assert_unwraps(swapped, 100);
    EVP_PKEY_free(swapped);
}

static void test_key_sizes(void **state)
{
    static const unsigned sizes[] = {512, 1023, 1025, 2048};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        EVP_PKEY *key = pki_rsa(sizes[i]);
        assert_unwraps(key, 20);
        EVP_PKEY_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_files_without_a_private_key),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_cut_key_files),
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_many_wrong_passwords),
        cmocka_unit_test(test_pkcs12),
        cmocka_unit_test(test_pkcs12_with_several_keys),
        cmocka_unit_test(test_plain_formats),
        cmocka_unit_test(test_several_in_one_file),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_bad_address),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_unwrap_refuses),
        cmocka_unit_test(test_unwrap),
        cmocka_unit_test(test_key_with_swapped_primes),
        cmocka_unit_test(test_key_sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
