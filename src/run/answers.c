// SPDX-License-Identifier: Apache-2.0
#include "run/answers.h"

#include "run/tlsflow.h"

#include <stdlib.h>

struct pf_answers {
    struct pf_lines **lines;
    unsigned workers;
    bool closed;
};

enum pf_status pf_answers_new(const struct pf_config *config, struct pf_answers **out,
                              struct pf_error *err)
{
    unsigned workers = config->jobs;
    size_t share = pf_config_lines_share(config) / workers;
    struct pf_answers *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return PF_ERR_NOMEM;
    }
    a->lines = calloc(workers, sizeof(struct pf_lines *));
    enum pf_status st = a->lines == NULL ? PF_ERR_NOMEM : PF_OK;
    bool secret = config->task == PF_TASK_SECRETS;
    for (; a->workers < workers && st == PF_OK; a->workers += st == PF_OK ? 1 : 0) {
        st = pf_lines_new(secret, share, &a->lines[a->workers], err);
    }
    if (st != PF_OK) {
        pf_answers_free(a);
        return st;
    }
    *out = a;
    return PF_OK;
}

void pf_answers_free(struct pf_answers *a)
{
    if (a == NULL) {
        return;
    }
    for (unsigned i = 0; i < a->workers; i++) {
        pf_lines_free(a->lines[i]);
    }
    free(a->lines);
    free(a);
}

struct pf_lines *pf_answers_lines(struct pf_answers *a, unsigned worker)
{
    return a->lines[worker];
}

enum pf_status pf_answers_flow(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                               const struct pf_conn_report *report)
{
    (void)t;
    (void)report;
    switch (env->task) {
    case PF_TASK_HANDSHAKES:
    case PF_TASK_SECRETS:
    case PF_TASK_DECRYPT:
        break;
    }
    return PF_OK;
}

enum pf_status pf_answers_close(struct pf_answers *a, struct pf_error *err)
{
    enum pf_status st = PF_OK;
    for (unsigned i = 0; i < a->workers && st == PF_OK; i++) {
        st = pf_lines_close(a->lines[i], err);
    }
    a->closed = st == PF_OK;
    return st;
}

enum pf_status pf_answers_next(struct pf_answers *a, struct pf_span *text, struct pf_error *err)
{
    uint64_t first_packet;
    return a->closed ? pf_lines_next(a->lines, a->workers, text, &first_packet, err) : PF_END;
}
