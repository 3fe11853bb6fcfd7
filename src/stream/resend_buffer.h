/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sender holds between its input and the channel.  Positions are
 * 64-bit offsets into the stream: acked <= sent <= head.
 *
 * An interface with three implementations: store_mem keeps bytes in memory,
 * store_pipe in pipes, store_file knows that they are in a file anyway.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conn/connection.h"
#include "stream/input.h"

struct resend_buffer;

struct resend_buffer_ops {
	/*
	 * Take what the input has; poll said that there is something, or its
	 * end.  Moves head, or sets eof.  Errors: ERR_IO.
	 */
	int (*fill)(struct resend_buffer *s, struct err *e);

	/*
	 * Send up to len bytes, len <= head - sent, and move sent by
	 * io->bytes.  Errors: those of the channel.
	 */
	int (*send)(struct resend_buffer *s, struct connection *c, size_t len,
		    struct connection_io *io, struct err *e);

	/* Bytes below offset, offset <= sent, are not needed any more. */
	void (*ack)(struct resend_buffer *s, uint64_t offset);

	/*
	 * Send again from offset, which is not below acked.  NULL: only after
	 * to_memory().  Errors: ERR_STREAM if offset was never sent.
	 */
	int (*rewind)(struct resend_buffer *s, uint64_t offset, struct err *e);

	/*
	 * Copy len bytes that begin at offset and end at head or before it.  What
	 * is not acknowledged is there, and the last 64 bytes are in any case.
	 * While there is to_memory(), only the first bytes of the stream are.
	 * Errors: ERR_IO, and ERR_BUG for what is not there (any more).
	 */
	int (*peek)(const struct resend_buffer *s, uint64_t offset, void *buf,
		    size_t len, struct err *e);

	/*
	 * A store in memory that holds the same bytes, at the same offsets; frees
	 * s.  NULL: s need not change.  Errors: returns NULL, and s is as it was
	 * or lacks bytes: ERR_IO, ERR_BUG.
	 */
	struct resend_buffer *(*to_memory)(struct resend_buffer *s,
					   struct err *e);

	void (*free)(struct resend_buffer *s);
};

struct resend_buffer {
	const struct resend_buffer_ops *ops;
	const struct input *in; /* borrowed */
	uint64_t head; /* end of what is held */
	uint64_t sent; /* next byte to go out */
	uint64_t acked; /* start of what is held */
	uint64_t room; /* how many bytes are held before it is full */
	uint64_t limit; /* send nothing beyond it before the next ack() */
	uint64_t ahead; /* read so many bytes ahead of the socket at the most */
	bool keeps; /* until they are acknowledged; else until sent */
	bool peeks; /* peek() has something to look at */
	bool eof; /* head is the end of the stream */
	bool full; /* for another reason than its room */
	bool cramped; /* by small writes: call to_memory() */
	bool in_place; /* what is not sent waits in the input itself */
};

static inline bool resend_buffer_full(const struct resend_buffer *s)
{
	return s->full || s->head - s->acked >= s->room;
}

/* How many bytes fill() may add at once: there is room, and they are wanted. */
static inline uint64_t resend_buffer_wants(const struct resend_buffer *s)
{
	uint64_t held = s->head - s->acked, unsent = s->head - s->sent;

	if (resend_buffer_full(s) || unsent >= s->ahead)
		return 0;
	return s->room - held < s->ahead - unsent ? s->room - held
						  : s->ahead - unsent;
}

/* For rewind(): a receiver that wants to go on behind what it can have. */
static inline int resend_buffer_never_sent(struct err *e)
{
	return err_set(e, ERR_STREAM, 0,
		       "the receiver has bytes that were never sent");
}

/* For peek(): whoever asks must know what there is. */
static inline int resend_buffer_not_held(struct err *e)
{
	return err_set(e, ERR_BUG, 0, "bytes of the stream are not held");
}

/* A rewind() where whatever is held can be sent from any offset. */
static inline int resend_buffer_rewind(struct resend_buffer *s, uint64_t offset,
				       struct err *e)
{
	if (offset > s->head)
		return resend_buffer_never_sent(e);
	s->sent = offset;
	return 0;
}
