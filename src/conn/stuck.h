/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule by which a sender finds out that a connection lives and moves
 * nothing: the receiver says all the time that it waits for bytes, and those
 * that were sent do not arrive.  A consumer that stalls or a source that is
 * quiet never looks like that.  Pure; it is told the time, which is that of
 * clock_now_ms() and never 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	STUCK_MS = 30000, /* a connection is stuck after that */
	/* ACKs wake the sender more often: else it was suspended itself. */
	STUCK_GAP_MS = 15000,
};

struct stuck {
	uint64_t acked; /* what the receiver has, by its latest word */
	bool waits; /* it waits for bytes, by its latest word */
	bool heard; /* it has said so on this connection */
	uint64_t since_ms; /* since then it waits for what it is owed, or 0 */
	uint64_t judged_ms; /* when the last judgement was */
};

/* Another connection, on which the receiver goes on at this offset. */
void stuck_begin(struct stuck *s, uint64_t offset);

/*
 * An ACK.  Returns whether it brought news of bytes that arrived.
 */
bool stuck_ack(struct stuck *s, uint64_t acked, bool waits);

/*
 * Is the connection stuck?  owed: bytes, or the end of the stream, were sent
 * over it and not acknowledged.  To be asked often.
 */
bool stuck_judge(struct stuck *s, bool owed, uint64_t now_ms);

/* When to ask again, if nothing else happens; CLOCK_NEVER: no need. */
uint64_t stuck_due(const struct stuck *s);
