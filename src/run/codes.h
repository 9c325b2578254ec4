// SPDX-License-Identifier: Apache-2.0
/*
 * What:    code points of the wire as facts: by name, GREASE marked, the rest in hexadecimal.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  as of run/facts.h.
 * Limits:  PF_LIST_MAX entries of a list are named, the others counted.
 */
#ifndef PF_RUN_CODES_H
#define PF_RUN_CODES_H

#include "run/facts.h"

enum { PF_LIST_MAX = 256, PF_CODE_TEXT = 96 };

/* NULL for a value without a name. */
typedef const char *pf_name_fn(uint16_t value);

const char *pf_code_suite_name(uint16_t id);
const char *pf_code_version_name(uint16_t value);

/* The name, or a text in out. */
const char *pf_code(uint16_t value, pf_name_fn *name, char out[PF_CODE_TEXT]);
const char *pf_code_version(uint16_t value, char out[PF_CODE_TEXT]);

void pf_code_fact(struct pf_facts *f, const char *key, uint16_t value, pf_name_fn *name);

/* A list of u16, left out if it is empty. width 3: an SSLv2 hello's suites, of which those with a
 * zero in front are TLS's (RFC 5246 appendix E.2). */
void pf_code_list(struct pf_facts *f, const char *key, struct pf_span list, pf_name_fn *name,
                  size_t width);

#endif
