// SPDX-License-Identifier: Apache-2.0
/*
 * What:    turns the bytes of a data file into plaintext again; see store/pack.h.
 * Owns:    an unpacker owns its decompression state.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_MALFORMED when packed is not exactly one frame of plain_len bytes.
 * Limits:  never writes beyond plain_len, whatever packed says.
 */
#ifndef PF_STORE_UNPACK_H
#define PF_STORE_UNPACK_H

#include "base/pkt.h"
#include "base/status.h"
#include "store/pack.h"

struct pf_unpacker;

PF_MUST_USE enum pf_status pf_unpacker_new(struct pf_unpacker **out);
void pf_unpacker_free(struct pf_unpacker *u);

PF_MUST_USE enum pf_status pf_unpack(struct pf_unpacker *u, enum pf_store_codec codec,
                                     struct pf_span packed, uint8_t *plain, size_t plain_len);

#endif
