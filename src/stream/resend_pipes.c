// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/resend_buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/io.h"

enum {
	AHEAD_BYTES = 1 << 20, /* size of the pipe if nothing is kept */
	TAIL_BYTES = 64, /* in front of what is sent, kept for to_memory() */
	FIRST_BYTES = 64, /* of the stream, which peek() shows */
	FIRST_PAGES = 4, /* of the smallest pipe: the first bytes fit */
	WASTE_PARTS = 4, /* full with less than this part: wasted */
};

/*
 * Bytes go from the input into ahead, then also into keep, then from ahead into
 * the connection.  Offsets: keep holds the bytes from kept to teed, ahead those
 * from taken to head; kept <= taken <= teed <= head.
 */
struct resend_pipes {
	struct resend_buffer resend; /* must be first */
	int ahead[2]; /* a pipe */
	int keep[2]; /* another one, if bytes are kept */
	int null_fd; /* /dev/null, into which splice(2) drops bytes */
	uint64_t kept, taken, teed;
	uint8_t *first; /* FIRST_BYTES and a page; NULL: no peek() */
};

static int resend_pipes_bug(struct err *e)
{
	return err_set(e, ERR_BUG, errno, "an internal pipe failed");
}

/* Drop len bytes that a pipe holds. */
static int resend_pipes_drop(const struct resend_pipes *p, int pipe_fd,
			     uint64_t len, struct err *e)
{
	while (len) {
		ssize_t n = splice(pipe_fd, NULL, p->null_fd, NULL, len,
				   SPLICE_F_NONBLOCK);

		if (n > 0)
			len -= (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return resend_pipes_bug(e);
	}
	return 0;
}

/* Read what a pipe holds, up to offset end, and append it to m. */
static int resend_pipes_read(const struct resend_pipes *p,
			     struct resend_buffer *m, int pipe_fd, uint64_t end,
			     struct err *e)
{
	const struct input held = { .fd = pipe_fd,
				    .own_fd = -1,
				    .kind = IO_PIPE };
	uint64_t acked = p->resend.acked;
	int ret = 0;

	m->in = &held;
	while (ret == 0 && m->head < end) {
		uint64_t head = m->head;

		ret = m->ops->fill(m, e);
		if (ret == 0 && m->head == head)
			ret = resend_pipes_bug(e);
		m->ops->ack(m, min_u64(acked, m->head));
	}
	m->in = p->resend.in;
	return ret;
}

static void resend_pipes_free(struct resend_buffer *s);

static struct resend_buffer *resend_pipes_to_memory(struct resend_buffer *s,
						    struct err *e)
{
	struct resend_pipes *p = (struct resend_pipes *)s;
	struct resend_buffer *m =
		resend_memory_new(s->in, s->room, p->kept, s->keeps, e);

	if (!m)
		return NULL;
	if (resend_pipes_read(p, m, p->keep[0], p->teed, e) < 0 ||
	    resend_pipes_drop(p, p->ahead[0], p->teed - p->taken, e) < 0 ||
	    resend_pipes_read(p, m, p->ahead[0], s->head, e) < 0) {
		m->ops->free(m);
		return NULL;
	}
	m->sent = s->sent;
	m->acked = s->acked;
	m->eof = s->eof;
	m->ahead = s->ahead;
	resend_pipes_free(s);
	return m;
}

/*
 * A pipe can be full with fewer bytes than its size, because its room is
 * counted in buffers, one for each small write.
 */
static bool resend_pipes_wasted(const struct resend_pipes *p, uint64_t held)
{
	return p->resend.keeps && held < p->resend.room / WASTE_PARTS;
}

/*
 * Copy the first bytes: peek() shows them.  A read with less room than a packet
 * of a pipe loses the rest of the packet (pipe(7)).
 */
static int resend_pipes_begin(struct resend_pipes *p, struct err *e)
{
	struct resend_buffer *s = &p->resend;
	const struct iovec room = { p->first + s->head,
				    (size_t)sysconf(_SC_PAGESIZE) };
	size_t n;

	if (input_read(s->in, &room, 1, &n, &s->eof, e) < 0)
		return -1;
	if (io_write(p->ahead[1], room.iov_base, n) != (ssize_t)n)
		return resend_pipes_bug(e);
	s->head += n;
	return 0;
}

static int resend_pipes_fill(struct resend_buffer *s, struct err *e)
{
	struct resend_pipes *p = (struct resend_pipes *)s;
	ssize_t n;

	if (s->peeks && s->head < FIRST_BYTES)
		return resend_pipes_begin(p, e);
	n = splice(s->in->fd, NULL, p->ahead[1], NULL, resend_buffer_wants(s),
		   SPLICE_F_NONBLOCK);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return input_error(e);
	if (n >= 0) {
		s->head += (uint64_t)n;
		s->eof = n == 0;
		return 0;
	}
	/* The input is empty, unless ahead has no buffer left. */
	if (errno == EINTR || s->head == p->taken ||
	    !io_ready(s->in->fd, POLLIN))
		return 0;
	s->full = true;
	s->cramped = resend_pipes_wasted(p, s->head - p->taken);
	return 0;
}

/* Keep up to len of the bytes to be sent next. */
static int resend_pipes_tee(struct resend_pipes *p, size_t len, struct err *e)
{
	ssize_t n = tee(p->ahead[0], p->keep[1], len, SPLICE_F_NONBLOCK);

	if (n > 0)
		p->teed += (uint64_t)n;
	if (n > 0 || errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return resend_pipes_bug(e);
	p->resend.stalled = true;
	p->resend.cramped = resend_pipes_wasted(p, p->teed - p->kept);
	return 0;
}

static int resend_pipes_send(struct resend_buffer *s, struct connection *c,
			     size_t len, size_t *done, struct err *e)
{
	struct resend_pipes *p = (struct resend_pipes *)s;

	*done = 0;
	if (s->keeps && p->teed == p->taken && resend_pipes_tee(p, len, e) < 0)
		return -1;
	if (s->keeps)
		len = (size_t)min_u64(len, p->teed - p->taken);
	if (!len)
		return 0;
	if (connection_splice_from(c, p->ahead[0], len, done, e) < 0)
		return -1;
	p->taken += *done;
	if (!s->keeps)
		p->kept = p->teed = p->taken;
	s->sent = p->taken;
	s->full = false;
	return 0;
}

static void resend_pipes_ack(struct resend_buffer *s, uint64_t offset)
{
	struct resend_pipes *p = (struct resend_pipes *)s;
	uint64_t keep = p->taken < TAIL_BYTES ? 0 : p->taken - TAIL_BYTES;
	struct err ignored = { 0 };

	s->acked = offset;
	s->stalled = false;
	if (!s->keeps)
		return;
	if (keep > offset)
		keep = offset;
	/* If this fails, the bytes are only kept for longer. */
	if (keep > p->kept &&
	    resend_pipes_drop(p, p->keep[0], keep - p->kept, &ignored) == 0)
		p->kept = keep;
}

static int resend_pipes_peek(const struct resend_buffer *s, uint64_t offset,
			     void *buf, size_t len, struct err *e)
{
	const struct resend_pipes *p = (const struct resend_pipes *)s;

	if (!s->peeks || offset + len > min_u64(s->head, FIRST_BYTES))
		return resend_buffer_not_held(e);
	memcpy(buf, p->first + offset, len);
	return 0;
}

static void resend_pipes_free(struct resend_buffer *s)
{
	struct resend_pipes *p = (struct resend_pipes *)s;

	attr_close_pair(&p->ahead);
	attr_close_pair(&p->keep);
	attr_close(&p->null_fd);
	free(p->first);
	free(p);
}

static const struct resend_buffer_ops resend_pipes_ops = {
	.fill = resend_pipes_fill,
	.send = resend_pipes_send,
	.ack = resend_pipes_ack,
	.peek = resend_pipes_peek,
	.to_memory = resend_pipes_to_memory,
	.free = resend_pipes_free,
};

static int resend_pipes_open_pipe(int p[static 2], uint64_t bytes,
				  struct err *e)
{
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, ERR_IO, errno, "cannot make a pipe");
	if (bytes <= INT_MAX && io_set_pipe_size(p[1], (int)bytes) >= 0)
		return 0;
	return err_set(e, ERR_IO, bytes > INT_MAX ? EPERM : errno,
		       "cannot make a pipe as large as --buffer");
}

/* On empty pipes the calls fail with EAGAIN if they are allowed. */
static int resend_pipes_try(const struct resend_pipes *p, struct err *e)
{
	if (splice(p->ahead[0], NULL, p->null_fd, NULL, 1, SPLICE_F_NONBLOCK) <
		    0 &&
	    err_refuses(errno))
		return err_call(e, ERR_IO, "splice", "cannot splice");
	if (p->resend.keeps &&
	    tee(p->ahead[0], p->keep[1], 1, SPLICE_F_NONBLOCK) < 0 &&
	    err_refuses(errno))
		return err_call(e, ERR_IO, "tee", "cannot splice");
	return 0;
}

static int resend_pipes_open(struct resend_pipes *p, struct err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes = p->resend.room;

	if (bytes < FIRST_PAGES * page)
		bytes = FIRST_PAGES * page;
	p->null_fd = io_open_null();
	if (p->null_fd < 0)
		return err_set(e, ERR_IO, errno, "cannot open /dev/null");
	if (resend_pipes_open_pipe(p->ahead, bytes, e) < 0)
		return -1;
	if (!p->resend.keeps)
		return resend_pipes_try(p, e);
	p->first = err_alloc(FIRST_BYTES + page, e);
	if (!p->first || resend_pipes_open_pipe(p->keep, bytes, e) < 0)
		return -1;
	return resend_pipes_try(p, e);
}

struct resend_buffer *resend_pipes_new(const struct input *in, uint64_t bytes,
				       struct err *e)
{
	struct resend_pipes *p = err_alloc(sizeof *p, e);

	if (!p)
		return NULL;
	p->resend = (struct resend_buffer){ .ops = &resend_pipes_ops,
					    .in = in,
					    .room = bytes ? bytes : AHEAD_BYTES,
					    .ahead = UINT64_MAX,
					    .keeps = bytes != 0,
					    .peeks = bytes != 0 };
	for (int i = 0; i < 2; i++)
		p->ahead[i] = p->keep[i] = -1;
	p->null_fd = -1;
	if (resend_pipes_open(p, e) < 0) {
		resend_pipes_free((struct resend_buffer *)p);
		return NULL;
	}
	io_grow_pipe(in->fd);
	return (struct resend_buffer *)p;
}
