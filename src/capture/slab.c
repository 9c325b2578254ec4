// SPDX-License-Identifier: Apache-2.0
#include "capture/slab.h"

#include <stdlib.h>

enum { PAGE = 4096 };

enum pf_status pf_slab_new(size_t size, struct pf_slab **out)
{
    struct pf_slab *s = malloc(sizeof *s);
    if (s == NULL) {
        return PF_ERR_NOMEM;
    }
    s->mem = aligned_alloc(PAGE, size);
    if (s->mem == NULL) {
        free(s);
        return PF_ERR_NOMEM;
    }
    s->size = size;
    atomic_init(&s->holders, 1);
    *out = s;
    return PF_OK;
}

void pf_slab_hold(struct pf_slab *s)
{
    /* relaxed: whoever holds it again holds it already */
    atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
}

void pf_slab_release(struct pf_slab *s)
{
    /* release: what was read from it comes before it is filled again, or freed; acquire: for that
     */
    if (atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) == 1) {
        free(s->mem);
        free(s);
    }
}

bool pf_slab_is_free(struct pf_slab *s)
{
    /* acquire: see pf_slab_release */
    return atomic_load_explicit(&s->holders, memory_order_acquire) == 1;
}
