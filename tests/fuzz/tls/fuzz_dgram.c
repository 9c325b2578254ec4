// SPDX-License-Identifier: Apache-2.0
/* One UDP datagram: what is refused at a glance is nothing, and what is read lies in it. */
#include "tls/dgram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_dgram d;
    struct pf_span all = {.ptr = data, .len = size};
    pf_dgram_read(all, &d);
    if (d.kind != PF_DGRAM_OTHER && !pf_dgram_may_be(all)) {
        abort();
    }
    const uint8_t *name = d.server_name.ptr;
    if (name != NULL && (name < data || d.server_name.len > (size_t)(data + size - name))) {
        abort();
    }
    return 0;
}
