// SPDX-License-Identifier: Apache-2.0
/*
 * What:    says of one UDP datagram whether it is DTLS or QUIC, which version, and what its hello
 *          tells. Opening them will begin here.
 * Owns:    nothing; results are spans into the input, or plain numbers.
 * Threads: pure.
 * Errors:  -
 * Limits:  only datagrams that show it themselves: QUIC's short headers look like anything.
 *
 * DTLS: RFC 6347 section 4.1, RFC 9147 section 4. QUIC: RFC 8999 (what all versions share),
 * RFC 9000, RFC 9369; Google's own versions before that.
 */
#ifndef PF_TLS_DGRAM_H
#define PF_TLS_DGRAM_H

#include "base/pkt.h"
#include "tls/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum pf_dgram_kind { PF_DGRAM_OTHER, PF_DGRAM_DTLS, PF_DGRAM_QUIC };

enum { PF_DGRAM_VERSION = 24 };

/* Which side the datagram is from, as far as it says so. */
enum pf_dgram_from { PF_DGRAM_ANY, PF_DGRAM_CLIENT, PF_DGRAM_SERVER };

struct pf_dgram {
    enum pf_dgram_kind kind;
    enum pf_dgram_from from;
    char version[PF_DGRAM_VERSION]; /* "DTLSv12", "QUICv1"; "" if it does not say */
    bool settled;                   /* version is what both agreed on */
    /* of DTLS hellos that lie whole in the datagram: */
    bool has_random;
    uint8_t random[PF_RANDOM_LEN];
    struct pf_span server_name; /* ptr NULL: none */
    uint16_t suite;             /* the server's; 0: not there */
};

/* A few bytes are enough to say no: for every UDP packet of a capture. */
bool pf_dgram_may_be(struct pf_span datagram);

/* Whether it is, and all that it tells. */
void pf_dgram_read(struct pf_span datagram, struct pf_dgram *out);

#endif
