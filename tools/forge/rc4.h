// SPDX-License-Identifier: Apache-2.0
/*
 * What:    RC4 suites, which libssl does not have any more. The two ends speak the suite that is
 * the same without a cipher (same handshake, same MAC and its key: RFC 5246 appendix C and
 *          section 6.3), and what goes on the wire is that, encrypted, with the other suite's
 * number in the hellos. Only the hash inside Finished is then not of what is on the wire. Owns: a
 * direction's keystream. Threads: - Errors:  end the program. Limits:  the first handshake of a
 * connection, with or without resumption.
 */
#ifndef FORGE_RC4_H
#define FORGE_RC4_H

#include "forge/suites.h"

#include <stddef.h>
#include <stdint.h>

struct forge_rc4 {
    EVP_CIPHER_CTX *stream; /* NULL before the ChangeCipherSpec */
};

void forge_rc4_fini(struct forge_rc4 *r);

/* Whole records as `end`, who wrote them, has them: changed in place to what goes on the wire. */
void forge_rc4_translate(struct forge_rc4 *r, SSL *end, const struct forge_suite *suite,
                         uint8_t *wire, size_t len);

#endif
