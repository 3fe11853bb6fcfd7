/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resend buffer: what the sender holds between its input and its
 * connection.
 * Units: positions are 64-bit offsets into the stream, acked <= sent <= head.
 *
 * An interface with three implementations.
 */
#pragma once

#include "base/err.h"
#include "conn/connection.h"
#include "stream/input.h"

struct resend_buffer;

struct resend_buffer_ops {
	/*
	 * Take bytes from the input; poll(2) reported some, or the end.  Moves
	 * head, or sets eof.  Errors: ERR_IO.
	 */
	int (*fill)(struct resend_buffer *s, struct err *e);

	/*
	 * Send up to len bytes, len <= head - sent, and move sent by
	 * *done.  Errors: those of the connection.
	 */
	int (*send)(struct resend_buffer *s, struct connection *c, size_t len,
		    size_t *done, struct err *e);

	/* Forget the bytes below offset; offset <= sent. */
	void (*ack)(struct resend_buffer *s, uint64_t offset);

	/*
	 * Copy len bytes from offset; offset + len <= head.  All bytes that
	 * are not acknowledged are there, and always the last 64 bytes.
	 * If to_memory is not NULL, only the stream's first bytes are there.
	 * Errors: ERR_IO; ERR_BUG for bytes that are not there.
	 */
	int (*peek)(const struct resend_buffer *s, uint64_t offset, void *buf,
		    size_t len, struct err *e);

	/*
	 * Return a resend buffer in memory with the same bytes at the same
	 * offsets, and free s.  NULL instead of a function: s can do all this.
	 * Errors: NULL, ERR_IO or ERR_BUG; s stays, and may lack bytes.
	 */
	struct resend_buffer *(*to_memory)(struct resend_buffer *s,
					   struct err *e);

	void (*free)(struct resend_buffer *s);
};

struct resend_buffer {
	const struct resend_buffer_ops *ops;
	const struct input *in; /* borrowed */
	uint64_t head; /* end of the bytes held */
	uint64_t sent; /* next byte to send */
	uint64_t acked; /* start of the bytes held */
	uint64_t room; /* bytes that may be held */
	uint64_t ahead; /* bytes that may be held and not sent yet */
	bool keeps; /* bytes until acknowledged; else until sent */
	bool peeks; /* peek() works */
	bool eof; /* head is the end of the stream */
	bool full; /* takes no more, although there is room */
	bool cramped; /* full of small writes: call to_memory() */
	bool stalled; /* send nothing until ack() */
	bool in_place; /* unsent bytes wait in the input itself */
};

/*
 * In memory: input is read into it and sent straight from it.  bytes: its room,
 * rounded up to whole records.  start: stream offset of the input's first byte.
 * keeps: until acknowledged, else until sent.
 * Borrows in.
 * Errors: NULL, ERR_BUG if there is no memory.
 */
struct resend_buffer *resend_memory_new(const struct input *in, uint64_t bytes,
					uint64_t start, bool keeps,
					struct err *e);

/*
 * In the file that the input is, which can be read again, so nothing is kept;
 * the kernel sends out of its page cache.  The stream is the file from its
 * current offset to its end, which may move while it is sent.  Borrows in.
 * Errors: NULL, ERR_IO; ERR_BUG if there is no memory.
 */
struct resend_buffer *resend_file_new(const struct input *in, struct err *e);

/*
 * In pipes; the input is a pipe.  splice(2) moves bytes from it through a pipe
 * of our own into kernel TLS.  tee(2) keeps them in a second one: the same
 * pages, not a copy.  bytes: how many are kept; 0: none.  It cannot rewind.
 * Call to_memory() first to send bytes again, to use a connection without
 * kernel TLS, to peek at the end of the stream, or if the input's writes are so
 * small that they waste the pipe's room.  Borrows in.  Errors: NULL, ERR_IO;
 * errno EPERM or ENOMEM: no pipe can be that large.
 */
struct resend_buffer *resend_pipes_new(const struct input *in, uint64_t bytes,
				       struct err *e);

static inline bool resend_buffer_full(const struct resend_buffer *s)
{
	return s->full || s->head - s->acked >= s->room;
}

/* How many bytes fill() may add: what room and ahead leave. */
static inline uint64_t resend_buffer_wants(const struct resend_buffer *s)
{
	uint64_t held = s->head - s->acked, unsent = s->head - s->sent;

	if (resend_buffer_full(s) || unsent >= s->ahead)
		return 0;
	return s->room - held < s->ahead - unsent ? s->room - held
						  : s->ahead - unsent;
}

/* The error of peek(): its caller must know what is held. */
static inline int resend_buffer_not_held(struct err *e)
{
	return err_set(e, ERR_BUG, 0, "bytes of the stream are not held");
}

/*
 * Send again from offset.  Only if to_memory is NULL.  Errors: ERR_STREAM, the
 * receiver claims bytes that it cannot have, or lacks some that it
 * acknowledged.
 */
static inline int resend_buffer_rewind(struct resend_buffer *s, uint64_t offset,
				       struct err *e)
{
	if (!s->keeps || offset > s->head)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver has bytes that were never sent");
	if (offset < s->acked)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver lacks bytes that it acknowledged");
	s->sent = offset;
	return 0;
}

/* Turn *s into memory, unless it is in memory or can do the same. */
static inline int resend_buffer_use_memory(struct resend_buffer **s,
					   struct err *e)
{
	struct resend_buffer *m;

	if (!(*s)->ops->to_memory)
		return 0;
	m = (*s)->ops->to_memory(*s, e);
	if (!m)
		return -1;
	*s = m;
	return 0;
}

/* The receiver has the bytes below offset. */
static inline void resend_buffer_confirm(struct resend_buffer *s,
					 uint64_t offset)
{
	if (s->keeps)
		s->ops->ack(s, offset);
}
