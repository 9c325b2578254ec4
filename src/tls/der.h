// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one DER element at a time (X.690 section 8.1), to walk certificates and key files.
 * Owns:    nothing; elements lie in the input.
 * Threads: pure.
 * Errors:  an element that does not fit returns false and leaves the cursor as it was.
 * Limits:  one-byte tags, definite lengths of at most four bytes: all that X.509 and PKCS use.
 */
#ifndef PF_TLS_DER_H
#define PF_TLS_DER_H

#include "base/cursor.h"

enum {
    PF_DER_INTEGER = 0x02,
    PF_DER_BIT_STRING = 0x03,
    PF_DER_OCTET_STRING = 0x04,
    PF_DER_SEQUENCE = 0x30,
    PF_DER_CONTEXT_0 = 0xa0
};

struct pf_der {
    uint8_t tag;
    struct pf_cur value; /* behind tag and length */
    struct pf_span all;  /* tag and length too */
};

PF_MUST_USE static inline bool pf_der_len(struct pf_cur *c, size_t *len)
{
    uint8_t first;
    if (!pf_cur_u8(c, &first)) {
        return false;
    }
    if (first < 0x80) {
        *len = first;
        return true;
    }
    unsigned count = first & 0x7f;
    if (count == 0 || count > 4) {
        return false;
    }
    size_t n = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t b;
        if (!pf_cur_u8(c, &b)) {
            return false;
        }
        n = n << 8 | b;
    }
    *len = n;
    return true;
}

PF_MUST_USE static inline bool pf_der_next(struct pf_cur *c, struct pf_der *out)
{
    struct pf_cur start = *c;
    size_t len;
    if (!pf_cur_u8(c, &out->tag) || (out->tag & 0x1f) == 0x1f || !pf_der_len(c, &len) ||
        !pf_cur_sub(c, len, &out->value)) {
        *c = start;
        return false;
    }
    out->all = (struct pf_span){.ptr = start.ptr, .len = start.left - c->left};
    return true;
}

/* As pf_der_next, for an element of this tag and no other. */
PF_MUST_USE static inline bool pf_der_want(struct pf_cur *c, uint8_t tag, struct pf_der *out)
{
    struct pf_cur start = *c;
    if (pf_der_next(c, out) && out->tag == tag) {
        return true;
    }
    *c = start;
    return false;
}

#endif
