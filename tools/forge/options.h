// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the command line: one table that parses it and prints --help.
 * Owns:    nothing; texts point into argv.
 * Threads: -
 * Errors:  a bad option ends the program with status 1.
 * Limits:  FORGE_SUITES_MAX suites.
 */
#ifndef FORGE_OPTIONS_H
#define FORGE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORGE_SUITES_MAX = 256 };

enum forge_content_kind { FORGE_TEXT, FORGE_BINARY, FORGE_RANDOM };
enum forge_resume_by { FORGE_TICKET, FORGE_ID };

struct forge_range {
    uint32_t lo;
    uint32_t hi;
};

struct forge_rate_distance {
    double rate;
    uint32_t distance;
};

struct forge_names {
    const char *name[FORGE_SUITES_MAX];
    size_t count;
};

struct forge_options {
    const char *output;
    uint64_t seed;
    /* flows */
    uint32_t flows;
    uint32_t concurrent;
    uint64_t bytes;
    uint64_t request_bytes; /* 0: what the content's request comes to by itself */
    struct forge_range record_bytes;
    int content; /* enum forge_content_kind */
    /* TLS */
    int version; /* 0 the suite's own, then 1.0, 1.1, 1.2, 1.3 as 1 to 4 */
    struct forge_names suites;
    uint32_t key_bits;
    const char *key_file;
    const char *psk;
    double resume;
    int resume_by; /* enum forge_resume_by */
    bool ems;
    bool etm;
    bool client_cert;
    uint32_t renegotiate;
    uint32_t key_update;
    uint32_t max_fragment;
    bool split_hello;
    bool check;
    /* network */
    double ipv6;
    uint32_t vlan;
    uint32_t mss;
    uint32_t server_port;
    uint32_t clients;
    bool no_checksums;
    bool no_timestamps;
    /* damage */
    double loss;
    bool loss_handshake;
    struct forge_rate_distance reorder;
    double duplicate;
    double overlap;
    double split;
    double clock_steps;
    /* file */
    bool nano;
    bool pcapng;
    bool dsb;
    bool dsb_end;
    bool list_suites;
};

/* Fills `o` or ends the program (also after --help, with status 0). */
void forge_options_parse(struct forge_options *o, int argc, char **argv);

#endif
