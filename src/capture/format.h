// SPDX-License-Identifier: Apache-2.0
/*
 * What:    names of file formats that are not read, told by their first bytes.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_CAPTURE_FORMAT_H
#define PF_CAPTURE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum { PF_FORMAT_SNIFF = 16 }; /* bytes worth looking at */

/* "a snoop capture", "xz-compressed", …, or NULL: not known. */
const char *pf_format_name(const uint8_t *head, size_t len);

#endif
