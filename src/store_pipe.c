// SPDX-License-Identifier: GPL-2.0-or-later
#include "store_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "io.h"
#include "store_mem.h"

enum {
	TAIL_BYTES = 64, /* in front of what is not acknowledged, for peek() */
	WASTE_PARTS = 4, /* a pipe that is full with less of it holds little */
};

/*
 * Offsets: kept <= teed, taken <= teed.  What is below taken came out of the
 * input; the pipe keeps what lies between kept and teed.  Between taken and teed
 * bytes are in both.
 */
struct store_pipe {
	struct store store; /* first: a store is this */
	int keep[2]; /* the pipe that keeps, or -1 */
	int null_fd; /* /dev/null: where splice(2) drops bytes */
	uint64_t keep_bytes;
	uint64_t kept, teed, taken;
	struct store *memory; /* holds what comes before kept, or NULL */
	bool by_memory; /* holds all there is, from now on */
};

static struct store_pipe *store_pipe_of(struct store *s)
{
	return (struct store_pipe *)s;
}

/* Drop len bytes that a pipe holds. */
static int store_pipe_drop(struct store_pipe *p, int pipe_fd, uint64_t len,
			   struct err *e)
{
	while (len) {
		ssize_t n = splice(pipe_fd, NULL, p->null_fd, NULL, len, 0);

		if (n > 0)
			len -= (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return err_set(e, ERR_BUG, n ? errno : 0,
				       "cannot empty a pipe");
	}
	return 0;
}

static void store_pipe_show_memory(struct store_pipe *p)
{
	struct store *s = &p->store;
	const struct store *m = p->memory;

	s->head = m->head;
	s->room = m->room;
	s->eof = m->eof;
	s->in_place = false;
	s->limit = UINT64_MAX;
}

/*
 * Into memory with what the pipe keeps.  What the input has of it, too, is
 * taken from there.
 */
static int store_pipe_load(struct store_pipe *p, struct err *e)
{
	struct store *m = p->memory;

	if (!m && !(m = store_mem_new(p->keep[0], p->keep_bytes, p->kept, true,
				      e)))
		return -1;
	p->memory = m;
	m->in_fd = p->keep[0];
	while (m->head < p->teed) {
		if (m->ops->fill(m, e) < 0)
			return -1;
		if (m->head > p->store.acked)
			m->ops->ack(m, p->store.acked);
		else
			m->ops->ack(m, m->head);
	}
	p->kept = p->teed;
	if (store_pipe_drop(p, p->store.in_fd, p->teed - p->taken, e) < 0)
		return -1;
	p->taken = p->teed;
	return 0;
}

/* From here on the input is read into memory, as it would be by store_mem. */
static int store_pipe_go_by_memory(struct store_pipe *p, struct err *e)
{
	if (store_pipe_load(p, e) < 0)
		return -1;
	p->by_memory = true;
	p->memory->in_fd = p->store.in_fd;
	store_pipe_show_memory(p);
	return 0;
}

/* Nobody else reads this pipe: what was there is there until it is sent. */
static int store_pipe_fill(struct store *s, struct err *e)
{
	struct store_pipe *p = store_pipe_of(s);
	struct pollfd in = { .fd = s->in_fd, .events = POLLIN };
	int bytes;

	if (p->by_memory) {
		if (p->memory->ops->fill(p->memory, e) < 0)
			return -1;
		store_pipe_show_memory(p);
		return 0;
	}
	/* In this order: with the last writer gone no byte can come after. */
	if (poll(&in, 1, 0) < 0 && errno != EINTR)
		return err_set(e, ERR_IO, errno, "cannot poll standard input");
	if (ioctl(s->in_fd, FIONREAD, &bytes) < 0)
		return err_set(e, ERR_IO, errno, "cannot read standard input");
	s->head = p->taken + (uint64_t)bytes;
	s->eof = bytes == 0 && (in.revents & POLLHUP);
	return 0;
}

static int store_pipe_send_memory(struct store_pipe *p, struct chan *c,
				  size_t len, struct chan_io *io, struct err *e)
{
	struct store *m = p->memory;
	uint64_t there = m->head - p->store.sent;

	m->sent = p->store.sent;
	if (m->ops->send(m, c, len < there ? len : (size_t)there, io, e) < 0)
		return -1;
	p->store.sent = m->sent;
	return 0;
}

/* Bytes that may be kept besides those that are. */
static uint64_t store_pipe_room(const struct store_pipe *p)
{
	uint64_t held = p->teed - p->store.acked;

	return held < p->keep_bytes ? p->keep_bytes - held : 0;
}

/*
 * Keep up to len bytes of what comes next.  The pipe may be full with fewer
 * bytes than its size: its room is counted in buffers, as they were written.
 */
static int store_pipe_tee(struct store_pipe *p, size_t len, struct err *e)
{
	struct store *s = &p->store;
	uint64_t room = store_pipe_room(p);
	ssize_t n = 0;

	if (room)
		n = tee(s->in_fd, p->keep[1], len < room ? len : (size_t)room,
			SPLICE_F_NONBLOCK);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_set(e, ERR_IO, errno, "cannot read standard input");
	if (n > 0)
		p->teed += (uint64_t)n;
	else if (room && errno == EAGAIN &&
		 p->teed - p->kept < p->keep_bytes / WASTE_PARTS)
		return store_pipe_go_by_memory(p, e);
	else if (!room || errno == EAGAIN)
		s->limit = s->sent;
	return 0;
}

static int store_pipe_splice(struct store_pipe *p, struct chan *c, size_t len,
			     struct chan_io *io, struct err *e)
{
	if (chan_splice_from(c, p->store.in_fd, len, io, e) < 0)
		return -1;
	p->taken += io->bytes;
	p->store.sent = p->taken;
	return 0;
}

static int store_pipe_send(struct store *s, struct chan *c, size_t len,
			   struct chan_io *io, struct err *e)
{
	struct store_pipe *p = store_pipe_of(s);

	*io = (struct chan_io){ 0 };
	if (!s->keeps)
		return store_pipe_splice(p, c, len, io, e);
	if (!chan_in_kernel(c) && !p->by_memory) {
		if (store_pipe_go_by_memory(p, e) < 0)
			return -1;
		/* The head may have moved back, behind what the input has. */
		if (s->sent == s->head)
			return 0;
	}
	if (p->memory && s->sent < p->memory->head)
		return store_pipe_send_memory(p, c, len, io, e);
	if (p->teed == p->taken && store_pipe_tee(p, len, e) < 0)
		return -1;
	if (p->by_memory || p->teed == p->taken)
		return 0;
	if (len > p->teed - p->taken)
		len = (size_t)(p->teed - p->taken);
	return store_pipe_splice(p, c, len, io, e);
}

static void store_pipe_ack_memory(struct store_pipe *p, uint64_t offset)
{
	struct store *m = p->memory;

	m->ops->ack(m, offset < m->head ? offset : m->head);
	if (p->by_memory || offset < m->head + TAIL_BYTES ||
	    p->store.sent < m->head)
		return;
	m->ops->free(m);
	p->memory = NULL;
}

static void store_pipe_ack(struct store *s, uint64_t offset)
{
	struct store_pipe *p = store_pipe_of(s);
	uint64_t keep = p->taken < TAIL_BYTES ? 0 : p->taken - TAIL_BYTES;
	struct err ignored = { 0 };

	s->acked = offset;
	if (!s->keeps)
		return;
	if (p->memory)
		store_pipe_ack_memory(p, offset);
	if (keep > offset)
		keep = offset;
	s->limit = UINT64_MAX;
	/* What stays would only be kept for longer. */
	if (keep > p->kept &&
	    store_pipe_drop(p, p->keep[0], keep - p->kept, &ignored) == 0)
		p->kept = keep;
}

static int store_pipe_rewind(struct store *s, uint64_t offset, struct err *e)
{
	struct store_pipe *p = store_pipe_of(s);
	uint64_t known = p->by_memory ? p->memory->head : p->taken;

	if (offset > known)
		return err_set(e, ERR_NET, 0,
			       "the receiver has bytes that were never sent");
	if (s->keeps && !p->by_memory && store_pipe_load(p, e) < 0)
		return -1;
	s->sent = offset;
	s->limit = UINT64_MAX;
	return 0;
}

/*
 * Copy bytes out of a pipe and leave them there: what tee(2) copies are the
 * buffers, into a pipe that can be read empty.
 */
static bool store_pipe_peek_pipe(const struct store_pipe *p, int pipe_fd,
				 uint64_t skip, uint8_t *buf, size_t len)
{
	bool there;
	int copy[2];

	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	there = fcntl(copy[1], F_SETPIPE_SZ, fcntl(pipe_fd, F_GETPIPE_SZ)) >=
			0 &&
		tee(pipe_fd, copy[1], skip + len, SPLICE_F_NONBLOCK) ==
			(ssize_t)(skip + len);
	while (there && skip) {
		ssize_t n = splice(copy[0], NULL, p->null_fd, NULL, skip, 0);

		there = n > 0;
		skip -= there ? (uint64_t)n : 0;
	}
	there = there && io_read(copy[0], buf, len) == (ssize_t)len;
	close(copy[0]);
	close(copy[1]);
	return there;
}

/* The part of len bytes from offset on that lies below end. */
static size_t store_pipe_below(uint64_t end, uint64_t offset, size_t len)
{
	uint64_t part = end > offset ? end - offset : 0;

	return part < len ? (size_t)part : len;
}

static bool store_pipe_peek(const struct store *s, uint64_t offset, void *buf,
			    size_t len)
{
	const struct store_pipe *p = (const struct store_pipe *)s;
	const struct store *m = p->memory;
	uint8_t *out = buf;
	size_t part;

	if (!s->keeps || offset + len > s->head)
		return false;
	part = m ? store_pipe_below(m->head, offset, len) : 0;
	if (part && !m->ops->peek(m, offset, out, part))
		return false;
	offset += part;
	out += part;
	len -= part;
	part = store_pipe_below(p->taken, offset, len);
	if (part &&
	    (offset < p->kept ||
	     !store_pipe_peek_pipe(p, p->keep[0], offset - p->kept, out, part)))
		return false;
	offset += part;
	return len == part ||
	       store_pipe_peek_pipe(p, s->in_fd, offset - p->taken, out + part,
				    len - part);
}

static void store_pipe_free(struct store *s)
{
	struct store_pipe *p = store_pipe_of(s);

	if (p->memory)
		p->memory->ops->free(p->memory);
	for (int i = 0; i < 2; i++)
		if (p->keep[i] >= 0)
			close(p->keep[i]);
	if (p->null_fd >= 0)
		close(p->null_fd);
	free(s);
}

static const struct store_ops store_pipe_ops = {
	.fill = store_pipe_fill,
	.send = store_pipe_send,
	.ack = store_pipe_ack,
	.rewind = store_pipe_rewind,
	.peek = store_pipe_peek,
	.free = store_pipe_free,
};

static int store_pipe_open(struct store_pipe *p, uint64_t bytes, struct err *e)
{
	if (!bytes)
		return 0;
	p->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (p->null_fd < 0 || pipe2(p->keep, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, errno, "cannot make a pipe");
	if (bytes > INT_MAX ||
	    fcntl(p->keep[1], F_SETPIPE_SZ, (int)bytes) < 0)
		return err_set(e, ERR_IO, bytes > INT_MAX ? EPERM : errno,
			       "cannot have a pipe for what is kept");
	return 0;
}

struct store *store_pipe_new(int in_fd, uint64_t bytes, struct err *e)
{
	struct store_pipe *p = calloc(1, sizeof *p);

	if (!p) {
		err_set(e, ERR_IO, 0, "out of memory");
		return NULL;
	}
	p->store = (struct store){ .ops = &store_pipe_ops,
				   .in_fd = in_fd,
				   .room = UINT64_MAX,
				   .limit = UINT64_MAX,
				   .keeps = bytes != 0,
				   .in_place = true };
	p->keep[0] = p->keep[1] = p->null_fd = -1;
	p->keep_bytes = bytes;
	if (store_pipe_open(p, bytes, e) < 0) {
		store_pipe_free(&p->store);
		return NULL;
	}
	io_grow_pipe(in_fd);
	return &p->store;
}
