// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what every part of the generator needs: the seeded random stream and the way out.
 * Owns:    nothing.
 * Threads: the program has one.
 * Errors:  what cannot be done ends the program with a message and exit status 1.
 * Limits:  the random streams are for repeatable test data, never for real keys.
 */
#ifndef FORGE_COMMON_H
#define FORGE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* Directions are those of base/pkt.h: PF_C2S, PF_S2C. */
enum { FORGE_DIRS = 2 };

/* xoshiro256**; each use has a stream of its own, so that one option does not shift the others. */
struct forge_rng {
    uint64_t s[4];
};

noreturn void forge_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Never NULL; the caller frees. */
void *forge_alloc(size_t len);
void *forge_realloc(void *ptr, size_t len);

/* The stream that `seed` and `purpose` name. */
void forge_rng_init(struct forge_rng *rng, uint64_t seed, const char *purpose);
uint64_t forge_rng_next(struct forge_rng *rng);
void forge_rng_fill(struct forge_rng *rng, void *dst, size_t len);

/* Evenly from lo to hi, both included; lo <= hi. */
uint32_t forge_rng_range(struct forge_rng *rng, uint32_t lo, uint32_t hi);

/* True with probability `rate`; draws nothing when the rate is 0. */
bool forge_rng_chance(struct forge_rng *rng, double rate);

#endif
