// SPDX-License-Identifier: Apache-2.0
#include "capture/source.h"

#include "capture/bytes.h"
#include "capture/filter.h"
#include "capture/format.h"
#include "capture/pcapfile.h"
#include "capture/pcapng.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pf_source {
    char **paths;
    struct pf_source_input *inputs;
    size_t n;
    struct pf_filter *filter; /* NULL: everything passes */
    uint64_t total;           /* 0: unknown */

    size_t current; /* the input that is open, or the next to be opened */
    struct pf_bytes *bytes;
    struct pf_pcapfile *pcap; /* one of these two is set while an input is open */
    struct pf_pcapng *pcapng;
    uint64_t number;
    uint64_t done_before; /* bytes of the inputs before current */
    uint64_t done_last;   /* what was stored in done last */

    /* The reader stores, a progress line loads; relaxed, for no other data depends on it. */
    _Atomic uint64_t done;
    atomic_bool stop; /* set by anyone; read where reading would wait */
};

static void close_current(struct pf_source *s)
{
    pf_pcapfile_free(s->pcap);
    pf_pcapng_free(s->pcapng);
    pf_bytes_close(s->bytes);
    s->pcap = NULL;
    s->pcapng = NULL;
    s->bytes = NULL;
}

/* What can be said before the input is reached: not there, not readable, or its size. False: it has
 * a size that is not known. */
static bool inspect(struct pf_source_input *in)
{
    struct stat st;
    bool is_stdin = strcmp(in->path, "-") == 0;
    if (is_stdin ? fstat(STDIN_FILENO, &st) != 0
                 : stat(in->path, &st) != 0 || access(in->path, R_OK) != 0) {
        struct pf_error err = {0};
        in->status = pf_error_set(&err, PF_ERR_IO, "%s: %s", in->path, strerror(errno));
        memcpy(in->message, err.text, sizeof in->message);
        return true;
    }
    in->total_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return S_ISREG(st.st_mode);
}

static enum pf_status copy_paths(struct pf_source *s, const char *const *paths)
{
    for (size_t i = 0; i < s->n; i++) {
        s->paths[i] = strdup(paths[i]);
        if (s->paths[i] == NULL) {
            return PF_ERR_NOMEM;
        }
        s->inputs[i].path = s->paths[i];
    }
    return PF_OK;
}

static void sum_sizes(struct pf_source *s)
{
    bool known = true;
    for (size_t i = 0; i < s->n; i++) {
        known = inspect(&s->inputs[i]) && known;
        s->total += s->inputs[i].total_bytes;
    }
    if (!known) {
        s->total = 0; /* a pipe is among them: no percentage then */
    }
}

enum pf_status pf_source_new(const char *const *paths, size_t n, const char *filter,
                             struct pf_source **out, struct pf_error *err)
{
    struct pf_source *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    atomic_init(&s->done, 0);
    s->n = n;
    s->paths = calloc(n > 0 ? n : 1, sizeof *s->paths);
    s->inputs = calloc(n > 0 ? n : 1, sizeof *s->inputs);
    if (s->paths == NULL || s->inputs == NULL || copy_paths(s, paths) != PF_OK) {
        pf_source_free(s);
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    enum pf_status st = filter != NULL ? pf_filter_new(filter, &s->filter, err) : PF_OK;
    if (st != PF_OK) {
        pf_source_free(s);
        return st;
    }
    sum_sizes(s);
    *out = s;
    return PF_OK;
}

void pf_source_free(struct pf_source *s)
{
    if (s == NULL) {
        return;
    }
    close_current(s);
    pf_filter_free(s->filter);
    for (size_t i = 0; s->paths != NULL && i < s->n; i++) {
        free(s->paths[i]);
    }
    free(s->paths);
    free(s->inputs);
    free(s);
}

/* The sentence that names the file, the damage and what was kept. */
static void describe(struct pf_source_input *in, const struct pf_error *cause)
{
    struct pf_error out = {0};
    unsigned long long n = in->packets;
    bool early = in->packets == 0;
    if (cause->status == PF_ERR_FORMAT || cause->status == PF_ERR_UNSUPPORTED) {
        pf_error_set(&out, cause->status, "%s: %s", in->path, cause->text);
    } else if (cause->status == PF_ERR_TRUNCATED && early) {
        pf_error_set(&out, cause->status, "%s: cut short before the end of the first packet (%s)",
                     in->path, cause->text);
    } else if (cause->status == PF_ERR_TRUNCATED) {
        pf_error_set(&out, cause->status,
                     "%s: cut short in packet %llu; all packets before it were processed (%s)",
                     in->path, n + 1, cause->text);
    } else if (early) {
        pf_error_set(&out, cause->status, "%s: cannot be read, no packets were processed (%s)",
                     in->path, cause->text);
    } else {
        pf_error_set(&out, cause->status,
                     "%s: %s after packet %llu; the packets up to it were processed (%s)", in->path,
                     cause->status == PF_ERR_MALFORMED ? "damaged" : "cannot be read", n,
                     cause->text);
    }
    in->status = cause->status;
    memcpy(in->message, out.text, sizeof in->message);
}

static enum pf_status not_a_capture(const uint8_t *head, size_t len, struct pf_error *err)
{
    const char *name = pf_format_name(head, len);
    if (name != NULL) {
        return pf_error_set(err, PF_ERR_FORMAT, "is %s, which is not read; pcap and pcapng are",
                            name);
    }
    return pf_error_set(err, PF_ERR_FORMAT, "is neither a pcap nor a pcapng capture");
}

static enum pf_status open_reader(struct pf_source *s, struct pf_source_input *in, struct pf_error *err)
{
    const uint8_t *head;
    enum pf_status st = pf_bytes_need(s->bytes, PF_FORMAT_SNIFF, &head);
    size_t len = pf_bytes_buffered(s->bytes);
    if (st == PF_END) {
        return pf_error_set(err, PF_ERR_FORMAT, "is empty");
    }
    if (len == 0) {
        return pf_error_set(err, st, "%s", pf_bytes_error(s->bytes)->text);
    }
    st = pf_bytes_need(s->bytes, len, &head); /* the file may be shorter than a look */
    if (st != PF_OK) {
        return pf_error_set(err, st, "%s", pf_status_text(st));
    }
    if (pf_pcapfile_match(head, len)) {
        in->format = "pcap";
        return pf_pcapfile_new(s->bytes, &s->pcap, err);
    }
    if (pf_pcapng_match(head, len)) {
        in->format = "pcapng";
        return pf_pcapng_new(s->bytes, &s->pcapng, err);
    }
    return not_a_capture(head, len, err);
}

static void note_progress(struct pf_source *s, struct pf_source_input *in)
{
    in->bytes = pf_bytes_raw(s->bytes);
    uint64_t done = s->done_before + in->bytes;
    if (done != s->done_last) {
        s->done_last = done;
        atomic_store_explicit(&s->done, done, memory_order_relaxed);
    }
}

/* Ends the current input: well (cause NULL) or not. */
static void finish(struct pf_source *s, struct pf_source_input *in, const struct pf_error *cause)
{
    if (s->bytes != NULL) {
        note_progress(s, in);
        s->done_before += in->bytes;
    }
    if (s->pcapng != NULL) {
        in->other_secrets = pf_pcapng_other_secrets(s->pcapng);
    }
    if (cause != NULL) {
        describe(in, cause);
    }
    close_current(s);
    s->current++;
}

/* true: the current input is open; false: it was passed over. */
static bool open_current(struct pf_source *s, struct pf_source_input *in)
{
    struct pf_error err = {0};
    if (in->status != PF_OK) {
        s->current++;
        return false;
    }
    enum pf_status st = pf_bytes_open(in->path, &s->stop, &s->bytes, &err);
    if (st == PF_OK) {
        in->compression = pf_bytes_compression(s->bytes);
        st = open_reader(s, in, &err);
    }
    if (st != PF_OK) {
        finish(s, in, &err);
        return false;
    }
    note_progress(s, in);
    return true;
}

static void note_linktype(struct pf_source_input *in, uint32_t linktype)
{
    for (uint32_t i = 0; i < in->n_linktypes; i++) {
        if (in->linktypes[i] == linktype) {
            return;
        }
    }
    if (in->n_linktypes < PF_INPUT_LINKTYPES) {
        in->linktypes[in->n_linktypes++] = linktype;
    }
}

/* Numbers a frame; does it pass? */
static bool accept(struct pf_source *s, struct pf_source_input *in, struct pf_item *item)
{
    item->input = (uint32_t)s->current;
    if (item->kind == PF_ITEM_SECRETS) {
        in->secrets++;
        item->number = s->number;
        return true;
    }
    in->packets++;
    item->number = ++s->number;
    note_linktype(in, item->linktype);
    if (s->filter != NULL &&
        !pf_filter_match(s->filter, item->linktype, item->data, item->caplen, item->len)) {
        in->filtered++;
        return false;
    }
    return true;
}

enum pf_status pf_source_next(struct pf_source *s, struct pf_item *item)
{
    while (s->current < s->n) {
        struct pf_source_input *in = &s->inputs[s->current];
        if (s->bytes == NULL && !open_current(s, in)) {
            continue;
        }
        struct pf_error err;
        err.status = PF_OK; /* the text is not cleared: this is for every packet */
        enum pf_status st = s->pcap != NULL ? pf_pcapfile_next(s->pcap, item, &err)
                                            : pf_pcapng_next(s->pcapng, item, &err);
        if (st != PF_OK) {
            finish(s, in, st == PF_END ? NULL : &err);
            continue;
        }
        note_progress(s, in);
        if (accept(s, in, item)) {
            return PF_OK;
        }
    }
    return PF_END;
}

size_t pf_source_inputs(const struct pf_source *s)
{
    return s->n;
}

const struct pf_source_input *pf_source_input(const struct pf_source *s, size_t i)
{
    return &s->inputs[i];
}

uint64_t pf_source_packets(const struct pf_source *s)
{
    return s->number;
}

void pf_source_bytes(const struct pf_source *s, uint64_t *done, uint64_t *total)
{
    *done = atomic_load_explicit(&s->done, memory_order_relaxed);
    *total = s->total;
}

void pf_source_stop(struct pf_source *s)
{
    atomic_store_explicit(&s->stop, true, memory_order_relaxed); /* it orders nothing */
}
