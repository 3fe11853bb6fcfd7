/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a peer may send besides data once the handshake is done, and how much of
 * it: alerts, session tickets, KeyUpdate, empty records.  Pure: record_layer
 * acts on the result.
 */
#pragma once

#include "base/err.h"
#include "proto/record.h"

struct incoming {
	bool v13; /* TLS 1.3 */
	bool raw; /* the peer is another program */
	bool bulk; /* the stream itself is received */
	bool closed; /* close_notify came: no data may follow */
	struct record_message message;
	unsigned int empties, key_updates, tickets; /* in a row, without data */
};

/*
 * A record of this type came; it is not data.  VIOLATION: the peer broke the
 * protocol; *alert is our answer, and e says how (ERR_STREAM).  ABORT: *alert
 * is the peer's.  Never RENEGOTIATION.
 */
enum record_meaning incoming_record(struct incoming *in, unsigned int type,
				    const uint8_t *body, size_t len,
				    uint8_t *alert, struct err *e);

/*
 * Data came, or an empty record of data.  -1: the peer broke the protocol;
 * unexpected_message is our answer, and e says how (ERR_STREAM).
 */
int incoming_data(struct incoming *in, struct err *e) attr_must_check;
int incoming_empty(struct incoming *in, struct err *e) attr_must_check;
