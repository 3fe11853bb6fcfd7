/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The buffers between a record layer and its non-blocking socket: records on
 * their way out, and bytes read ahead.  Knows nothing of records.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* In use are bytes[start] to bytes[end - 1]. */
struct wire_buffer {
	size_t size, start, end;
	uint8_t *bytes;
};

struct wire {
	int fd; /* borrowed */
	int lost_errno; /* the socket's first error, 0 if none */
	bool ended; /* the peer's FIN was read */
	struct wire_buffer out;
	struct wire_buffer in; /* size 0: exact reads only */
};

/* out_bytes: how much can wait to be sent.  Errors: ERR_BUG (memory). */
int wire_init(struct wire *w, int fd, size_t out_bytes,
	      struct err *e) attr_must_check;
void wire_fini(struct wire *w);

/* Make a buffer larger; what it holds stays.  Errors: ERR_BUG (memory). */
int wire_grow(struct wire_buffer *b, size_t bytes,
	      struct err *e) attr_must_check;

/* How many bytes can be appended now. */
size_t wire_room(const struct wire *w);

/* Append len bytes; there must be room. */
void wire_append(struct wire *w, const void *bytes, size_t len);

/* Send what waits, as far as the socket takes it.  Errors: ERR_NET. */
int wire_flush(struct wire *w, bool *empty, struct err *e) attr_must_check;

/* Does something wait? */
bool wire_pending(const struct wire *w);

/*
 * wire_read() for those who poll: *n 0: nothing there now.  Errors: ERR_NET,
 * also at the peer's FIN.
 */
int wire_read_some(struct wire *w, void *buf, size_t len, size_t *n,
		   struct err *e) attr_must_check;

/*
 * The same, but behind what is in the buffer, which moves to its front first.
 */
int wire_fill(struct wire *w, size_t *n, struct err *e) attr_must_check;

/* Is it over, by an error of the socket or the peer's FIN? */
bool wire_gone(const struct wire *w);

/*
 * Up to len bytes, from what was read ahead or else from the socket.  Result
 * and errno as of recv(2); an errno that is not EAGAIN stays in lost_errno.
 */
ssize_t wire_read(struct wire *w, void *buf, size_t len);
