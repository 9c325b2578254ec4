// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one direction of a TCP connection: packets in, bytes in order and gaps out.
 * Owns:    copies of segments that came too early; never the packets.
 * Threads: one owner, together with its env.
 * Errors:  none: what cannot be kept becomes a gap, and limited says so.
 * Limits:  env->max_held per direction and env's budget, both with overhead; before the anchor
 *          PF_REASM_HOLD_SEGS segments or PF_REASM_HOLD_BYTES bytes.
 *
 *        origin          next                    low
 *          |  delivered    |        hole          |==held==|   |==held==|
 *          0 ------------ off ------------------------------------------->  stream offset
 *
 * Internally a byte's place is a 64-bit number whose low half is its raw sequence number, chosen
 * nearest to next (+-2^31); so nothing is converted and a stream may be longer than 4 GiB. Held
 * segments never overlap each other: of two copies of a byte the first one stays.
 *
 * Which of two differing copies is true is not known here. The first one is delivered as DATA; each
 * other one follows as OTHER once all of its bytes were delivered: the copy of a held segment when
 * it differs, and whatever comes again of the last PF_REASM_RECENT bytes delivered, which only the
 * receiver of the pieces can compare. Both lie behind the last gap.
 *
 * After each push, pop until it returns false: bytes that are in order come out in place, without
 * being copied, and only then is the rest of the packet stored.
 *
 *     pf_reasm_push(r, pkt);
 *     while (pf_reasm_pop(r, &piece)) { ... }
 *
 * A hole is given up only when what is behind it does not fit any more, or by pf_reasm_flush: in a
 * file a retransmission may come any time. The lowest hole goes first. Bytes that come for it later
 * are counted in late_bytes and dropped.
 *
 * Before the anchor nothing is delivered: in a shuffled capture data may precede its SYN. The
 * caller anchors at ISN + 1 when it knows the SYN, or where it finds the beginning of something
 * (pf_reasm_peek_lowest); the direction anchors itself at its lowest byte when it can hold no more
 * or is flushed, and a SYN that is pushed anchors it.
 *
 * A segment more than PF_REASM_WILD bytes ahead is not believed: it is counted and dropped, unless
 * it begins where the one counted before it ended. Of a stream that really lost so much only the
 * first segment is lost with it; a forged one is kept away.
 */
#ifndef PF_FLOW_REASM_H
#define PF_FLOW_REASM_H

#include "base/pkt.h"
#include "base/pool.h"

#include <stdbool.h>

enum {
    PF_REASM_CLASSES = 4,
    PF_REASM_HOLD_SEGS = 32,
    PF_REASM_HOLD_BYTES = 64 * 1024,
    PF_REASM_WILD = 1 << 30,
    PF_REASM_RECENT = 16 * 1024,         /* delivered bytes of which further copies are handed on */
    PF_REASM_OTHERS = 64,                /* differing copies that wait for their place, at most */
    PF_REASM_OTHER_BYTES = 128 * 1024,   /* their blocks */
    PF_REASM_MAX_HELD = 16 * 1024 * 1024 /* the default of max_held */
};

/* What all directions of a worker share. */
struct pf_reasm_env {
    struct pf_pool blocks[PF_REASM_CLASSES];
    uint32_t max_held; /* bytes per direction */
    uint64_t steps;    /* nodes visited in trees so far */
};

void pf_reasm_env_init(struct pf_reasm_env *env, struct pf_budget *budget, uint32_t max_held);
void pf_reasm_env_fini(struct pf_reasm_env *env);

enum pf_piece_kind {
    PF_PIECE_DATA,
    PF_PIECE_GAP,
    PF_PIECE_OTHER /* another copy of bytes that were delivered: may differ, may be the true one */
};

/* Why a copy is to be believed less than another: the higher the sum, the later it is tried. */
enum {
    PF_DOUBT_TIMESTAMP = 1, /* with a timestamp option where the others have none, or without */
    PF_DOUBT_TTL = 2,       /* not the TTL of most packets of the direction */
    PF_DOUBT_IP_SUM = 4,
    PF_DOUBT_SIZE = 8,   /* far smaller than other segments of the direction */
    PF_DOUBT_PROBE = 128 /* a single byte in front of the next: a keep-alive, no forgery */
};

struct pf_piece {
    enum pf_piece_kind kind;
    uint64_t off;        /* stream offset of the first byte */
    const uint8_t *data; /* NULL in a gap; valid until the next call on this direction */
    uint64_t len;
    uint64_t packet; /* data: where it came; gap: the packet behind it, 0 at the end */
    int64_t ts_ns;   /* that packet's */
    uint64_t behind; /* other: from its first byte to the first one not delivered; may be > len */
    uint8_t doubt;   /* data and other: PF_DOUBT_* */
};

struct pf_seg;

/* Read anchored, origin, limited, conflicts, forgotten, late_bytes, wild; the rest is private. */
struct pf_reasm {
    struct pf_reasm_env *env;
    struct pf_seg *root;      /* splay tree of what is held, by off */
    struct pf_seg *low;       /* its lowest */
    struct pf_seg *lent;      /* handed out by the last pop */
    struct pf_seg *others;    /* differing copies of what is held, as they came */
    const struct pf_pkt *pkt; /* the last one pushed; read only while left > 0 */
    uint64_t pkt_off;         /* place of the first of its bytes that are left */
    uint64_t old_off;    /* place of the first of its bytes that are to be handed on as OTHER */
    uint64_t next;       /* first place not delivered; before the anchor: a place nearby */
    uint64_t origin;     /* place of stream offset 0 */
    uint64_t end;        /* behind the highest byte known to exist: FIN, cut packets */
    uint64_t gap_off;    /* the last hole given up */
    uint64_t late_bytes; /* bytes that came for it */
    uint32_t gap_len;
    uint32_t left;       /* bytes of pkt not dealt with */
    uint32_t held;       /* bytes of blocks */
    uint32_t segs;       /* blocks */
    uint32_t other_held; /* bytes of the blocks of others */
    uint32_t other_segs;
    uint32_t old_len;   /* bytes of pkt that were delivered before, from old_off on */
    uint32_t conflicts; /* overlaps with held bytes that differ */
    uint32_t forgotten; /* of these, copies that were not kept, at a limit */
    uint32_t wild;      /* segments too far ahead */
    uint32_t wild_seq;  /* where the last of them ended */
    uint8_t
        ttl; /* of most packets, as far as one counter tells; and whether they have the option */
    uint8_t ttl_votes;
    uint8_t tsopt;
    uint8_t tsopt_votes;
    uint8_t doubt;    /* of pkt */
    uint16_t longest; /* segment so far */
    bool started;
    bool anchored;
    bool flushing;
    bool skipping; /* until the next pop */
    bool limited;  /* a hole was given up at a limit */
};

/* env outlives r. Takes no memory before a segment comes early. */
void pf_reasm_init(struct pf_reasm *r, struct pf_reasm_env *env);
void pf_reasm_fini(struct pf_reasm *r);

/*
 * Stream offset 0 is the byte with sequence number seq; what is held below it is dropped. Once
 * anchored it stays. Call between push/pop rounds or before the first; then pop.
 */
void pf_reasm_anchor(struct pf_reasm *r, uint32_t seq);

/*
 * pkt and its bytes are read until pop has returned false. A SYN counts one sequence number: data
 * on it (RFC 7413) begins at ISN + 1.
 */
void pf_reasm_push(struct pf_reasm *r, const struct pf_pkt *pkt);

/* The next piece in order; false: nothing for now. */
PF_MUST_USE bool pf_reasm_pop(struct pf_reasm *r, struct pf_piece *piece);

/* Not anchored, and so much is held that the next packet may anchor it at its lowest byte. */
bool pf_reasm_unanchored_full(const struct pf_reasm *r);

/* The lowest held segment; false: none. span is valid until the next call on this direction. */
PF_MUST_USE bool pf_reasm_peek_lowest(const struct pf_reasm *r, uint32_t *seq,
                                      struct pf_span *span);

/* Copies what is held without a hole from the lowest byte on, up to cap bytes; how many. */
size_t pf_reasm_peek_prefix(struct pf_reasm *r, uint8_t *dst, size_t cap);

/* Everything up to the FIN was delivered and nothing is held. */
bool pf_reasm_is_complete(const struct pf_reasm *r);

/* Gives up the lowest hole now: the next pop tells it. Nothing if there is none. */
void pf_reasm_skip(struct pf_reasm *r);

/* The flow has ended: pop now hands out all that is held, with gaps between, up to the FIN. */
void pf_reasm_flush(struct pf_reasm *r);

#endif
