// SPDX-License-Identifier: Apache-2.0
/* RAND_METHOD is deprecated, and the one way to replace chance that needs no provider. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "forge/entropy.h"

#include "forge/common.h"

#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/time.h>
#include <time.h>

/* libcrypto's callback has no argument for state. */
static struct forge_rng stream;

static int stream_bytes(unsigned char *dst, int len)
{
    forge_rng_fill(&stream, dst, (size_t)len);
    return 1;
}

static int stream_status(void)
{
    return 1;
}

/*
 * libssl writes the time into session tickets. These stand in front of libc's for the whole
 * program, as the linker exports symbols that a shared library of it refers to. The clock stands
 * still, so no session is ever too old to resume.
 */
time_t time(time_t *out)
{
    time_t now = (time_t)FORGE_EPOCH;
    if (out != NULL) {
        *out = now;
    }
    return now;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    (void)tz;
    *tv = (struct timeval){.tv_sec = (time_t)FORGE_EPOCH};
    return 0;
}

void forge_entropy_seed(uint64_t seed)
{
    static const RAND_METHOD METHOD = {NULL, stream_bytes, NULL, NULL, stream_bytes, stream_status};
    forge_rng_init(&stream, seed, "libssl");
    /* The machine's openssl.cnf must not change what is made. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
        RAND_set_rand_method(&METHOD) != 1) {
        forge_die("libcrypto does not take a seeded random method");
    }
}
