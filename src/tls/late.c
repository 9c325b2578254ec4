// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets that come with the packets (Decryption Secrets Blocks on a pipe) may come behind the
 * handshake that needs them: a connection that nothing opens yet holds its bytes for a while.
 */
#include "tls/half.h"

enum { LATE_BYTES = 64 * 1024 }; /* that both directions hold before they stop waiting */

static uint64_t come_so_far(const struct pf_conn *c)
{
    return pf_keylog_counts(c->env->secrets.live).secrets;
}

bool pf_late_may_come(const struct pf_conn *c)
{
    uint64_t held = 0;
    for (int d = 0; d < 2; d++) {
        held += pf_stream_end(&c->half[d].in) - pf_stream_at(&c->half[d].in);
    }
    return c->env->secrets.live != NULL && !c->final && !c->flush && held < LATE_BYTES;
}

bool pf_late_nothing_new(const struct pf_conn *c, struct pf_half *h)
{
    if (!pf_late_may_come(c)) {
        return false;
    }
    uint64_t now = come_so_far(c) + 1;
    bool same = h->late_seen == now;
    h->late_seen = now;
    return same;
}

void pf_late_search_again(struct pf_conn *c, struct pf_handshake *hs)
{
    const struct pf_keylog *live = c->env->secrets.live;
    struct pf_secret secret;
    struct pf_secret_search *s = &hs->search;
    if (live == NULL || s->found || s->source != PF_SOURCE_NONE) {
        return;
    }
    struct pf_span id = {hs->session_id, hs->session_id_len};
    struct pf_span encrypted = {hs->encrypted.ptr, hs->encrypted.len};
    if (pf_keylog_count(live, PF_KEYLOG_MASTER, hs->client_random) > 0 ||
        pf_keylog_count(live, PF_KEYLOG_PRE_MASTER, hs->client_random) > 0 ||
        pf_keylog_find_session(live, id, &secret) ||
        pf_keylog_find_encrypted(live, encrypted, &secret)) {
        s->source = PF_SOURCE_KEYLOG;
        s->nth = 0;
        s->early = false;
        pf_handshake_saw(hs, c->at); /* other flows learn of it from here on, not before */
    }
    pf_wipe(&secret, sizeof secret);
}
