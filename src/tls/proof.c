// SPDX-License-Identifier: Apache-2.0
/* Secrets that were proved: told to other flows, and kept as lines of a key log when asked for. */
#include "tls/half.h"

enum pf_status pf_conn_publish(struct pf_conn *c, struct pf_handshake *hs)
{
    hs->flow_packet = c->flow_packet;
    struct pf_buf *lines = c->env->keep_secrets ? &c->secrets : NULL;
    return pf_secret_publish(hs, &c->env->secrets, c->final, lines);
}

void pf_conn_saw_phase(struct pf_conn *c, struct pf_half *h)
{
    h->opened_phases |= (uint8_t)(1U << h->phase);
    if (c->env->keep_secrets && h->phase == PF_PHASE_TRAFFIC) {
        pf_half_stop(h); /* all later keys follow from this phase's secret */
    }
}

bool pf_conn_pass_run(struct pf_conn *c, const struct pf_work *work, struct pf_run_result *result)
{
    struct pf_half *h = &c->half[work->dir];
    if (!c->env->keep_secrets || !h->proved || h->keys.version == PF_VERSION_TLS13 ||
        pf_chain_is_sequential(&h->chain)) {
        return false;
    }
    const struct pf_run_record *last = &work->run.records[work->run.count - 1];
    struct pf_span body = {work->run.bytes + last->offset, last->body_len};
    pf_chain_pass(&h->chain, &h->keys, body);
    *result = (struct pf_run_result){.consumed = work->run.count, .status = PF_OK};
    return true;
}

/* The line of a half's phase, if a record was opened in it. */
static enum pf_status add_phase(const struct pf_conn *c, enum pf_dir dir, enum pf_phase phase,
                                struct pf_buf *out)
{
    const struct pf_handshake *hs = c->hs[c->half[dir].hs_no & 1];
    struct pf_secret secret;
    enum pf_opened_by by;
    char line[PF_KEYLOG_LINE_MAX];
    if ((c->half[dir].opened_phases & 1U << phase) == 0 ||
        !pf_tls13_find_secret(c, hs, dir, phase, &secret, &by)) {
        return PF_OK;
    }
    size_t len =
        pf_keylog_format(pf_tls13_label(dir, phase), hs->client_random, &secret, line, sizeof line);
    enum pf_status st = pf_buf_append(out, line, len);
    pf_wipe(line, sizeof line);
    pf_wipe(&secret, sizeof secret);
    return st;
}

enum pf_status pf_conn_secrets(const struct pf_conn *c, struct pf_buf *out)
{
    enum pf_status st = pf_buf_append(out, c->secrets.ptr, c->secrets.len);
    for (enum pf_phase phase = PF_PHASE_EARLY; phase < PF_PHASE_NONE && st == PF_OK; phase++) {
        for (int d = 0; d < 2 && st == PF_OK; d++) {
            st = add_phase(c, (enum pf_dir)d, phase, out);
        }
    }
    return st;
}
