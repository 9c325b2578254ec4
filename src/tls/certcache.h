// SPDX-License-Identifier: Apache-2.0
/*
 * What:    certificates that were parsed a moment ago: a server shows the same one to every client,
 *          and parsing it costs as much as opening 100 kB.
 * Owns:    PF_CERT_CACHE parsed certificates.
 * Threads: one owner (a worker).
 * Errors:  as pf_cert_parse; what does not parse is remembered, too.
 * Limits:  PF_CERT_CACHE certificates; of two that want the same place the later one gets it.
 */
#ifndef PF_TLS_CERTCACHE_H
#define PF_TLS_CERTCACHE_H

#include "tls/cert.h"

enum { PF_CERT_CACHE = 64 };

struct pf_cert_cache;

PF_MUST_USE enum pf_status pf_cert_cache_new(struct pf_cert_cache **out);
void pf_cert_cache_free(struct pf_cert_cache *cache);

/* As pf_cert_parse; cache may be NULL. */
PF_MUST_USE enum pf_status pf_cert_cache_parse(struct pf_cert_cache *cache, struct pf_span der,
                                               struct pf_cert *out);

#endif
