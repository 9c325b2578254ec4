// SPDX-License-Identifier: Apache-2.0
/*
 * What:    what the readers hand over: a captured frame, or secrets that lay between frames.
 * Owns:    nothing; data and secrets borrow from the reader.
 * Threads: plain data.
 * Errors:  -
 * Limits:  PF_FRAME_MAX bytes a frame.
 */
#ifndef PF_CAPTURE_ITEM_H
#define PF_CAPTURE_ITEM_H

#include "base/pkt.h"
#include "capture/slab.h"

#include <stdint.h>

/*
 * The most that libpcap reads of a frame, with room for segmentation offload. A longer frame in a
 * pcapng is cut here, len keeps its true length; in a pcap such a length is damage.
 */
enum { PF_FRAME_MAX = 262144 };

enum pf_item_kind {
    PF_ITEM_FRAME,
    PF_ITEM_SECRETS /* text of an NSS key log, from a Decryption Secrets Block */
};

struct pf_item {
    enum pf_item_kind kind;
    uint32_t input;       /* index of the capture it is from */
    const uint8_t *data;  /* PF_ITEM_FRAME: caplen bytes from the link header on */
    struct pf_slab *slab; /* which they lie in; NULL: the reader's own memory */
    uint32_t caplen;
    uint32_t len;  /* as it was on the wire; >= caplen */
    int64_t ts_ns; /* ns since 1970 */
    /* 1, 2, 3 … over all captures; filtered packets are counted too. Secrets have that of the
     * packet before them, or 0. */
    uint64_t number;
    uint32_t interface;     /* of its section, as the capture numbers them; 0 in a pcap */
    uint32_t section;       /* of its capture */
    uint32_t linktype;      /* LINKTYPE_ value as in the file, not libpcap's DLT_ */
    struct pf_span secrets; /* PF_ITEM_SECRETS */
};

#endif
