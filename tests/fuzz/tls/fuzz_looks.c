// SPDX-License-Identifier: Apache-2.0
/* The first bytes of a stream: the answer must settle within 13 bytes and then never change. */
#include "tls/hsmsg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum pf_looks before = PF_LOOKS_MORE;
    for (size_t n = 0; n <= size && n <= 64; n++) {
        enum pf_looks now = pf_hs_looks_like((struct pf_span){.ptr = data, .len = n});
        if ((before != PF_LOOKS_MORE && now != before) || (n >= 13 && now == PF_LOOKS_MORE)) {
            abort();
        }
        before = now;
    }
    return 0;
}
