// SPDX-License-Identifier: Apache-2.0
#include "tls/keyring.h"

#include "tls/cryptoerr.h"
#include "tls/keyfile.h"
#include "tls/keys.h"
#include "tls/keyspec.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct key {
    EVP_PKEY *pkey;
    char *file; /* as it was given */
    uint8_t spki[PF_SPKI_LEN];
    unsigned bits;
    bool for_all; /* given without a server that it is tied to */
};

/* A key tied to a server; port 0 stands for all of its ports. */
struct binding {
    uint8_t addr[16];
    uint8_t family;
    uint16_t port;
    size_t key;
};

/* A context of our own: what a system-wide configuration switches off, old key files may need. */
struct pf_keyring {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *standard;
    OSSL_PROVIDER *legacy; /* NULL: not installed; key files that need it are refused then */
    struct key *keys;      /* in the order of adding */
    size_t *order;         /* indices into keys, by fingerprint */
    size_t count;
    size_t cap;
    struct binding *bindings;
    size_t binding_count;
    size_t binding_cap;
};

enum pf_status pf_keyring_new(struct pf_keyring **out)
{
    struct pf_keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) {
        return PF_ERR_NOMEM;
    }
    ring->libctx = OSSL_LIB_CTX_new();
    if (ring->libctx != NULL) {
        ring->standard = OSSL_PROVIDER_load(ring->libctx, "default");
        ring->legacy = OSSL_PROVIDER_load(ring->libctx, "legacy");
    }
    ERR_clear_error();
    if (ring->standard == NULL) {
        pf_keyring_free(ring);
        return PF_ERR_INTERNAL;
    }
    *out = ring;
    return PF_OK;
}

static void key_fini(struct key *key)
{
    EVP_PKEY_free(key->pkey); /* wipes the private numbers */
    free(key->file);
}

void pf_keyring_free(struct pf_keyring *ring)
{
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->count; i++) {
        key_fini(&ring->keys[i]);
    }
    free(ring->keys);
    free(ring->order);
    free(ring->bindings);
    if (ring->legacy != NULL) {
        OSSL_PROVIDER_unload(ring->legacy);
    }
    if (ring->standard != NULL) {
        OSSL_PROVIDER_unload(ring->standard);
    }
    OSSL_LIB_CTX_free(ring->libctx);
    free(ring);
}

size_t pf_keyring_count(const struct pf_keyring *ring)
{
    return ring->count;
}

const uint8_t *pf_keyring_spki(const struct pf_keyring *ring, size_t i)
{
    return ring->keys[i].spki;
}

const char *pf_keyring_file(const struct pf_keyring *ring, size_t i)
{
    return ring->keys[i].file;
}

unsigned pf_keyring_bits(const struct pf_keyring *ring, size_t i)
{
    return ring->keys[i].bits;
}

/* Where the fingerprint is in the order, or would go. */
static size_t find_place(const struct pf_keyring *ring, const uint8_t spki[PF_SPKI_LEN])
{
    size_t lo = 0;
    size_t hi = ring->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (memcmp(ring->keys[ring->order[mid]].spki, spki, PF_SPKI_LEN) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

size_t pf_keyring_find(const struct pf_keyring *ring, const uint8_t spki_sha256[PF_SPKI_LEN])
{
    size_t at = find_place(ring, spki_sha256);
    if (at == ring->count ||
        memcmp(ring->keys[ring->order[at]].spki, spki_sha256, PF_SPKI_LEN) != 0) {
        return PF_KEY_NONE;
    }
    return ring->order[at];
}

static bool is_for(const struct binding *b, uint8_t family, const uint8_t *addr, uint16_t port)
{
    return b->family == family && b->port == port &&
           memcmp(b->addr, addr, family == 4 ? 4 : 16) == 0;
}

bool pf_keyring_serves(const struct pf_keyring *ring, size_t i, uint8_t family,
                       const uint8_t addr[16], uint16_t port)
{
    bool serves = ring->keys[i].for_all;
    for (size_t k = 0; k < ring->binding_count && !serves; k++) {
        const struct binding *b = &ring->bindings[k];
        serves = b->key == i && (is_for(b, family, addr, port) || is_for(b, family, addr, 0));
    }
    return serves;
}

/* The first given counts: keys to one server are few, and so is a linear search. */
static size_t find_binding(const struct pf_keyring *ring, uint8_t family, const uint8_t *addr,
                           uint16_t port)
{
    for (size_t i = 0; i < ring->binding_count; i++) {
        if (is_for(&ring->bindings[i], family, addr, port)) {
            return ring->bindings[i].key;
        }
    }
    return PF_KEY_NONE;
}

size_t pf_keyring_bound(const struct pf_keyring *ring, uint8_t family, const uint8_t addr[16],
                        uint16_t port)
{
    size_t key = find_binding(ring, family, addr, port);
    return key != PF_KEY_NONE ? key : find_binding(ring, family, addr, 0);
}

static enum pf_status grow_keys(struct pf_keyring *ring)
{
    if (ring->count < ring->cap) {
        return PF_OK;
    }
    size_t cap = ring->cap == 0 ? 16 : 2 * ring->cap;
    struct key *keys = reallocarray(ring->keys, cap, sizeof *keys);
    if (keys == NULL) {
        return PF_ERR_NOMEM;
    }
    ring->keys = keys;
    size_t *order = reallocarray(ring->order, cap, sizeof *order);
    if (order == NULL) {
        return PF_ERR_NOMEM;
    }
    ring->order = order;
    ring->cap = cap;
    return PF_OK;
}

static enum pf_status key_init(struct key *key, EVP_PKEY *pkey, const char *path)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);
    bool hashed = len > 0 && EVP_Digest(der, (size_t)len, key->spki, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    if (!hashed) {
        ERR_clear_error();
        return PF_ERR_INTERNAL;
    }
    key->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    key->file = strdup(path);
    key->pkey = pkey;
    return key->file != NULL ? PF_OK : PF_ERR_NOMEM;
}

/* Takes pkey over. *index: where it is, or already was. */
static enum pf_status add_key(struct pf_keyring *ring, EVP_PKEY *pkey, const char *path,
                              size_t *index)
{
    struct key key = {0};
    enum pf_status st = key_init(&key, pkey, path);
    if (st == PF_OK) {
        *index = pf_keyring_find(ring, key.spki);
        if (*index == PF_KEY_NONE) {
            st = grow_keys(ring);
        }
    }
    if (st != PF_OK || *index != PF_KEY_NONE) {
        free(key.file);
        EVP_PKEY_free(pkey);
        return st;
    }
    size_t at = find_place(ring, key.spki);
    memmove(&ring->order[at + 1], &ring->order[at], (ring->count - at) * sizeof *ring->order);
    ring->order[at] = ring->count;
    ring->keys[ring->count] = key;
    *index = ring->count++;
    return PF_OK;
}

static enum pf_status bind_key(struct pf_keyring *ring, const struct pf_keyspec *spec, size_t key)
{
    if (ring->binding_count == ring->binding_cap) {
        size_t cap = ring->binding_cap == 0 ? 16 : 2 * ring->binding_cap;
        struct binding *grown = reallocarray(ring->bindings, cap, sizeof *grown);
        if (grown == NULL) {
            return PF_ERR_NOMEM;
        }
        ring->bindings = grown;
        ring->binding_cap = cap;
    }
    struct binding *b = &ring->bindings[ring->binding_count++];
    *b = (struct binding){.family = spec->family, .port = spec->port, .key = key};
    memcpy(b->addr, spec->addr, sizeof b->addr);
    return PF_OK;
}

/* Hands the file's keys to the ring, and ties them to the server if one was named. */
static enum pf_status take_keys(struct pf_keyring *ring, struct pf_keyfile *file,
                                const struct pf_keyspec *spec)
{
    enum pf_status st = PF_OK;
    for (size_t i = 0; i < file->count; i++) {
        size_t index;
        if (st != PF_OK) {
            EVP_PKEY_free(file->keys[i]);
            continue;
        }
        st = add_key(ring, file->keys[i], spec->path, &index);
        if (st == PF_OK && spec->family != 0) {
            st = bind_key(ring, spec, index);
        } else if (st == PF_OK) {
            ring->keys[index].for_all = true;
        }
    }
    file->count = 0;
    return st;
}

/* held_key: whether there was one; without one the ring is as before, and the complaint in err. */
static enum pf_status add_file(struct pf_keyring *ring, const struct pf_keyspec *spec,
                               const char *password, bool *held_key, struct pf_error *err)
{
    struct pf_keyfile *file = calloc(1, sizeof *file);
    enum pf_status st = PF_ERR_NOMEM;
    *held_key = true;
    if (file != NULL) {
        st = pf_keyfile_read(ring->libctx, spec->path, password, file, err);
        *held_key = st != PF_OK || file->count > 0;
        if (!*held_key) {
            st = pf_keyfile_complain(file, spec->path, err);
        } else if (st == PF_OK) {
            st = take_keys(ring, file, spec);
        }
        free(file);
    }
    return st == PF_OK ? PF_OK
                       : pf_error_set(err, st, "key file %s: %s", spec->path, pf_status_text(st));
}

enum pf_status pf_keyring_add(struct pf_keyring *ring, const char *spec, const char *password,
                              struct pf_error *err)
{
    struct pf_keyspec parsed;
    bool held_key;
    enum pf_status st = pf_keyspec_parse(spec, &parsed, err);
    return st != PF_OK ? st : add_file(ring, &parsed, password, &held_key, err);
}

/* What cannot be a key file is passed over before it is opened. */
static bool may_hold_key(const char *path, bool *is_folder)
{
    struct stat sb;
    *is_folder = false;
    if (stat(path, &sb) != 0) {
        return true; /* the attempt to open it will say why */
    }
    *is_folder = S_ISDIR(sb.st_mode);
    return S_ISREG(sb.st_mode) && sb.st_size <= PF_KEYFILE_MAX;
}

static enum pf_status add_from_dir(struct pf_keyring *ring, const char *path, const char *password,
                                   size_t *taken, size_t *skipped, struct pf_error *err)
{
    struct pf_keyspec spec = {.path = path};
    struct pf_error local = {0};
    bool is_folder;
    bool held_key = false;
    enum pf_status st = PF_OK;
    if (may_hold_key(path, &is_folder)) {
        st = add_file(ring, &spec, password, &held_key, &local);
    }
    if (held_key && st != PF_OK) {
        return pf_error_set(err, st, "%s", local.text);
    }
    *taken += held_key ? 1 : 0;
    *skipped += held_key || is_folder ? 0 : 1;
    return PF_OK;
}

/* In the order of the names, so that a run does not depend on the file system. */
enum pf_status pf_keyring_add_dir(struct pf_keyring *ring, const char *dir, const char *password,
                                  size_t *skipped, struct pf_error *err)
{
    struct dirent **names = NULL;
    size_t taken = 0;
    enum pf_status st = PF_OK;
    *skipped = 0;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0) {
        return pf_error_set(err, PF_ERR_USAGE, "key folder %s: %s", dir, strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (st == PF_OK && asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0) {
            path = NULL;
            st = pf_error_set(err, PF_ERR_NOMEM, "key folder %s: out of memory", dir);
        }
        if (st == PF_OK) {
            st = add_from_dir(ring, path, password, &taken, skipped, err);
        }
        free(path);
        free(names[i]);
    }
    free(names);
    if (st == PF_OK && taken == 0) {
        st = pf_error_set(err, PF_ERR_USAGE,
                          "key folder %s: no file in it holds an RSA private key", dir);
    }
    return st;
}

EVP_PKEY *pf_keyring_pkey(const struct pf_keyring *ring, size_t i)
{
    return ring->keys[i].pkey;
}

OSSL_LIB_CTX *pf_keyring_libctx(const struct pf_keyring *ring)
{
    return ring->libctx;
}
