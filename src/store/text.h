// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the texts in a flow's line: captured strings made safe, time, addresses, community id.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  pf_text_community_id returns false when SHA-1 is not to be had.
 * Limits:  captured strings are cut at PF_TEXT_MAX bytes.
 */
#ifndef PF_STORE_TEXT_H
#define PF_STORE_TEXT_H

#include "base/pkt.h"
#include "base/status.h"
#include "store/flows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PF_TEXT_SAFE = 4 * PF_TEXT_MAX + 1,
    PF_TEXT_TIME = 32,
    PF_TEXT_ADDRESS = 46, /* INET6_ADDRSTRLEN */
    PF_TEXT_HEX = 2 * 255 + 1,
    PF_TEXT_COMMUNITY = 32
};

/*
 * UTF-8 without control characters: each byte that is no part of a well-formed character, and each
 * byte of a control character (C0, DEL, C1), becomes \xHH, as Zeek writes them. NUL-terminated;
 * returns the length.
 */
size_t pf_text_safe(struct pf_span s, char out[PF_TEXT_SAFE]);

/* RFC 3339 in UTC with 9 digits: 2026-01-02T03:04:05.000000006Z. */
void pf_text_time(int64_t ns, char out[PF_TEXT_TIME]);

/* The address of a side of the key: dotted, or RFC 5952. */
void pf_text_address(const struct pf_flow_key *key, unsigned side, char out[PF_TEXT_ADDRESS]);

/* Lower-case hexadecimal of at most 255 bytes. */
void pf_text_hex(const uint8_t *ptr, size_t len, char out[PF_TEXT_HEX]);

/* SHA-1, looked up once: libcrypto does it anew, under locks, for whoever asks by name. One
 * thread's. NULL: no memory. */
struct pf_text_sha1;
struct pf_text_sha1 *pf_text_sha1_new(void);
void pf_text_sha1_free(struct pf_text_sha1 *sha1);

/* Community ID version 1, seed 0: "1:" and the Base64 of a SHA-1 over the 5-tuple. sha1 may be NULL
 * where it is asked for seldom. */
PF_MUST_USE bool pf_text_community_id(struct pf_text_sha1 *sha1, const struct pf_flow_key *key,
                                      char out[PF_TEXT_COMMUNITY]);

#endif
