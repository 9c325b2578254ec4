// SPDX-License-Identifier: Apache-2.0
/*
 * What:    names of code points that only people read: groups, signature schemes, extensions.
 * Owns:    constant tables.
 * Threads: constants.
 * Errors:  NULL for a code point without a row.
 * Limits:  what is met in captures, not all that IANA lists.
 */
#ifndef PF_TLS_NAMES_H
#define PF_TLS_NAMES_H

#include <stdbool.h>
#include <stdint.h>

const char *pf_group_name(uint16_t group);         /* RFC 8446 section 4.2.7, RFC 8422 */
const char *pf_signature_name(uint16_t scheme);    /* RFC 8446 section 4.2.3, RFC 5246 7.4.1.4.1 */
const char *pf_extension_name(uint16_t extension); /* RFC 8446 section 4.2 and others */

/* Signalling values among the suites (RFC 5746, RFC 7507), which are no rows of tls/suite.h. */
const char *pf_signal_name(uint16_t suite);

/* Values that peers put into lists to see that they are passed over (RFC 8701). */
bool pf_is_grease(uint16_t value);

#endif
