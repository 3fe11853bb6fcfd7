// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/socket_buffer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int socket_buffer_init(struct socket_buffer *w, int fd, size_t out_bytes,
		       struct err *e)
{
	*w = (struct socket_buffer){ .fd = fd };
	return socket_buffer_grow(&w->out, out_bytes, e);
}

void socket_buffer_fini(struct socket_buffer *w)
{
	free(w->out.bytes);
	free(w->in.bytes);
}

int socket_buffer_grow(struct socket_buffer_part *b, size_t bytes,
		       struct err *e)
{
	uint8_t *larger = realloc(b->bytes, bytes);

	if (!larger)
		return err_memory(e);
	b->bytes = larger;
	b->size = bytes;
	return 0;
}

size_t socket_buffer_room(const struct socket_buffer *w)
{
	return w->out.size - w->out.end;
}

void socket_buffer_append(struct socket_buffer *w, const void *bytes,
			  size_t len)
{
	assert(len <= socket_buffer_room(w));
	memcpy(w->out.bytes + w->out.end, bytes, len);
	w->out.end += len;
}

bool socket_buffer_pending(const struct socket_buffer *w)
{
	return w->out.start < w->out.end;
}

/* Remember the first error of the socket. */
static int socket_buffer_lost(struct socket_buffer *w)
{
	if (!w->lost_errno)
		w->lost_errno = errno;
	return w->lost_errno;
}

int socket_buffer_flush(struct socket_buffer *w, bool *empty, struct err *e)
{
	struct socket_buffer_part *out = &w->out;

	*empty = false;
	while (out->start < out->end) {
		ssize_t n = send(w->fd, out->bytes + out->start,
				 out->end - out->start,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			out->start += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return err_set(e, ERR_NET, socket_buffer_lost(w),
				       "the connection was lost");
	}
	out->start = out->end = 0;
	*empty = true;
	return 0;
}

ssize_t socket_buffer_read(struct socket_buffer *w, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(w->fd, buf, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		socket_buffer_lost(w);
	w->ended |= n == 0 && len;
	return n;
}

int socket_buffer_fill(struct socket_buffer *w, size_t most, size_t *n,
		       struct err *e)
{
	struct socket_buffer_part *in = &w->in;
	ssize_t got;

	memmove(in->bytes, in->bytes + in->start, in->end - in->start);
	in->end -= in->start;
	in->start = 0;
	if (most > in->size - in->end)
		most = in->size - in->end;
	got = socket_buffer_read(w, in->bytes + in->end, most);
	*n = got > 0 ? (size_t)got : 0;
	in->end += *n;
	if (got > 0 || (got < 0 && errno == EAGAIN))
		return 0;
	if (got < 0)
		return err_set(e, ERR_NET, w->lost_errno,
			       "the connection was lost");
	return err_set(e, ERR_NET, 0,
		       "the connection closed without close_notify");
}

bool socket_buffer_gone(const struct socket_buffer *w)
{
	return w->lost_errno || w->ended;
}
