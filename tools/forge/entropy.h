// SPDX-License-Identifier: Apache-2.0
/*
 * What:    takes chance and the clock away from libssl, so that a seed gives the same bytes.
 * Owns:    the process-wide random method and time(), gettimeofday() as libssl sees them.
 * Threads: -
 * Errors:  ends the program when libcrypto refuses the random method.
 * Limits:  a libcrypto that reads the clock by other ways gives other session tickets.
 */
#ifndef FORGE_ENTROPY_H
#define FORGE_ENTROPY_H

#include <stdint.h>

/* 2024-01-01T00:00:00Z: when every capture begins, and the hour libssl always sees. */
#define FORGE_EPOCH INT64_C(1704067200)

/* Call before anything of libssl, libcrypto. */
void forge_entropy_seed(uint64_t seed);

#endif
