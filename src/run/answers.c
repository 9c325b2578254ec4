// SPDX-License-Identifier: Apache-2.0
#include "run/answers.h"

#include "run/facts.h"
#include "run/handshakes.h"
#include "run/tlsflow.h"
#include "run/triage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 2 * PF_LINES_TEXT_MAX, NUMBER_TEXT = 24 };

struct pf_answers {
    struct pf_lines **lines;
    unsigned workers;
    bool closed;
    bool json;
    struct pf_triage *triage; /* of handshakes; NULL once it was told */
    struct pf_buf text;       /* what was answered last */
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
    a->json = config->json;
    pf_buf_init(&a->text, TEXT_MAX, NULL);
    a->lines = calloc(workers, sizeof(struct pf_lines *));
    enum pf_status st = a->lines == NULL ? PF_ERR_NOMEM : PF_OK;
    bool secret = config->task == PF_TASK_SECRETS;
    if (st == PF_OK && config->task == PF_TASK_HANDSHAKES) {
        st = pf_triage_new(&a->triage);
    }
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
    pf_triage_free(a->triage);
    pf_buf_fini(&a->text);
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

static enum pf_status keep_handshake(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                                     const struct pf_conn_report *report, struct pf_buf *text)
{
    struct pf_triage_row row;
    const struct pf_handshake_story story = {
        .key = t->key,
        .client = t->client,
        .first_packet = t->first_packet,
        .first_ts_ns = t->first_ts_ns,
        .packets = t->packets,
        .payload = t->payload,
        .report = report,
        .keyring = env->conn.secrets.keyring,
        .certs = env->conn.certs,
    };
    memset(&row, 0, sizeof row);
    enum pf_status st = pf_buf_append(text, &row, sizeof row); /* its place */
    st = st == PF_OK ? pf_handshakes_tell(&story, env->json, text, &row) : st;
    if (st == PF_OK) {
        memcpy(text->ptr, &row, sizeof row);
        st = pf_lines_append(env->lines, t->first_packet, &t->key,
                             (struct pf_span){text->ptr, text->len}, env->err);
    }
    return st;
}

enum pf_status pf_answers_flow(struct pf_tls_flow_env *env, const struct pf_tls_flow *t,
                               const struct pf_conn_report *report)
{
    struct pf_buf text;
    enum pf_status st = PF_OK;
    switch (env->task) {
    case PF_TASK_HANDSHAKES:
        pf_buf_init(&text, PF_LINES_TEXT_MAX, NULL);
        st = keep_handshake(env, t, report, &text);
        pf_buf_fini(&text);
        env->limits += st == PF_ERR_LIMIT ? 1 : 0;
        return st == PF_ERR_LIMIT ? PF_OK : st;
    case PF_TASK_SECRETS:
        return t->conn != NULL ? keep_secrets(env, t) : PF_OK;
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

static enum pf_status append_flow(struct pf_answers *a, uint64_t first_packet)
{
    char number[NUMBER_TEXT];
    uint64_t flow = pf_lines_before(a->lines, a->workers, first_packet) + 1;
    int n = snprintf(number, sizeof number, "%" PRIu64, flow);
    return pf_buf_append(&a->text, number, (size_t)n);
}

/* Puts flows' numbers in the place of their first packets: see run/facts.h. */
static enum pf_status number_flows(struct pf_answers *a, struct pf_span text)
{
    enum pf_status st = PF_OK;
    const char *at = (const char *)text.ptr;
    const char *end = at + text.len;
    a->text.len = 0;
    while (st == PF_OK && at < end) {
        const char *mark = memchr(at, PF_FACTS_FLOW_BEGIN, (size_t)(end - at));
        const char *stop = mark != NULL ? mark : end;
        st = pf_buf_append(&a->text, at, (size_t)(stop - at));
        at = stop;
        if (st == PF_OK && mark != NULL) {
            char *behind;
            st = append_flow(a, strtoull(mark + 1, &behind, 10));
            at = behind + 1;
        }
    }
    return st;
}

static enum pf_status answer_handshake(struct pf_answers *a, struct pf_span *text)
{
    struct pf_triage_row row;
    if (text->len < sizeof row) {
        return PF_ERR_INTERNAL;
    }
    memcpy(&row, text->ptr, sizeof row);
    enum pf_status st = pf_triage_add(a->triage, &row);
    if (st == PF_OK) {
        st = number_flows(a, (struct pf_span){text->ptr + sizeof row, text->len - sizeof row});
    }
    *text = (struct pf_span){a->text.ptr, a->text.len};
    return st;
}

static enum pf_status answer_triage(struct pf_answers *a, struct pf_span *text)
{
    a->text.len = 0;
    enum pf_status st = pf_triage_write(a->triage, a->json, &a->text);
    pf_triage_free(a->triage);
    a->triage = NULL;
    *text = (struct pf_span){a->text.ptr, a->text.len};
    return st;
}

enum pf_status pf_answers_next(struct pf_answers *a, struct pf_span *text, struct pf_error *err)
{
    uint64_t first_packet;
    if (!a->closed) {
        return PF_END;
    }
    enum pf_status st = pf_lines_next(a->lines, a->workers, text, &first_packet, err);
    if (a->triage == NULL) {
        return st;
    }
    if (st == PF_END) {
        return answer_triage(a, text);
    }
    return st == PF_OK ? answer_handshake(a, text) : st;
}
