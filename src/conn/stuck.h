/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule by which a sender detects that a connection is stuck: the receiver's
 * ACKs arrive and say that it waits for bytes, but the bytes that were sent do
 * not reach it.  Neither a consumer that stalls nor an idle input looks like
 * that.  Pure: now_ms is clock_now_ms() time, which is never 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	STUCK_MS = 30000, /* without progress, before it counts as stuck */
	STUCK_GAP_MS = 15000, /* ACKs come more often: we were suspended */
};

struct stuck {
	uint64_t acked; /* bytes that the receiver has, by its last ACK */
	bool waits; /* it waits for bytes, by its last ACK */
	bool heard; /* an ACK came over this connection */
	uint64_t since_ms; /* since when it waits for bytes sent; 0: not */
	uint64_t judged_ms; /* when stuck_judge() was last called */
};

/* A new connection, over which the stream continues at offset. */
struct stuck stuck_begin(uint64_t offset);

/* An ACK came.  Returns whether it acknowledges more bytes than the last. */
bool stuck_ack(struct stuck *s, uint64_t acked, bool waits);

/*
 * Is the connection stuck?  owed: bytes, or the end of the stream, were sent
 * over it and are not acknowledged.  Call it at least at every ACK: a gap of
 * STUCK_GAP_MS counts as a suspension of our own.
 */
bool stuck_judge(struct stuck *s, bool owed, uint64_t now_ms);

/* When to call stuck_judge() at the latest; CLOCK_NEVER: not needed. */
uint64_t stuck_due(const struct stuck *s);
