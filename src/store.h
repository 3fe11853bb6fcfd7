/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sender holds between its input and the channel.  Positions are
 * 64-bit offsets into the stream: acked <= sent <= head.
 *
 * An interface with two implementations: store_mem keeps bytes in memory,
 * store_pipe leaves them in the input's own pipe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chan.h"
#include "err.h"

struct store;

struct store_ops {
	/*
	 * Take what the input has; poll said that there is something, or its
	 * end.  Moves head, or sets eof.  Errors: ERR_IO.
	 */
	int (*fill)(struct store *s, struct err *e);

	/*
	 * Send up to len bytes, len <= head - sent, and move sent by
	 * io->bytes.  Errors: those of the channel.
	 */
	int (*send)(struct store *s, struct chan *c, size_t len,
		    struct chan_io *io, struct err *e);

	/* Bytes below offset, offset <= head, are not needed any more. */
	void (*ack)(struct store *s, uint64_t offset);

	/*
	 * Copy len bytes that begin at offset, below head, whether they are
	 * acknowledged or not.  False: they are not there (any more).
	 */
	bool (*peek)(const struct store *s, uint64_t offset, void *buf,
		     size_t len);

	void (*free)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	int in_fd; /* the input: borrowed */
	uint64_t head; /* end of what is held */
	uint64_t sent; /* next byte to go out */
	uint64_t acked; /* start of what is held */
	uint64_t room; /* how many bytes can be held */
	bool keeps; /* until they are acknowledged; else until sent */
	bool eof; /* head is the end of the stream */
};

/*
 * Send again from offset, acked <= offset <= head.  A store that does not keep
 * can only go on where it is.
 */
static inline void store_rewind(struct store *s, uint64_t offset)
{
	s->sent = offset;
}

static inline bool store_full(const struct store *s)
{
	return s->head - s->acked == s->room;
}
