// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the inside of a connection, shared by the files that read it: conn.c (coordinates),
 *          plain.c (before encryption), keychange.c (key changes), protect.c (records under keys),
 *          tls13.c (the handshake phase of TLS 1.3), resync.c (after a gap), verdict.c (the
 * report). Owns:    see tls/conn.h. Threads: see tls/conn.h. Errors:  every pf_..._step returns
 * PF_END: something moved, call again; PF_OK: *work is filled; PF_AGAIN: more bytes; PF_BLOCKED: a
 * fact of the other direction; negative: run-scoped. Limits:  -
 */
#ifndef PF_TLS_HALF_H
#define PF_TLS_HALF_H

#include "tls/conn.h"
#include "tls/handshake.h"
#include "tls/keys.h"
#include "tls/open.h"
#include "tls/stream.h"

#include <stdbool.h>
#include <stdint.h>

enum pf_stage {
    PF_STAGE_PLAIN,     /* records in the clear */
    PF_STAGE_KEYS,      /* TLS 1.2 and older: ChangeCipherSpec seen, keys wanted */
    PF_STAGE_HANDSHAKE, /* TLS 1.3: records under handshake keys, one at a time */
    PF_STAGE_OPEN,      /* records under traffic keys, in runs */
    PF_STAGE_DEAD       /* nothing more is to be had of this direction */
};

/* TLS 1.3: whose keys (RFC 8446 section 7.1). In this order on the wire. */
enum pf_phase { PF_PHASE_EARLY, PF_PHASE_HANDSHAKE, PF_PHASE_TRAFFIC, PF_PHASE_NONE };

/* What is missing, until the next record has been opened. */
struct pf_loss {
    bool open;             /* something is missing and not reported yet */
    bool scan;             /* the next record header has to be looked for */
    bool scanned;          /* the present place was found by looking */
    bool uncertain;        /* the sequence number is not known */
    bool inexact;          /* plain_bytes is only a bound */
    uint64_t skip;         /* bytes of the cut record that lie behind the gap */
    uint64_t area;         /* bytes in which whole records may have been lost */
    uint64_t cut;          /* records that were certainly lost */
    uint64_t rejected;     /* records that did not verify: lost, or never sent */
    uint64_t plain_bytes;  /* of the cut and rejected ones */
    uint64_t cipher_bytes; /* bytes that were not captured */
    uint64_t since_opened; /* stream bytes since the last record that was opened */
    uint64_t packet_before;
    uint64_t packet_after;
    uint32_t headers; /* places that looked like a header and were none */
};

struct pf_half {
    struct pf_stream in;
    uint64_t framed;       /* position behind the last record of the run under construction */
    struct pf_buf run;     /* struct pf_run_record[]; the first begins at pf_stream_at */
    struct pf_buf message; /* handshake bytes that are not yet taken */
    uint64_t message_packet;
    uint64_t message_left; /* of a message that is too long to be any: passed over */
    struct pf_buf late;    /* struct pf_late[]: see pf_half_ready */
    uint64_t late_packet;  /* of the last one that was passed */
    enum pf_stage stage;
    enum pf_phase phase;
    uint32_t hs_no;      /* which handshake: 0, then one more with every renegotiation */
    unsigned generation; /* of the secret search whose candidate the keys are from */
    bool proved;         /* a record was opened under the present keys */
    bool chain_live;
    bool message_skips; /* the rest of a message that was too long, or cut, is being passed over */
    bool plain_cut;     /* something of the handshake was not captured */
    bool ended;         /* close_notify seen */
    bool limit;         /* held bytes hit their cap */
    bool opened_any;
    bool early_locked; /* TLS 1.3: early data was passed over for want of its secret */
    struct pf_keys keys;
    struct pf_chain chain;
    struct pf_secret secret; /* TLS 1.3: that the keys are from */
    uint64_t seq;            /* of the next record to be opened */
    uint64_t mean_body;      /* running mean of record bodies, for guesses after a gap */
    uint64_t nonce_offset;   /* TLS 1.2 AEAD: explicit nonce minus sequence number */
    bool nonce_known;
    struct pf_loss loss;
    uint64_t rejected;        /* records that did not verify */
    uint64_t gaps;            /* that were reported */
    uint32_t trials;          /* spent on searches */
    uint32_t detached;        /* runs that are being opened elsewhere */
    uint64_t sync_until;      /* up to here runs were taken back: they are opened in place */
    uint64_t missing_records; /* UINT64_MAX: not known */
    uint64_t missing_bytes;
};

enum { PF_DETAIL_MAX = 640 };

/* From this position on bytes were fed because of this packet, although an earlier one brought
 * them. */
struct pf_late {
    uint64_t pos;
    uint64_t packet;
};

struct pf_conn {
    const struct pf_conn_env *env;
    uint64_t at; /* see pf_conn_at */
    struct pf_server server;
    struct pf_half half[2];
    struct pf_handshake hs[2]; /* handshake n is hs[n & 1] */
    uint32_t hs_count;         /* handshakes begun */
    bool finishing;            /* no more bytes will come */
    bool final; /* and all that did come was read: what waits for a fact stops waiting */
    bool flush;
    bool waiting;    /* a session was asked for and is not there yet */
    bool locked;     /* no secret: nothing will be opened */
    bool understood; /* at least one hello was read */
    bool bad_frame;  /* a record header that is none, in the clear */
    bool pending_event;
    bool unsupported;
    uint8_t alert_from;
    uint8_t alert_level;
    uint8_t alert_code;
    bool alert_seen; /* fatal, before both sides had finished */
    struct pf_cert cert;
    char detail[PF_DETAIL_MAX];
};

static inline struct pf_handshake *pf_half_handshake(struct pf_conn *c, const struct pf_half *h)
{
    return &c->hs[h->hs_no & 1];
}

/* conn.c */
void pf_conn_note_alert(struct pf_conn *c, enum pf_dir dir, struct pf_span body);
void pf_half_stop(struct pf_half *h);

/* The packet with which the bytes up to pos had all come, packet having brought the last of them:
 * so early, and no earlier, can what they say be known, on whatever worker. Positions asked for
 * must not go back. */
uint64_t pf_half_ready(struct pf_half *h, uint64_t pos, uint64_t packet);

/* plain.c: one record in the clear; handshake bytes taken as messages. */
PF_MUST_USE enum pf_status pf_plain_step(struct pf_conn *c, enum pf_dir dir);

/* Takes whole messages from h->message. inside: they came under encryption. PF_END: all taken. */
PF_MUST_USE enum pf_status pf_plain_messages(struct pf_conn *c, enum pf_dir dir, bool inside);

/* Adds a record's handshake bytes to h->message. */
PF_MUST_USE enum pf_status pf_plain_collect(struct pf_half *h, struct pf_span body,
                                            uint64_t packet);

/* keychange.c: gets the keys that a ChangeCipherSpec calls for. */
PF_MUST_USE enum pf_status pf_keychange_step(struct pf_conn *c, enum pf_dir dir,
                                             struct pf_work *work);

/* The candidate of the present keys did not open a record: the next one, if there is any. */
void pf_keychange_reject(struct pf_conn *c, struct pf_half *h);

/* A record was opened under the present keys; it had come with packet. */
PF_MUST_USE enum pf_status pf_keychange_proved(struct pf_conn *c, struct pf_half *h,
                                               uint64_t packet);

/* Puts keys in force from the next record on, with sequence number 0. */
PF_MUST_USE enum pf_status pf_half_install(struct pf_half *h, const struct pf_keys *keys,
                                           uint8_t compression);

/* protect.c: records under keys. */
PF_MUST_USE enum pf_status pf_protect_step(struct pf_conn *c, enum pf_dir dir,
                                           struct pf_work *work);
PF_MUST_USE enum pf_status pf_protect_run_done(struct pf_conn *c, enum pf_dir dir,
                                               const struct pf_run_result *result);

/* Remembers of the last record of a run what helps to find the place again after a gap. */
void pf_protect_learn(struct pf_half *h, const struct pf_run_record *r, const uint8_t *bytes,
                      uint64_t seq);

/* tls13.c */
PF_MUST_USE enum pf_status pf_tls13_step(struct pf_conn *c, enum pf_dir dir);

/* The traffic secret and keys that can come after the present ones: the next phase's, or those of a
 * KeyUpdate (RFC 8446 section 4.6.3). PF_ERR_NOKEY: there are none that are known. */
PF_MUST_USE enum pf_status pf_tls13_next_keys(struct pf_conn *c, enum pf_dir dir,
                                              struct pf_secret *secret, struct pf_keys *keys,
                                              enum pf_phase *phase);

/* Tries the keys that can follow the present ones on a record that these did not open. PF_OK: they
 * open it and are in force; PF_ERR_REJECTED: they do not. */
PF_MUST_USE enum pf_status pf_tls13_successor(struct pf_conn *c, enum pf_dir dir,
                                              const struct pf_record *record);

/* resync.c: the gap ahead of h->framed, under keys; cut: the frame that it cuts, or NULL. */
void pf_resync_begin(struct pf_half *h, const struct pf_frame *cut);

/* The header at h->framed is none, under keys. */
void pf_resync_lost_frame(struct pf_half *h);

/* A record did not verify, and is passed over by the caller. */
void pf_resync_rejected(struct pf_half *h, uint32_t body_len, uint64_t packet);

/* Finds the next record and its sequence number while h->loss.open. PF_OK: *work tells the loss. */
PF_MUST_USE enum pf_status pf_resync_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work);

/* At the end: what is still missing. PF_OK: *work tells it; PF_AGAIN: nothing. */
PF_MUST_USE enum pf_status pf_resync_end(struct pf_conn *c, enum pf_dir dir, struct pf_work *work);

#endif
