// SPDX-License-Identifier: Apache-2.0
#include "tls/session.h"

#include "tls/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    STRIPES = 64,
    FIRST_BUCKETS = 16,
    SEED_LEN = 16,
    KEY_LEN = 32,
    CANDIDATES_MAX = 4,
    ENTRY_OVERHEAD = 16, /* what malloc adds, about */
    APART = 128          /* processors fetch cache lines in pairs */
};

/* One session under one id; in a bucket's chain and in its stripe's list by last use. */
struct entry {
    struct entry *next;
    struct entry *newer;
    struct entry *older;
    uint8_t key[KEY_LEN]; /* SHA-256 of seed, kind and id */
    struct pf_session session;
};

/* On cache lines of its own: who takes one stripe does not slow down who takes the next. */
struct stripe {
    _Alignas(APART) pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    struct entry *newest;
    struct entry *oldest;
    size_t entries;
    size_t bytes;
    uint64_t evicted;
};

struct pf_sessions {
    size_t max_bytes; /* of one stripe */
    uint8_t seed[SEED_LEN];
    struct stripe stripes[STRIPES];
};

static size_t entry_bytes(void)
{
    return sizeof(struct entry) + ENTRY_OVERHEAD;
}

enum pf_status pf_sessions_new(size_t max_bytes, struct pf_sessions **out)
{
    struct pf_sessions *s = aligned_alloc(APART, sizeof *s);
    if (s == NULL) {
        return PF_ERR_NOMEM;
    }
    memset(s, 0, sizeof *s);
    /* Without entropy the ids are still hashed by SHA-256, only predictably. */
    if (getrandom(s->seed, sizeof s->seed, GRND_NONBLOCK) < 0) {
        memset(s->seed, 0, sizeof s->seed);
    }
    s->max_bytes = max_bytes / STRIPES;
    for (int i = 0; i < STRIPES; i++) {
        if (pthread_mutex_init(&s->stripes[i].lock, NULL) != 0) {
            while (i > 0) {
                pthread_mutex_destroy(&s->stripes[--i].lock);
            }
            free(s);
            return PF_ERR_NOMEM;
        }
    }
    *out = s;
    return PF_OK;
}

static void free_entry(struct entry *e)
{
    pf_wipe(e, sizeof *e);
    free(e);
}

void pf_sessions_free(struct pf_sessions *s)
{
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < STRIPES; i++) {
        struct entry *e = s->stripes[i].newest;
        while (e != NULL) {
            struct entry *older = e->older;
            free_entry(e);
            e = older;
        }
        free(s->stripes[i].buckets);
        pthread_mutex_destroy(&s->stripes[i].lock);
    }
    free(s);
}

/* SHA-256 over the seed too, so that nobody can choose ids that share a bucket. */
static void make_key(const struct pf_sessions *s, enum pf_session_kind kind, struct pf_span id,
                     uint8_t key[KEY_LEN])
{
    union pf_hash_state hash;
    uint8_t head[SEED_LEN + 1];
    memcpy(head, s->seed, SEED_LEN);
    head[SEED_LEN] = (uint8_t)kind;
    pf_hash_begin(PF_HASH_SHA256, &hash);
    pf_hash_add(PF_HASH_SHA256, &hash, head, sizeof head);
    pf_hash_add(PF_HASH_SHA256, &hash, id.ptr, id.len);
    pf_hash_end(PF_HASH_SHA256, &hash, key);
}

static size_t bucket_of(const struct stripe *t, const uint8_t key[KEY_LEN])
{
    uint64_t h;
    memcpy(&h, key + 1, sizeof h); /* byte 0 chose the stripe */
    return (size_t)h & (t->bucket_count - 1);
}

static bool same_key(const struct entry *e, const uint8_t key[KEY_LEN])
{
    return memcmp(e->key, key, KEY_LEN) == 0;
}

static void list_remove(struct stripe *t, struct entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &t->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &t->oldest) = e->newer;
}

static void list_push(struct stripe *t, struct entry *e)
{
    e->newer = NULL;
    e->older = t->newest;
    *(t->newest != NULL ? &t->newest->newer : &t->oldest) = e;
    t->newest = e;
}

static void drop(struct stripe *t, struct entry *e)
{
    struct entry **at = &t->buckets[bucket_of(t, e->key)];
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    list_remove(t, e);
    t->entries--;
    t->bytes -= entry_bytes();
    free_entry(e);
}

/* One bucket per entry at most; a table that cannot grow is only slower. */
static enum pf_status grow_buckets(struct stripe *t)
{
    if (t->entries < t->bucket_count) {
        return PF_OK;
    }
    size_t count = t->bucket_count == 0 ? FIRST_BUCKETS : 2 * t->bucket_count;
    struct entry **buckets = calloc(count, sizeof(struct entry *));
    if (buckets == NULL) {
        return t->bucket_count == 0 ? PF_ERR_NOMEM : PF_OK;
    }
    free(t->buckets);
    t->bytes += (count - t->bucket_count) * sizeof(struct entry *);
    t->buckets = buckets;
    t->bucket_count = count;
    for (struct entry *e = t->newest; e != NULL; e = e->older) {
        struct entry **at = &buckets[bucket_of(t, e->key)];
        e->next = *at;
        *at = e;
    }
    return PF_OK;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* A total order of what can differ, so that what is kept does not depend on who came first. */
static int compare_sessions(const struct pf_session *a, const struct pf_session *b)
{
    int by = compare(a->packet, b->packet);
    by = by != 0 ? by : memcmp(a->master.bytes, b->master.bytes, PF_MASTER_LEN);
    by = by != 0 ? by : compare(a->version, b->version);
    by = by != 0 ? by : compare(a->suite, b->suite);
    by = by != 0 ? by : compare(a->extended_master, b->extended_master);
    by = by != 0 ? by : compare(a->opened_by, b->opened_by);
    by = by != 0 ? by : memcmp(a->key_spki, b->key_spki, sizeof a->key_spki);
    by = by != 0 ? by : memcmp(a->cert_spki, b->cert_spki, sizeof a->cert_spki);
    return by != 0 ? by : compare(a->flow_packet, b->flow_packet);
}

/*
 * The same master secret again under the same id (a resumption, a ticket sent twice) is one
 * session, known since the earlier packet. Of different ones the earliest CANDIDATES_MAX stay: were
 * it the latest, a worker that is ahead would push out what another still has to find.
 */
static bool settle_with_known(struct stripe *t, const uint8_t key[KEY_LEN],
                              const struct pf_session *session, bool *is_new)
{
    struct entry *last = NULL;
    unsigned count = 0;
    for (struct entry *e = t->buckets[bucket_of(t, key)]; e != NULL; e = e->next) {
        if (!same_key(e, key)) {
            continue;
        }
        if (memcmp(&e->session.master, &session->master, sizeof session->master) == 0) {
            *is_new = compare_sessions(session, &e->session) < 0;
            if (*is_new) {
                e->session = *session;
            }
            return true;
        }
        if (last == NULL || compare_sessions(&e->session, &last->session) > 0) {
            last = e;
        }
        count++;
    }
    if (count < CANDIDATES_MAX) {
        return false;
    }
    *is_new = compare_sessions(session, &last->session) < 0;
    if (*is_new) {
        last->session = *session;
    }
    t->evicted++;
    return true;
}

static enum pf_status put_locked(struct pf_sessions *s, struct stripe *t,
                                 const uint8_t key[KEY_LEN], const struct pf_session *session,
                                 bool *is_new)
{
    if (t->bucket_count > 0 && settle_with_known(t, key, session, is_new)) {
        return PF_OK;
    }
    enum pf_status st = grow_buckets(t);
    if (st != PF_OK) {
        return st;
    }
    while (t->oldest != NULL && t->bytes + entry_bytes() > s->max_bytes) {
        drop(t, t->oldest);
        t->evicted++;
    }
    if (t->bytes + entry_bytes() > s->max_bytes) {
        t->evicted++;
        return PF_OK;
    }
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return PF_ERR_NOMEM;
    }
    memcpy(e->key, key, KEY_LEN);
    e->session = *session;
    struct entry **at = &t->buckets[bucket_of(t, key)];
    e->next = *at;
    *at = e;
    list_push(t, e);
    t->entries++;
    t->bytes += entry_bytes();
    *is_new = true;
    return PF_OK;
}

enum pf_status pf_sessions_put(struct pf_sessions *s, enum pf_session_kind kind, struct pf_span id,
                               const struct pf_session *session, bool *is_new)
{
    uint8_t key[KEY_LEN];
    bool told;
    is_new = is_new != NULL ? is_new : &told;
    *is_new = false;
    if (id.len == 0) {
        return PF_OK; /* "not resumable" (RFC 5246 section 7.4.1.3) */
    }
    make_key(s, kind, id, key);
    struct stripe *t = &s->stripes[key[0] % STRIPES];
    pthread_mutex_lock(&t->lock);
    enum pf_status st = put_locked(s, t, key, session, is_new);
    pthread_mutex_unlock(&t->lock);
    return st;
}

/* Four at most, so each look takes the latest that is before the one found last. */
static struct entry *find_nth(const struct stripe *t, const uint8_t key[KEY_LEN], uint64_t packet,
                              unsigned nth)
{
    struct entry *found = NULL;
    for (unsigned i = 0; i <= nth && i < CANDIDATES_MAX; i++) {
        struct entry *best = NULL;
        for (struct entry *e = t->buckets[bucket_of(t, key)]; e != NULL; e = e->next) {
            bool eligible = same_key(e, key) && e->session.packet <= packet &&
                            (found == NULL || compare_sessions(&e->session, &found->session) < 0);
            if (eligible && (best == NULL || compare_sessions(&e->session, &best->session) > 0)) {
                best = e;
            }
        }
        if (best == NULL) {
            return NULL;
        }
        found = best;
    }
    return nth < CANDIDATES_MAX ? found : NULL;
}

bool pf_sessions_get(struct pf_sessions *s, enum pf_session_kind kind, struct pf_span id,
                     uint64_t packet, unsigned nth, struct pf_session *out)
{
    uint8_t key[KEY_LEN];
    if (id.len == 0) {
        return false;
    }
    make_key(s, kind, id, key);
    struct stripe *t = &s->stripes[key[0] % STRIPES];
    pthread_mutex_lock(&t->lock);
    struct entry *e = t->bucket_count > 0 ? find_nth(t, key, packet, nth) : NULL;
    if (e != NULL) {
        *out = e->session;
        list_remove(t, e);
        list_push(t, e);
    }
    pthread_mutex_unlock(&t->lock);
    return e != NULL;
}

uint64_t pf_sessions_evicted(const struct pf_sessions *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < STRIPES; i++) {
        pthread_mutex_t *lock = (pthread_mutex_t *)&s->stripes[i].lock;
        pthread_mutex_lock(lock);
        sum += s->stripes[i].evicted;
        pthread_mutex_unlock(lock);
    }
    return sum;
}
