// SPDX-License-Identifier: Apache-2.0
#include "run/facts.h"

#include "store/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text: where names and values of facts begin, and where lists are wrapped. */
enum { INDENT = 30, INDENT_STEP = 2, NAME_WIDTH = 22, WRAP = 110, CHUNK = 256 };

void pf_facts_init(struct pf_facts *f, struct pf_buf *out, bool json)
{
    *f = (struct pf_facts){.out = out, .json = json, .first = true};
}

static void put(struct pf_facts *f, const void *ptr, size_t len)
{
    if (f->st == PF_OK) {
        f->st = pf_buf_append(f->out, ptr, len);
    }
}

static void put_text(struct pf_facts *f, const char *text)
{
    put(f, text, strlen(text));
}

static void put_spaces(struct pf_facts *f, unsigned n)
{
    static const char spaces[] = "                                                        ";
    put(f, spaces, n < sizeof spaces - 1 ? n : sizeof spaces - 1);
}

/* JSON's own characters; what pf_text_safe lets through has no control characters. */
static void put_quoted(struct pf_facts *f, const char *text)
{
    put(f, "\"", 1);
    while (*text != '\0') {
        size_t n = strcspn(text, "\"\\");
        put(f, text, n);
        text += n;
        if (*text != '\0') {
            put(f, "\\", 1);
            put(f, text++, 1);
        }
    }
    put(f, "\"", 1);
}

void pf_facts_print(struct pf_facts *f, const char *fmt, ...)
{
    char text[CHUNK * 4];
    if (f->json) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(f, text, n < 0 ? 0 : strlen(text));
}

static void comma(struct pf_facts *f)
{
    if (f->json && !f->first) {
        put(f, ",", 1);
    }
    f->first = false;
}

static void put_key(struct pf_facts *f, const char *key)
{
    comma(f);
    if (f->json) {
        put_quoted(f, key);
        put(f, ":", 1);
        return;
    }
    unsigned in = f->depth * INDENT_STEP;
    unsigned len = (unsigned)strlen(key);
    unsigned width = NAME_WIDTH > in ? NAME_WIDTH - in : 0;
    put_spaces(f, INDENT + in);
    put(f, key, len);
    put_spaces(f, (len < width ? width - len : 0) + 1);
}

static void end_value(struct pf_facts *f)
{
    if (!f->json) {
        put(f, "\n", 1);
    }
}

void pf_facts_open(struct pf_facts *f, const char *key, const char *title)
{
    if (f->json) {
        if (key != NULL) {
            put_key(f, key);
        } else {
            comma(f);
        }
        put(f, "{", 1);
        f->first = true;
        return;
    }
    if (title != NULL) {
        put_spaces(f, INDENT + f->depth * INDENT_STEP);
        put_text(f, title);
        put(f, "\n", 1);
    }
    f->depth++;
}

void pf_facts_close(struct pf_facts *f)
{
    if (f->json) {
        put(f, "}", 1);
        f->first = false;
        return;
    }
    f->depth--;
}

void pf_facts_end_line(struct pf_facts *f)
{
    put(f, "\n", 1);
    f->first = true;
}

void pf_facts_objects(struct pf_facts *f, const char *key)
{
    if (f->json) {
        put_key(f, key);
        put(f, "[", 1);
        f->first = true;
    }
}

void pf_facts_objects_end(struct pf_facts *f)
{
    if (f->json) {
        put(f, "]", 1);
        f->first = false;
    }
}

void pf_facts_list(struct pf_facts *f, const char *key)
{
    put_key(f, key);
    f->column = INDENT + NAME_WIDTH + 1;
    f->first = true;
    if (f->json) {
        put(f, "[", 1);
    }
}

void pf_facts_item(struct pf_facts *f, const char *text)
{
    if (f->json) {
        comma(f);
        put_quoted(f, text);
        return;
    }
    unsigned len = (unsigned)strlen(text);
    if (!f->first && f->column + 2 + len > WRAP) {
        put_text(f, ",\n");
        put_spaces(f, INDENT + NAME_WIDTH + 1);
        f->column = INDENT + NAME_WIDTH + 1;
    } else if (!f->first) {
        put_text(f, ", ");
        f->column += 2;
    }
    put(f, text, len);
    f->column += len;
    f->first = false;
}

void pf_facts_captured_item(struct pf_facts *f, struct pf_span captured)
{
    char safe[PF_TEXT_SAFE];
    pf_text_safe(captured, safe);
    pf_facts_item(f, safe);
}

void pf_facts_list_end(struct pf_facts *f)
{
    if (f->json) {
        put(f, "]", 1);
    }
    f->first = false;
    end_value(f);
}

static void put_string(struct pf_facts *f, const char *text)
{
    if (f->json) {
        put_quoted(f, text);
    } else {
        put_text(f, text);
    }
    end_value(f);
}

void pf_facts_name(struct pf_facts *f, const char *key, const char *text)
{
    if (text != NULL) {
        put_key(f, key);
        put_string(f, text);
    }
}

void pf_facts_text(struct pf_facts *f, const char *key, struct pf_span captured)
{
    char safe[PF_TEXT_SAFE];
    pf_text_safe(captured, safe);
    pf_facts_name(f, key, safe);
}

void pf_facts_hex(struct pf_facts *f, const char *key, struct pf_span bytes)
{
    char hex[PF_TEXT_HEX];
    pf_text_hex(bytes.ptr, bytes.len < UINT8_MAX ? bytes.len : UINT8_MAX, hex);
    pf_facts_name(f, key, hex);
}

void pf_facts_number(struct pf_facts *f, const char *key, uint64_t v)
{
    char text[CHUNK];
    put_key(f, key);
    (void)snprintf(text, sizeof text, "%" PRIu64, v);
    put_text(f, text);
    end_value(f);
}

void pf_facts_time(struct pf_facts *f, const char *key, int64_t ns)
{
    char text[PF_TEXT_TIME];
    pf_text_time(ns, text);
    pf_facts_name(f, key, text);
}

void pf_facts_flag(struct pf_facts *f, const char *key)
{
    put_key(f, key);
    put_text(f, f->json ? "true" : "yes");
    end_value(f);
}

void pf_facts_flow(struct pf_facts *f, const char *key, uint64_t first_packet)
{
    char text[CHUNK];
    put_key(f, key);
    (void)snprintf(text, sizeof text, "%c%" PRIu64 "%c", PF_FACTS_FLOW_BEGIN, first_packet,
                   PF_FACTS_FLOW_END);
    put_text(f, text);
    end_value(f);
}

void pf_facts_number_if(struct pf_facts *f, const char *key, uint64_t v)
{
    if (v != 0) {
        pf_facts_number(f, key, v);
    }
}

void pf_facts_flag_if(struct pf_facts *f, const char *key, bool is)
{
    if (is) {
        pf_facts_flag(f, key);
    }
}

void pf_facts_hex_if(struct pf_facts *f, const char *key, struct pf_span s)
{
    if (s.len > 0) {
        pf_facts_hex(f, key, s);
    }
}
