// SPDX-License-Identifier: Apache-2.0
#include "store/json.h"

#include "store/index.h"
#include "store/text.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

enum { DECIMAL = 20 }; /* of the longest number, with its sign */

struct pf_json {
    yajl_gen gen;
    struct pf_buf *out;
    enum pf_status st;
};

static void put(void *ctx, const char *text, size_t len)
{
    struct pf_json *j = ctx;
    if (j->st == PF_OK && len <= j->out->cap - j->out->len) {
        uint8_t *to = j->out->ptr + j->out->len;
        if (len == 1) { /* as most are: quotes, colons, commas */
            *to = (uint8_t)*text;
        } else {
            memcpy(to, text, len);
        }
        j->out->len += len;
    } else if (j->st == PF_OK) {
        j->st = pf_buf_append(j->out, text, len);
    }
}

struct pf_json *pf_json_new(void)
{
    struct pf_json *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return NULL;
    }
    j->gen = yajl_gen_alloc(NULL);
    if (j->gen == NULL || yajl_gen_config(j->gen, yajl_gen_print_callback, put, j) == 0) {
        pf_json_free(j);
        return NULL;
    }
    return j;
}

void pf_json_free(struct pf_json *j)
{
    if (j != NULL && j->gen != NULL) {
        yajl_gen_free(j->gen);
    }
    free(j);
}

void pf_json_begin(struct pf_json *j, struct pf_buf *out)
{
    yajl_gen_reset(j->gen, NULL);
    j->out = out;
    j->st = PF_OK;
}

enum pf_status pf_json_end(const struct pf_json *j)
{
    return j->st;
}

/* Only wrong nesting can be refused: an error of ours. */
static void check(struct pf_json *j, yajl_gen_status st)
{
    if (st != yajl_gen_status_ok && j->st == PF_OK) {
        j->st = PF_ERR_INTERNAL;
    }
}

static void string(struct pf_json *j, const char *text, size_t len)
{
    check(j, yajl_gen_string(j->gen, (const unsigned char *)text, len));
}

static void begin(struct pf_json *j, const char *name)
{
    if (name != NULL) {
        string(j, name, strlen(name));
    }
}

void pf_json_open(struct pf_json *j, const char *name, char bracket)
{
    begin(j, name);
    check(j, bracket == '{' ? yajl_gen_map_open(j->gen) : yajl_gen_array_open(j->gen));
}

void pf_json_close(struct pf_json *j, char bracket)
{
    check(j, bracket == '}' ? yajl_gen_map_close(j->gen) : yajl_gen_array_close(j->gen));
}

void pf_json_number(struct pf_json *j, const char *name, uint64_t v)
{
    if (v == PF_UNKNOWN) {
        pf_json_null(j, name);
    } else {
        pf_json_signed(j, name, (int64_t)(v & INT64_MAX)); /* what readers can hold */
    }
}

void pf_json_signed(struct pf_json *j, const char *name, int64_t v)
{
    char text[DECIMAL];
    size_t at = sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (v < 0) {
        text[--at] = '-';
    }
    begin(j, name);
    check(j, yajl_gen_number(j->gen, text + at, sizeof text - at)); /* its own way is snprintf */
}

void pf_json_bool(struct pf_json *j, const char *name, bool v)
{
    begin(j, name);
    check(j, yajl_gen_bool(j->gen, v));
}

void pf_json_null(struct pf_json *j, const char *name)
{
    begin(j, name);
    check(j, yajl_gen_null(j->gen));
}

void pf_json_word(struct pf_json *j, const char *name, const char *s)
{
    if (s == NULL) {
        pf_json_null(j, name);
        return;
    }
    begin(j, name);
    string(j, s, strlen(s));
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
    string(j, safe, len);
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
