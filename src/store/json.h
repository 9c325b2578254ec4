// SPDX-License-Identifier: Apache-2.0
/*
 * What:    compact JSON, written as it comes: objects, lists and their values, without a tree.
 * Owns:    nothing; it appends to a buffer.
 * Threads: one owner.
 * Errors:  collected in st: the first one stays, and nothing is written after it.
 * Limits:  the buffer's; captured strings are cut at PF_TEXT_MAX bytes.
 *
 * Each flow has a line of some forty values, and there are millions of flows: building a tree of
 * them and walking it costs ten times as much as writing them.
 */
#ifndef PF_STORE_JSON_H
#define PF_STORE_JSON_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pf_json {
    struct pf_buf *out;
    enum pf_status st;
    bool first; /* nothing stands before it in its object or list */
};

void pf_json_init(struct pf_json *j, struct pf_buf *out);

/* name: NULL in a list, and for the outermost one. Names are ours, and have nothing to escape. */
void pf_json_open(struct pf_json *j, const char *name, char bracket); /* '{' or '[' */
void pf_json_close(struct pf_json *j, char bracket);                  /* '}' or ']' */

/* PF_UNKNOWN is null. */
void pf_json_number(struct pf_json *j, const char *name, uint64_t v);
void pf_json_signed(struct pf_json *j, const char *name, int64_t v);
void pf_json_bool(struct pf_json *j, const char *name, bool v);
void pf_json_null(struct pf_json *j, const char *name);

/* A word of ours with nothing in it to escape; NULL is null. */
void pf_json_word(struct pf_json *j, const char *name, const char *s);

/* Any bytes, made safe by pf_text_safe and escaped (RFC 8259 section 7); ptr NULL is null. */
void pf_json_text(struct pf_json *j, const char *name, struct pf_span s);

/* In hexadecimal, at most 255 bytes; ptr NULL is null. */
void pf_json_hex(struct pf_json *j, const char *name, const uint8_t *ptr, size_t len);

#endif
