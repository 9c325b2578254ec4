// SPDX-License-Identifier: Apache-2.0
#include "tls/trial.h"

#include "tls/half.h"

#include <string.h>

enum {
    BEFORE = 64, /* a record's header, and what may precede it */
    REGION = BEFORE + PF_RECORD_MAX,
    LIKELY = PF_RULE_NONE,
    TRIAL_BYTES = 2048,         /* what a trial costs beside the record's bytes */
    LIKELY_FIRST = PF_RULE_ALL, /* the rules that are tried while more copies may come */
    STEPS = 512,                /* sets looked at in one go */
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
    uint64_t fresh;          /* groups that were not there the last time */
    uint64_t likely[LIKELY]; /* sets that are tried first */
    unsigned likely_tried;
    uint64_t end;      /* position behind the record that was tried last */
    uint64_t whole_at; /* of records that could be: where the first one ends that is not whole */
    uint32_t steps;
    bool last;      /* no more copies will come */
    uint8_t *bytes; /* REGION */
};

/* Lays the part of a copy that is in [from, to) of the region over bytes. */
static void lay_over(const struct trial *t, const struct pf_copy *copy, uint8_t *bytes, size_t from,
                     size_t to)
{
    uint64_t begin = copy->pos > t->base + from ? copy->pos : t->base + from;
    uint64_t end = copy->pos + copy->len < t->base + to ? copy->pos + copy->len : t->base + to;
    if (begin < end) {
        memcpy(bytes + (begin - t->base), t->h->copies->bytes.ptr + copy->at + (begin - copy->pos),
               end - begin);
    }
}

/* How far a record that begins here can reach: by its header as it lies in the stream, and as each
 * copy over it has it. So that copies far behind a small record cost it nothing. */
static size_t reach(const struct trial *t, size_t left)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(t->h->copies, &n);
    const uint8_t *stream = pf_stream_bytes(&t->h->in, t->base);
    size_t longest = 0;
    for (size_t i = 0; i <= n; i++) {
        uint8_t head[BEFORE];
        struct pf_frame f;
        size_t len = left < sizeof head ? left : sizeof head;
        if (i < n && (all[i].pos >= t->base + len || all[i].pos + all[i].len <= t->base)) {
            continue;
        }
        memcpy(head, stream, len);
        for (size_t k = i < n ? i : 0; k < n; k++) { /* with those that came later on top */
            lay_over(t, &all[k], head, 0, len);
        }
        for (size_t at = 0;
             pf_frame_parse((struct pf_span){head + at, len - at}, &f) && pf_frame_plausible(&f);
             at += CCS_LEN) {
            longest = BEFORE + f.body_len > longest ? BEFORE + f.body_len : longest;
            if (f.type != PF_CT_CHANGE_CIPHER_SPEC || len - at < CCS_LEN) {
                break;
            }
        }
    }
    longest = longest == 0 ? REGION : longest;
    return left < longest ? left : longest;
}

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

static bool in_set(const struct trial *t, uint64_t set, uint64_t packet)
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
            t->fresh |= t->group[g].packet == all[i].packet ? (uint64_t)1 << g : 0;
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

/* The region's bytes from `from` to `to` with the copies of a set, later ones over earlier ones. */
static void assemble(struct trial *t, uint64_t set, size_t from, size_t to)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(t->h->copies, &n);
    to = to < t->len ? to : t->len;
    if (to <= from) {
        return;
    }
    memcpy(t->bytes + from, pf_stream_bytes(&t->h->in, t->base + from), to - from);
    for (size_t i = 0; i < n; i++) {
        if (overlaps(t, &all[i]) && in_set(t, set, all[i].packet)) {
            lay_over(t, &all[i], t->bytes, from, to);
        }
    }
}

/* The record that the bytes of a set begin with; in TLS 1.3 behind a ChangeCipherSpec of the
 * compatibility mode. PF_AGAIN: it is not whole yet. */
static enum pf_status first_record(struct trial *t, uint64_t set, struct pf_record *out)
{
    static const uint8_t ccs[CCS_LEN] = {PF_CT_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
    size_t head = t->len < BEFORE ? t->len : BEFORE;
    size_t at = 0;
    struct pf_frame f;
    assemble(t, set, 0, head);
    bool tls13 = t->h->stage == PF_STAGE_HANDSHAKE || t->h->keys.version == PF_VERSION_TLS13;
    while (tls13 && head - at >= CCS_LEN && memcmp(t->bytes + at, ccs, CCS_LEN) == 0) {
        at += CCS_LEN;
    }
    if (!pf_frame_parse((struct pf_span){t->bytes + at, head - at}, &f) ||
        !pf_frame_plausible(&f)) {
        return PF_ERR_REJECTED;
    }
    at += PF_RECORD_HEADER_LEN;
    t->end = t->base + at + f.body_len;
    if (t->len - at < f.body_len) {
        t->whole_at = t->whole_at == 0 || t->end < t->whole_at ? t->end : t->whole_at;
        return PF_AGAIN;
    }
    assemble(t, set, head, at + f.body_len);
    *out = (struct pf_record){
        .type = f.type, .version = f.version, .body = {t->bytes + at, f.body_len}};
    return PF_OK;
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

static enum pf_status verify_as(const struct trial *t, const struct pf_record *record, uint64_t seq)
{
    struct pf_half *h = t->h;
    if (h->stage == PF_STAGE_HANDSHAKE || h->keys.version == PF_VERSION_TLS13) {
        return pf_tls13_fits(t->c, t->dir, record, seq);
    }
    return pf_open_verify(t->c->env->crypt, &h->keys, &h->chain, seq, record);
}

/* Behind a loss the number is a guess: those that did not verify were records, or were none. */
static enum pf_status verify(const struct trial *t, const struct pf_record *record)
{
    const struct pf_loss *l = &t->h->loss;
    uint64_t seq = t->h->seq + (l->open && l->uncertain ? l->cut : 0);
    uint64_t rejected = l->open && l->uncertain ? l->rejected : 0;
    enum pf_status st = verify_as(t, record, seq + rejected);
    return st == PF_ERR_REJECTED && rejected > 0 ? verify_as(t, record, seq) : st;
}

static bool may_try(const struct trial *t)
{
    const struct pf_copies *copies = t->h->copies;
    return copies->record_trials < (t->last ? PF_TRIALS_PER_RECORD : PF_TRIALS_PER_RECORD / 2) &&
           copies->flow_trials < PF_TRIALS_PER_FLOW &&
           copies->spent < PF_TRIAL_BYTES_FREE + t->base;
}

static bool was_tried(const struct trial *t, uint64_t set)
{
    for (unsigned i = 0; i < t->likely_tried; i++) {
        if (t->likely[i] == set) {
            return true;
        }
    }
    return false;
}

/* PF_ERR_LIMIT: the budget is spent. */
static enum pf_status try_set(struct trial *t, uint64_t set)
{
    struct pf_copies *copies = t->h->copies;
    struct pf_record record;
    enum pf_status st;
    if (++t->steps > STEPS) {
        return PF_ERR_LIMIT;
    }
    if ((set & t->fresh) == 0 || was_tried(t, set)) {
        return PF_ERR_REJECTED;
    }
    if (!may_try(t)) {
        return PF_ERR_LIMIT;
    }
    if (t->h->stage == PF_STAGE_PLAIN) {
        assemble(t, set, 0, t->len);
        t->end = t->base + t->len;
        st = is_chain(t) ? PF_OK : PF_ERR_REJECTED;
    } else {
        st = first_record(t, set, &record);
        if (st == PF_OK) {
            copies->spent += record.body.len + TRIAL_BYTES;
            st = verify(t, &record);
        }
    }
    copies->record_trials += st == PF_AGAIN ? 0 : 1;
    copies->flow_trials += st == PF_ERR_REJECTED ? 1 : 0;
    return st == PF_AGAIN ? PF_ERR_REJECTED : st;
}

/* The next larger number with as many bits (Gosper's hack). */
static uint64_t next_same_size(uint64_t set)
{
    uint64_t low = set & (~set + 1);
    uint64_t up = set + low;
    return up | (((set ^ up) / low) >> 2);
}

static enum pf_status try_sizes(struct trial *t, uint64_t *set)
{
    enum pf_status st = PF_ERR_REJECTED;
    for (unsigned size = 1; size <= t->groups && st == PF_ERR_REJECTED; size++) {
        for (*set = ((uint64_t)1 << size) - 1; *set >> t->groups == 0;
             *set = next_same_size(*set)) {
            st = try_set(t, *set);
            if (st != PF_ERR_REJECTED) {
                break;
            }
        }
    }
    return st;
}

/* The sets that are tried before all others. */
static void likely_sets(struct trial *t)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(t->h->copies, &n);
    for (size_t i = 0; i < n; i++) {
        for (unsigned g = 0; g < t->groups && overlaps(t, &all[i]); g++) {
            uint64_t bit = t->group[g].packet == all[i].packet ? (uint64_t)1 << g : 0;
            for (unsigned rule = 0; rule < LIKELY; rule++) {
                t->likely[rule] |= pf_rule_takes((enum pf_rule)rule, &all[i]) ? bit : 0;
            }
        }
    }
}

static enum pf_status try_all(struct trial *t, uint64_t *set)
{
    enum pf_status st = PF_ERR_REJECTED;
    likely_sets(t);
    while (t->likely_tried < (t->last ? LIKELY : LIKELY_FIRST)) {
        *set = t->likely[t->likely_tried];
        st = try_set(t, *set);
        if (st != PF_ERR_REJECTED) {
            return st;
        }
        t->likely_tried++;
    }
    return t->last ? try_sizes(t, set) : PF_ERR_REJECTED;
}

enum pf_status pf_trial_run(struct pf_conn *c, enum pf_dir dir, uint64_t base, bool last,
                            struct pf_choice *choice)
{
    uint8_t bytes[REGION];
    struct trial t = {
        .c = c, .h = &c->half[dir], .dir = dir, .base = base, .bytes = bytes, .last = last};
    t.len = reach(&t, (size_t)(pf_stream_end(&t.h->in) - base));
    find_groups(&t);
    uint64_t set = 0;
    t.fresh = last ? UINT64_MAX : t.fresh;
    enum pf_status st =
        t.groups == 0 || t.fresh == 0 || !may_try(&t) ? PF_ERR_REJECTED : try_all(&t, &set);
    choice->count = 0;
    choice->rule =
        st == PF_OK && t.likely_tried < LIKELY ? (enum pf_rule)t.likely_tried : PF_RULE_NONE;
    choice->end = st == PF_OK ? t.end : t.whole_at;
    for (unsigned g = 0; g < t.groups && st == PF_OK; g++) {
        if ((set >> g & 1) != 0) {
            choice->packet[choice->count++] = t.group[g].packet;
        }
    }
    if (st != PF_OK && t.whole_at == 0) {
        mark_tried(&t);
    }
    return st == PF_ERR_LIMIT || st == PF_ERR_TRUNCATED || st == PF_ERR_UNSUPPORTED
               ? PF_ERR_REJECTED
               : st;
}
