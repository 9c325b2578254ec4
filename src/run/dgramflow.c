// SPDX-License-Identifier: Apache-2.0
#include "run/dgramflow.h"

#include "run/tlsflow.h"
#include "tls/dgram.h"
#include "tls/suite.h"

#include <stdlib.h>
#include <string.h>

struct pf_dgram_flow {
    enum pf_dgram_kind kind;
    char version[PF_DGRAM_VERSION];
    bool settled; /* version is not only what one side offers */
    bool client_known;
    bool has_random[2]; /* by direction */
    uint8_t random[2][PF_RANDOM_LEN];
    uint8_t name_len;
    uint8_t name[PF_NAME_MAX];
    uint16_t suite;
};

bool pf_dgram_flow_begins(const struct pf_pkt *pkt)
{
    struct pf_dgram d;
    pf_dgram_read((struct pf_span){pkt->data, pkt->len}, &d);
    return d.kind != PF_DGRAM_OTHER;
}

static enum pf_status make(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                           const struct pf_pkt *pkt, const struct pf_dgram *d)
{
    if (!pf_budget_take(&env->budget, sizeof *t->dgram)) {
        return PF_ERR_LIMIT;
    }
    t->dgram = calloc(1, sizeof *t->dgram);
    if (t->dgram == NULL) {
        pf_budget_give(&env->budget, sizeof *t->dgram);
        return PF_ERR_NOMEM;
    }
    t->dgram->kind = d->kind;
    t->client = pkt->side; /* until a hello says otherwise */
    pf_board_add(&env->line->flows, 1);
    return PF_OK;
}

void pf_dgram_flow_free(struct pf_tls_flow_env *env, struct pf_tls_flow *t)
{
    if (t->dgram != NULL) {
        pf_budget_give(&env->budget, sizeof *t->dgram);
        free(t->dgram);
        t->dgram = NULL;
    }
}

static void note_client(struct pf_tls_flow *t, const struct pf_pkt *pkt, enum pf_dgram_from from)
{
    if (from != PF_DGRAM_ANY && !t->dgram->client_known) {
        t->dgram->client_known = true;
        t->client = (uint8_t)(from == PF_DGRAM_CLIENT ? pkt->side : 1 - pkt->side);
    }
}

static void note_hello(struct pf_dgram_flow *f, const struct pf_dgram *d)
{
    enum pf_dir dir = d->from == PF_DGRAM_SERVER ? PF_S2C : PF_C2S;
    if (d->has_random) {
        f->has_random[dir] = true; /* the last one: a client repeats it with its cookie */
        memcpy(f->random[dir], d->random, PF_RANDOM_LEN);
    }
    if (d->server_name.ptr != NULL && d->server_name.len <= sizeof f->name) {
        f->name_len = (uint8_t)d->server_name.len;
        memcpy(f->name, d->server_name.ptr, d->server_name.len);
    }
    f->suite = d->suite != 0 ? d->suite : f->suite;
}

enum pf_status pf_dgram_flow_packet(struct pf_tls_flow_env *env, struct pf_tls_flow *t,
                                    const struct pf_pkt *pkt)
{
    struct pf_dgram d;
    pf_dgram_read((struct pf_span){pkt->data, pkt->len}, &d);
    enum pf_status st = t->dgram == NULL ? make(env, t, pkt, &d) : PF_OK;
    if (st != PF_OK || d.kind != t->dgram->kind) {
        return st;
    }
    struct pf_dgram_flow *f = t->dgram;
    note_client(t, pkt, d.from);
    note_hello(f, &d);
    if (d.version[0] != '\0' && !f->settled) {
        memcpy(f->version, d.version, sizeof f->version);
        f->settled = d.settled;
    }
    return PF_OK;
}

void pf_dgram_flow_report(const struct pf_tls_flow *t, struct pf_conn_report *out)
{
    const struct pf_dgram_flow *f = t->dgram;
    const struct pf_suite *suite = pf_suite_find(f->suite);
    bool dtls = f->kind == PF_DGRAM_DTLS;
    *out = (struct pf_conn_report){
        .version = f->version[0] != '\0' ? f->version
                   : dtls                ? "DTLS"
                                         : "QUIC",
        .cipher = f->suite != 0 && suite != NULL ? suite->name : NULL,
        .client_random = f->has_random[PF_C2S] ? f->random[PF_C2S] : NULL,
        .server_random = f->has_random[PF_S2C] ? f->random[PF_S2C] : NULL,
        .status = PF_FLOW_LOCKED,
        .reason = PF_REASON_UNSUPPORTED_PROTOCOL,
        .detail = dtls ? "DTLS is recognised and not opened: only TLS over TCP is"
                       : "QUIC is recognised and not opened: only TLS over TCP is",
    };
    if (f->name_len > 0) {
        out->server_name = (struct pf_span){f->name, f->name_len};
    }
}
