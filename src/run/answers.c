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

/* One whose secrets do not fit is counted with those that were given up. */
static enum pf_status keep_secrets(struct pf_tls_flow_env *env, const struct pf_tls_flow *t)
{
    struct pf_buf lines;
    pf_buf_init(&lines, PF_LINES_SECRET_MAX, NULL);
    enum pf_status st = pf_conn_secrets(t->conn, &lines);
    if (st == PF_OK || st == PF_ERR_LIMIT) {
        enum pf_status kept = pf_lines_append(env->lines, t->first_packet, &t->key,
                                              (struct pf_span){lines.ptr, lines.len}, env->err);
        st = kept == PF_OK ? st : kept;
    }
    if (lines.len > 0) {
        pf_wipe(lines.ptr, lines.len);
    }
    pf_buf_fini(&lines);
    env->limits += st == PF_ERR_LIMIT ? 1 : 0;
    return st == PF_ERR_LIMIT ? PF_OK : st;
}

enum pf_status pf_answers_flow(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                               const struct pf_conn_report *report)
{
    (void)report;
    switch (env->task) {
    case PF_TASK_SECRETS:
        return t->conn != NULL ? keep_secrets(env, t) : PF_OK;
    case PF_TASK_HANDSHAKES:
    case PF_TASK_LEARN:
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

void pf_answers_rewind(struct pf_answers *a)
{
    for (unsigned i = 0; i < a->workers; i++) {
        pf_lines_rewind(a->lines[i]);
    }
}

enum pf_status pf_answers_next(struct pf_answers *a, struct pf_span *text, struct pf_error *err)
{
    uint64_t first_packet;
    return a->closed ? pf_lines_next(a->lines, a->workers, text, &first_packet, err) : PF_END;
}
