// SPDX-License-Identifier: Apache-2.0
/*
 * Walking a pcap in place costs a third of what libpcap takes for it through stdio: two calls and
 * two copies a packet. Both readers hand on the same packets; tests/unit/capture/test_pcapfile.c
 * says so.
 */
#include "capture/pcapfile.h"

#include "base/cursor.h"
#include "capture/pcaplib.h"

#include <stdlib.h>

enum {
    HEADER = 24,
    RECORD = 16,
    NS_PER_S = 1000000000,
    VERSION_MAJOR = 2,
    VERSION_MINOR = 4,
    LINKTYPE_MAX_WALKED = 230, /* some beyond have frames of more than PF_FRAME_MAX */
};

enum { MICRO = 0xa1b2c3d4, NANO = 0xa1b23c4d, KUZNETZOV = 0xa1b2cd34 };

struct pf_pcapfile {
    struct pf_bytes *in;
    struct pf_pcaplib *lib; /* NULL: walked here */
    bool little;
    uint32_t fraction_ns; /* one unit of a time's fraction */
    uint32_t linktype;
};

/* The file's header; all 0 where the file is too short for one. */
struct header {
    uint32_t magic;
    uint16_t major;
    uint16_t minor;
    uint32_t linktype;
    bool little;
};

static bool is_magic(uint32_t v)
{
    return v == MICRO || v == NANO || v == KUZNETZOV;
}

static uint32_t get32(struct pf_cur *c, bool little)
{
    uint32_t v;
    if (!pf_cur_u32(c, &v)) {
        return 0; /* cannot be: the callers have all of it */
    }
    return little ? __builtin_bswap32(v) : v;
}

static uint16_t get16(struct pf_cur *c, bool little)
{
    uint16_t v;
    if (!pf_cur_u16(c, &v)) {
        return 0;
    }
    return little ? __builtin_bswap16(v) : v;
}

bool pf_pcapfile_match(const uint8_t *head, size_t len)
{
    struct pf_cur c = pf_cur_over(head, len);
    uint32_t v;
    return pf_cur_u32(&c, &v) && (is_magic(v) || is_magic(__builtin_bswap32(v)));
}

static struct header parse_header(struct pf_bytes *in)
{
    struct header h = {0};
    const uint8_t *head;
    if (pf_bytes_need(in, HEADER, &head) != PF_OK) {
        return h;
    }
    struct pf_cur c = pf_cur_over(head, HEADER);
    h.magic = get32(&c, false);
    h.little = !is_magic(h.magic);
    h.magic = h.little ? __builtin_bswap32(h.magic) : h.magic;
    h.major = get16(&c, h.little);
    h.minor = get16(&c, h.little);
    /* time zone and accuracy say nothing; a snapshot length below the packets' is common */
    for (int i = 0; i < 3; i++) {
        (void)get32(&c, h.little);
    }
    h.linktype = get32(&c, h.little) & 0xffff; /* above: length of the frame check sequence */
    return h;
}

static bool is_walked(const struct header *h)
{
    return (h->magic == MICRO || h->magic == NANO) && h->major == VERSION_MAJOR &&
           h->minor == VERSION_MINOR && h->linktype <= LINKTYPE_MAX_WALKED;
}

enum pf_status pf_pcapfile_new(struct pf_bytes *in, struct pf_pcapfile **out, struct pf_error *err)
{
    struct pf_pcapfile *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    const struct header h = parse_header(in);
    r->in = in;
    r->little = h.little;
    r->linktype = h.linktype;
    r->fraction_ns = h.magic == NANO ? 1 : 1000;
    if (is_walked(&h)) {
        pf_bytes_skip(in, HEADER);
    } else {
        /* also what is too short or makes no sense: libpcap has the words for it */
        enum pf_status st = pf_pcaplib_new(in, h.linktype, &r->lib, err);
        if (st != PF_OK) {
            pf_pcapfile_free(r);
            return st;
        }
    }
    *out = r;
    return PF_OK;
}

void pf_pcapfile_free(struct pf_pcapfile *r)
{
    if (r != NULL) {
        pf_pcaplib_free(r->lib);
        free(r);
    }
}

/* n bytes more, or what ended the stream; what: what they are. */
static enum pf_status need(struct pf_pcapfile *r, size_t n, const char *what, const uint8_t **p,
                           struct pf_error *err)
{
    enum pf_status st = pf_bytes_need(r->in, n, p);
    if (st == PF_OK || st == PF_END) {
        return st;
    }
    const struct pf_error *cause = pf_bytes_error(r->in);
    if (cause->status != PF_OK) {
        return pf_error_set(err, cause->status, "%s", cause->text);
    }
    return pf_error_set(err, PF_ERR_TRUNCATED, "truncated dump file; it ends within %s", what);
}

/* The fraction is not checked by who writes: one of a second or more says nothing. */
static int64_t time_of(const struct pf_pcapfile *r, uint32_t seconds, uint32_t fraction)
{
    uint64_t ns = (uint64_t)fraction * r->fraction_ns;
    return (int64_t)seconds * NS_PER_S + (ns < NS_PER_S ? (int64_t)ns : 0);
}

enum pf_status pf_pcapfile_next(struct pf_pcapfile *r, struct pf_item *item, struct pf_error *err)
{
    if (r->lib != NULL) {
        return pf_pcaplib_next(r->lib, item, err);
    }
    const uint8_t *p;
    enum pf_status st = need(r, RECORD, "a packet's header", &p, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_cur c = pf_cur_over(p, RECORD);
    uint32_t seconds = get32(&c, r->little);
    uint32_t fraction = get32(&c, r->little);
    uint32_t caplen = get32(&c, r->little);
    uint32_t len = get32(&c, r->little);
    if (caplen > PF_FRAME_MAX) {
        return pf_error_set(err, PF_ERR_MALFORMED,
                            "invalid packet capture length %u, bigger than maximum of %u", caplen,
                            (unsigned)PF_FRAME_MAX);
    }
    st = need(r, RECORD + caplen, "a packet", &p, err);
    if (st != PF_OK) {
        return st;
    }
    pf_bytes_skip(r->in, RECORD + caplen);
    item->kind = PF_ITEM_FRAME;
    item->data = p + RECORD;
    item->slab = pf_bytes_slab(r->in);
    item->caplen = caplen;
    item->len = len > caplen ? len : caplen;
    item->ts_ns = time_of(r, seconds, fraction);
    item->linktype = r->linktype;
    item->interface = 0;
    item->section = 0;
    return PF_OK;
}
