// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the inside of a connection, shared by the files that read it, each named below.
 * Owns:    see tls/conn.h.
 * Threads: see tls/conn.h.
 * Errors:  every pf_..._step returns PF_END: something moved, call again; PF_OK: *work is filled;
 *          PF_AGAIN: more bytes; PF_BLOCKED: a fact of the other direction; negative: run-scoped.
 * Limits:  -
 */
#ifndef PF_TLS_HALF_H
#define PF_TLS_HALF_H

#include "tls/conn.h"
#include "tls/copies.h"
#include "tls/handshake.h"
#include "tls/keys.h"
#include "tls/open.h"
#include "tls/stream.h"
#include "tls/watch.h"

#include <stdbool.h>
#include <stdint.h>

enum pf_stage {
    PF_STAGE_PLAIN,     /* records in the clear */
    PF_STAGE_KEYS,      /* TLS 1.2 and older: ChangeCipherSpec seen, keys wanted */
    PF_STAGE_HANDSHAKE, /* TLS 1.3: records under handshake keys, one at a time */
    PF_STAGE_OPEN,      /* records under traffic keys, in runs */
    PF_STAGE_SEALED,    /* watched: records that nothing opens, up to the application data */
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
    bool clear;            /* the gap may have begun before the first record under keys */
    bool stray;            /* bytes were passed over that belong to no record */
    bool inexact;          /* plain_bytes is only a bound */
    bool second_iv;        /* chained CBC, clear: it was not the first IV of these keys */
    bool told;             /* records and bytes are what is to be reported */
    bool poor;             /* the last search that was not brief ended for want of trials */
    bool further;          /* the next search sees as far as any, not only a few records */
    uint8_t first_tried;   /* 1 + which of the records ahead it would begin with once more; or 0 */
    bool finished;         /* the first lost record under fresh keys was counted in `other` */
    uint64_t skip;         /* bytes of the cut record that lie behind the gap */
    uint64_t area;         /* bytes in which whole records may have been lost */
    uint64_t cut;          /* records that were certainly lost */
    uint64_t rejected;     /* records that did not verify: lost, or never sent */
    uint64_t other;        /* of the lost ones: known to hold no application data */
    uint64_t other_bytes;  /* their plaintext */
    uint64_t plain_bytes;  /* of the cut and rejected ones */
    uint64_t cipher_bytes; /* bytes that were not captured */
    uint64_t since_opened; /* stream bytes since the last record that was opened */
    uint64_t whole_at;     /* where pf_resync_covers_record saw one */
    uint64_t packet_before;
    uint64_t packet_after;
    uint64_t records; /* when told; UINT64_MAX: not known */
    uint64_t bytes;
    uint32_t trials;     /* spent on this gap */
    uint32_t searches;   /* for the number of a record behind it */
    uint64_t vain_cost;  /* of the last thorough search, */
    uint64_t brief_cost; /* and of the last other one */
};

/* Large things first, flags last: there may be hundreds of thousands. */
struct pf_half {
    struct pf_stream in;
    struct pf_buf run;     /* struct pf_run_record[]; the first begins at pf_stream_at */
    struct pf_buf message; /* handshake bytes that are not yet taken */
    struct pf_buf late;    /* struct pf_late[]: see pf_half_ready */
    struct pf_keys keys;
    struct pf_chain chain;
    struct pf_loss loss;
    struct pf_copies *copies; /* differing copies of its bytes; NULL: there were none */
    uint64_t framed;          /* position behind the last record of the run under construction */
    uint64_t message_packet;
    uint64_t message_left;  /* of a message that is too long to be any: passed over */
    uint64_t late_packet;   /* of the last one that was passed */
    uint64_t record_packet; /* of the handshake record, alert or ChangeCipherSpec at hand */
    int64_t record_ts_ns;
    uint64_t late_seen;       /* late.c: secrets that had come at the last look, plus one */
    uint64_t seq;             /* of the next record to be opened */
    uint64_t nonce_offset;    /* TLS 1.2 AEAD: explicit nonce minus sequence number */
    uint64_t rejected;        /* records that did not verify */
    uint64_t gaps;            /* that were reported */
    uint64_t verified;        /* position behind the last record that was, or was passed over */
    uint64_t keyed;           /* position of the first record under the present keys */
    uint64_t keyed_seq;       /* its number */
    uint64_t keyed_lost;      /* bytes that were not captured since, in gaps that are told */
    uint64_t lost_bytes;      /* and under all keys */
    uint64_t past_records;    /* under former keys, lost ones included; */
    uint64_t past_bytes;      /* theirs */
    uint64_t clear_end;       /* and under the first: nothing proves which bytes before are true */
    uint64_t wait_until;      /* waits: until the stream ends here, */
    uint64_t retry_at;        /* before the stream ends here no further copy is of use */
    uint64_t given_up;        /* 1 + position of the record that was waited for in vain */
    uint64_t sync_until;      /* up to here runs were taken back: they are opened in place */
    uint64_t missing_records; /* UINT64_MAX: not known */
    uint64_t missing_bytes;
    uint64_t search_cost; /* of searches, in nanoseconds of a common processor */
    uint32_t wait_seen;   /* waits: or conn's copies_seen is more than this by: */
    uint32_t patience;    /* which doubles with every trial in vain */
    uint32_t trials;      /* spent on searches */
    uint32_t gaps_passed; /* under keys */
    uint32_t updates;     /* TLS 1.3: KeyUpdates */
    uint32_t detached;    /* runs that are being opened elsewhere */
    enum pf_stage stage;
    enum pf_phase phase;
    unsigned keys_ahead;     /* 1 + generation that keys are of which are not in force yet; or 0 */
    uint32_t hs_no;          /* which handshake: 0, then one more with every renegotiation */
    unsigned generation;     /* of the secret search whose candidate the keys are from */
    struct pf_secret secret; /* TLS 1.3: that the keys are from */
    uint8_t opened_phases;   /* TLS 1.3: in which a record was opened, 1 << phase */
    bool proved;             /* a record was opened under the present keys */
    bool chain_live;
    bool message_skips; /* behind a gap: handshake bytes may begin in the middle of a message */
    bool headless;      /* records under keys came without the sender's hello */
    bool plain_cut;     /* something of the handshake was not captured */
    bool ended;         /* close_notify seen */
    bool limit;         /* held bytes hit their cap */
    bool search_limit;  /* a search behind a gap ended at its budget: what follows is not placed */
    bool window_lost;   /* DEFLATE: what follows a gap cannot be inflated */
    bool updated;       /* TLS 1.3: the last record was a KeyUpdate; the next is under other keys */
    bool tls_inside;    /* another TLS connection runs inside */
    bool padded;        /* TLS 1.3: records were padded, their lengths tell only a bound */
    bool opened_any;
    bool early_locked; /* TLS 1.3: early data was passed over for want of its secret */
    bool nonce_known;
    bool keyed_once; /* there were keys: clear_end holds */
    bool waits;      /* for another copy of the record at framed */
};

/* From this position on bytes were fed because of this packet, although an earlier one brought
 * them. */
struct pf_late {
    uint64_t pos;
    uint64_t packet;
};

struct pf_conn {
    const struct pf_conn_env *env;
    uint64_t at;          /* see pf_conn_at */
    uint32_t copies_seen; /* differing copies that were kept, of both directions */
    uint32_t replays;     /* how often it was read again with other copies */
    uint64_t replayed;    /* the packet whose copies were put in place the last time */
    struct pf_server server;
    struct pf_half half[2];
    struct pf_handshake *hs[2];  /* handshake n is hs[n & 1]; hs[1] NULL while there was only one */
    struct pf_handshake opening; /* hs[0] */
    uint32_t hs_count;           /* handshakes begun */
    struct pf_handshake *first;  /* the first one, once another has its place; or NULL */
    bool finishing;              /* no more bytes will come */
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
    bool alert_seen;               /* fatal, before both sides had finished */
    struct pf_buf secrets;         /* key log lines of what was proved, if they are kept */
    struct pf_watch *watch;        /* NULL: nobody reads the handshake */
    uint64_t flow_packet;          /* names the flow; 0: nobody asks */
    struct pf_conn_report *report; /* verdict.c: under construction */
};

static inline struct pf_handshake *pf_half_handshake(struct pf_conn *c, const struct pf_half *h)
{
    return c->hs[h->hs_no & 1];
}

/* The keys are a candidate's that neither direction has proved. */
static inline bool pf_half_candidate_is_open(struct pf_conn *c, const struct pf_half *h)
{
    return !h->proved && h->keys.version != PF_VERSION_TLS13 &&
           !pf_half_handshake(c, h)->search.proved;
}

/* What a run's records said of those that follow. */
static inline void pf_half_saw_inside(struct pf_half *h, const struct pf_run_result *result)
{
    h->tls_inside |= result->tls_inside;
    h->padded |= result->padded;
    h->updated = result->consumed > 0 ? result->key_update : h->updated;
}

/* conn.c */
void pf_conn_note_alert(struct pf_conn *c, enum pf_dir dir, struct pf_span body);
void pf_half_stop(struct pf_half *h);

/* The packet with which the bytes up to pos had all come, packet having brought the last of them:
 * so early, and no earlier, can what they say be known, on whatever worker. Positions asked for
 * must not go back. */
uint64_t pf_half_ready(struct pf_half *h, uint64_t pos, uint64_t packet);
/* watch.c: the connection is read for its handshake; nothing here costs anything otherwise. */
void pf_conn_unwatch(struct pf_conn *c);

/* The connection is read from its start, with fresh handshakes. */
void pf_watch_restart(struct pf_conn *c);

/* Notes a message or record, if the connection is watched. */
void pf_half_watch(struct pf_conn *c, enum pf_dir dir, enum pf_watch_kind kind,
                   struct pf_span bytes);

/* Nothing of this direction can be opened any more: stops it, or goes on to see its records. */
void pf_half_stop_reading(struct pf_conn *c, struct pf_half *h);

/* One record that nothing opens. */
PF_MUST_USE enum pf_status pf_sealed_step(struct pf_conn *c, enum pf_dir dir);

/* Under TLS 1.3 keys: a record that is in the clear all the same. */
void pf_watch_bare(struct pf_conn *c, enum pf_dir dir, const struct pf_frame *f);

/* The keys are proved, and what follows is application data. */
bool pf_watch_is_settled(const struct pf_half *h);

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

/* replay.c: nothing came of the connection so far. PF_END: other copies of its first bytes are in
 * place, and it is read again; PF_ERR_REJECTED: there are none, or something was proved already.
 * last: also those that were in place before. */
PF_MUST_USE enum pf_status pf_replay(struct pf_conn *c, bool last);

/* Other bytes are in place of some that were read. False: it is too late to read them again. */
bool pf_replay_restart(struct pf_conn *c);

/* Whether the next record could be this one: under the present keys as number seq, or as the first
 * under those that can follow. */
PF_MUST_USE enum pf_status pf_tls13_fits(struct pf_conn *c, enum pf_dir dir,
                                         const struct pf_record *record, uint64_t seq);

/* cleargap.c: gaps before keys. cut: the frame that the gap cuts, or NULL. */
PF_MUST_USE enum pf_status pf_clear_gap(struct pf_half *h, const struct pf_frame *cut);

/* Looks for the next record while h->loss.scan. */
PF_MUST_USE enum pf_status pf_clear_find(struct pf_conn *c, struct pf_half *h);

/* Whether a record's handshake bytes may be taken: behind a gap only from where a message begins.
 */
bool pf_clear_takes(struct pf_half *h, struct pf_span body);

/* Passes over one that is not taken: it may be sealed already. */
PF_MUST_USE enum pf_status pf_clear_pass(struct pf_half *h, const struct pf_frame *f);

/* A record of this type was understood: what was lost before it was in the clear too. */
void pf_clear_sound(struct pf_half *h, uint8_t type);

/* proof.c: the handshake's secret is proved, or there is none: see pf_secret_publish. */
PF_MUST_USE enum pf_status pf_conn_publish(struct pf_conn *c, struct pf_handshake *hs);

/* A record of TLS 1.3 was opened under the keys of the half's present phase. */
void pf_conn_saw_phase(struct pf_conn *c, struct pf_half *h);

/* tls13.c: the secret of a phase as it was logged; false when it was not. */
bool pf_tls13_find_secret(const struct pf_conn *c, const struct pf_handshake *hs, enum pf_dir dir,
                          enum pf_phase phase, struct pf_secret *out, enum pf_opened_by *by);
enum pf_keylog_label pf_tls13_label(enum pf_dir dir, enum pf_phase phase);

/* blind.c: hellos that were not captured. True: what they said has to be found out for this
 * direction, by pf_blind_step. */
bool pf_blind_applies(struct pf_conn *c, enum pf_dir dir);

/* There is a key log to try. */
bool pf_blind_is_possible(const struct pf_conn *c);

/* At a ChangeCipherSpec or a record under keys (sealed). PF_OK: go on as if the hellos had been
 * captured; PF_AGAIN: pass over the record; PF_END: the direction is at another stage now. */
PF_MUST_USE enum pf_status pf_blind_step(struct pf_conn *c, enum pf_dir dir, bool sealed);

/* resync.c: the gap ahead of h->framed, under keys; cut: the frame that it cuts, or NULL. */
void pf_resync_begin(struct pf_half *h, const struct pf_frame *cut);

/* The header at h->framed is none, under keys. */
void pf_resync_lost_frame(struct pf_half *h);

/* A record did not verify, and is passed over by the caller. */
void pf_resync_rejected(struct pf_half *h, const struct pf_frame *f, uint64_t packet);

/* Whether the length of a record that did not verify is not true: no record begins where it ends.
 */
bool pf_resync_is_false(const struct pf_half *h, const struct pf_frame *f);

/* The header at h->framed claims more than there is before a gap or the end, and in what is there
 * lies a whole record with another behind it, or nothing: most likely the claim is not true. In an
 * honest capture: one in ten million such headers. */
bool pf_resync_covers_record(struct pf_half *h);

/* Finds the next record and its sequence number while h->loss.open. PF_OK: *work tells the loss. */
PF_MUST_USE enum pf_status pf_resync_step(struct pf_conn *c, enum pf_dir dir, struct pf_work *work);

/* At the end: what is still missing. PF_OK: *work tells it; PF_AGAIN: nothing. */
PF_MUST_USE enum pf_status pf_resync_end(struct pf_conn *c, enum pf_dir dir, struct pf_work *work);

/* A header of this connection's records, as far as keys, version and length tell. */
bool pf_resync_fits(const struct pf_half *h, const struct pf_frame *f);

/* Bytes of plaintext in a record; false: that is a bound. */
bool pf_resync_plain_len(const struct pf_half *h, uint32_t body_len, uint32_t *len);

/* losscount.c: what a loss comes to, once the number of the next record is known, or never will
 * be. first: that number; rekeyed: keys that came into force inside the gap. */
void pf_loss_settle(struct pf_half *h, uint64_t first, unsigned rekeyed, enum pf_phase old_phase);
void pf_loss_guess(struct pf_half *h);

/* The records before h->framed, whose number is known, were not captured. */
void pf_loss_before(struct pf_half *h);

/* fund.c: what is left for searches, in nanoseconds. end: position behind the last byte that the
 * search may see. */
uint64_t pf_fund_left(const struct pf_half *h, uint64_t end);

/* Pays for deriving keys; false: it cannot be paid. */
bool pf_fund_pays_keys(struct pf_half *h, uint64_t end);

/* What a search may see, however much more has come: whole records from h->framed on (one at
 * least), and the position that counts as the stream's end. */
struct pf_ahead {
    const struct pf_frame *frames;
    size_t count;
    uint64_t end;
    bool further; /* all that a search may see, or that there is */
    bool last;    /* the latter */
};

/* number.c: the number of the record at h->framed, proved by it or by one of those behind it; on
 * PF_OK the loss is told, and keys that came into force in the gap are installed.
 * PF_ERR_REJECTED: none of those tried verifies, and h->loss.poor says whether more would have been
 * tried, had it been paid for; PF_ERR_LIMIT: no search of this direction is made any more. */
PF_MUST_USE enum pf_status pf_number_find(struct pf_conn *c, enum pf_dir dir,
                                          const struct pf_ahead *ahead);

/* All numbers that the record can have are soon tried. */
bool pf_number_is_short(const struct pf_half *h);

/* guess.c: what is known of the number of the record at h->framed, under the keys from before the
 * gap. */
struct pf_seq_search pf_guess_bounds(const struct pf_half *h);

/* How many records so many bytes are, if they are as long as those of this direction were; and how
 * far off that may well be: of few records the mean says little. */
uint64_t pf_guess_usual(const struct pf_half *h, uint64_t area);
uint64_t pf_guess_error(const struct pf_half *h, uint64_t count);

/* The same, if they are as long as those ahead: fewer than PF_GUESS_ENOUGH say nothing. */
enum { PF_GUESS_ENOUGH = 8 };
uint64_t pf_guess_like(const struct pf_ahead *ahead, uint64_t area);

/* The number if all records that may have been lost were as long as they can be. */
uint64_t pf_guess_fewest(const struct pf_half *h);

/* Other keys are about to be installed: what was under these tells how long records are. */
void pf_guess_keys_change(struct pf_half *h);

/* late.c. Nothing opens this yet: may the secret still come? Then it is PF_BLOCKED. */
bool pf_late_may_come(const struct pf_conn *c);

/* It may, and no secret has come since this was asked last: there is nothing to look for. */
bool pf_late_nothing_new(const struct pf_conn *c, struct pf_half *h);

/* The search has come to its end: it begins anew if a secret has come that fits. */
void pf_late_search_again(struct pf_conn *c, struct pf_handshake *hs);

#endif
