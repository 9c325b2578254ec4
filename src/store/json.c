// SPDX-License-Identifier: Apache-2.0
#include "store/json.h"

#include "store/index.h"
#include "store/text.h"

#include <string.h>

enum { DECIMAL = 20 }; /* digits of the largest number */

void pf_json_init(struct pf_json *j, struct pf_buf *out)
{
    *j = (struct pf_json){.out = out, .st = PF_OK, .first = true};
}

static inline void put(struct pf_json *j, const void *ptr, size_t len)
{
    if (j->st != PF_OK) {
        return;
    }
    if (len > j->out->cap - j->out->len) {
        j->st = pf_buf_append(j->out, ptr, len);
        return;
    }
    memcpy(j->out->ptr + j->out->len, ptr, len);
    j->out->len += len;
}

/* What stands before a value: comma and name. */
static void begin(struct pf_json *j, const char *name)
{
    if (!j->first) {
        put(j, ",", 1);
    }
    j->first = false;
    if (name != NULL) {
        put(j, "\"", 1);
        put(j, name, strlen(name));
        put(j, "\":", 2);
    }
}

void pf_json_open(struct pf_json *j, const char *name, char bracket)
{
    begin(j, name);
    put(j, &bracket, 1);
    j->first = true;
}

void pf_json_close(struct pf_json *j, char bracket)
{
    put(j, &bracket, 1);
    j->first = false;
}

static void put_number(struct pf_json *j, uint64_t v)
{
    char text[DECIMAL];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    put(j, text + at, sizeof text - at);
}

void pf_json_number(struct pf_json *j, const char *name, uint64_t v)
{
    if (v == PF_UNKNOWN) {
        pf_json_null(j, name);
        return;
    }
    begin(j, name);
    put_number(j, v & INT64_MAX); /* what readers can hold */
}

void pf_json_signed(struct pf_json *j, const char *name, int64_t v)
{
    begin(j, name);
    if (v < 0) {
        put(j, "-", 1);
    }
    put_number(j, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void pf_json_bool(struct pf_json *j, const char *name, bool v)
{
    begin(j, name);
    put(j, v ? "true" : "false", v ? 4 : 5);
}

void pf_json_null(struct pf_json *j, const char *name)
{
    begin(j, name);
    put(j, "null", 4);
}

void pf_json_word(struct pf_json *j, const char *name, const char *s)
{
    if (s == NULL) {
        pf_json_null(j, name);
        return;
    }
    begin(j, name);
    put(j, "\"", 1);
    put(j, s, strlen(s));
    put(j, "\"", 1);
}

/* Of what must be escaped only these two are left: pf_text_safe lets no control character through.
 */
static void put_escaped(struct pf_json *j, const char *text, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            put(j, text + from, i - from);
            put(j, "\\", 1);
            from = i;
        }
    }
    put(j, text + from, len - from);
}

void pf_json_text(struct pf_json *j, const char *name, struct pf_span s)
{
    char safe[PF_TEXT_SAFE];
    if (s.ptr == NULL) {
        pf_json_null(j, name);
        return;
    }
    size_t len = pf_text_safe(s, safe);
    begin(j, name);
    put(j, "\"", 1);
    put_escaped(j, safe, len);
    put(j, "\"", 1);
}

void pf_json_hex(struct pf_json *j, const char *name, const uint8_t *ptr, size_t len)
{
    char hex[PF_TEXT_HEX];
    if (ptr == NULL) {
        pf_json_null(j, name);
        return;
    }
    pf_text_hex(ptr, len, hex);
    pf_json_word(j, name, hex);
}
