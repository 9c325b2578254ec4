// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as messages of a handshake: they are told as text and as JSON, and neither holds a
 * control character that is not the teller's own. Input: version, suite, then messages as kind and
 * direction (one byte), length (two bytes), bytes.
 */
#include "run/facts.h"
#include "run/handshakes.h"

#include "base/cursor.h"
#include "tls/keyring.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct pf_buf *out, bool json)
{
    bool within = false;
    for (size_t i = 0; i < out->len; i++) {
        uint8_t c = out->ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (c == PF_FACTS_FLOW_BEGIN || c == PF_FACTS_FLOW_END) {
            if (within == (c == PF_FACTS_FLOW_BEGIN)) {
                abort();
            }
            within = !within;
        } else if ((within && !digit) || c == 0x7f || (c < 0x20 && c != '\n')) {
            abort();
        } else if (json && c == '\n' && i + 1 < out->len) {
            abort();
        }
    }
    if (within || out->len == 0 || out->ptr[out->len - 1] != '\n') {
        abort();
    }
}

static void fill_watch(struct pf_watch *w, struct pf_cur *c)
{
    uint8_t what;
    struct pf_cur bytes;
    while (pf_cur_u8(c, &what) && pf_cur_vec16(c, &bytes)) {
        struct pf_watch_event e = {
            .packet = what,
            .ts_ns = what,
            .kind = (uint8_t)(what % (PF_WATCH_GAP + 1)),
            .dir = what >> 7,
            .type = (uint8_t)(what & 0x1f),
            .opened = (what & 0x20) != 0,
        };
        pf_watch_note(w, e, pf_cur_rest(&bytes));
    }
}

static void tell(const struct pf_handshake_story *s, bool json)
{
    struct pf_buf out;
    struct pf_triage_row row;
    pf_buf_init(&out, 4 << 20, NULL);
    enum pf_status st = pf_handshakes_tell(s, json, &out, &row);
    if (st == PF_OK) {
        check_text(&out, json);
    } else if (st != PF_ERR_LIMIT) {
        abort();
    }
    pf_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_cur c = pf_cur_over(data, size);
    uint16_t version;
    uint16_t suite;
    uint8_t verdict;
    struct pf_watch w;
    struct pf_keyring *ring = NULL;
    if (!pf_cur_u16(&c, &version) || !pf_cur_u16(&c, &suite) || !pf_cur_u8(&c, &verdict) ||
        pf_keyring_new(&ring) != PF_OK) {
        return 0;
    }
    pf_watch_init(&w, NULL);
    fill_watch(&w, &c);
    const struct pf_conn_report report = {
        .version = pf_version_name(version),
        .version_code = version,
        .suite = pf_suite_find(suite),
        .server_name = {data, size < 255 ? size : 255},
        .cert_subject = "CN=\x1b[31m",
        .origin_packet = verdict & 1,
        .status = (enum pf_flow_status)(verdict % PF_FLOW_STATUS_COUNT),
        .reason = (enum pf_reason)(verdict % PF_REASON_COUNT),
        .opened_by = (enum pf_opened_by)(verdict % PF_OPENED_BY_COUNT),
        .watch = &w,
    };
    const struct pf_handshake_story story = {
        .key = {.family = 4, .proto = 6}, .first_packet = 1, .report = &report, .keyring = ring};
    tell(&story, false);
    tell(&story, true);
    pf_watch_fini(&w);
    pf_keyring_free(ring);
    return 0;
}
