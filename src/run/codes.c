// SPDX-License-Identifier: Apache-2.0
#include "run/codes.h"

#include "base/cursor.h"
#include "tls/names.h"
#include "tls/suite.h"
#include "tls/wire.h"

#include <stdio.h>

const char *pf_code_suite_name(uint16_t id)
{
    const struct pf_suite *s = pf_suite_find(id);
    return s != NULL ? s->name : pf_signal_name(id);
}

const char *pf_code(uint16_t value, pf_name_fn *name, char out[PF_CODE_TEXT])
{
    const char *known = pf_is_grease(value) ? NULL : name(value);
    if (known != NULL) {
        return known;
    }
    (void)snprintf(out, PF_CODE_TEXT, pf_is_grease(value) ? "GREASE (0x%04x)" : "0x%04x", value);
    return out;
}

const char *pf_code_version(uint16_t value, char out[PF_CODE_TEXT])
{
    if (pf_version_is_draft(value)) {
        (void)snprintf(out, PF_CODE_TEXT, "TLSv13 (draft %u)", value & 0xffU);
        return out;
    }
    return value == PF_VERSION_SSL2 ? "SSLv2" : pf_code(value, pf_version_name, out);
}

const char *pf_code_version_name(uint16_t value)
{
    return value == PF_VERSION_SSL2 ? "SSLv2" : pf_version_name(value);
}

void pf_code_fact(struct pf_facts *f, const char *key, uint16_t value, pf_name_fn *name)
{
    char text[PF_CODE_TEXT];
    pf_facts_name(f, key, pf_code(value, name, text));
}

static void more_items(struct pf_facts *f, size_t more)
{
    char text[PF_CODE_TEXT];
    if (more > 0) {
        (void)snprintf(text, sizeof text, "%zu more", more);
        pf_facts_item(f, text);
    }
}

/* A list of u16; with width 3 those of an SSLv2 hello that are TLS's (RFC 5246 appendix E.2). */
void pf_code_list(struct pf_facts *f, const char *key, struct pf_span list, pf_name_fn *name,
                  size_t width)
{
    struct pf_cur c = pf_cur_of(list);
    char text[PF_CODE_TEXT];
    if (list.len == 0) {
        return;
    }
    pf_facts_list(f, key);
    for (int i = 0; i < PF_LIST_MAX && c.left >= width; i++) {
        uint8_t high = 0;
        uint16_t value;
        if ((width == 3 && !pf_cur_u8(&c, &high)) || !pf_cur_u16(&c, &value)) {
            break;
        }
        if (high != 0) {
            (void)snprintf(text, sizeof text, "SSL2 0x%02x%04x", high, value);
            pf_facts_item(f, text);
        } else {
            pf_facts_item(f, name == pf_code_version_name ? pf_code_version(value, text)
                                                          : pf_code(value, name, text));
        }
    }
    more_items(f, c.left / width);
    pf_facts_list_end(f);
}
