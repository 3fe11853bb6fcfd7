/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The buffers between a record layer and its non-blocking socket: bytes to be
 * sent, and bytes read ahead.  Knows nothing of records.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* bytes[start] to bytes[end - 1] are in use. */
struct socket_buffer_part {
	size_t size, start, end;
	uint8_t *bytes;
};

struct socket_buffer {
	int fd; /* borrowed */
	int lost_errno; /* the socket's first error, 0 if none */
	bool ended; /* the peer's FIN was read */
	struct socket_buffer_part out;
	struct socket_buffer_part in; /* size 0 at first */
};

/* out_bytes: the size of the send buffer.  Errors: ERR_BUG (memory). */
int socket_buffer_init(struct socket_buffer *w, int fd, size_t out_bytes,
		       struct err *e) attr_must_check;
void socket_buffer_fini(struct socket_buffer *w);

/* Enlarge a buffer; its contents stay.  Errors: ERR_BUG (memory). */
int socket_buffer_grow(struct socket_buffer_part *b, size_t bytes,
		       struct err *e) attr_must_check;

/* How many bytes can be appended now. */
size_t socket_buffer_room(const struct socket_buffer *w);

/* Append len bytes; there must be room. */
void socket_buffer_append(struct socket_buffer *w, const void *bytes,
			  size_t len);

/* Send as much as the socket takes; *empty: all was sent.  Errors: ERR_NET. */
int socket_buffer_flush(struct socket_buffer *w, bool *empty,
			struct err *e) attr_must_check;

/* Are bytes waiting to be sent? */
bool socket_buffer_pending(const struct socket_buffer *w);

/*
 * Read up to most bytes into the receive buffer, behind its contents, which
 * move to the front first.  *n 0: nothing now.  Errors: ERR_NET, also at the
 * peer's FIN.
 */
int socket_buffer_fill(struct socket_buffer *w, size_t most, size_t *n,
		       struct err *e) attr_must_check;

/* Is the connection over, by a socket error or the peer's FIN? */
bool socket_buffer_gone(const struct socket_buffer *w);

/*
 * Read up to len bytes straight from the socket.  Result and errno as of
 * recv(2); an errno other than EAGAIN stays in lost_errno.
 */
ssize_t socket_buffer_read(struct socket_buffer *w, void *buf, size_t len);
