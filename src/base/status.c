// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

enum pf_class pf_status_class(enum pf_status st)
{
    switch (st) {
#define X(name, value, class, text)                                                                \
    case PF_##name:                                                                                \
        return PF_CLASS_##class;
        PF_STATUS_LIST(X)
#undef X
    }
    return PF_CLASS_INTERNAL;
}

const char *pf_status_text(enum pf_status st)
{
    switch (st) {
#define X(name, value, class, text)                                                                \
    case PF_##name:                                                                                \
        return text;
        PF_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

enum pf_status pf_error_set(struct pf_error *err, enum pf_status st, const char *fmt, ...)
{
    if (err == NULL || err->status != PF_OK) {
        return st;
    }
    err->status = st;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0) {
        err->text[0] = '\0';
    }
    va_end(ap);
    for (char *p = err->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p == 0x7f) {
            *p = '?';
        }
    }
    return st;
}
