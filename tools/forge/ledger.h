// SPDX-License-Identifier: Apache-2.0
/*
 * What:    where each record of application data lies in its TCP stream, and which of them are
 *          whole in a capture that lost packets.
 * Owns:    its list, when it keeps one.
 * Threads: -
 * Errors:  bytes that are not the records libssl was asked for end the program.
 * Limits:  16 bytes per record, only where packets may be lost.
 */
#ifndef FORGE_LEDGER_H
#define FORGE_LEDGER_H

#include "forge/impair.h"

struct forge_record {
    uint64_t start; /* of its header in the TCP stream */
    uint32_t len;   /* with the header */
    uint32_t plain; /* application bytes in it */
};

struct forge_ledger {
    bool keeps; /* else only counts */
    struct forge_record *list;
    size_t count;
    size_t cap;
};

struct forge_intact {
    uint64_t records;
    uint64_t bytes;
};

/*
 * libssl wrote `wire` for one write of `plain` application bytes, at `offset` of the TCP stream.
 * `before`: how many records of another kind it put in front. `fragment`: the most bytes it puts
 * into one record.
 */
void forge_ledger_add(struct forge_ledger *l, struct pf_span wire, uint64_t offset, size_t plain,
                      size_t before, size_t fragment);

/* The records of one direction of which no byte is missing in the capture. */
struct forge_intact forge_ledger_intact(const struct forge_ledger *l, const struct forge_lane *lane,
                                        enum pf_dir dir);
void forge_ledger_fini(struct forge_ledger *l);

#endif
