// SPDX-License-Identifier: Apache-2.0
/* plainflow-forge: captures of real TLS connections whose plaintext is known. */
#include "forge/entropy.h"
#include "forge/flow.h"
#include "forge/truth.h"

#include <errno.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

/* OUT.pcap and its companions. */
struct paths {
    char *key;
    char *cert;
    char *keylog;
    char *truth;
};

static char *beside(const char *output, const char *ending)
{
    const char *dot = strrchr(output, '.');
    const char *slash = strrchr(output, '/');
    size_t stem = dot != NULL && (slash == NULL || dot > slash + 1) && dot != output
                      ? (size_t)(dot - output)
                      : strlen(output);
    char *out = forge_alloc(stem + strlen(ending) + 1);
    memcpy(out, output, stem);
    memcpy(out + stem, ending, strlen(ending) + 1);
    return out;
}

static void paths_init(struct paths *p, const char *output)
{
    p->key = beside(output, ".key");
    p->cert = beside(output, ".crt");
    p->keylog = beside(output, ".keylog");
    p->truth = beside(output, ".truth");
}

static void paths_fini(struct paths *p)
{
    free(p->key);
    free(p->cert);
    free(p->keylog);
    free(p->truth);
}

static void make_identities(struct forge_identities *ids, const struct forge_options *o,
                            const struct forge_suite *suites, size_t count, const struct paths *p)
{
    if (o->key_file != NULL) {
        forge_key_load(&ids->rsa, o->key_file, "www.example.org");
    } else {
        forge_key_make_rsa(&ids->rsa, o->key_bits, "www.example.org");
    }
    forge_key_save(&ids->rsa, o->key_file == NULL ? p->key : NULL, p->cert);
    for (size_t i = 0; i < count && ids->ec.pkey == NULL; i++) {
        if (suites[i].ecdsa) {
            forge_key_make_ec(&ids->ec, "www.example.org");
        }
    }
    if (o->client_cert) {
        forge_key_make_rsa(&ids->client, 2048, "client");
    }
}

static void find_profiles(struct forge_world *w, const struct paths *paths,
                          struct forge_identities *ids, FILE *keylog)
{
    const struct forge_options *o = w->options;
    w->profile_count = o->suites.count > 0 ? o->suites.count : 1;
    struct forge_suite *suites = forge_alloc(w->profile_count * sizeof *suites);
    for (size_t i = 0; i < w->profile_count; i++) {
        suites[i] = forge_suite_find(o->suites.name[i], o->version);
    }
    make_identities(ids, o, suites, w->profile_count, paths);
    w->profiles = forge_alloc(w->profile_count * sizeof *w->profiles);
    for (size_t i = 0; i < w->profile_count; i++) {
        forge_profile_init(&w->profiles[i], o, &suites[i], ids, keylog);
    }
    free(suites);
}

static void world_fini(struct forge_world *w)
{
    for (size_t i = 0; i < w->profile_count; i++) {
        forge_profile_fini(&w->profiles[i]);
    }
    free(w->profiles);
    free(w->scratch);
    forge_content_fini(&w->content);
    BIO_meth_free(w->method);
}

/* Steps the flows in a seeded order, never more than --concurrent of them open. */
static void run_flows(struct forge_world *w, struct forge_truth *truth)
{
    const struct forge_options *o = w->options;
    struct forge_flow **open = forge_alloc(o->concurrent * sizeof *open);
    uint32_t open_count = 0;
    uint64_t started = 0;
    for (;;) {
        while (open_count < o->concurrent && started < o->flows &&
               (open_count == 0 || forge_flow_may_start(w, started))) {
            open[open_count] = forge_alloc(sizeof **open);
            forge_flow_init(open[open_count++], w, started++);
        }
        if (open_count == 0) {
            break;
        }
        uint32_t i = forge_rng_range(&w->rng, 0, open_count - 1);
        forge_flow_step(open[i]);
        if (open[i]->phase == FORGE_DONE) {
            forge_truth_add(truth, open[i]);
            forge_flow_fini(open[i]);
            free(open[i]);
            open[i] = open[--open_count];
        }
    }
    free(open);
}

static FILE *open_keylog(const char *path)
{
    FILE *f = fopen(path, "w+e");
    if (f == NULL) {
        forge_die("%s: %s", path, strerror(errno));
    }
    return f;
}

static void close_capture(struct forge_writer *writer, const struct forge_options *o, FILE *keylog,
                          const char *path)
{
    char *secrets = NULL;
    size_t len = 0;
    if (o->dsb || o->dsb_end) {
        long end = ftell(keylog);
        len = end > 0 ? (size_t)end : 0;
        secrets = forge_alloc(len);
        rewind(keylog);
        if (fread(secrets, 1, len, keylog) != len) {
            forge_die("%s: cannot be read again", path);
        }
    }
    if (fclose(keylog) != 0) {
        forge_die("%s: %s", path, strerror(errno));
    }
    forge_writer_close(writer, secrets, len);
    free(secrets);
}

static void forge(const struct forge_options *o)
{
    struct paths paths;
    struct forge_writer writer;
    struct forge_truth truth;
    struct forge_identities ids = {0};
    struct forge_world *w = forge_alloc(sizeof *w);
    w->options = o;
    w->method = forge_pipe_method();
    w->scratch = forge_alloc(FORGE_READ_MAX);
    paths_init(&paths, o->output);
    FILE *keylog = open_keylog(paths.keylog);
    find_profiles(w, &paths, &ids, keylog);
    forge_rng_init(&w->rng, o->seed, "flows");
    forge_content_init(&w->content, o);
    forge_writer_open(&writer, o->output, o->pcapng, o->nano, o->dsb);
    forge_truth_open(&truth, paths.truth);
    forge_sender_init(&w->sender, o, &writer);

    run_flows(w, &truth);

    forge_truth_close(&truth);
    close_capture(&writer, o, keylog, paths.keylog);
    fprintf(stderr, "%s: %llu packets, %llu bytes, %llu flows, %llu packets lost\n", o->output,
            (unsigned long long)writer.packets, (unsigned long long)writer.bytes,
            (unsigned long long)w->sender.impair.flows_seen,
            (unsigned long long)w->sender.impair.dropped);
    world_fini(w);
    free(w);
    forge_key_fini(&ids.rsa);
    forge_key_fini(&ids.ec);
    forge_key_fini(&ids.client);
    paths_fini(&paths);
}

int main(int argc, char **argv)
{
    struct forge_options o;
    forge_options_parse(&o, argc, argv);
    forge_entropy_seed(o.seed);
    /* Old ciphers live there; where it is not installed the suites are not offered. */
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
    if (o.list_suites) {
        forge_suites_print();
    } else {
        forge(&o);
    }
    OSSL_PROVIDER_unload(legacy);
    return 0;
}
