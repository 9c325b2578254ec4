// SPDX-License-Identifier: Apache-2.0
/*
 * What:    decides from a flow's first segments whether it is TLS and which side is the client.
 * Owns:    nothing.
 * Threads: the worker's.
 * Errors:  -
 * Limits:  what reassembly holds before its anchor.
 */
#ifndef PF_RUN_DECIDE_H
#define PF_RUN_DECIDE_H

#include "run/tlsflow.h"

/*
 * Looks at the lowest held segment of each side; sets t->is, t->client, t->ssl2, and anchors both
 * sides if it is TLS. force: no more can be held, decide now. pkt: the packet that has just come,
 * or NULL.
 */
void pf_decide(struct pf_tls_flow *t, const struct pf_flow *flow, const struct pf_pkt *pkt,
               bool force);

#endif
