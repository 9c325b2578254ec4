// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what is really in the capture: a JSON line per flow, with plainflow's field names.
 * Owns:    the file, and where each flow's line lies in it.
 * Threads: -
 * Errors:  end the program.
 * Limits:  24 bytes of memory per flow.
 */
#ifndef FORGE_TRUTH_H
#define FORGE_TRUTH_H

#include "forge/flow.h"

#include <stdio.h>

struct forge_truth_line {
    uint64_t number;
    uint64_t offset;
    uint64_t len;
};

struct forge_truth {
    const char *path;
    FILE *file;
    uint64_t offset;
    struct forge_truth_line *lines;
    size_t count;
    size_t cap;
};

/* `path` is borrowed. */
void forge_truth_open(struct forge_truth *t, const char *path);

/* A flow that is done; one of which no packet is in the capture gets no line. */
void forge_truth_add(struct forge_truth *t, struct forge_flow *f);

/* Puts the lines in the order of flow numbers. */
void forge_truth_close(struct forge_truth *t);

#endif
