// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what hellos say, as facts: what was offered, and what was chosen.
 * Owns:    nothing.
 * Threads: pure.
 * Errors:  false: malformed.
 * Limits:  see run/codes.h.
 */
#ifndef PF_RUN_HELLOS_H
#define PF_RUN_HELLOS_H

#include "run/facts.h"

#include <stdbool.h>

/* Of a message's body. */
PF_MUST_USE bool pf_hello_client(struct pf_facts *f, struct pf_span body);
PF_MUST_USE bool pf_hello_server(struct pf_facts *f, struct pf_span body);
PF_MUST_USE bool pf_hello_encrypted_extensions(struct pf_facts *f, struct pf_span body);

/* A ClientHello in SSLv2 framing, from its msg_type byte on. */
PF_MUST_USE bool pf_hello_sslv2(struct pf_facts *f, struct pf_span record);

#endif
