// SPDX-License-Identifier: Apache-2.0
#include "capture/pcaplib.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

enum {
    SNAPLEN_AT = 16,
    LINKTYPE_AT = 20,
    PAGE = 4096,
    BUFFER = 256 << 10, /* page aligned: see bytes.h */
    NS_PER_S = 1000000000
};

struct pf_pcaplib {
    struct pf_bytes *in;
    pcap_t *pcap;
    char *buffer; /* stdio's */
    uint32_t linktype;
};

/*
 * The snapshot length in the header becomes 0, which libpcap takes as "as long as can be". Files
 * whose header says less than their packets hold are common, and libpcap would cut those.
 */
static void clear_snaplen(uint64_t at, uint8_t *dst, size_t got)
{
    for (uint64_t i = SNAPLEN_AT; i < LINKTYPE_AT; i++) {
        if (i >= at && i - at < got) {
            dst[i - at] = 0;
        }
    }
}

static ssize_t cookie_read(void *cookie, char *dst, size_t n)
{
    struct pf_pcaplib *r = cookie;
    uint64_t at = pf_bytes_offset(r->in);
    size_t got = 0;
    enum pf_status st = pf_bytes_read(r->in, (uint8_t *)dst, n, &got);
    if (st == PF_OK) {
        clear_snaplen(at, (uint8_t *)dst, got);
        return (ssize_t)got;
    }
    errno = EIO;
    return st == PF_END ? 0 : -1;
}

/* libpcap has one code for all errors; its texts are what tells them apart. */
static enum pf_status translate(const struct pf_pcaplib *r, const char *text, struct pf_error *err)
{
    const struct pf_error *cause = pf_bytes_error(r->in);
    if (cause->status != PF_OK) {
        return pf_error_set(err, cause->status, "%s", cause->text);
    }
    static const char cut[] = "truncated dump file";
    bool truncated = strncmp(text, cut, sizeof cut - 1) == 0;
    return pf_error_set(err, truncated ? PF_ERR_TRUNCATED : PF_ERR_MALFORMED, "%s", text);
}

static enum pf_status open_pcap(struct pf_pcaplib *r, struct pf_error *err)
{
    r->buffer = aligned_alloc(PAGE, BUFFER);
    FILE *f = fopencookie(r, "r", (cookie_io_functions_t){.read = cookie_read});
    /* setvbuf before libpcap reads the first byte: later it would lose what stdio holds */
    if (r->buffer == NULL || f == NULL || setvbuf(f, r->buffer, _IOFBF, BUFFER) != 0) {
        if (f != NULL) {
            (void)fclose(f);
        }
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    (void)__fsetlocking(f, FSETLOCKING_BYCALLER);
    char text[PCAP_ERRBUF_SIZE] = "";
    r->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, text);
    if (r->pcap == NULL) { /* f stays ours */
        (void)fclose(f);
        return translate(r, text, err);
    }
    return PF_OK;
}

enum pf_status pf_pcaplib_new(struct pf_bytes *in, uint32_t linktype, struct pf_pcaplib **out,
                              struct pf_error *err)
{
    struct pf_pcaplib *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    r->in = in;
    r->linktype = linktype;
    enum pf_status st = open_pcap(r, err);
    if (st != PF_OK) {
        pf_pcaplib_free(r);
        return st;
    }
    *out = r;
    return PF_OK;
}

void pf_pcaplib_free(struct pf_pcaplib *r)
{
    if (r == NULL) {
        return;
    }
    if (r->pcap != NULL) {
        pcap_close(r->pcap);
    }
    free(r->buffer);
    free(r);
}

/*
 * libpcap reads the seconds as signed 32 bits, which ends in 2038; unsigned they reach 2106. It
 * does not check the fraction: one of a second or more says nothing.
 */
static int64_t time_of(const struct timeval *tv)
{
    int64_t ns = tv->tv_usec >= 0 && tv->tv_usec < NS_PER_S ? tv->tv_usec : 0;
    return (int64_t)(uint32_t)tv->tv_sec * NS_PER_S + ns;
}

enum pf_status pf_pcaplib_next(struct pf_pcaplib *r, struct pf_item *item, struct pf_error *err)
{
    struct pcap_pkthdr *header;
    const u_char *data;
    int rc = pcap_next_ex(r->pcap, &header, &data);
    if (rc == 1) {
        item->kind = PF_ITEM_FRAME;
        item->data = data;
        item->slab = NULL;
        item->caplen = header->caplen;
        item->len = header->len > header->caplen ? header->len : header->caplen;
        item->ts_ns = time_of(&header->ts);
        item->linktype = r->linktype;
        item->interface = 0;
        item->section = 0;
        return PF_OK;
    }
    if (rc == PCAP_ERROR_BREAK && pf_bytes_error(r->in)->status == PF_OK) {
        return PF_END;
    }
    return translate(r, pcap_geterr(r->pcap), err);
}
