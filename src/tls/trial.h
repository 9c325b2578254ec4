// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the trial of copies: which packets' copies make the bytes at a place a record that
 *          verifies. See tls/copies.h.
 * Owns:    nothing.
 * Threads: the connection's owner.
 * Errors:  PF_ERR_REJECTED: no set of copies does, or the budget is spent; PF_ERR_NOMEM.
 * Limits:  PF_CHOICE_PACKETS packets with copies over one record; see tls/copies.h for the rest.
 */
#ifndef PF_TLS_TRIAL_H
#define PF_TLS_TRIAL_H

#include "base/buf.h"
#include "tls/copies.h"

enum { PF_CHOICE_PACKETS = 62, PF_COUNTED = 64 };

struct pf_copy {
    uint64_t pos;
    uint64_t packet; /* that brought this copy */
    uint64_t first;  /* that brought what lies in the stream, at diff */
    uint64_t diff;   /* the first position at which they differ */
    int64_t ts_ns;
    uint32_t len;
    uint32_t at; /* in bytes */
    uint8_t doubt;
    bool probe;
    bool tried;    /* at trial_pos, with all others that were */
    bool same;     /* its bytes are those of an earlier copy */
    bool replaced; /* it was in the stream, and led nowhere */
};

/* How a set was chosen; the same is presumed of what lies behind the record. */
enum pf_rule {
    PF_RULE_SURE,   /* without doubt, and later than what is in place */
    PF_RULE_LATEST, /* later than what is in place */
    PF_RULE_ALL,
    PF_RULE_NONE
};

struct pf_copies {
    struct pf_buf list;      /* struct pf_copy[], as they came */
    struct pf_buf bytes;     /* theirs */
    struct pf_buf conflicts; /* struct pf_conflict[] */
    struct pf_budget *budget;
    enum pf_rule rule; /* that found the true copies last, and how often in a row */
    unsigned habit;
    uint64_t count;               /* of conflicts */
    uint64_t counted[PF_COUNTED]; /* the packets counted last */
    uint64_t trial_pos;
    uint64_t spent; /* bytes tried */
    uint32_t record_trials;
    uint32_t flow_trials;
};

/* Packets whose copies are to be put in place. */
struct pf_choice {
    enum pf_rule rule;
    uint64_t packet[PF_CHOICE_PACKETS];
    size_t count;
    uint64_t end; /* position behind the record that verifies with them; if none does: of the first
                     that could, once it is whole; 0: none */
};

static inline bool pf_choice_has(const struct pf_choice *choice, uint64_t packet)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (choice->packet[i] == packet) {
            return true;
        }
    }
    return false;
}

static inline bool pf_rule_takes(enum pf_rule rule, const struct pf_copy *copy)
{
    switch (rule) {
    case PF_RULE_SURE:
        return copy->doubt == 0 && copy->packet > copy->first;
    case PF_RULE_LATEST:
        return copy->packet > copy->first;
    case PF_RULE_ALL:
        return true;
    case PF_RULE_NONE:
        break;
    }
    return false;
}

struct pf_copy *pf_copies_list(const struct pf_copies *copies, size_t *n);

/* Writes the chosen packets' copies where they belong, over the whole of their length, as far as
 * they overlap base to choice->end. What they replace becomes a copy itself. */
PF_MUST_USE enum pf_status pf_copies_put(struct pf_conn *c, struct pf_half *h, uint64_t base,
                                         const struct pf_choice *choice);

/* Finds the copies with which a record verifies at base. last: no more copies of it will come;
 * before, only what is likely is tried, and only what is new. */
PF_MUST_USE enum pf_status pf_trial_run(struct pf_conn *c, enum pf_dir dir, uint64_t base,
                                        bool last, struct pf_choice *choice);

#endif
