// SPDX-License-Identifier: Apache-2.0
#include "run/summary.h"

#include <stdlib.h>
#include <string.h>

static void collect_inputs(struct pf_summary_store *s, struct pf_source *source, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pf_source_input *in = pf_source_input(source, i);
        bool piped = strcmp(in->path, "-") == 0;
        const char *message = in->message[0] != '\0' ? in->message : NULL;
        s->inputs[i] = (struct pf_input){
            .path = in->path,
            .bytes = piped ? PF_COUNT_UNKNOWN : in->bytes,
            .packets = in->packets,
            .status = in->status,
            .message = message,
        };
        s->manifest_inputs[i] = (struct pf_manifest_input){
            .path = in->path,
            .size = piped ? PF_UNKNOWN : in->total_bytes,
            .packets = in->packets,
            .status = in->status,
            .message = message,
        };
    }
    s->summary.inputs = s->inputs;
    s->summary.input_count = n;
    s->manifest.inputs = s->manifest_inputs;
    s->manifest.input_count = n;
}

static void collect_keys(struct pf_summary_store *s, const struct pf_keyring *ring,
                         const uint64_t *flows)
{
    size_t n = pf_keyring_count(ring);
    for (size_t i = 0; i < n; i++) {
        s->keys[i] = (struct pf_manifest_key){
            .file = pf_keyring_file(ring, i),
            .spki_sha256 = pf_keyring_spki(ring, i),
            .flows = flows[i],
        };
    }
    s->manifest.keys = s->keys;
    s->manifest.key_count = n;
}

static void add_dropped(struct pf_summary_store *s, const char *name, const char *text,
                        uint64_t count)
{
    size_t n = s->summary.dropped.count++;
    s->dropped[n] = (struct pf_count){.name = name, .text = text, .count = count};
    s->manifest_dropped[n] = (struct pf_manifest_count){.name = name, .count = count};
}

static void collect_dropped(struct pf_summary_store *s, const struct pf_reader *reader)
{
    s->summary.dropped.items = s->dropped;
    for (int d = PF_DROP_NONE + 1; d < PF_DROP_COUNT; d++) {
        if (reader->counts.by_drop[d] > 0) {
            add_dropped(s, pf_drop_name((enum pf_drop)d), pf_drop_text((enum pf_drop)d),
                        reader->counts.by_drop[d]);
        }
    }
    if (reader->other_shards > 0) {
        add_dropped(s, "other_shard", "of other shards", reader->other_shards);
    }
    if (reader->udp > 0) {
        add_dropped(s, "udp", "UDP that does not look like DTLS or QUIC", reader->udp);
    }
    s->manifest.dropped = s->manifest_dropped;
    s->manifest.dropped_count = s->summary.dropped.count;
}

static void add_limit(struct pf_summary_store *s, const char *name, const char *text,
                      uint64_t count)
{
    if (count > 0) {
        size_t n = s->summary.limits.count++;
        s->limits[n] = (struct pf_count){.name = name, .text = text, .count = count};
        s->manifest_limits[n] = (struct pf_manifest_count){.name = name, .count = count};
    }
}

static void collect_limits(struct pf_summary_store *s, const struct pf_run_counts *c)
{
    s->summary.limits.items = s->limits;
    add_limit(s, "flows_given_up", "TLS flows were given up, in part or whole", c->limit_flows);
    add_limit(s, "flows_forgotten", "other connections were forgotten", c->limit_stubs);
    add_limit(s, "sessions_forgotten", "sessions were forgotten", c->limit_sessions);
    add_limit(s, "keylog_lines_left_out", "lines of key logs did not fit", c->limit_keylog);
    s->manifest.limits = s->manifest_limits;
    s->manifest.limit_count = s->summary.limits.count;
}

enum pf_status pf_summary_collect(struct pf_summary_store *s, const struct pf_options *o,
                                  const struct pf_config *config, const struct pf_reader *reader,
                                  const struct pf_run_counts *counts)
{
    size_t inputs = pf_source_inputs(reader->source);
    size_t keys = pf_keyring_count(config->keyring);
    s->inputs = calloc(inputs + 1, sizeof *s->inputs);
    s->manifest_inputs = calloc(inputs + 1, sizeof *s->manifest_inputs);
    s->keys = calloc(keys + 1, sizeof *s->keys);
    if (s->inputs == NULL || s->manifest_inputs == NULL || s->keys == NULL) {
        return PF_ERR_NOMEM;
    }
    collect_inputs(s, reader->source, inputs);
    collect_keys(s, config->keyring, counts->key_flows);
    collect_dropped(s, reader);
    collect_limits(s, counts);
    struct pf_manifest *m = &s->manifest;
    m->filter = o->filter;
    m->jobs = config->jobs;
    m->search_trials = counts->trials;
    m->shard = o->shard;
    m->shards = o->shards;
    m->memory = config->memory;
    m->level = o->level;
    m->sha256 = o->sha256;
    m->strict = o->strict;
    m->keylogs = o->keylogs.items;
    m->keylog_count = o->keylogs.count;
    m->packets = pf_source_packets(reader->source);
    m->packet_bytes = reader->capture_bytes;
    m->started_ns = counts->started_ns;
    m->elapsed_ns = counts->elapsed_ns;
    s->summary.packets = m->packets;
    s->summary.capture_bytes = m->packet_bytes;
    s->summary.seconds = (double)counts->elapsed_ns / 1e9;
    return PF_OK;
}

void pf_summary_flows(struct pf_summary_store *s, const struct pf_flow_totals *totals)
{
    struct pf_summary *out = &s->summary;
    for (int i = 0; i < PF_FLOW_STATUS_COUNT; i++) {
        s->by_status[i] = (struct pf_count){.name = pf_flow_status_name((enum pf_flow_status)i),
                                            .text = pf_flow_status_text((enum pf_flow_status)i),
                                            .count = totals->by_status[i]};
    }
    for (int i = PF_REASON_NONE + 1; i < PF_REASON_COUNT; i++) {
        if (totals->by_reason[i] > 0) {
            s->by_reason[out->by_reason.count++] =
                (struct pf_count){.name = pf_reason_name((enum pf_reason)i),
                                  .text = pf_reason_text((enum pf_reason)i),
                                  .count = totals->by_reason[i]};
        }
    }
    out->by_status = (struct pf_counts){s->by_status, PF_FLOW_STATUS_COUNT};
    out->by_reason.items = s->by_reason;
    out->flows = totals->flows;
    out->flows_decrypted = totals->by_status[PF_FLOW_DECRYPTED];
    out->flows_partial = totals->by_status[PF_FLOW_PARTIAL];
    out->flows_locked = totals->by_status[PF_FLOW_LOCKED];
    out->plaintext_bytes = totals->bytes[PF_C2S] + totals->bytes[PF_S2C];
}

void pf_summary_fini(struct pf_summary_store *s)
{
    free(s->inputs);
    free(s->manifest_inputs);
    free(s->keys);
}
