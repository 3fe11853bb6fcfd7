// SPDX-License-Identifier: GPL-2.0-or-later
#include "store_pipe.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "io.h"

/* Nobody else reads this pipe: what was there is there until it is sent. */
static int store_pipe_fill(struct store *s, struct err *e)
{
	struct pollfd p = { .fd = s->in_fd, .events = POLLIN };
	int bytes;

	/* In this order: with the last writer gone no byte can come after. */
	if (poll(&p, 1, 0) < 0 && errno != EINTR)
		return err_set(e, ERR_IO, errno, "cannot poll standard input");
	if (ioctl(s->in_fd, FIONREAD, &bytes) < 0)
		return err_set(e, ERR_IO, errno, "cannot read standard input");
	s->head = s->sent + (uint64_t)bytes;
	s->eof = bytes == 0 && (p.revents & POLLHUP);
	return 0;
}

static int store_pipe_send(struct store *s, struct chan *c, size_t len,
			   struct chan_io *io, struct err *e)
{
	if (chan_splice_from(c, s->in_fd, len, io, e) < 0)
		return -1;
	s->sent += io->bytes;
	return 0;
}

static void store_pipe_ack(struct store *s, uint64_t offset)
{
	s->acked = offset;
}

static bool store_pipe_peek(const struct store *s, uint64_t offset, void *buf,
			    size_t len)
{
	return false;
}

static void store_pipe_free(struct store *s)
{
	free(s);
}

static const struct store_ops store_pipe_ops = {
	.fill = store_pipe_fill,
	.send = store_pipe_send,
	.ack = store_pipe_ack,
	.peek = store_pipe_peek,
	.free = store_pipe_free,
};

struct store *store_pipe_new(int in_fd, struct err *e)
{
	struct store *s = calloc(1, sizeof *s);

	if (!s) {
		err_set(e, ERR_IO, 0, "out of memory");
		return NULL;
	}
	io_grow_pipe(in_fd);
	*s = (struct store){ .ops = &store_pipe_ops,
			     .in_fd = in_fd,
			     .room = UINT64_MAX };
	return s;
}
