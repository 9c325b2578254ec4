// SPDX-License-Identifier: Apache-2.0
/* The reader that walks pcap files in place, against libpcap's. */
#include "capture/pcapfile.h"
#include "capture/pcaplib.h"
#include "support/capfile.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MICRO = 0xa1b2c3d4, NANO = 0xa1b23c4d, FILES = 300, FRAME = 3000, HEADER = 24, RECORD = 16 };

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void make(struct cf *c)
{
    static uint8_t frame[FRAME];
    c->big = draw(2) == 0;
    uint32_t magic = draw(2) == 0 ? MICRO : NANO;
    cf_pcap_header(c, magic, draw(3) == 0 ? 96 : 65535, draw(231));
    for (uint32_t i = draw(60); i > 0; i--) {
        uint32_t n = draw(8) == 0 ? 0 : draw(FRAME);
        for (uint32_t k = 0; k < n; k++) {
            frame[k] = (uint8_t)draw(256);
        }
        uint32_t fraction = draw(5) == 0 ? draw(4000000) : draw(1000000);
        cf_pcap_packet(c, draw(4) == 0 ? 0xf0000000 + draw(1000) : draw(1 << 24), fraction,
                       (const char *)frame, n, draw(3) == 0 ? n / 2 : n + draw(100));
    }
}

/* Cut somewhere, or with a byte spoiled that is not a time's: what a fraction of more than a second
 * means is all that they may see differently. */
static void damage(struct cf *c)
{
    if (draw(3) == 0) {
        c->len = 4 + draw((uint32_t)c->len - 3);
    } else if (draw(2) == 0 && c->len > HEADER + RECORD) {
        c->ptr[HEADER + 8 + draw(8)] ^= (uint8_t)(1U << draw(8));
    }
}

static void check(struct cf *c)
{
    struct pf_error err = {0};
    struct pf_bytes *in[2];
    struct pf_pcapfile *walked = NULL;
    struct pf_pcaplib *lib = NULL;
    struct pf_item a = {0};
    struct pf_item b = {0};
    const char *path = cf_path(c);
    assert_int_equal(pf_bytes_open(path, NULL, &in[0], &err), PF_OK);
    assert_int_equal(pf_bytes_open(path, NULL, &in[1], &err), PF_OK);
    enum pf_status one = pf_pcapfile_new(in[0], &walked, &err);
    const uint8_t *head = c->ptr;
    uint32_t linktype = 0;
    if (c->len >= HEADER) {
        linktype = c->big ? (uint32_t)head[22] << 8 | head[23] : (uint32_t)head[21] << 8 | head[20];
    }
    enum pf_status two = pf_pcaplib_new(in[1], linktype, &lib, &err);
    assert_int_equal(one, two);
    while (one == PF_OK) {
        one = pf_pcapfile_next(walked, &a, &err);
        two = pf_pcaplib_next(lib, &b, &err);
        assert_int_equal(one, two);
        if (one == PF_OK) {
            assert_int_equal(a.caplen, b.caplen);
            assert_int_equal(a.len, b.len);
            assert_int_equal(a.ts_ns, b.ts_ns);
            assert_int_equal(a.linktype, b.linktype);
            assert_memory_equal(a.data, b.data, a.caplen);
        }
    }
    pf_pcapfile_free(walked);
    pf_pcaplib_free(lib);
    pf_bytes_close(in[0]);
    pf_bytes_close(in[1]);
}

static void same_packets(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++) {
        struct cf c;
        cf_init(&c);
        make(&c);
        if (i % 2 == 1) {
            damage(&c);
        }
        check(&c);
        cf_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_packets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
