// SPDX-License-Identifier: Apache-2.0
#include "tls/keyfile.h"

#include "tls/cert.h"
#include "tls/der.h"
#include "tls/keys.h"
#include "tls/pkcs12.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RSA_BITS_MIN = 512, PKCS12_KEYS = 256 };

/* One file being read. */
struct load {
    OSSL_LIB_CTX *libctx;
    const char *path;
    const char *password;
    struct pf_keyfile *out;
    struct pf_error *err;
};

static void note_other(struct load *l, enum pf_keyfile_kind kind)
{
    if (l->out->other == PF_KEYFILE_NOTHING) {
        l->out->other = kind;
    }
}

static enum pf_status need_password(const struct load *l)
{
    return pf_error_set(l->err, PF_ERR_USAGE,
                        "key file %s is encrypted: give its passphrase with --key-password-file",
                        l->path);
}

static bool is_unsupported(unsigned long e)
{
    int reason = ERR_GET_REASON(e);
    return reason == ERR_R_UNSUPPORTED ||
           (ERR_GET_LIB(e) == ERR_LIB_EVP &&
            (reason == EVP_R_UNSUPPORTED_ALGORITHM || reason == EVP_R_UNKNOWN_PBE_ALGORITHM ||
             reason == EVP_R_UNKNOWN_CIPHER));
}

/* Decryption failed: by the password, or because libcrypto lacks the cipher; its queue knows. */
static enum pf_status refuse_decryption(const struct load *l)
{
    bool unsupported = false;
    unsigned long e;
    while ((e = ERR_get_error()) != 0) {
        unsupported = unsupported || is_unsupported(e);
    }
    if (unsupported) {
        return pf_error_set(l->err, PF_ERR_USAGE,
                            "key file %s is encrypted with a cipher that this libcrypto does not "
                            "have (old ones need OpenSSL's legacy provider): convert it with "
                            "openssl pkcs8 -topk8",
                            l->path);
    }
    return pf_error_set(l->err, PF_ERR_USAGE,
                        "key file %s: the password does not fit; check the one given with "
                        "--key-password-file",
                        l->path);
}

static enum pf_status refuse_damaged(const struct load *l)
{
    return pf_error_set(l->err, PF_ERR_USAGE,
                        "key file %s is damaged: its private key cannot be read", l->path);
}

static enum pf_status refuse_many(const struct load *l, int limit)
{
    return pf_error_set(l->err, PF_ERR_USAGE, "key file %s holds more than %d keys: split it",
                        l->path, limit);
}

/* Takes the key over, whether it is kept or not. */
static enum pf_status add_key(struct load *l, EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    enum pf_status st = PF_OK;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        note_other(l, PF_KEYFILE_OTHER_KEY);
    } else if (bits < RSA_BITS_MIN || bits > PF_RSA_BYTES_MAX * 8) {
        st = pf_error_set(l->err, PF_ERR_USAGE,
                          "key file %s: an RSA key of %d bits; those of 512 to 16384 bits are used",
                          l->path, bits);
    } else if (l->out->count == PF_KEYFILE_KEYS) {
        st = refuse_many(l, PF_KEYFILE_KEYS);
    } else {
        l->out->keys[l->out->count++] = key;
        return PF_OK;
    }
    EVP_PKEY_free(key);
    return st;
}

static enum pf_status add_plain(struct load *l, struct pf_span der)
{
    const unsigned char *p = der.ptr;
    EVP_PKEY *key = d2i_AutoPrivateKey_ex(NULL, &p, (long)der.len, l->libctx, NULL);
    return key != NULL ? add_key(l, key) : refuse_damaged(l);
}

static enum pf_status add_pkcs8(struct load *l, struct pf_span der)
{
    if (l->password == NULL) {
        return need_password(l);
    }
    const unsigned char *p = der.ptr;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)der.len);
    PKCS8_PRIV_KEY_INFO *info = NULL;
    EVP_PKEY *key = NULL;
    if (sealed != NULL) {
        info = PKCS8_decrypt_ex(sealed, l->password, (int)strlen(l->password), l->libctx, NULL);
    }
    if (info != NULL) {
        key = EVP_PKCS82PKEY_ex(info, l->libctx, NULL);
    }
    enum pf_status st = key != NULL ? add_key(l, key) : refuse_decryption(l);
    PKCS8_PRIV_KEY_INFO_free(info);
    X509_SIG_free(sealed);
    return st;
}

static enum pf_status add_pkcs12(struct load *l, struct pf_span der)
{
    EVP_PKEY *keys[PKCS12_KEYS];
    size_t count;
    enum pf_status st = pf_pkcs12_open(l->libctx, der, l->password, keys, PKCS12_KEYS, &count);
    if (st == PF_ERR_NOKEY) {
        return l->password == NULL ? need_password(l) : refuse_decryption(l);
    }
    if (st == PF_ERR_MALFORMED) {
        return refuse_damaged(l);
    }
    if (st == PF_ERR_LIMIT) {
        return refuse_many(l, PKCS12_KEYS);
    }
    if (count == 0) {
        note_other(l, PF_KEYFILE_CERTIFICATE);
    }
    for (size_t i = 0; i < count; i++) {
        if (st == PF_OK) {
            st = add_key(l, keys[i]);
        } else {
            EVP_PKEY_free(keys[i]);
        }
    }
    return st;
}

/* A structure that starts with a number: PKCS#1, SEC 1, PKCS#8; version 3: PKCS#12. A public key of
 * PKCS#1 has its modulus there, and its exponent is the end. */
static enum pf_status add_numbered(struct load *l, struct pf_span der, struct pf_cur c)
{
    struct pf_der number;
    struct pf_der second;
    if (!pf_der_next(&c, &number) || !pf_der_next(&c, &second)) {
        return refuse_damaged(l);
    }
    if (number.value.left == 1 && number.value.ptr[0] == 3 && second.tag == PF_DER_SEQUENCE) {
        return add_pkcs12(l, der);
    }
    if (second.tag == PF_DER_INTEGER && pf_cur_at_end(&c)) {
        note_other(l, PF_KEYFILE_PUBLIC);
        return PF_OK;
    }
    return add_plain(l, der);
}

/* A structure that starts with a structure: EncryptedPrivateKeyInfo { algorithm, octets },
 * SubjectPublicKeyInfo { algorithm, bits }, certificate or request { body, algorithm, bits }. */
static enum pf_status add_nested(struct load *l, struct pf_span der, struct pf_cur c)
{
    struct pf_der first;
    struct pf_der second;
    uint8_t spki[PF_SPKI_LEN];
    if (!pf_der_next(&c, &first) || !pf_der_next(&c, &second)) {
        return PF_OK;
    }
    if (second.tag == PF_DER_OCTET_STRING) {
        return add_pkcs8(l, der);
    }
    if (second.tag == PF_DER_BIT_STRING) {
        note_other(l, PF_KEYFILE_PUBLIC);
    } else if (pf_cert_spki(der, spki) == PF_OK) {
        note_other(l, PF_KEYFILE_CERTIFICATE);
    } else if (second.tag == PF_DER_SEQUENCE) {
        note_other(l, PF_KEYFILE_REQUEST);
    }
    return PF_OK;
}

/* Told apart by their shape, since libcrypto would try one reader after the other and ask a
 * terminal for a password in between. */
static enum pf_status add_der(struct load *l, struct pf_span bytes)
{
    enum { BER_INDEFINITE = 0x3080 }; /* some PKCS#12 writers stream their output */
    struct pf_cur c = pf_cur_of(bytes);
    struct pf_cur peek = c;
    struct pf_der top;
    uint16_t head;
    if (pf_cur_u16(&peek, &head) && head == BER_INDEFINITE) {
        return add_pkcs12(l, bytes);
    }
    if (!pf_der_want(&c, PF_DER_SEQUENCE, &top) || top.value.left == 0) {
        return PF_OK;
    }
    return top.value.ptr[0] == PF_DER_INTEGER ? add_numbered(l, top.all, top.value)
                                              : add_nested(l, top.all, top.value);
}

/*
 * RFC 1421 encryption of a PEM block, as "openssl rsa -aes128" wrote it. By hand because
 * libcrypto's PEM_do_header takes its ciphers from the default context, where single DES is
 * missing.
 */
static int decrypt_pem(const struct load *l, const EVP_CIPHER_INFO *info, uint8_t *data, int len)
{
    uint8_t key[EVP_MAX_KEY_LENGTH];
    int head = 0;
    int tail = 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(l->libctx, EVP_CIPHER_get0_name(info->cipher), NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool done = cipher != NULL && ctx != NULL &&
                EVP_BytesToKey(cipher, EVP_md5(), info->iv, (const uint8_t *)l->password,
                               (int)strlen(l->password), 1, key, NULL) > 0 &&
                EVP_DecryptInit_ex2(ctx, cipher, key, info->iv, NULL) == 1 &&
                EVP_DecryptUpdate(ctx, data, &head, data, len) == 1 &&
                EVP_DecryptFinal_ex(ctx, data + head, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    pf_wipe(key, sizeof key);
    return done ? head + tail : -1;
}

static enum pf_status add_sealed_pem(struct load *l, char *header, uint8_t *data, long len)
{
    EVP_CIPHER_INFO info;
    if (l->password == NULL) {
        return need_password(l);
    }
    if (PEM_get_EVP_CIPHER_INFO(header, &info) != 1 || info.cipher == NULL) {
        return refuse_decryption(l);
    }
    int plain = decrypt_pem(l, &info, data, (int)len);
    if (plain < 0) {
        return refuse_decryption(l);
    }
    size_t before = l->out->count;
    struct pf_error quiet = {0};
    struct load inner = *l;
    inner.err = &quiet;
    enum pf_status st = add_der(&inner, (struct pf_span){.ptr = data, .len = (size_t)plain});
    bool other = l->out->other == PF_KEYFILE_OTHER_KEY;
    if (st == PF_ERR_NOMEM || l->out->count > before || (st == PF_OK && other)) {
        return st;
    }
    /* One wrong password in 256 leaves good padding and a garbled key. */
    return refuse_decryption(l);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static enum pf_status add_pem_block(struct load *l, const char *name, char *header, uint8_t *data,
                                    long len)
{
    if (strcmp(name, "OPENSSH PRIVATE KEY") == 0) {
        note_other(l, PF_KEYFILE_OPENSSH);
    } else if (ends_with(name, "PRIVATE KEY")) {
        bool sealed = strstr(header, "ENCRYPTED") != NULL;
        return sealed ? add_sealed_pem(l, header, data, len)
                      : add_der(l, (struct pf_span){.ptr = data, .len = (size_t)len});
    } else if (ends_with(name, "CERTIFICATE")) {
        note_other(l, PF_KEYFILE_CERTIFICATE);
    } else if (ends_with(name, "CERTIFICATE REQUEST")) {
        note_other(l, PF_KEYFILE_REQUEST);
    } else if (ends_with(name, "PUBLIC KEY")) {
        note_other(l, PF_KEYFILE_PUBLIC);
    }
    return PF_OK;
}

/* PF_END behind the last block. */
static enum pf_status next_pem_block(struct load *l, BIO *bio)
{
    char *name = NULL;
    char *header = NULL;
    uint8_t *data = NULL;
    long len = 0;
    if (PEM_read_bio(bio, &name, &header, &data, &len) != 1) {
        bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        return end ? PF_END
                   : pf_error_set(l->err, PF_ERR_USAGE,
                                  "key file %s is damaged: a PEM block in it cannot be read",
                                  l->path);
    }
    enum pf_status st = add_pem_block(l, name, header, data, len);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)len);
    return st;
}

static enum pf_status add_pem(struct load *l, struct pf_span bytes)
{
    BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
    if (bio == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = PF_OK;
    while (st == PF_OK) {
        st = next_pem_block(l, bio);
    }
    BIO_free(bio);
    return st == PF_END ? PF_OK : st;
}

static const uint8_t *find_text(struct pf_span bytes, const char *text)
{
    return bytes.len == 0 ? NULL : memmem(bytes.ptr, bytes.len, text, strlen(text));
}

/* Files that people give in place of a key. */
static enum pf_keyfile_kind other_kind(struct pf_span bytes)
{
    static const uint8_t magics[][4] = {{0xd4, 0xc3, 0xb2, 0xa1},
                                        {0xa1, 0xb2, 0xc3, 0xd4},
                                        {0x4d, 0x3c, 0xb2, 0xa1},
                                        {0xa1, 0xb2, 0x3c, 0x4d},
                                        {0x0a, 0x0d, 0x0d, 0x0a}};
    if (bytes.len == 0) {
        return PF_KEYFILE_EMPTY;
    }
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (bytes.len >= 4 && memcmp(bytes.ptr, magics[i], 4) == 0) {
            return PF_KEYFILE_CAPTURE;
        }
    }
    bool keylog = find_text(bytes, "CLIENT_RANDOM ") != NULL ||
                  find_text(bytes, "_TRAFFIC_SECRET") != NULL ||
                  find_text(bytes, "RSA Session-ID:") != NULL;
    return keylog ? PF_KEYFILE_KEYLOG : PF_KEYFILE_NOTHING;
}

static void drop_keys(struct pf_keyfile *file)
{
    while (file->count > 0) {
        EVP_PKEY_free(file->keys[--file->count]);
    }
}

enum pf_status pf_keyfile_parse(OSSL_LIB_CTX *libctx, struct pf_span bytes, const char *path,
                                const char *password, struct pf_keyfile *out, struct pf_error *err)
{
    struct load l = {.libctx = libctx, .path = path, .password = password, .out = out, .err = err};
    out->count = 0;
    out->other = PF_KEYFILE_NOTHING;
    /* From the first block on: an editor's byte order mark would hide its line from libcrypto. */
    const uint8_t *pem = find_text(bytes, "-----BEGIN ");
    enum pf_status st;
    if (pem != NULL) {
        size_t before = (size_t)(pem - bytes.ptr);
        st = add_pem(&l, (struct pf_span){.ptr = pem, .len = bytes.len - before});
    } else {
        st = add_der(&l, bytes);
        if (st == PF_OK && out->count == 0) {
            note_other(&l, other_kind(bytes));
        }
    }
    if (st != PF_OK) {
        drop_keys(out);
    }
    ERR_clear_error();
    return st;
}

enum pf_status pf_keyfile_complain(const struct pf_keyfile *file, const char *path,
                                   struct pf_error *err)
{
    static const char *const texts[] = {
        [PF_KEYFILE_NOTHING] = "holds no private key: PEM, DER and PKCS#12 are read",
        [PF_KEYFILE_EMPTY] = "is empty",
        [PF_KEYFILE_CERTIFICATE] = "holds a certificate, not its private key: give the key",
        [PF_KEYFILE_REQUEST] = "holds a certificate request, not its private key: give the key",
        [PF_KEYFILE_PUBLIC] = "holds a public key, which decrypts nothing: give the private key",
        [PF_KEYFILE_OTHER_KEY] = "holds a private key that is not RSA: such keys only sign and "
                                 "decrypt nothing; give a key log with --keylog",
        [PF_KEYFILE_OPENSSH] = "is in OpenSSH's own format: convert a copy with "
                               "ssh-keygen -p -m PEM -f COPY",
        [PF_KEYFILE_KEYLOG] = "is a key log: give it with --keylog",
        [PF_KEYFILE_CAPTURE] = "is a capture, not a key",
    };
    return pf_error_set(err, PF_ERR_USAGE, "key file %s %s", path, texts[file->other]);
}

static enum pf_status read_all(int fd, const char *path, uint8_t *buf, size_t *len,
                               struct pf_error *err)
{
    *len = 0;
    while (*len <= PF_KEYFILE_MAX) {
        ssize_t n = read(fd, buf + *len, PF_KEYFILE_MAX + 1 - *len);
        if (n == 0) {
            return PF_OK;
        }
        if (n < 0 && errno != EINTR) {
            return pf_error_set(err, PF_ERR_USAGE, "key file %s: %s", path, strerror(errno));
        }
        *len += n > 0 ? (size_t)n : 0;
    }
    return pf_error_set(err, PF_ERR_USAGE, "key file %s is larger than 1 MiB: no key is", path);
}

/* O_NONBLOCK: a FIFO without a writer would stop us here for good. */
static enum pf_status open_regular(const char *path, int *fd, struct pf_error *err)
{
    struct stat sb;
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f < 0 || fstat(f, &sb) != 0) {
        int why = errno;
        if (f >= 0) {
            close(f);
        }
        return pf_error_set(err, PF_ERR_USAGE, "key file %s: %s", path, strerror(why));
    }
    if (S_ISREG(sb.st_mode)) {
        *fd = f;
        return PF_OK;
    }
    close(f);
    return S_ISDIR(sb.st_mode)
               ? pf_error_set(err, PF_ERR_USAGE, "key file %s is a folder: give it with --key-dir",
                              path)
               : pf_error_set(err, PF_ERR_USAGE,
                              "key file %s is not a regular file: copy the key into one", path);
}

enum pf_status pf_keyfile_read(OSSL_LIB_CTX *libctx, const char *path, const char *password,
                               struct pf_keyfile *out, struct pf_error *err)
{
    int fd = -1;
    size_t len = 0;
    out->count = 0;
    enum pf_status st = open_regular(path, &fd, err);
    if (st != PF_OK) {
        return st;
    }
    uint8_t *buf = malloc(PF_KEYFILE_MAX + 1);
    if (buf == NULL) {
        close(fd);
        return PF_ERR_NOMEM;
    }
    st = read_all(fd, path, buf, &len, err);
    close(fd);
    if (st == PF_OK) {
        struct pf_span bytes = {.ptr = buf, .len = len};
        st = pf_keyfile_parse(libctx, bytes, path, password, out, err);
    }
    pf_wipe(buf, len);
    free(buf);
    return st;
}
