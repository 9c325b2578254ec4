// SPDX-License-Identifier: Apache-2.0
#include "capture/walk.h"

enum {
    /* Frame control, IEEE 802.11 section 9.2.4.1, its two bytes as they lie in the frame. */
    VERSION_TYPE = 0x0f,
    TYPE_DATA = 0x08,
    SUBTYPE_NO_DATA = 0x40,
    SUBTYPE_QOS = 0x80,
    TO_AND_FROM_DS = 0x03,
    MORE_FRAGMENTS = 0x04,
    PROTECTED = 0x40,
    ORDER = 0x80,

    FIXED_HEADER = 24,
    ADDRESS = 6,
    QOS_CONTROL = 2,
    HT_CONTROL = 4,
    QOS_AGGREGATE = 0x80
};

/* The radiotap header's length is little-endian. Behind it the IEEE 802.11 frame. */
enum pf_drop pf_wlan_radiotap(struct pf_walk *w)
{
    uint8_t low;
    uint8_t high;
    if (!pf_cur_skip(&w->cur, 2) || !pf_cur_u8(&w->cur, &low) || !pf_cur_u8(&w->cur, &high)) {
        return pf_walk_short(w);
    }
    size_t len = (size_t)high << 8 | low;
    if (len < 4) {
        return PF_DROP_MALFORMED;
    }
    return pf_cur_skip(&w->cur, len - 4) ? pf_wlan_frame(w) : pf_walk_short(w);
}

/*
 * Data frames in the clear. What is encrypted, aggregated or a fragment counts as not IP. The frame
 * check sequence, if there is one, is cut off by the length in the IP header.
 */
enum pf_drop pf_wlan_frame(struct pf_walk *w)
{
    uint8_t kind;
    uint8_t flags;
    if (!pf_cur_u8(&w->cur, &kind) || !pf_cur_u8(&w->cur, &flags)) {
        return pf_walk_short(w);
    }
    if ((kind & VERSION_TYPE) != TYPE_DATA || (kind & SUBTYPE_NO_DATA) != 0 ||
        (flags & (PROTECTED | MORE_FRAGMENTS)) != 0) {
        return PF_DROP_NOT_IP;
    }
    uint8_t sequence_low;
    if (!pf_cur_skip(&w->cur, FIXED_HEADER - 4) || !pf_cur_u8(&w->cur, &sequence_low) ||
        !pf_cur_skip(&w->cur, 1) ||
        ((flags & TO_AND_FROM_DS) == TO_AND_FROM_DS && !pf_cur_skip(&w->cur, ADDRESS))) {
        return pf_walk_short(w);
    }
    uint8_t qos = 0;
    if ((kind & SUBTYPE_QOS) != 0 &&
        (!pf_cur_u8(&w->cur, &qos) || !pf_cur_skip(&w->cur, QOS_CONTROL - 1) ||
         ((flags & ORDER) != 0 && !pf_cur_skip(&w->cur, HT_CONTROL)))) {
        return pf_walk_short(w);
    }
    if ((sequence_low & 0x0f) != 0 || (qos & QOS_AGGREGATE) != 0) {
        return PF_DROP_NOT_IP;
    }
    w->type = 0; /* no EtherType: IEEE 802.2 follows */
    w->next = PF_NEXT_TYPE;
    return PF_DROP_NONE;
}
