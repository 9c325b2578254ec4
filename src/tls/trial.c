// SPDX-License-Identifier: Apache-2.0
#include "tls/trial.h"

#include "tls/half.h"

#include <string.h>

enum {
    REGION = 64 + PF_RECORD_HEADER_LEN + PF_RECORD_MAX, /* a record, and what may precede it */
    CCS_LEN = 6
};

/* What a trial is about: the packets with copies over the region, the least doubted first. */
struct trial {
    struct pf_conn *c;
    struct pf_half *h;
    enum pf_dir dir;
    uint64_t base;
    size_t len; /* bytes of the stream in the region */
    struct {
        uint64_t packet;
        uint8_t doubt;
    } group[PF_CHOICE_PACKETS];
    unsigned groups;
    uint32_t fresh;    /* groups that were not there the last time */
    uint32_t first[2]; /* the sets that were tried first */
    uint64_t end;      /* position behind the record that was tried last */
    uint8_t bytes[REGION];
};

static bool overlaps(const struct trial *t, const struct pf_copy *copy)
{
    return copy->pos < t->base + t->len && t->base < copy->pos + copy->len;
}

static void add_group(struct trial *t, const struct pf_copy *copy)
{
    unsigned at = t->groups;
    for (unsigned i = 0; i < t->groups; i++) {
        if (t->group[i].packet == copy->packet) {
            return;
        }
    }
    if (t->groups == PF_CHOICE_PACKETS) {
        return;
    }
    while (at > 0 && t->group[at - 1].doubt > copy->doubt) {
        t->group[at] = t->group[at - 1];
        at--;
    }
    t->group[at].packet = copy->packet;
    t->group[at].doubt = copy->doubt;
    t->groups++;
}

static bool in_set(const struct trial *t, uint32_t set, uint64_t packet)
{
    for (unsigned i = 0; i < t->groups; i++) {
        if (t->group[i].packet == packet) {
            return (set >> i & 1) != 0;
        }
    }
    return false;
}

static void find_groups(struct trial *t)
{
    struct pf_copies *copies = t->h->copies;
    size_t n;
    struct pf_copy *all = pf_copies_list(copies, &n);
    if (copies->trial_pos != t->base) {
        copies->trial_pos = t->base;
        copies->record_trials = 0;
        for (size_t i = 0; i < n; i++) {
            all[i].tried = false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (overlaps(t, &all[i]) && !all[i].same) {
            add_group(t, &all[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (unsigned g = 0; g < t->groups && overlaps(t, &all[i]) && !all[i].tried; g++) {
            t->fresh |= t->group[g].packet == all[i].packet ? 1U << g : 0;
        }
    }
}

static void mark_tried(struct trial *t)
{
    size_t n;
    struct pf_copy *all = pf_copies_list(t->h->copies, &n);
    for (size_t i = 0; i < n; i++) {
        all[i].tried |= overlaps(t, &all[i]);
    }
}

/* The region's bytes with the copies of a set, later ones over earlier ones. */
static void assemble(struct trial *t, uint32_t set)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(t->h->copies, &n);
    memcpy(t->bytes, pf_stream_bytes(&t->h->in, t->base), t->len);
    for (size_t i = 0; i < n; i++) {
        if (!overlaps(t, &all[i]) || !in_set(t, set, all[i].packet)) {
            continue;
        }
        uint64_t from = all[i].pos > t->base ? all[i].pos : t->base;
        uint64_t to = all[i].pos + all[i].len;
        to = to < t->base + t->len ? to : t->base + t->len;
        memcpy(t->bytes + (from - t->base),
               t->h->copies->bytes.ptr + all[i].at + (from - all[i].pos), to - from);
    }
}

/* The record that the assembled bytes begin with; in TLS 1.3 behind a ChangeCipherSpec of the
 * compatibility mode. False: none that is whole. */
static bool first_record(struct trial *t, struct pf_record *out)
{
    static const uint8_t ccs[CCS_LEN] = {PF_CT_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
    struct pf_span bytes = {t->bytes, t->len};
    bool tls13 = t->h->stage == PF_STAGE_HANDSHAKE || t->h->keys.version == PF_VERSION_TLS13;
    while (tls13 && bytes.len >= CCS_LEN && memcmp(bytes.ptr, ccs, CCS_LEN) == 0) {
        bytes.ptr += CCS_LEN;
        bytes.len -= CCS_LEN;
    }
    struct pf_frame f;
    if (!pf_frame_parse(bytes, &f) || !pf_frame_plausible(&f) ||
        bytes.len - PF_RECORD_HEADER_LEN < f.body_len) {
        return false;
    }
    t->end = t->base + (size_t)(bytes.ptr - t->bytes) + PF_RECORD_HEADER_LEN + f.body_len;
    *out = (struct pf_record){.type = f.type,
                              .version = f.version,
                              .body = {bytes.ptr + PF_RECORD_HEADER_LEN, f.body_len}};
    return true;
}

/* In the clear: whether records follow each other, as far as there are bytes. */
static bool is_chain(const struct trial *t)
{
    struct pf_span bytes = {t->bytes, t->len};
    struct pf_frame f;
    bool any = false;
    while (pf_frame_parse(bytes, &f)) {
        if (!pf_frame_plausible(&f) || f.body_len == 0) {
            return false;
        }
        size_t len = PF_RECORD_HEADER_LEN + (size_t)f.body_len;
        any = true;
        if (len >= bytes.len) {
            break;
        }
        bytes.ptr += len;
        bytes.len -= len;
    }
    return any;
}

static enum pf_status verify(const struct trial *t, const struct pf_record *record)
{
    struct pf_half *h = t->h;
    if (h->stage == PF_STAGE_HANDSHAKE || h->keys.version == PF_VERSION_TLS13) {
        return pf_tls13_fits(t->c, t->dir, record);
    }
    return pf_open_verify(t->c->env->crypt, &h->keys, &h->chain, h->seq, record);
}

static bool may_try(const struct trial *t)
{
    const struct pf_copies *copies = t->h->copies;
    return copies->record_trials < PF_TRIALS_PER_RECORD &&
           copies->flow_trials < PF_TRIALS_PER_FLOW &&
           copies->spent < PF_TRIAL_BYTES_FREE + t->base;
}

/* PF_ERR_LIMIT: the budget is spent. */
static enum pf_status try_set(struct trial *t, uint32_t set)
{
    struct pf_copies *copies = t->h->copies;
    struct pf_record record;
    if ((set & t->fresh) == 0 || set == t->first[0] || set == t->first[1]) {
        return PF_ERR_REJECTED;
    }
    if (!may_try(t)) {
        return PF_ERR_LIMIT;
    }
    copies->record_trials++;
    copies->flow_trials++;
    assemble(t, set);
    if (t->h->stage == PF_STAGE_PLAIN) {
        t->end = t->base + t->len;
        return is_chain(t) ? PF_OK : PF_ERR_REJECTED;
    }
    if (!first_record(t, &record)) {
        return PF_ERR_REJECTED;
    }
    copies->spent += record.body.len;
    return verify(t, &record);
}

/* The next larger number with as many bits (Gosper's hack). */
static uint32_t next_same_size(uint32_t set)
{
    uint32_t low = set & (~set + 1);
    uint32_t up = set + low;
    return up | (((set ^ up) / low) >> 2);
}

static enum pf_status try_sizes(struct trial *t, uint32_t *set)
{
    enum pf_status st = PF_ERR_REJECTED;
    for (unsigned size = 1; size <= t->groups && st == PF_ERR_REJECTED; size++) {
        for (*set = (1U << size) - 1; *set < 1U << t->groups; *set = next_same_size(*set)) {
            st = try_set(t, *set);
            if (st != PF_ERR_REJECTED) {
                break;
            }
        }
    }
    return st;
}

static enum pf_status try_all(struct trial *t, uint32_t *set)
{
    uint32_t sure = 0;
    for (unsigned g = 0; g < t->groups; g++) {
        sure |= t->group[g].doubt == 0 ? 1U << g : 0;
    }
    *set = (1U << t->groups) - 1;
    enum pf_status st = try_set(t, *set);
    t->first[0] = *set;
    if (st == PF_ERR_REJECTED && sure != 0) {
        *set = sure;
        st = try_set(t, *set);
        t->first[1] = sure;
    }
    return st == PF_ERR_REJECTED ? try_sizes(t, set) : st;
}

enum pf_status pf_trial_run(struct pf_conn *c, enum pf_dir dir, uint64_t base,
                            struct pf_choice *choice)
{
    struct trial t = {.c = c, .h = &c->half[dir], .dir = dir, .base = base};
    uint64_t left = pf_stream_end(&t.h->in) - base;
    t.len = left < REGION ? (size_t)left : REGION;
    find_groups(&t);
    uint32_t set = 0;
    enum pf_status st = t.fresh == 0 ? PF_ERR_REJECTED : try_all(&t, &set);
    choice->count = 0;
    choice->end = t.end;
    for (unsigned g = 0; g < t.groups && st == PF_OK; g++) {
        if ((set >> g & 1) != 0) {
            choice->packet[choice->count++] = t.group[g].packet;
        }
    }
    if (st != PF_OK) {
        mark_tried(&t);
    }
    return st == PF_ERR_LIMIT || st == PF_ERR_TRUNCATED || st == PF_ERR_UNSUPPORTED
               ? PF_ERR_REJECTED
               : st;
}
