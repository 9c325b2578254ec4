// SPDX-License-Identifier: Apache-2.0
/* A protocol is told by 64 bytes at most and then stays; a hello is found in the same place whether
 * the bytes come at once or one by one. */
#include "run/starttls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_protocol(const uint8_t *data, size_t size)
{
    enum pf_starttls protocol;
    enum pf_starttls settled = PF_STARTTLS_NONE;
    enum pf_begins before = PF_BEGINS_MORE;
    for (size_t n = 0; n <= size && n <= 80; n++) {
        enum pf_begins now = pf_starttls_begins((struct pf_span){data, n}, &protocol);
        if ((before != PF_BEGINS_MORE && now != before) || (n >= 64 && now == PF_BEGINS_MORE) ||
            (now == PF_BEGINS_YES) != (protocol != PF_STARTTLS_NONE) ||
            (before == PF_BEGINS_YES && protocol != settled)) {
            abort();
        }
        before = now;
        settled = protocol;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    size_t slow = 0;
    enum pf_looks looks;
    enum pf_looks slowly = PF_LOOKS_MORE;
    check_protocol(data, size);
    bool found = pf_starttls_find((struct pf_span){data, size}, &at, &looks);
    bool found_slowly = false;
    for (size_t n = 0; n <= size && !found_slowly; n++) {
        found_slowly = pf_starttls_find((struct pf_span){data, n}, &slow, &slowly);
    }
    if (found != found_slowly || (found && (at != slow || looks != slowly))) {
        abort();
    }
    (void)pf_starttls_protocol((struct pf_span){data, size / 2},
                               (struct pf_span){data + size / 2, size - size / 2});
    return 0;
}
