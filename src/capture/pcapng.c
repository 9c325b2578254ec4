// SPDX-License-Identifier: Apache-2.0
#include "capture/pcapng.h"

#include "base/cursor.h"
#include "capture/ngtime.h"

#include <stdlib.h>
#include <sys/stat.h>

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET_OLD = 2,
    BLOCK_PACKET_SIMPLE = 3,
    BLOCK_PACKET = 6,
    BLOCK_SECRETS = 10,

    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    SECRETS_TLS = 0x544c534b, /* "TLSK" */
    OPTION_END = 0,
    OPTION_TSRESOL = 9,
    OPTION_TSOFFSET = 14,
    DEFAULT_TSRESOL = 6,

    FRAMING = 12, /* type, length, length again */
    BLOCK_MAX = 16 << 20,
    INTERFACES_MAX = 65536,
    SECTION_HEAD = 12 /* what tells the byte order */
};

struct iface {
    struct pf_ngtime time;
    uint32_t snaplen;
    uint16_t linktype;
};

struct pf_pcapng {
    struct pf_bytes *in;
    bool little;   /* byte order of the section */
    size_t borrow; /* bytes of the block handed out last, consumed by the next call */
    struct iface *ifaces;
    size_t n_ifaces;
    size_t cap_ifaces;
    uint32_t section; /* how many there were */
    int64_t last_ts;
    uint64_t other_secrets;
};

struct block {
    uint32_t type;
    uint32_t len;
    struct pf_cur body;
};

static enum pf_status damaged(const struct pf_pcapng *r, struct pf_error *err, const char *what)
{
    return pf_error_set(err, PF_ERR_MALFORMED, "%s in the block at byte %llu", what,
                        (unsigned long long)pf_bytes_offset(r->in));
}

static bool get32(const struct pf_pcapng *r, struct pf_cur *c, uint32_t *out)
{
    if (!pf_cur_u32(c, out)) {
        return false;
    }
    *out = r->little ? __builtin_bswap32(*out) : *out;
    return true;
}

static bool get16(const struct pf_pcapng *r, struct pf_cur *c, uint16_t *out)
{
    if (!pf_cur_u16(c, out)) {
        return false;
    }
    *out = r->little ? __builtin_bswap16(*out) : *out;
    return true;
}

bool pf_pcapng_match(const uint8_t *head, size_t len)
{
    static const uint8_t section[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    return len >= sizeof section && memcmp(head, section, sizeof section) == 0;
}

enum pf_status pf_pcapng_new(struct pf_bytes *in, struct pf_pcapng **out, struct pf_error *err)
{
    struct pf_pcapng *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    r->in = in;
    *out = r;
    return PF_OK;
}

void pf_pcapng_free(struct pf_pcapng *r)
{
    if (r != NULL) {
        free(r->ifaces);
        free(r);
    }
}

uint64_t pf_pcapng_other_secrets(const struct pf_pcapng *r)
{
    return r->other_secrets;
}

/* n bytes of the stream, with the stream's error as ours. */
static enum pf_status need(struct pf_pcapng *r, size_t n, const uint8_t **p, struct pf_error *err)
{
    enum pf_status st = pf_bytes_need(r->in, n, p);
    if (st == PF_OK || st == PF_END) {
        return st;
    }
    const struct pf_error *cause = pf_bytes_error(r->in);
    return pf_error_set(err, st, "%s",
                        cause->status != PF_OK ? cause->text : "the file ends in a block");
}

/* A section header says its byte order behind its length (section 4.1). */
static enum pf_status read_byte_order(struct pf_pcapng *r, const uint8_t **p, struct pf_error *err)
{
    enum pf_status st = need(r, SECTION_HEAD, p, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_cur c = pf_cur_over(*p + 8, 4);
    uint32_t magic = 0;
    if (!pf_cur_u32(&c, &magic) ||
        (magic != BYTE_ORDER_MAGIC && __builtin_bswap32(magic) != BYTE_ORDER_MAGIC)) {
        return damaged(r, err, "a wrong byte-order magic");
    }
    r->little = magic != BYTE_ORDER_MAGIC;
    return PF_OK;
}

/* The next block, whole and in the stream's buffer; it is not consumed yet. */
static enum pf_status read_block(struct pf_pcapng *r, struct block *b, struct pf_error *err)
{
    const uint8_t *p;
    pf_bytes_skip(r->in, r->borrow);
    r->borrow = 0;
    enum pf_status st = need(r, 8, &p, err);
    if (st == PF_OK && pf_pcapng_match(p, 4)) { /* a palindrome: the same in both byte orders */
        st = read_byte_order(r, &p, err);
    }
    if (st != PF_OK) {
        return st;
    }
    struct pf_cur head = pf_cur_over(p, 8);
    if (!get32(r, &head, &b->type) || !get32(r, &head, &b->len) || b->len < FRAMING ||
        b->len > BLOCK_MAX || b->len % 4 != 0) {
        return damaged(r, err, "an impossible length");
    }
    st = need(r, b->len, &p, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_cur tail = pf_cur_over(p + b->len - 4, 4);
    uint32_t again = 0;
    if (!get32(r, &tail, &again) || again != b->len) {
        return damaged(r, err, "two different lengths");
    }
    b->body = pf_cur_over(p + 8, b->len - FRAMING);
    r->borrow = b->len;
    return PF_OK;
}

static enum pf_status on_section(struct pf_pcapng *r, struct block *b, struct pf_error *err)
{
    uint16_t major;
    if (!pf_cur_skip(&b->body, 4) || !get16(r, &b->body, &major)) {
        return damaged(r, err, "a section header cut short");
    }
    if (major != 1) {
        return pf_error_set(err, PF_ERR_UNSUPPORTED, "pcapng version %u is not read", major);
    }
    r->section++;
    r->n_ifaces = 0; /* interfaces are numbered anew in every section */
    return PF_OK;
}

/* Options that overrun the block end the list: a wrong time is better than no packets. */
static void read_time_options(const struct pf_pcapng *r, struct pf_cur c, uint8_t *resolution,
                              int64_t *offset)
{
    uint16_t code;
    uint16_t len;
    struct pf_cur value;
    while (get16(r, &c, &code) && get16(r, &c, &len) && code != OPTION_END &&
           pf_cur_sub(&c, len, &value)) {
        uint32_t word[2];
        if (code == OPTION_TSRESOL && len == 1) {
            if (!pf_cur_u8(&value, resolution)) {
                return;
            }
        }
        if (code == OPTION_TSOFFSET && len == 8 && get32(r, &value, &word[0]) &&
            get32(r, &value, &word[1])) {
            uint64_t v = (uint64_t)word[r->little] << 32 | word[!r->little];
            *offset = (int64_t)v;
        }
        if (!pf_cur_skip(&c, (4U - len % 4U) % 4U)) {
            return;
        }
    }
}

static enum pf_status grow_ifaces(struct pf_pcapng *r, struct pf_error *err)
{
    if (r->n_ifaces < r->cap_ifaces) {
        return PF_OK;
    }
    size_t cap = r->cap_ifaces == 0 ? 8 : r->cap_ifaces * 2;
    struct iface *p = realloc(r->ifaces, cap * sizeof *p);
    if (p == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    r->ifaces = p;
    r->cap_ifaces = cap;
    return PF_OK;
}

static enum pf_status on_interface(struct pf_pcapng *r, struct block *b, struct pf_error *err)
{
    struct iface iface = {0};
    if (!get16(r, &b->body, &iface.linktype) || !pf_cur_skip(&b->body, 2) ||
        !get32(r, &b->body, &iface.snaplen)) {
        return damaged(r, err, "an interface description cut short");
    }
    if (r->n_ifaces == INTERFACES_MAX) {
        return damaged(r, err, "more than 65536 interfaces");
    }
    uint8_t resolution = DEFAULT_TSRESOL;
    int64_t offset = 0;
    read_time_options(r, b->body, &resolution, &offset);
    pf_ngtime_init(&iface.time, resolution, offset);
    enum pf_status st = grow_ifaces(r, err);
    if (st == PF_OK) {
        r->ifaces[r->n_ifaces++] = iface;
    }
    return st;
}

static void fill_frame(struct pf_item *item, struct pf_span data, uint32_t len, uint16_t linktype)
{
    item->kind = PF_ITEM_FRAME;
    item->data = data.ptr;
    item->caplen = data.len < PF_FRAME_MAX ? (uint32_t)data.len : PF_FRAME_MAX;
    item->len = len > data.len ? len : (uint32_t)data.len;
    item->linktype = linktype;
}

/* Enhanced and obsolete packet blocks differ in the first four bytes (sections 4.3 and 4.5). */
static enum pf_status on_packet(struct pf_pcapng *r, struct block *b, struct pf_item *item,
                                struct pf_error *err)
{
    uint32_t iface = 0;
    uint16_t iface16 = 0;
    uint32_t hi;
    uint32_t lo;
    uint32_t caplen;
    uint32_t len;
    struct pf_span data;
    bool old = b->type == BLOCK_PACKET_OLD;
    bool fits =
        old ? get16(r, &b->body, &iface16) && pf_cur_skip(&b->body, 2) : get32(r, &b->body, &iface);
    fits = fits && get32(r, &b->body, &hi) && get32(r, &b->body, &lo) &&
           get32(r, &b->body, &caplen) && get32(r, &b->body, &len) &&
           pf_cur_span(&b->body, caplen, &data);
    if (!fits) {
        return damaged(r, err, "a packet longer than its block");
    }
    iface = old ? iface16 : iface;
    if (iface >= r->n_ifaces) {
        return damaged(r, err, "an interface that was not described");
    }
    fill_frame(item, data, len, r->ifaces[iface].linktype);
    item->interface = iface;
    item->section = r->section;
    item->ts_ns = pf_ngtime_ns(&r->ifaces[iface].time, (uint64_t)hi << 32 | lo);
    r->last_ts = item->ts_ns;
    return PF_OK;
}

/* The captured length is not in the block: the snapshot length bounds it (section 4.4). */
static enum pf_status on_simple(struct pf_pcapng *r, struct block *b, struct pf_item *item,
                                struct pf_error *err)
{
    uint32_t len;
    struct pf_span data;
    if (!get32(r, &b->body, &len)) {
        return damaged(r, err, "a simple packet cut short");
    }
    if (r->n_ifaces == 0) {
        return damaged(r, err, "an interface that was not described");
    }
    size_t caplen = len < b->body.left ? len : b->body.left;
    if (r->ifaces[0].snaplen != 0 && caplen > r->ifaces[0].snaplen) {
        caplen = r->ifaces[0].snaplen;
    }
    if (!pf_cur_span(&b->body, caplen, &data)) {
        return damaged(r, err, "a packet longer than its block");
    }
    fill_frame(item, data, len, r->ifaces[0].linktype);
    item->interface = 0;
    item->section = r->section;
    item->ts_ns = r->last_ts;
    return PF_OK;
}

/* PF_AGAIN: secrets of another kind, counted. */
static enum pf_status on_secrets(struct pf_pcapng *r, struct block *b, struct pf_item *item,
                                 struct pf_error *err)
{
    uint32_t type;
    uint32_t len;
    if (!get32(r, &b->body, &type) || !get32(r, &b->body, &len) ||
        !pf_cur_span(&b->body, len, &item->secrets)) {
        return damaged(r, err, "secrets longer than their block");
    }
    if (type != SECRETS_TLS) {
        r->other_secrets++;
        return PF_AGAIN;
    }
    item->kind = PF_ITEM_SECRETS;
    return PF_OK;
}

/* PF_AGAIN: nothing to hand out. */
static enum pf_status on_block(struct pf_pcapng *r, struct block *b, struct pf_item *item,
                               struct pf_error *err)
{
    enum pf_status st = PF_OK;
    switch (b->type) {
    case BLOCK_PACKET:
    case BLOCK_PACKET_OLD:
        return on_packet(r, b, item, err);
    case BLOCK_PACKET_SIMPLE:
        return on_simple(r, b, item, err);
    case BLOCK_SECRETS:
        return on_secrets(r, b, item, err);
    case BLOCK_SECTION:
        st = on_section(r, b, err);
        break;
    case BLOCK_INTERFACE:
        st = on_interface(r, b, err);
        break;
    default: /* unknown blocks are to be skipped (section 3.1) */
        break;
    }
    return st == PF_OK ? PF_AGAIN : st;
}

enum pf_status pf_pcapng_next(struct pf_pcapng *r, struct pf_item *item, struct pf_error *err)
{
    enum pf_status st;
    do {
        struct block b;
        st = read_block(r, &b, err);
        if (st == PF_OK) {
            st = on_block(r, &b, item, err);
        }
    } while (st == PF_AGAIN);
    item->slab = pf_bytes_slab(r->in);
    return st;
}

static enum pf_status append_text(struct pf_buf *out, struct pf_span text, struct pf_error *err)
{
    enum pf_status st = pf_buf_append(out, text.ptr, text.len);
    if (st == PF_OK && text.len > 0 && text.ptr[text.len - 1] != '\n') {
        st = pf_buf_append(out, "\n", 1);
    }
    return st == PF_OK ? st : pf_error_set(err, st, "the capture's secrets do not fit");
}

static enum pf_status scan(struct pf_bytes *in, struct pf_buf *out, struct pf_error *err)
{
    struct pf_pcapng *r;
    enum pf_status st = pf_pcapng_new(in, &r, err);
    if (st != PF_OK) {
        return st;
    }
    struct block b;
    struct pf_item item;
    struct pf_error ignored = {0};
    while (st == PF_OK && read_block(r, &b, &ignored) == PF_OK) {
        if (b.type == BLOCK_SECRETS && on_secrets(r, &b, &item, &ignored) == PF_OK) {
            st = append_text(out, item.secrets, err);
        }
    }
    pf_pcapng_free(r);
    return st;
}

enum pf_status pf_pcapng_scan_secrets(const char *path, struct pf_buf *out, struct pf_error *err)
{
    struct stat info;
    if (strcmp(path, "-") == 0 || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return PF_OK;
    }
    struct pf_bytes *in;
    struct pf_error ignored = {0};
    enum pf_status st = pf_bytes_open(path, NULL, &in, &ignored);
    if (st != PF_OK) {
        return st == PF_ERR_NOMEM ? pf_error_set(err, st, "out of memory") : PF_OK;
    }
    const uint8_t *head;
    if (pf_bytes_need(in, 4, &head) == PF_OK && pf_pcapng_match(head, 4)) {
        st = scan(in, out, err);
    }
    pf_bytes_close(in);
    return st;
}
