// SPDX-License-Identifier: Apache-2.0
#include "run/triage.h"

#include "run/facts.h"
#include "store/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KX_COUNT = PF_KX_TLS13 + 1, BUCKETS = 1 << 14, FIRST_KEYS = 64, BYTES_TEXT = 32 };

struct tally {
    uint64_t flows;
    uint64_t bytes;
};

struct key_row {
    uint8_t spki[PF_SPKI_LEN];
    struct tally tally;
    char *subject; /* NULL: not seen */
    uint32_t next; /* of its bucket, plus 1; 0: none */
};

struct pf_triage {
    struct tally all;
    struct tally by_need[PF_NEED_COUNT];
    struct tally by_kx[KX_COUNT];
    struct tally other_keys; /* that are not known, or found no row */
    struct key_row *keys;
    size_t key_count;
    size_t key_cap;
    uint32_t buckets[BUCKETS]; /* index plus 1 */
};

/* clang-format off */
const char *pf_need_name(enum pf_need need)
{
    switch (need) {
#define X(NAME, name, text) case PF_NEED_##NAME: return #name;
    PF_NEED_LIST(X)
#undef X
    case PF_NEED_COUNT: break;
    }
    return NULL;
}

static const char *need_text(enum pf_need need)
{
    switch (need) {
#define X(NAME, name, text) case PF_NEED_##NAME: return text;
    PF_NEED_LIST(X)
#undef X
    case PF_NEED_COUNT: break;
    }
    return NULL;
}
/* clang-format on */

enum pf_status pf_triage_new(struct pf_triage **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PF_OK : PF_ERR_NOMEM;
}

void pf_triage_free(struct pf_triage *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->key_count; i++) {
        free(t->keys[i].subject);
    }
    free(t->keys);
    free(t);
}

static void count(struct tally *t, uint64_t bytes)
{
    t->flows++;
    t->bytes += bytes;
}

/* A fingerprint is a hash already. */
static size_t bucket_of(const uint8_t spki[PF_SPKI_LEN])
{
    return ((size_t)spki[0] << 8 | spki[1]) % BUCKETS;
}

static struct key_row *find_key(struct pf_triage *t, const uint8_t spki[PF_SPKI_LEN])
{
    for (uint32_t i = t->buckets[bucket_of(spki)]; i != 0; i = t->keys[i - 1].next) {
        if (memcmp(t->keys[i - 1].spki, spki, PF_SPKI_LEN) == 0) {
            return &t->keys[i - 1];
        }
    }
    return NULL;
}

static enum pf_status add_key(struct pf_triage *t, const uint8_t spki[PF_SPKI_LEN],
                              struct key_row **out)
{
    if (t->key_count == t->key_cap) {
        size_t cap = t->key_cap == 0 ? FIRST_KEYS : 2 * t->key_cap;
        struct key_row *keys = realloc(t->keys, cap * sizeof *keys);
        if (keys == NULL) {
            return PF_ERR_NOMEM;
        }
        t->keys = keys;
        t->key_cap = cap;
    }
    struct key_row *k = &t->keys[t->key_count++];
    uint32_t *bucket = &t->buckets[bucket_of(spki)];
    memset(k, 0, sizeof *k);
    memcpy(k->spki, spki, PF_SPKI_LEN);
    k->next = *bucket;
    *bucket = (uint32_t)t->key_count;
    *out = k;
    return PF_OK;
}

static enum pf_status add_to_key(struct pf_triage *t, const struct pf_triage_row *row)
{
    struct key_row *k = row->has_spki ? find_key(t, row->spki) : NULL;
    if (k == NULL && (!row->has_spki || t->key_count == PF_TRIAGE_KEYS)) {
        count(&t->other_keys, row->bytes);
        return PF_OK;
    }
    if (k == NULL) {
        enum pf_status st = add_key(t, row->spki, &k);
        if (st != PF_OK) {
            return st;
        }
    }
    count(&k->tally, row->bytes);
    if (k->subject == NULL && row->subject[0] != '\0') {
        k->subject = strndup(row->subject, sizeof row->subject);
        return k->subject != NULL ? PF_OK : PF_ERR_NOMEM;
    }
    return PF_OK;
}

enum pf_status pf_triage_add(struct pf_triage *t, const struct pf_triage_row *row)
{
    if (row->need >= PF_NEED_COUNT || row->kx >= KX_COUNT) {
        return PF_ERR_INTERNAL;
    }
    count(&t->all, row->bytes);
    count(&t->by_need[row->need], row->bytes);
    count(&t->by_kx[row->kx], row->bytes);
    return row->need == PF_NEED_RSA_KEY ? add_to_key(t, row) : PF_OK;
}

/* ---- the table ---- */

static int by_bytes(const void *pa, const void *pb)
{
    const struct key_row *a = pa;
    const struct key_row *b = pb;
    if (a->tally.bytes != b->tally.bytes) {
        return a->tally.bytes > b->tally.bytes ? -1 : 1;
    }
    return memcmp(a->spki, b->spki, PF_SPKI_LEN);
}

static const char *bytes_text(uint64_t bytes, char out[BYTES_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    unsigned u = 0;
    while (v >= 1000 && u < 6) {
        v /= 1000;
        u++;
    }
    (void)snprintf(out, BYTES_TEXT, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

static double share(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : 100.0 * (double)part / (double)of;
}

/* Text: flows and bytes with their shares, then what they are. */
static void tally_line(struct pf_facts *f, const struct pf_triage *t, const struct tally *v,
                       const char *what)
{
    char text[BYTES_TEXT];
    pf_facts_print(f, "%10" PRIu64 "  %5.1f%%  %10s  %5.1f%%  %s", v->flows,
                   share(v->flows, t->all.flows), bytes_text(v->bytes, text),
                   share(v->bytes, t->all.bytes), what);
}

static void tally_facts(struct pf_facts *f, const struct tally *v)
{
    if (f->json) {
        pf_facts_number(f, "flows", v->flows);
        pf_facts_number(f, "bytes", v->bytes);
    }
}

static const char *kx_name(int kx)
{
    return kx == PF_KX_NULL ? "unknown" : pf_kx_name((enum pf_kx)kx);
}

/* One row of a part of the table. */
static void part_row(struct pf_facts *f, const struct pf_triage *t, const struct tally *v,
                     const char *name, const char *what)
{
    if (v->flows == 0) {
        return;
    }
    if (f->json) {
        pf_facts_open(f, name, NULL);
        tally_facts(f, v);
        pf_facts_close(f);
    } else {
        tally_line(f, t, v, what);
        pf_facts_print(f, "\n");
    }
}

static void part_head(struct pf_facts *f, const char *key, const char *title)
{
    if (f->json) {
        pf_facts_open(f, key, NULL);
    }
    pf_facts_print(f, "\n  %8s  %6s  %10s  %6s  %s\n", "flows", "", "bytes", "", title);
}

static void part_end(struct pf_facts *f)
{
    if (f->json) {
        pf_facts_close(f);
    }
}

static void key_row_facts(struct pf_facts *f, const struct pf_triage *t, const struct key_row *k)
{
    char hex[PF_TEXT_HEX];
    char safe[PF_TEXT_SAFE];
    const char *subject = k->subject != NULL ? k->subject : "";
    if (f->json) {
        pf_facts_open(f, NULL, NULL);
        pf_facts_hex(f, "spki_sha256", (struct pf_span){k->spki, PF_SPKI_LEN});
        pf_facts_text(f, "subject", (struct pf_span){(const uint8_t *)subject, strlen(subject)});
        tally_facts(f, &k->tally);
        pf_facts_close(f);
        return;
    }
    pf_text_hex(k->spki, PF_SPKI_LEN, hex);
    pf_text_safe((struct pf_span){(const uint8_t *)subject, strlen(subject)}, safe);
    tally_line(f, t, &k->tally, hex);
    pf_facts_print(f, "  %s\n", safe);
}

static void key_rows(struct pf_facts *f, struct pf_triage *t)
{
    size_t shown = t->key_count < PF_TRIAGE_SHOWN ? t->key_count : PF_TRIAGE_SHOWN;
    if (t->key_count > 0) {
        qsort(t->keys, t->key_count, sizeof *t->keys, by_bytes);
        pf_facts_print(f,
                       "\n  %8s  %6s  %10s  %6s  private keys worth looking for (SPKI SHA-256)\n",
                       "flows", "", "bytes", "");
    }
    pf_facts_objects(f, "keys");
    for (size_t i = 0; i < shown; i++) {
        key_row_facts(f, t, &t->keys[i]);
    }
    pf_facts_objects_end(f);
    if (shown < t->key_count) {
        pf_facts_print(f, "%10zu more keys\n", t->key_count - shown);
    }
}

enum pf_status pf_triage_write(struct pf_triage *t, bool json, struct pf_buf *out)
{
    struct pf_facts f;
    pf_facts_init(&f, out, json);
    if (json) {
        pf_facts_open(&f, NULL, NULL);
        pf_facts_open(&f, "triage", NULL);
        tally_facts(&f, &t->all);
    }
    char text[BYTES_TEXT];
    pf_facts_print(&f, "triage: %" PRIu64 " TLS connections, %s\n", t->all.flows,
                   bytes_text(t->all.bytes, text));
    part_head(&f, "by_key_exchange", "by key exchange");
    for (int i = KX_COUNT - 1; i >= 0; i--) {
        part_row(&f, t, &t->by_kx[i], kx_name(i), i == PF_KX_TLS13 ? "TLS 1.3" : kx_name(i));
    }
    part_end(&f);
    part_head(&f, "by_need", "by what would open them");
    for (int i = 0; i < PF_NEED_COUNT; i++) {
        part_row(&f, t, &t->by_need[i], pf_need_name((enum pf_need)i), need_text((enum pf_need)i));
    }
    part_end(&f);
    key_rows(&f, t);
    if (t->other_keys.flows > 0) {
        part_row(&f, t, &t->other_keys, "other_keys", "keys whose certificate was not captured");
    }
    if (json) {
        pf_facts_close(&f);
        pf_facts_close(&f);
        pf_facts_end_line(&f);
    }
    return f.st;
}
