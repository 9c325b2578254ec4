// SPDX-License-Identifier: Apache-2.0
/*
 * What:    a flow's facts as one JSON object, without its number.
 * Owns:    a line writer owns its text buffer.
 * Threads: one thread at a time.
 * Errors:  PF_ERR_NOMEM; PF_ERR_LIMIT for a line beyond PF_LINE_MAX.
 * Limits:  see store/flows.h.
 */
#ifndef PF_STORE_LINE_H
#define PF_STORE_LINE_H

#include "base/buf.h"
#include "base/status.h"
#include "store/flows.h"
#include "store/json.h"
#include "store/text.h"

/* Replaces the contents of text by {"community_id":...}; no newline. sha1: for the
 * community id. */
PF_MUST_USE enum pf_status pf_line_format(struct pf_json *j, const struct pf_flow_info *info,
                                          const struct pf_flow_ref *ref, struct pf_text_sha1 *sha1,
                                          struct pf_buf *text);

#endif
