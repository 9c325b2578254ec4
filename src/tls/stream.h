// SPDX-License-Identifier: Apache-2.0
/*
 * What:    one direction's bytes in order, with their packets and their gaps; finds record frames.
 * Owns:    the bytes from append to consume, paid for from the budget.
 * Threads: one owner.
 * Errors:  PF_ERR_LIMIT (cap or budget), PF_ERR_NOMEM.
 * Limits:  the cap given at birth.
 *
 *      consumed | held bytes                       | appended next
 *     ----------+-----------------+----------------+----
 *               ^ at              ^ gap (n lost)   ^ end
 *
 * Positions count captured bytes from the start of the stream and never go back; a gap has a
 * position and takes none, so that the bytes around it lie side by side.
 */
#ifndef PF_TLS_STREAM_H
#define PF_TLS_STREAM_H

#include "base/buf.h"
#include "base/pkt.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct pf_stream {
    struct pf_buf bytes; /* [head, len) is held */
    struct pf_buf marks; /* struct pf_mark[]: which packet brought which bytes */
    struct pf_buf gaps;  /* struct pf_stream_gap[] not yet passed */
    uint64_t base;       /* position of bytes.ptr[0] */
    size_t head;
    size_t mark_at; /* index of the mark last asked for */
    uint64_t last_packet;
    uint64_t gap_at; /* position of the last gap; 0: none */
    bool pinned;     /* nothing is let go of, up to PF_STREAM_PINNED bytes */
};

/* Of what was consumed the last bytes stay, so that further copies of them can be compared. */
enum { PF_STREAM_RECENT = 16 * 1024, PF_STREAM_PINNED = 64 * 1024 };

/* A packet brought the bytes from the end of the mark before to `end`. */
struct pf_mark {
    uint64_t end;
    uint64_t packet;
    int64_t ts_ns;
};

struct pf_stream_gap {
    uint64_t pos;           /* of the first byte behind it */
    uint64_t lost;          /* bytes that were not captured */
    uint64_t packet_before; /* 0: none */
    uint64_t packet_after;  /* 0: none */
};

/* A record's frame. */
struct pf_frame {
    uint64_t pos; /* of its header */
    uint8_t type;
    uint16_t version;
    uint32_t body_len;
};

enum pf_frame_result {
    PF_FRAME_WHOLE, /* header and body are held */
    PF_FRAME_MORE,  /* more bytes are needed */
    PF_FRAME_CUT,   /* the header is held, but a gap comes before the body's end */
    PF_FRAME_GAP,   /* a gap comes before the header's end */
    PF_FRAME_BAD    /* this is no record header */
};

void pf_stream_init(struct pf_stream *s, size_t max, struct pf_budget *budget);
void pf_stream_fini(struct pf_stream *s);

PF_MUST_USE enum pf_status pf_stream_append(struct pf_stream *s, struct pf_span data,
                                            uint64_t packet, int64_t ts_ns);

/* `lost` bytes are missing here; packet is the first behind them (0: none). */
PF_MUST_USE enum pf_status pf_stream_gap(struct pf_stream *s, uint64_t lost, uint64_t packet);

uint64_t pf_stream_at(const struct pf_stream *s);  /* position of the first byte held */
uint64_t pf_stream_end(const struct pf_stream *s); /* position behind the last byte held */

/* Bytes from pos on, up to the next gap at or behind pos, or the end; valid until the next append.
 */
struct pf_span pf_stream_peek(const struct pf_stream *s, uint64_t pos);

/* The first gap at or behind pos, or NULL. */
const struct pf_stream_gap *pf_stream_next_gap(const struct pf_stream *s, uint64_t pos);

/* The frame at pos. A gap exactly at pos is reported as PF_FRAME_GAP. */
enum pf_frame_result pf_stream_frame(const struct pf_stream *s, uint64_t pos, struct pf_frame *out);

/* The held body of a whole frame. */
struct pf_span pf_stream_body(const struct pf_stream *s, const struct pf_frame *f);

/* Packet and time of the byte at pos. Cheap when positions go forward. */
void pf_stream_packet(struct pf_stream *s, uint64_t pos, uint64_t *packet, int64_t *ts_ns);

/* Lets go of everything before pos. A gap at pos itself is still to be passed. */
void pf_stream_consume(struct pf_stream *s, uint64_t pos);

/* The same, and of the gap at pos: it has been dealt with. */
void pf_stream_pass_gap(struct pf_stream *s, uint64_t pos);

/* Reads a record header from the front of bytes; pos is left alone. False: fewer than five bytes.
 */
PF_MUST_USE bool pf_frame_parse(struct pf_span bytes, struct pf_frame *out);

/* A header that can be: type, version and length in range (RFC 5246 section 6.2). */
bool pf_frame_plausible(const struct pf_frame *f);

/* Somewhere in bytes begins a record of application data with another header behind it. */
bool pf_frame_is_inside(struct pf_span bytes);

/* What passing over bytes came to. */
struct pf_skip {
    uint64_t pos;          /* where it stands now */
    uint64_t left;         /* bytes still to be passed */
    uint64_t lost;         /* bytes of gaps that it went over */
    uint64_t beyond;       /* of those, how many lie behind what was to be passed */
    uint64_t packet_after; /* behind the last of those gaps */
};

/* Passes over `count` stream bytes from pos on; bytes lost in gaps count as well. What lies before
 * the last such gap is let go. */
struct pf_skip pf_stream_skip(struct pf_stream *s, uint64_t pos, uint64_t count);

/* The position of the oldest byte that is still there, consumed or not. */
uint64_t pf_stream_oldest(const struct pf_stream *s);

/* len bytes from pos on, which are there; gaps are not looked at. */
const uint8_t *pf_stream_bytes(const struct pf_stream *s, uint64_t pos);

/* Where the bytes end that the packet of pos brought. */
uint64_t pf_stream_packet_end(struct pf_stream *s, uint64_t pos);

/* The bytes at pos are from now on these, of this packet. */
PF_MUST_USE enum pf_status pf_stream_write(struct pf_stream *s, uint64_t pos, const uint8_t *bytes,
                                           size_t len, uint64_t packet, int64_t ts_ns);

/* Goes back to pos, which is still there; no gap lies behind it. */
void pf_stream_rewind(struct pf_stream *s, uint64_t pos);

#endif
