// SPDX-License-Identifier: Apache-2.0
/*
 * src/flow/track.c with any packets: the state stays consistent, and sweeping idle flows early
 * never changes a verdict. Targets pf_track, pf_track_expired.
 */
#include "base/cursor.h"
#include "flow/track.h"

#include <stdlib.h>

enum { MAX_PACKETS = 5000 };

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* Numbers from few neighbourhoods, so that packets have to do with each other. */
static uint32_t seq_of(uint8_t where, uint8_t low)
{
    static const uint32_t base[] = {0, 0x7fffff80, 0x80000000, 0xffffff80, 0x00100000, 0x40000000};
    return base[where % 6] + (uint32_t)(where >> 4) * 0x1000 + low;
}

static bool read_packet(struct pf_cur *c, struct pf_pkt *p)
{
    uint8_t b[8];
    if (!pf_cur_copy(c, b, sizeof b)) {
        return false;
    }
    p->side = b[0] & 1;
    p->flags = b[0] >> 1 & 0x3f;
    p->seq = seq_of(b[1], b[2]);
    p->ack = seq_of(b[3], b[4]);
    p->len = (b[5] & 3) == 0 ? 0 : b[5];
    p->missing = (b[6] & 0xf0) == 0 ? b[6] : 0;
    p->number++;
    p->ts_ns = p->clock_ns - b[7];
    p->clock_ns += b[7] > 250 ? PF_TRACK_IDLE_NS + 1 : (int64_t)b[7] * 1000000000;
    return true;
}

static void check_flow(const struct pf_flow *f, const struct pf_pkt *p, enum pf_track verdict)
{
    check(f->packets > 0 && f->last_clock_ns == p->clock_ns);
    check(f->first_packet <= p->number && f->last_ts_ns >= f->first_ts_ns);
    check(f->state <= PF_FLOW_CLOSED);
    if (verdict == PF_TRACK_NEW_INCARNATION) {
        check(f->packets == 1 && f->first_packet == p->number && f->first_ts_ns == p->ts_ns);
    }
    for (int i = 0; i < 2; i++) {
        unsigned seen = f->side[i].seen;
        check((seen & PF_SIDE_SYN) == 0 || (seen & PF_SIDE_NEXT) != 0);
        check((seen & PF_SIDE_DATA) == 0 || (seen & PF_SIDE_NEXT) != 0);
        check((seen & PF_SIDE_CANDIDATE) == 0 || (seen & PF_SIDE_BEFORE) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_cur c = pf_cur_over(data, size);
    struct pf_flow flow = {0};
    struct pf_flow swept = {0};
    struct pf_pkt p = {0};
    while (p.number < MAX_PACKETS && read_packet(&c, &p)) {
        if (swept.packets > 0 && pf_track_expired(&swept, p.clock_ns, PF_TRACK_IDLE_NS)) {
            swept = (struct pf_flow){0};
        }
        enum pf_track verdict = pf_track(&flow, &p, PF_TRACK_IDLE_NS);
        check(verdict == pf_track(&swept, &p, PF_TRACK_IDLE_NS));
        check(memcmp(flow.side, swept.side, sizeof flow.side) == 0);
        check(flow.first_packet == swept.first_packet && flow.packets == swept.packets);
        check_flow(&flow, &p, verdict);
    }
    return 0;
}
