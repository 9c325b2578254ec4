// SPDX-License-Identifier: Apache-2.0
#include "capture/filter.h"

#include "capture/item.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

struct program {
    uint32_t linktype;
    bool valid;
    struct bpf_program code;
};

struct pf_filter {
    char *expression;
    struct program *programs;
    size_t n;
    size_t last; /* the program used last: nearly always the one used next */
};

/* pcap_compile speaks DLT_ values; these are the ones that differ from LINKTYPE_ (libpcap,
 * pcap-common.c). */
static int to_dlt(uint32_t linktype)
{
    switch (linktype) {
    case 100:
        return DLT_ATM_RFC1483;
    case 101:
        return DLT_RAW;
    case 102:
        return DLT_SLIP_BSDOS;
    case 103:
        return DLT_PPP_BSDOS;
    case 106:
        return DLT_ATM_CLIP;
    default:
        return (int)linktype;
    }
}

static bool compile(const char *expression, uint32_t linktype, struct bpf_program *code,
                    struct pf_error *err)
{
    pcap_t *dead = pcap_open_dead(to_dlt(linktype), PF_FRAME_MAX);
    if (dead == NULL) {
        pf_error_set(err, PF_ERR_NOMEM, "out of memory");
        return false;
    }
    bool ok = pcap_compile(dead, code, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
    if (!ok) {
        pf_error_set(err, PF_ERR_USAGE, "filter \"%s\": %s", expression, pcap_geterr(dead));
    }
    pcap_close(dead);
    return ok;
}

/* An expression may be good for some link types only; the message is Ethernet's. */
static enum pf_status check(const char *expression, struct pf_error *err)
{
    static const uint32_t common[] = {1, 101, 105, 113, 0, 276};
    struct pf_error first = {0};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        struct bpf_program code;
        if (compile(expression, common[i], &code, &first)) {
            pcap_freecode(&code);
            return PF_OK;
        }
    }
    return pf_error_set(err, first.status, "%s", first.text);
}

enum pf_status pf_filter_new(const char *expression, struct pf_filter **out, struct pf_error *err)
{
    enum pf_status st = check(expression, err);
    if (st != PF_OK) {
        return st;
    }
    struct pf_filter *f = calloc(1, sizeof *f);
    if (f == NULL || (f->expression = strdup(expression)) == NULL) {
        pf_filter_free(f);
        return pf_error_set(err, PF_ERR_NOMEM, "out of memory");
    }
    *out = f;
    return PF_OK;
}

void pf_filter_free(struct pf_filter *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->programs[i].valid) {
            pcap_freecode(&f->programs[i].code);
        }
    }
    free(f->programs);
    free(f->expression);
    free(f);
}

/* NULL: out of memory. */
static struct program *add_program(struct pf_filter *f, uint32_t linktype)
{
    struct program *p = realloc(f->programs, (f->n + 1) * sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    f->programs = p;
    p[f->n] = (struct program){.linktype = linktype};
    p[f->n].valid = compile(f->expression, linktype, &p[f->n].code, NULL);
    f->last = f->n++;
    return &p[f->last];
}

static struct program *find_program(struct pf_filter *f, uint32_t linktype)
{
    if (f->n > 0 && f->programs[f->last].linktype == linktype) {
        return &f->programs[f->last];
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->programs[i].linktype == linktype) {
            f->last = i;
            return &f->programs[i];
        }
    }
    return add_program(f, linktype);
}

bool pf_filter_match(struct pf_filter *f, uint32_t linktype, const uint8_t *data, uint32_t caplen,
                     uint32_t len)
{
    struct program *p = find_program(f, linktype);
    if (p == NULL || !p->valid) {
        return false;
    }
    struct pcap_pkthdr header = {.caplen = caplen, .len = len};
    return pcap_offline_filter(&p->code, &header, data) != 0;
}
