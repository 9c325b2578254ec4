// SPDX-License-Identifier: Apache-2.0
#include "tls/copies.h"

#include "base/cursor.h"
#include "base/heap.h"
#include "tls/half.h"
#include "tls/trial.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST = PF_RECORD_HEADER_LEN + PF_RECORD_MAX,
    DROP_AT = 32 * 1024,
    STRIDE = 64,
    LINGER = 4096,
    HABIT = 3
};

void pf_copies_free(struct pf_copies *copies)
{
    if (copies != NULL) {
        struct pf_budget *budget = copies->budget;
        pf_buf_fini(&copies->list);
        pf_buf_fini(&copies->bytes);
        pf_buf_fini(&copies->conflicts);
        pf_heap_put(budget, copies, sizeof *copies);
    }
}

static struct pf_copies *copies_of(struct pf_conn *c, struct pf_half *h)
{
    struct pf_budget *budget = c->env->budget;
    void *block;
    if (h->copies != NULL || pf_heap_zeroed(budget, sizeof *h->copies, &block) != PF_OK) {
        return h->copies;
    }
    h->copies = block;
    h->copies->budget = budget;
    pf_buf_init(&h->copies->list, PF_COPIES_MAX * sizeof(struct pf_copy), budget);
    pf_buf_init(&h->copies->bytes, PF_COPIES_BYTES, budget);
    pf_buf_init(&h->copies->conflicts, PF_CONFLICTS_KEPT * sizeof(struct pf_conflict), budget);
    return h->copies;
}

struct pf_copy *pf_copies_list(const struct pf_copies *copies, size_t *n)
{
    *n = copies->list.len / sizeof(struct pf_copy);
    return (struct pf_copy *)(void *)copies->list.ptr;
}

/* ---- evidence ---- */

static struct pf_conflict *conflicts_of(const struct pf_copies *copies, size_t *n)
{
    *n = copies->conflicts.len / sizeof(struct pf_conflict);
    return (struct pf_conflict *)(void *)copies->conflicts.ptr;
}

/* Once the list is full: a packet's parts are settled one soon after the other. */
static bool was_counted(const struct pf_copies *copies, uint64_t packet)
{
    for (size_t i = 0; i < PF_COUNTED; i++) {
        if (copies->counted[i] == packet) {
            return true;
        }
    }
    return false;
}

/* Adds a packet to the list, which is in the order of packets; one that is there already keeps its
 * lowest place, so that it does not matter in which order its parts were settled. */
static void note(struct pf_copies *copies, struct pf_conflict one)
{
    size_t n;
    struct pf_conflict *all = conflicts_of(copies, &n);
    size_t at = n;
    while (at > 0 && all[at - 1].packet > one.packet) {
        at--;
    }
    if (at > 0 && all[at - 1].packet == one.packet) {
        struct pf_conflict *old = &all[at - 1];
        bool better = old->true_packet == 0 && one.true_packet != 0;
        if (better ||
            (one.offset < old->offset && (one.true_packet != 0) == (old->true_packet != 0))) {
            *old = one;
        }
        return;
    }
    if (n == PF_CONFLICTS_KEPT && was_counted(copies, one.packet)) {
        return;
    }
    copies->count++;
    copies->counted[copies->count % PF_COUNTED] = one.packet;
    if (pf_buf_append(&copies->conflicts, &one, sizeof one) == PF_OK) {
        all = conflicts_of(copies, &n);
        memmove(&all[at + 1], &all[at], (n - 1 - at) * sizeof *all);
        all[at] = one;
    }
}

static void note_copy(struct pf_copies *copies, const struct pf_copy *copy, bool verified)
{
    if (!copy->probe) {
        note(copies, (struct pf_conflict){.packet = copy->packet,
                                          .true_packet = verified ? copy->first : 0,
                                          .offset = copy->diff});
    }
}

/* What is left of a copy behind pos. False: nothing; a packet that was not true before pos is not
 * true behind it either. */
static bool cut_front(struct pf_copy *copy, uint64_t pos, bool verified)
{
    if (copy->pos + copy->len <= pos || (verified && copy->diff < pos)) {
        return false;
    }
    if (copy->pos < pos) {
        uint32_t gone = (uint32_t)(pos - copy->pos);
        copy->pos = pos;
        copy->at += gone;
        copy->len -= gone;
    }
    return true;
}

/* Lets go of the bytes before those of the first copy that is left: they come and go in order. */
static void drop_bytes(struct pf_copies *copies)
{
    size_t n;
    struct pf_copy *all = pf_copies_list(copies, &n);
    uint32_t first = (uint32_t)copies->bytes.len;
    for (size_t i = 0; i < n; i++) {
        first = all[i].at < first ? all[i].at : first;
    }
    if (first < DROP_AT && n > 0) {
        return;
    }
    pf_buf_consume(&copies->bytes, first);
    for (size_t i = 0; i < n; i++) {
        all[i].at -= first;
    }
}

/* Copies of bytes before pos are settled. */
static void settle(struct pf_half *h, uint64_t pos, bool verified)
{
    struct pf_copies *copies = h->copies;
    size_t n;
    struct pf_copy *all = pf_copies_list(copies, &n);
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        struct pf_copy copy = all[i];
        if (cut_front(&copy, pos, verified)) {
            all[left++] = copy;
        } else {
            note_copy(copies, &all[i], verified && all[i].diff >= h->clear_end);
        }
    }
    copies->list.len = left * sizeof *all;
    drop_bytes(copies);
}

bool pf_copies_any(const struct pf_half *h)
{
    return h->copies != NULL && h->copies->list.len > 0;
}

void pf_copies_verified(struct pf_half *h, uint64_t pos)
{
    h->verified = pos;
    h->in.pinned = false; /* nothing is read again from the start any more */
    h->given_up = 0;
    if (h->copies != NULL) {
        settle(h, pos, true);
    }
}

void pf_copies_passed(struct pf_half *h, uint64_t pos)
{
    h->verified = pos;
    h->given_up = 0;
    if (h->copies != NULL) {
        settle(h, pos, false);
    }
}

void pf_copies_close(struct pf_half *h)
{
    if (h->copies != NULL) {
        settle(h, UINT64_MAX, false);
    }
}

uint64_t pf_copies_conflicts(const struct pf_half *h, const struct pf_conflict **list,
                             size_t *count)
{
    *list = NULL;
    *count = 0;
    if (h->copies == NULL) {
        return 0;
    }
    *list = conflicts_of(h->copies, count);
    return h->copies->count;
}

/* ---- keeping ---- */

/* Whether the copy is there already: then its bytes need not be kept again. */
static const struct pf_copy *find_same(const struct pf_copies *copies, const struct pf_copy *copy,
                                       const uint8_t *bytes)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(copies, &n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].pos == copy->pos && all[i].len == copy->len &&
            memcmp(copies->bytes.ptr + all[i].at, bytes, copy->len) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

static size_t overlapping(const struct pf_copies *copies, const struct pf_copy *copy)
{
    size_t n;
    size_t count = 0;
    const struct pf_copy *all = pf_copies_list(copies, &n);
    for (size_t i = 0; i < n; i++) {
        count += !all[i].same && all[i].pos < copy->pos + copy->len &&
                 copy->pos < all[i].pos + all[i].len;
    }
    return count;
}

static enum pf_status keep(struct pf_conn *c, struct pf_copies *copies, struct pf_copy copy,
                           const uint8_t *bytes)
{
    const struct pf_copy *same = find_same(copies, &copy, bytes);
    if (same == NULL && overlapping(copies, &copy) >= PF_COPIES_PER_BYTE) {
        note_copy(copies, &copy, false);
        return PF_OK;
    }
    copy.same = same != NULL;
    copy.at = copy.same ? same->at : (uint32_t)copies->bytes.len;
    enum pf_status st = PF_OK;
    if (!copy.same) {
        st = pf_buf_append(&copies->bytes, bytes, copy.len);
    }
    if (st == PF_OK) {
        st = pf_buf_append(&copies->list, &copy, sizeof copy);
    }
    if (st == PF_ERR_LIMIT) {
        note_copy(copies, &copy, false);
        return PF_OK;
    }
    c->copies_seen += copy.replaced || copy.same ? 0 : 1;
    return st;
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t i = 0;
    while (len - i >= STRIDE && memcmp(a + i, b + i, STRIDE) == 0) {
        i += STRIDE;
    }
    while (i < len && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* ---- putting in place ---- */

/* Of packets that brought the same bytes the first one is named. */
static void credit(struct pf_half *h, const struct pf_copy *copy)
{
    uint64_t packet;
    int64_t ts_ns;
    pf_stream_packet(&h->in, copy->pos, &packet, &ts_ns);
    if (copy->packet < packet && pf_stream_write(&h->in, copy->pos, h->copies->bytes.ptr + copy->at,
                                                 copy->len, copy->packet, copy->ts_ns) != PF_OK) {
        return; /* no memory for the name */
    }
}

/* After the stream's bytes have changed: what the copies differ from now. Those that do not any
 * more were the true one. */
static void compare_again(struct pf_half *h, uint64_t from, uint64_t to)
{
    struct pf_copies *copies = h->copies;
    size_t n;
    struct pf_copy *all = pf_copies_list(copies, &n);
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        struct pf_copy copy = all[i];
        if (copy.pos < to && from < copy.pos + copy.len && copy.pos >= pf_stream_oldest(&h->in)) {
            const uint8_t *bytes = copies->bytes.ptr + copy.at;
            size_t diff = first_difference(bytes, pf_stream_bytes(&h->in, copy.pos), copy.len);
            int64_t ts_ns;
            if (diff == copy.len) {
                credit(h, &copy);
                continue;
            }
            copy.diff = copy.pos + diff;
            pf_stream_packet(&h->in, copy.diff, &copy.first, &ts_ns);
        }
        all[left++] = copy;
    }
    copies->list.len = left * sizeof *all;
}

/* Whether what the packet brought there is among the copies. */
static bool is_kept(const struct pf_copies *copies, const struct pf_copy *old)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(copies, &n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].packet == old->packet && all[i].pos <= old->pos &&
            all[i].pos + all[i].len >= old->pos + old->len) {
            return true;
        }
    }
    return false;
}

/* What will be written over becomes a copy itself, packet by packet. */
static enum pf_status save(struct pf_conn *c, struct pf_half *h, const struct pf_copy *over)
{
    uint64_t end = over->pos + over->len;
    enum pf_status st = PF_OK;
    for (uint64_t pos = over->pos; pos < end && st == PF_OK;) {
        uint64_t upto = pf_stream_packet_end(&h->in, pos);
        upto = upto < end ? upto : end;
        struct pf_copy old = {
            .pos = pos, .len = (uint32_t)(upto - pos), .diff = pos, .replaced = true};
        old.first = over->packet;
        pf_stream_packet(&h->in, pos, &old.packet, &old.ts_ns);
        if (!is_kept(h->copies, &old)) {
            st = keep(c, h->copies, old, pf_stream_bytes(&h->in, pos));
        }
        pos = upto;
    }
    return st;
}

static enum pf_status place(struct pf_conn *c, struct pf_half *h, const struct pf_copy *copy)
{
    enum pf_status st = save(c, h, copy);
    return st == PF_OK ? pf_stream_write(&h->in, copy->pos, h->copies->bytes.ptr + copy->at,
                                         copy->len, copy->packet, copy->ts_ns)
                       : st;
}

enum pf_status pf_copies_put(struct pf_conn *c, struct pf_half *h, uint64_t base,
                             const struct pf_choice *choice)
{
    size_t n;
    enum pf_status st = PF_OK;
    uint64_t from = UINT64_MAX;
    uint64_t to = 0;
    (void)pf_copies_list(h->copies, &n);
    for (size_t i = 0; i < n && st == PF_OK; i++) { /* not those that are added meanwhile */
        size_t now;
        struct pf_copy copy = pf_copies_list(h->copies, &now)[i];
        bool there = copy.pos + copy.len > base && copy.pos >= pf_stream_oldest(&h->in);
        bool taken = copy.pos < choice->end ? pf_choice_has(choice, copy.packet)
                                            : pf_rule_takes(choice->rule, &copy);
        if (there && taken) {
            from = copy.pos < from ? copy.pos : from;
            to = copy.pos + copy.len > to ? copy.pos + copy.len : to;
            st = place(c, h, &copy);
        }
    }
    compare_again(h, from, to);
    return st;
}

/* Where the copies that came last have been the true ones, the next is put in place as it comes: it
 * saves opening the record in vain. */
static enum pf_status follow_habit(struct pf_conn *c, struct pf_half *h, uint64_t packet)
{
    size_t n;
    const struct pf_copy *all = pf_copies_list(h->copies, &n);
    if (n == 0 || h->copies->habit < HABIT || h->stage != PF_STAGE_OPEN || h->loss.open ||
        h->waits) {
        return PF_OK;
    }
    const struct pf_copy copy = all[n - 1];
    if (copy.packet != packet || copy.same || !pf_rule_takes(h->copies->rule, &copy) ||
        copy.pos < pf_stream_at(&h->in)) {
        return PF_OK;
    }
    if (copy.pos < h->framed) {
        h->run.len = 0;
        h->framed = pf_stream_at(&h->in);
    }
    enum pf_status st = place(c, h, &copy);
    compare_again(h, copy.pos, copy.pos + copy.len);
    return st;
}

/* The part of a copy that lies over the bytes of one packet. */
static enum pf_status add_part(struct pf_conn *c, struct pf_half *h, const struct pf_copy_of *of,
                               uint64_t pos, struct pf_span part)
{
    size_t diff = first_difference(part.ptr, pf_stream_bytes(&h->in, pos), part.len);
    if (diff == part.len) {
        return PF_OK;
    }
    struct pf_copies *copies = copies_of(c, h);
    if (copies == NULL) {
        return PF_OK;
    }
    struct pf_copy copy = {.pos = pos,
                           .len = (uint32_t)part.len,
                           .diff = pos + diff,
                           .packet = of->packet,
                           .ts_ns = of->ts_ns,
                           .doubt = of->doubt,
                           .probe = of->probe};
    int64_t ts_ns;
    pf_stream_packet(&h->in, pos + diff, &copy.first, &ts_ns);
    if (h->detached == 0 && copy.diff < h->verified) {
        note_copy(copies, &copy, copy.diff >= h->clear_end);
        return PF_OK;
    }
    enum pf_status st = keep(c, copies, copy, part.ptr);
    return st == PF_OK ? follow_habit(c, h, of->packet) : st;
}

enum pf_status pf_copies_add(struct pf_conn *c, enum pf_dir dir, const struct pf_copy_of *of)
{
    struct pf_half *h = &c->half[dir];
    uint64_t end = pf_stream_end(&h->in);
    uint64_t oldest = end > PF_STREAM_RECENT ? end - PF_STREAM_RECENT : 0;
    if (h->stage == PF_STAGE_DEAD || of->behind > end) {
        return PF_OK;
    }
    if (oldest < pf_stream_oldest(&h->in)) {
        oldest = pf_stream_oldest(&h->in);
    }
    uint64_t pos = end - of->behind;
    struct pf_cur data = pf_cur_of(of->data);
    if (pos < oldest && !pf_cur_skip(&data, oldest - pos)) {
        return PF_OK;
    }
    pos = pos < oldest ? oldest : pos;
    enum pf_status st = PF_OK;
    struct pf_span part;
    while (st == PF_OK && data.left > 0 && pos < end) {
        uint64_t room = pf_stream_packet_end(&h->in, pos) - pos;
        if (!pf_cur_span(&data, data.left < room ? data.left : (size_t)room, &part)) {
            break;
        }
        st = add_part(c, h, of, pos, part);
        pos += part.len;
    }
    return st;
}

/* ---- deciding ---- */

/* Where what is not verified begins. */
static uint64_t base_of(const struct pf_half *h)
{
    uint64_t base = h->verified > h->keyed ? h->verified : h->keyed;
    if (!h->chain_live || h->loss.open) {
        return h->framed;
    }
    if (h->in.gap_at > base && h->in.gap_at <= h->framed) {
        base = h->in.gap_at;
    }
    bool there = base >= pf_stream_oldest(&h->in) && base <= h->framed;
    return there ? base : h->framed;
}

/* The rule that is presumed to hold for what follows, once it has held often enough. */
static enum pf_rule note_habit(struct pf_copies *copies, enum pf_rule rule)
{
    bool again = copies->habit > 0 && rule == copies->rule;
    copies->habit = rule > PF_RULE_LATEST ? 0 : again ? copies->habit + 1 : 1;
    copies->rule = rule;
    return copies->habit >= HABIT ? rule : PF_RULE_NONE;
}

static enum pf_status try_copies(struct pf_conn *c, enum pf_dir dir, bool last)
{
    struct pf_half *h = &c->half[dir];
    struct pf_choice choice;
    if (!pf_copies_any(h)) {
        return PF_ERR_REJECTED;
    }
    uint64_t base = base_of(h);
    enum pf_status st = pf_trial_run(c, dir, base, last || h->stage == PF_STAGE_PLAIN, &choice);
    h->retry_at = choice.end;
    if (st == PF_OK) {
        choice.rule = note_habit(h->copies, choice.rule);
        st = pf_copies_put(c, h, base, &choice);
        if (h->stage == PF_STAGE_PLAIN && pf_replay_restart(c)) {
            return st == PF_OK ? PF_END : st;
        }
        pf_stream_rewind(&h->in, base);
        h->framed = base;
        h->run.len = 0;
        h->waits = false;
    }
    return st == PF_OK ? PF_END : st;
}

enum pf_status pf_copies_judge(struct pf_conn *c, enum pf_dir dir, uint64_t end)
{
    struct pf_half *h = &c->half[dir];
    uint64_t until = end + PF_STREAM_RECENT;
    if (h->stage != PF_STAGE_PLAIN && until < h->framed + LONGEST + PF_STREAM_RECENT) {
        until = h->framed + LONGEST + PF_STREAM_RECENT; /* what ends there is not the true record */
    }
    bool over = c->final || pf_stream_end(&h->in) >= until || h->given_up == h->framed + 1;
    bool early = !over && h->stage != PF_STAGE_PLAIN && pf_stream_end(&h->in) < end + LINGER;
    enum pf_status st = early ? PF_ERR_REJECTED : try_copies(c, dir, over);
    st = st == PF_ERR_REJECTED && !early ? pf_replay(c, over) : st;
    if (st != PF_ERR_REJECTED || over) {
        return st;
    }
    h->retry_at = early ? end + LINGER : h->retry_at;
    h->patience = early ? 0 : 1;
    h->waits = true;
    h->wait_until = until;
    h->wait_seen = c->copies_seen;
    return PF_AGAIN;
}

enum pf_status pf_copies_wait(struct pf_conn *c, enum pf_dir dir)
{
    struct pf_half *h = &c->half[dir];
    if (!h->waits) {
        return PF_OK;
    }
    bool over = c->final || pf_stream_end(&h->in) >= h->wait_until;
    bool news = c->copies_seen - h->wait_seen >= h->patience;
    if (!over && (!news || pf_stream_end(&h->in) < h->retry_at)) {
        return PF_AGAIN;
    }
    h->wait_seen = c->copies_seen;
    bool first = h->patience == 0 || h->stage == PF_STAGE_PLAIN;
    h->patience = first ? 1 : 2 * h->patience;
    enum pf_status st = try_copies(c, dir, over);
    st = st == PF_ERR_REJECTED ? pf_replay(c, over) : st;
    if (st != PF_ERR_REJECTED) {
        return st;
    }
    if (!over) {
        return PF_AGAIN;
    }
    h->waits = false;
    h->given_up = h->framed + 1;
    return PF_OK;
}
