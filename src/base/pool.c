// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PF_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PF_POISON 1
#endif
#ifdef PF_POISON /* objects in the pool are off limits, as freed memory would be */
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* glibc's malloc keeps 16 bytes beside each block: with them a slab takes exactly its size, and the
 * next one lies right behind it. */
enum { ALIGN = 16, HEADER = PF_POOL_OVERHEAD - 16, BESIDE = 16 };

struct free_object {
    struct free_object *next;
};

/* A full slab is in no list but that of all: its neighbours there need no touch when it is full or
 * is full no more. They would be cold. */
struct pf_pool_slab {
    struct pf_pool_slab *prev; /* partial or empty */
    struct pf_pool_slab *next;
    struct pf_pool_slab *newer; /* of all */
    struct pf_pool_slab *older;
    struct free_object *free;
    size_t fresh; /* objects never given out start here: their pages stay untouched */
    size_t used;
};

_Static_assert(sizeof(struct pf_pool_slab) <= HEADER, "objects begin behind the header");

void pf_pool_init(struct pf_pool *p, size_t object_size, size_t objects_per_slab,
                  struct pf_budget *budget)
{
    size_t size = (object_size + ALIGN - 1) / ALIGN * ALIGN;
    size_t slab = 4096;
    while (slab < PF_POOL_OVERHEAD + size * objects_per_slab) {
        slab *= 2;
    }
    *p = (struct pf_pool){.budget = budget,
                          .object_size = size,
                          .slab_size = slab,
                          .per_slab = (slab - PF_POOL_OVERHEAD) / size};
}

static void list_add(struct pf_pool_slab **list, struct pf_pool_slab *s)
{
    s->prev = NULL;
    s->next = *list;
    if (*list != NULL) {
        (*list)->prev = s;
    }
    *list = s;
}

static void list_remove(struct pf_pool_slab **list, struct pf_pool_slab *s)
{
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        *list = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
}

static void slab_free(struct pf_pool *p, struct pf_pool_slab *s)
{
    if (s->older != NULL) {
        s->older->newer = s->newer;
    }
    if (s->newer != NULL) {
        s->newer->older = s->older;
    } else {
        p->newest = s->older;
    }
    ASAN_UNPOISON_MEMORY_REGION(s, p->slab_size - BESIDE);
    free(s);
    pf_budget_give(p->budget, p->slab_size);
}

void pf_pool_fini(struct pf_pool *p)
{
    while (p->newest != NULL) {
        slab_free(p, p->newest);
    }
    p->partial = NULL;
    p->empty = NULL;
    p->empty_count = 0;
    p->in_use = 0;
}

/* A slab with room to the front of the partial ones. */
static enum pf_status slab_new(struct pf_pool *p)
{
    struct pf_pool_slab *kept = p->empty;
    if (kept != NULL) {
        list_remove(&p->empty, kept);
        p->empty_count--;
        list_add(&p->partial, kept);
        return PF_OK;
    }
    if (!pf_budget_take(p->budget, p->slab_size)) {
        return PF_ERR_LIMIT;
    }
    void *block;
    if (posix_memalign(&block, p->slab_size, p->slab_size - BESIDE) != 0) {
        pf_budget_give(p->budget, p->slab_size);
        return PF_ERR_NOMEM;
    }
    struct pf_pool_slab *s = block;
    *s = (struct pf_pool_slab){.older = p->newest};
    if (p->newest != NULL) {
        p->newest->newer = s;
    }
    p->newest = s;
    ASAN_POISON_MEMORY_REGION((char *)s + HEADER, p->slab_size - PF_POOL_OVERHEAD);
    list_add(&p->partial, s);
    return PF_OK;
}

static void *slab_take(struct pf_pool *p, struct pf_pool_slab *s)
{
    void *object;
    if (s->free != NULL) {
        object = s->free;
        s->free = s->free->next;
    } else {
        object = (char *)s + HEADER + s->fresh * p->object_size;
        s->fresh++;
    }
    ASAN_UNPOISON_MEMORY_REGION(object, p->object_size);
    return object;
}

enum pf_status pf_pool_get(struct pf_pool *p, void **out)
{
    if (p->partial == NULL) {
        enum pf_status st = slab_new(p);
        if (st != PF_OK) {
            return st;
        }
    }
    struct pf_pool_slab *s = p->partial;
    *out = slab_take(p, s);
    p->in_use++;
    s->used++;
    if (s->used == p->per_slab) {
        list_remove(&p->partial, s);
    }
    return PF_OK;
}

static void slab_emptied(struct pf_pool *p, struct pf_pool_slab *s)
{
    list_remove(&p->partial, s);
    if (p->empty_count > 0 && (p->empty_count + 1) * p->slab_size > p->budget->limit / 64) {
        slab_free(p, s);
        return;
    }
    list_add(&p->empty, s);
    p->empty_count++;
}

void pf_pool_put(struct pf_pool *p, void *object)
{
    if (object == NULL) {
        return;
    }
    struct pf_pool_slab *s = (void *)((uintptr_t)object & ~(uintptr_t)(p->slab_size - 1));
    if (s->used == p->per_slab) {
        list_add(&p->partial, s);
    }
    struct free_object *f = object;
    f->next = s->free;
    s->free = f;
    ASAN_POISON_MEMORY_REGION((char *)object + sizeof *f, p->object_size - sizeof *f);
    p->in_use--;
    s->used--;
    if (s->used == 0) {
        slab_emptied(p, s);
    }
}
