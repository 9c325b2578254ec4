// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a worker's flows that wait, in the order in which their connections began.
 * Owns:    nothing; the flows are linked through themselves.
 * Threads: the worker's.
 * Errors:  -
 * Limits:  -
 */
#ifndef PF_RUN_PARKED_H
#define PF_RUN_PARKED_H

#include "run/tlsflow.h"

struct pf_parked {
    struct pf_tls_flow *first; /* by client_packet */
    struct pf_tls_flow *last;
    size_t count;
};

/* t was driven: it is in the list from now on if it is parked, else not. */
void pf_parked_note(struct pf_parked *list, struct pf_tls_flow *t);

/* Does nothing to a flow that is not in the list. */
void pf_parked_remove(struct pf_parked *list, struct pf_tls_flow *t);

#endif
