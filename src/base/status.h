// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the one result type of the project, its class and its text; the error with a text.
 * Owns:    nothing.
 * Threads: pure functions; a struct pf_error belongs to its caller.
 * Errors:  -
 * Limits:  an error's text is cut at PF_ERROR_TEXT bytes.
 *
 * 0 is done. Positive: nothing is wrong, but it cannot go on now. Negative: an error whose class
 * decides the reaction: flow-scoped classes mark the flow and go on, run-scoped ones stop the run.
 */
#ifndef PF_BASE_STATUS_H
#define PF_BASE_STATUS_H

#include <stddef.h>

enum pf_class {
    PF_CLASS_NONE,        /* not an error */
    PF_CLASS_INPUT,       /* the captured bytes are not what they should be */
    PF_CLASS_UNSUPPORTED, /* well-formed, but not something we open */
    PF_CLASS_NOKEY,       /* no secret for it */
    PF_CLASS_LIMIT,       /* a budget or a cap was reached */
    PF_CLASS_SYSTEM,      /* the operating system refused: run-scoped */
    PF_CLASS_USAGE,       /* what the user asked for cannot be done: run-scoped */
    PF_CLASS_INTERNAL     /* a bug of ours: run-scoped */
};

/* X(name, value, class, text) */
#define PF_STATUS_LIST(X)                                                                          \
    X(OK, 0, NONE, "done")                                                                         \
    X(AGAIN, 1, NONE, "more bytes are needed")                                                     \
    X(BLOCKED, 2, NONE, "a fact from elsewhere is needed")                                         \
    X(END, 3, NONE, "end of input")                                                                \
    X(ERR_MALFORMED, -1, INPUT, "malformed")                                                       \
    X(ERR_TRUNCATED, -2, INPUT, "cut short")                                                       \
    X(ERR_FORMAT, -3, INPUT, "not in a format that is read")                                       \
    X(ERR_REJECTED, -4, INPUT, "tag or MAC did not verify")                                        \
    X(ERR_UNSUPPORTED, -5, UNSUPPORTED, "not supported")                                           \
    X(ERR_NOKEY, -6, NOKEY, "no secret for it")                                                    \
    X(ERR_LIMIT, -7, LIMIT, "limit reached")                                                       \
    X(ERR_NOMEM, -8, SYSTEM, "out of memory")                                                      \
    X(ERR_IO, -9, SYSTEM, "input or output failed")                                                \
    X(ERR_USAGE, -10, USAGE, "cannot be done as asked")                                            \
    X(ERR_INTERNAL, -11, INTERNAL, "internal error")

enum pf_status {
#define X(name, value, class, text) PF_##name = value,
    PF_STATUS_LIST(X)
#undef X
};

#define PF_MUST_USE __attribute__((warn_unused_result))

enum pf_class pf_status_class(enum pf_status st);
const char *pf_status_text(enum pf_status st);

enum { PF_ERROR_TEXT = 512 };

/* An error that a person reads: filled at run scope, where the file's name and errno are known. */
struct pf_error {
    enum pf_status status; /* PF_OK: empty */
    char text[PF_ERROR_TEXT];
};

/*
 * Fills err and returns st, so that `return pf_error_set(err, PF_ERR_IO, "%s: %s", path,
 * strerror(errno));` is one line. The first error wins: a filled err keeps its text. err may be
 * NULL. Control characters in the text (names of files may hold some) become '?'.
 */
enum pf_status pf_error_set(struct pf_error *err, enum pf_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
