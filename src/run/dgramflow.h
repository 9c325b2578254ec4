// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a flow of DTLS or QUIC: recognised, counted, and told as one that is not opened. Opening
 *          them will take its place here, as tlsflow.c does for TCP.
 * Owns:    what was learnt of it.
 * Threads: the worker's.
 * Errors:  PF_ERR_LIMIT: no memory in the budget; PF_ERR_NOMEM.
 * Limits:  datagrams that show nothing (QUIC's short headers) never get here: they are not counted
 *          among the flow's packets.
 */
#ifndef PF_RUN_DGRAMFLOW_H
#define PF_RUN_DGRAMFLOW_H

#include "base/pkt.h"
#include "base/status.h"
#include "tls/conn.h"

#include <stdbool.h>

struct pf_dgram_flow;
struct pf_tls_flow;
struct pf_tls_flow_env;

/* Does this datagram begin such a flow? */
bool pf_dgram_flow_begins(const struct pf_pkt *pkt);

PF_MUST_USE enum pf_status pf_dgram_flow_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                                const struct pf_pkt *pkt);
void pf_dgram_flow_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t);

/* What its line says; borrowed from the flow. */
void pf_dgram_flow_report(const struct pf_tls_flow *t, struct pf_conn_report *out);

#endif
