// SPDX-License-Identifier: Apache-2.0
/*
 * What:    named facts written one after the other, as aligned text for people or as JSON.
 * Owns:    nothing; it appends to a buffer.
 * Threads: one owner.
 * Errors:  collected in st: the first one stays, and nothing is written after it.
 * Limits:  the buffer's; captured strings are cut at PF_TEXT_MAX bytes.
 *
 * Written as it comes, without a tree, because each connection is a few dozen facts and there are
 * millions of connections.
 */
#ifndef PF_RUN_FACTS_H
#define PF_RUN_FACTS_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* A flow's number is only known when all flows are: in its place stands its first packet between
 * these two, which no text contains otherwise. */
enum { PF_FACTS_FLOW_BEGIN = 0x01, PF_FACTS_FLOW_END = 0x02 };

struct pf_facts {
    struct pf_buf *out;
    bool json;
    enum pf_status st;
    bool first;      /* JSON: nothing stands before it in its object or list */
    unsigned depth;  /* text: how far in */
    unsigned column; /* text: of the list being written */
};

void pf_facts_init(struct pf_facts *f, struct pf_buf *out, bool json);

/* Text only: printed as it is. */
void pf_facts_print(struct pf_facts *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An object: in a list without a key. In text its facts stand further in; title (may be NULL) is a
 * line above them. */
void pf_facts_open(struct pf_facts *f, const char *key, const char *title);
void pf_facts_close(struct pf_facts *f);

/* JSON: the object was whole. */
void pf_facts_end_line(struct pf_facts *f);

/* A list: of objects, or of items. */
void pf_facts_list(struct pf_facts *f, const char *key);
void pf_facts_item(struct pf_facts *f, const char *text);
void pf_facts_captured_item(struct pf_facts *f, struct pf_span captured);
void pf_facts_list_end(struct pf_facts *f);

/* A list of objects: in text, only its objects show. */
void pf_facts_objects(struct pf_facts *f, const char *key);
void pf_facts_objects_end(struct pf_facts *f);

void pf_facts_name(struct pf_facts *f, const char *key, const char *text); /* NULL: left out */
void pf_facts_text(struct pf_facts *f, const char *key, struct pf_span captured);
void pf_facts_hex(struct pf_facts *f, const char *key, struct pf_span bytes);
void pf_facts_number(struct pf_facts *f, const char *key, uint64_t v);
void pf_facts_time(struct pf_facts *f, const char *key, int64_t ns);
void pf_facts_flag(struct pf_facts *f, const char *key); /* it is so */

/* Left out when it is 0, not so, or empty. */
void pf_facts_number_if(struct pf_facts *f, const char *key, uint64_t v);
void pf_facts_flag_if(struct pf_facts *f, const char *key, bool is);
void pf_facts_hex_if(struct pf_facts *f, const char *key, struct pf_span s);

void pf_facts_flow(struct pf_facts *f, const char *key, uint64_t first_packet);

#endif
