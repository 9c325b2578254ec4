// SPDX-License-Identifier: Apache-2.0
/* RSA private-key operations: without padding, as unwrapping does it, a key of its own per thread.
 */
#include "ceiling.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MODULUS_MAX = 2048 };

static const double SECONDS = 0.4; /* per thread: 500 operations and more with 2,048 bits */

struct unwrapping {
    EVP_PKEY *key;
    pthread_mutex_t lock;
    double seconds;
    uint64_t done;
};

static EVP_PKEY *load(const char *path)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    if (f != NULL) {
        (void)fclose(f);
    }
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        bench_die("%s: not an RSA private key in PEM", path);
    }
    return key;
}

static void one_thread(void *arg, unsigned index)
{
    struct unwrapping *u = arg;
    pthread_mutex_lock(&u->lock);
    EVP_PKEY *key = EVP_PKEY_dup(u->key);
    pthread_mutex_unlock(&u->lock);
    EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    uint8_t in[MODULUS_MAX];
    uint8_t out[MODULUS_MAX];
    size_t size = (size_t)EVP_PKEY_get_size(key);
    if (ctx == NULL || size > sizeof in || EVP_PKEY_decrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1) {
        bench_die("libcrypto: cannot use the RSA key");
    }
    memset(in, (int)(index + 3), size);
    in[0] = 0; /* below the modulus */
    uint64_t done = 0;
    double spent = 0;
    for (double start = bench_cpu(); spent < SECONDS; done++) {
        size_t len = sizeof out;
        if (EVP_PKEY_decrypt(ctx, out, &len, in, size) != 1) {
            bench_die("libcrypto: the RSA operation failed");
        }
        in[size - 1]++;
        spent = bench_cpu() - start;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    pthread_mutex_lock(&u->lock);
    u->done += done;
    u->seconds += spent;
    pthread_mutex_unlock(&u->lock);
}

double bench_rsa(const char *key_file, unsigned bits, unsigned threads, unsigned *bits_used)
{
    struct unwrapping u = {.lock = PTHREAD_MUTEX_INITIALIZER};
    u.key = key_file != NULL ? load(key_file) : EVP_RSA_gen(bits);
    if (u.key == NULL) {
        bench_die("libcrypto: cannot make an RSA key");
    }
    *bits_used = (unsigned)EVP_PKEY_get_bits(u.key);
    bench_parallel(threads, one_thread, &u);
    EVP_PKEY_free(u.key);
    pthread_mutex_destroy(&u.lock);
    return u.seconds / (double)u.done;
}
