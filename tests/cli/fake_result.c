// SPDX-License-Identifier: Apache-2.0
/*
 * fake_result DIR FLOWS WORKERS [raw] [sha256] [stop]: a result of made-up flows, for tests of the
 * commands that read one; see support/fake_result.h. `stop` leaves it as an interrupted run does.
 */
#include "support/fake_result.h"

#include <stdlib.h>

static bool has(int argc, char **argv, const char *word)
{
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], word) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        return 1;
    }
    struct pf_error err = {.status = PF_OK};
    struct pf_manifest m = fake_manifest();
    m.sha256 = has(argc, argv, "sha256");
    struct pf_store *s = fake_fill(argv[1], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[2]),
                                   has(argc, argv, "raw") ? PF_CODEC_RAW : PF_CODEC_LZ4, m.sha256);
    enum pf_status st = has(argc, argv, "stop") ? pf_store_abandon(s, &m, "signal 2", &err)
                                                : pf_store_finish(s, &m, &err);
    pf_store_free(s);
    return st == PF_OK ? 0 : 1;
}
