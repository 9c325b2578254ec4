// SPDX-License-Identifier: Apache-2.0
/*
 * Gaps before keys: the cut record is passed over, the next header looked for, and messages are
 * taken again from where one begins. A gap may have swallowed the ChangeCipherSpec: what comes then
 * looks like handshake records that make no sense, until application data tells.
 */
#include "tls/half.h"

#include "base/cursor.h"

enum { IV_BYTES = PF_BLOCK_MAX + PF_DIGEST_MAX }; /* held before a record that is looked for */

enum pf_status pf_clear_gap(struct pf_half *h, const struct pf_frame *cut)
{
    struct pf_loss *l = &h->loss;
    const struct pf_stream_gap *gap = pf_stream_next_gap(&h->in, h->framed);
    uint64_t held = gap->pos - h->framed;
    if (!l->open) {
        l->packet_before = gap->packet_before;
    }
    l->open = true;
    l->clear = true;
    l->uncertain = true;
    l->packet_after = gap->packet_after;
    l->cipher_bytes += gap->lost;
    l->since_opened += held + gap->lost;
    l->area += held + gap->lost;
    l->skip = 0;
    if (cut != NULL) {
        uint64_t rest = PF_RECORD_HEADER_LEN + cut->body_len - held;
        l->skip = rest > gap->lost ? rest - gap->lost : 0;
    }
    h->plain_cut = true;
    h->message.len = 0;
    h->message_skips = true;
    l->scan = true;
    h->framed = gap->pos;
    pf_stream_pass_gap(&h->in, h->framed);
    return PF_END;
}

static enum pf_status skip(struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    struct pf_skip k = pf_stream_skip(&h->in, h->framed, l->skip);
    uint64_t passed = l->skip - k.left + k.beyond;
    h->framed = k.pos;
    l->skip = k.left;
    l->area += passed;
    l->since_opened += passed;
    l->cipher_bytes += k.lost;
    l->packet_after = k.lost > 0 ? k.packet_after : l->packet_after;
    return k.left > 0 ? PF_AGAIN : PF_END;
}

/* A header whose successor can be one too, or cannot be seen. */
static bool is_header(struct pf_span bytes, bool *short_of_bytes)
{
    struct pf_frame f;
    struct pf_frame next;
    if (!pf_frame_parse(bytes, &f) || !pf_frame_plausible(&f) || f.body_len == 0) {
        return false;
    }
    size_t end = PF_RECORD_HEADER_LEN + (size_t)f.body_len;
    if (bytes.len < end + PF_RECORD_HEADER_LEN) {
        *short_of_bytes = true;
        return true;
    }
    return pf_frame_parse((struct pf_span){bytes.ptr + end, bytes.len - end}, &next) &&
           pf_frame_plausible(&next) && next.version == f.version;
}

enum pf_status pf_clear_find(struct pf_conn *c, struct pf_half *h)
{
    struct pf_loss *l = &h->loss;
    if (l->skip > 0) {
        return skip(h);
    }
    struct pf_span bytes = pf_stream_peek(&h->in, h->framed);
    bool gap = pf_stream_next_gap(&h->in, h->framed) != NULL;
    bool short_of_bytes = false;
    size_t at = 0;
    while (at + PF_RECORD_HEADER_LEN <= bytes.len &&
           !is_header((struct pf_span){bytes.ptr + at, bytes.len - at}, &short_of_bytes)) {
        at++;
    }
    bool found = at + PF_RECORD_HEADER_LEN <= bytes.len;
    l->area += at;
    l->since_opened += at;
    h->framed += at;
    if (h->framed - pf_stream_at(&h->in) > IV_BYTES) {
        pf_stream_consume(&h->in, h->framed - IV_BYTES);
    }
    if (found && (!short_of_bytes || gap || c->final)) {
        l->scan = false;
        l->scanned = true;
        return PF_END; /* the bytes before it stay: they may hold an IV */
    }
    if (!found && gap) {
        return pf_clear_gap(h, NULL);
    }
    return PF_AGAIN;
}

static bool is_message_type(uint8_t type)
{
    return type <= PF_HS_SERVER_HELLO || (type >= PF_HS_NEW_SESSION_TICKET && type <= 5) ||
           type == PF_HS_ENCRYPTED_EXTENSIONS ||
           (type >= PF_HS_CERTIFICATE && type <= PF_HS_CLIENT_KEY_EXCHANGE) ||
           (type >= PF_HS_FINISHED && type <= 25);
}

/* Whole messages and nothing else. */
static bool holds_messages(struct pf_span body)
{
    struct pf_cur c = pf_cur_of(body);
    uint8_t type;
    struct pf_cur message;
    while (!pf_cur_at_end(&c)) {
        if (!pf_cur_u8(&c, &type) || !is_message_type(type) || !pf_cur_vec24(&c, &message)) {
            return false;
        }
    }
    return body.len > 0;
}

bool pf_clear_takes(struct pf_half *h, struct pf_span body)
{
    if (h->message_skips && holds_messages(body)) {
        h->message_skips = false;
    }
    return !h->message_skips;
}

enum pf_status pf_clear_pass(struct pf_half *h, const struct pf_frame *f)
{
    uint64_t len = PF_RECORD_HEADER_LEN + (uint64_t)f->body_len;
    h->loss.area += len;
    h->loss.since_opened += len;
    h->framed += len; /* not let go: it may hold the next record's IV */
    return PF_END;
}

void pf_clear_sound(struct pf_half *h, uint8_t type)
{
    if (h->loss.open && (type == PF_CT_HANDSHAKE || type == PF_CT_CHANGE_CIPHER_SPEC)) {
        h->loss = (struct pf_loss){.open = false};
    }
}
