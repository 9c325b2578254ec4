// SPDX-License-Identifier: Apache-2.0
/* A key log in one piece: every line is counted once, and memory stays below its ceiling. */
#include "tls/keylog.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t count_lines(const uint8_t *data, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n';
    }
    return lines + (size > 0 && data[size - 1] != '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_keylog *log;
    struct pf_secret s;
    uint8_t random[PF_RANDOM_LEN] = {0x11};
    if (pf_keylog_new(1 << 18, &log) != PF_OK) {
        return 0;
    }
    if (pf_keylog_add_text(log, (struct pf_span){.ptr = data, .len = size}) == PF_OK) {
        struct pf_keylog_counts c = pf_keylog_counts(log);
        if (c.lines != count_lines(data, size) || c.secrets + c.foreign + c.dropped > c.lines) {
            abort();
        }
    }
    pf_keylog_freeze(log);
    memset(random, 0x11, sizeof random);
    for (unsigned nth = 0; pf_keylog_find(log, PF_KEYLOG_MASTER, random, nth, &s); nth++) {
        if (s.len != PF_MASTER_LEN || nth >= PF_KEYLOG_SAME_MAX) {
            abort();
        }
    }
    struct pf_span pre_master;
    for (unsigned nth = 0; pf_keylog_find_pre_master(log, random, nth, &pre_master); nth++) {
        if (pre_master.len > PF_PRE_MASTER_MAX) {
            abort();
        }
    }
    pf_keylog_free(log);
    return 0;
}
