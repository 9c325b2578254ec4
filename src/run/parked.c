// SPDX-License-Identifier: Apache-2.0
#include "run/parked.h"

void pf_parked_remove(struct pf_parked *list, struct pf_tls_flow *t)
{
    if (t->listed) {
        *(t->parked_before != NULL ? &t->parked_before->parked_after : &list->first) =
            t->parked_after;
        *(t->parked_after != NULL ? &t->parked_after->parked_before : &list->last) =
            t->parked_before;
        t->listed = false;
        list->count--;
    }
}

static bool is_in_its_place(const struct pf_tls_flow *t)
{
    return t->listed &&
           (t->parked_before == NULL || t->parked_before->client_packet <= t->client_packet) &&
           (t->parked_after == NULL || t->client_packet <= t->parked_after->client_packet);
}

void pf_parked_note(struct pf_parked *list, struct pf_tls_flow *t)
{
    if (t->parked && is_in_its_place(t)) {
        return; /* with every packet that comes meanwhile */
    }
    pf_parked_remove(list, t);
    if (!t->parked) {
        return;
    }
    struct pf_tls_flow *before = list->last;
    while (before != NULL && before->client_packet > t->client_packet) {
        before = before->parked_before;
    }
    t->parked_before = before;
    t->parked_after = before != NULL ? before->parked_after : list->first;
    *(before != NULL ? &before->parked_after : &list->first) = t;
    *(t->parked_after != NULL ? &t->parked_after->parked_before : &list->last) = t;
    t->listed = true;
    list->count++;
}
