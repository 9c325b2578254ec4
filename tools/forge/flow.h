// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one flow from SYN to FIN: the TLS peers, their TCP connection and what they say, in
 *          steps that interleave with other flows'.
 * Owns:    its peers, connection and streams.
 * Threads: -
 * Errors:  end the program.
 * Limits:  one step writes about FORGE_STEP_MAX application bytes.
 */
#ifndef FORGE_FLOW_H
#define FORGE_FLOW_H

#include "forge/content.h"
#include "forge/ledger.h"
#include "forge/peers.h"
#include "forge/rc4.h"
#include "forge/sender.h"

enum { FORGE_STEP_MIN = 8192, FORGE_STEP_MAX = 98304 };

/* What all flows share. */
struct forge_world {
    const struct forge_options *options;
    struct forge_rng rng;
    struct forge_sender sender;
    struct forge_content content;
    BIO_METHOD *method;
    struct forge_profile *profiles;
    size_t profile_count;
    double resume_owed; /* flows that should have been resumed so far and were not */
    uint8_t *scratch;   /* what a peer reads: FORGE_READ_MAX bytes */
};

enum forge_phase {
    FORGE_OPENING,
    FORGE_SHAKING,
    FORGE_REQUEST,
    FORGE_ANSWER,
    FORGE_RENEGOTIATING,
    FORGE_CLOSING,
    FORGE_DONE
};

struct forge_flow {
    enum forge_phase phase;
    struct forge_world *world;
    struct forge_profile *profile;
    struct forge_peers peers;
    struct forge_conn conn;
    struct forge_stream stream[FORGE_DIRS];
    uint8_t client_random[SSL3_RANDOM_SIZE]; /* this and the next of the first handshake */
    bool resumed;
    struct forge_rc4 rc4[FORGE_DIRS];
    EVP_MD_CTX *received[FORGE_DIRS]; /* with --check, else NULL */
    struct forge_ledger ledger[FORGE_DIRS];
    uint64_t writes; /* of the server */
    uint32_t renegotiations;
    uint32_t key_updates;
};

/* False: this flow is to resume a session that a flow which is open is about to make. */
bool forge_flow_may_start(const struct forge_world *w, uint64_t index);

/* Not to be moved afterwards: see struct forge_peers. */
void forge_flow_init(struct forge_flow *f, struct forge_world *w, uint64_t index);
void forge_flow_fini(struct forge_flow *f);

/* One step; the flow is over when its phase is FORGE_DONE. */
void forge_flow_step(struct forge_flow *f);

#endif
