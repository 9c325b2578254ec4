// SPDX-License-Identifier: Apache-2.0
/*
 * A conversation of TLS 1.3 fed in any way, whole or one side of it, from its begin or not: it must
 * come to an end, hand out no plaintext that was not sent, and give all memory back. Targets:
 * tls/tls13.c, blind.c, number.c, and what fuzz_conn.c has, by a key log.
 */
#include "support/connops.h"
#include "support/ssltalk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ssltalk_options options[] = {
    {.suite = "TLS_AES_128_GCM_SHA256"},
    {.suite = "TLS_CHACHA20_POLY1305_SHA256", .retry = true},
    {.suite = "TLS_AES_256_GCM_SHA384", .early_data = true},
};

static struct rig *rig_for(const struct ssltalk *t)
{
    struct rig *r = rig_new(NULL);
    const struct pf_span log = {(const uint8_t *)t->log, t->log_len};
    rig_check(pf_keylog_add_text(r->log, log) == PF_OK, "key log");
    return r;
}

static void make(unsigned kind, struct connops *out)
{
    static EVP_PKEY *key;
    key = key != NULL ? key : pki_rsa(2048);
    const struct ssltalk *t = ssltalk_new(&options[kind], key);
    *out = (struct connops){
        .r = rig_for(t), .wire = {{t->wire[0], t->len[0]}, {t->wire[1], t->len[1]}}, .growth = 1};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return connops_fuzz(make, sizeof options / sizeof options[0], data, size);
}
