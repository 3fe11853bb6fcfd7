// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/store_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "base/io.h"
#include "stream/store_mem.h"

enum {
	AHEAD_BYTES = 1 << 20, /* where nothing is kept */
	TAIL_BYTES = 64, /* in front of what is not acknowledged, for peek() */
	LOOK_BYTES = 16 *
		     4096, /* room for 16 buffers, of a byte at the least */
	WASTE_PARTS = 4, /* a pipe that is full with less of it holds little */
};

/*
 * Bytes go from the input into ahead, from there to the connection, and before
 * they do into keep as well.  Offsets: keep holds what lies from kept to teed,
 * ahead what lies from taken to head, and kept <= taken <= teed <= head.
 */
struct store_pipe {
	struct store store; /* first: a store is this */
	int ahead[2]; /* pipes, the others only where bytes are kept */
	int keep[2];
	int look[2]; /* empty: for peek(), which must not fail for want of it */
	int null_fd; /* /dev/null: where splice(2) drops bytes */
	uint64_t kept, taken, teed;
};

static struct store_pipe *store_pipe_of(struct store *s)
{
	return (struct store_pipe *)s;
}

static int store_pipe_bug(struct err *e)
{
	return err_set(e, ERR_BUG, errno, "a pipe of our own fails");
}

/* Drop len bytes that a pipe holds. */
static int store_pipe_drop(const struct store_pipe *p, int pipe_fd,
			   uint64_t len, struct err *e)
{
	while (len) {
		ssize_t n = splice(pipe_fd, NULL, p->null_fd, NULL, len,
				   SPLICE_F_NONBLOCK);

		if (n > 0)
			len -= (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return store_pipe_bug(e);
	}
	return 0;
}

/* Read what a pipe holds, up to the offset end, to the end of memory. */
static int store_pipe_read(const struct store_pipe *p, struct store *m,
			   int pipe_fd, uint64_t end, struct err *e)
{
	const struct input held = { .fd = pipe_fd,
				    .own_fd = -1,
				    .kind = IO_PIPE };
	uint64_t acked = p->store.acked;
	int ret = 0;

	m->in = &held;
	while (ret == 0 && m->head < end) {
		uint64_t head = m->head;

		ret = m->ops->fill(m, e);
		if (ret == 0 && m->head == head)
			ret = store_pipe_bug(e);
		m->ops->ack(m, acked < m->head ? acked : m->head);
	}
	m->in = p->store.in;
	return ret;
}

static void store_pipe_free(struct store *s);

static struct store *store_pipe_to_memory(struct store *s, struct err *e)
{
	struct store_pipe *p = store_pipe_of(s);
	struct store *m = store_mem_new(s->in, s->room, p->kept, s->keeps, e);

	if (!m)
		return NULL;
	if (store_pipe_read(p, m, p->keep[0], p->teed, e) < 0 ||
	    store_pipe_drop(p, p->ahead[0], p->teed - p->taken, e) < 0 ||
	    store_pipe_read(p, m, p->ahead[0], s->head, e) < 0) {
		m->ops->free(m);
		return NULL;
	}
	m->sent = s->sent;
	m->acked = s->acked;
	m->eof = s->eof;
	m->ahead = s->ahead;
	store_pipe_free(s);
	return m;
}

/*
 * A pipe may be full with fewer bytes than its size: its room is counted in
 * buffers, as they were written.
 */
static bool store_pipe_wasted(const struct store_pipe *p, uint64_t held)
{
	return p->store.keeps && held < p->store.room / WASTE_PARTS;
}

static int store_pipe_fill(struct store *s, struct err *e)
{
	const struct store_pipe *p = store_pipe_of(s);
	ssize_t n = splice(s->in->fd, NULL, p->ahead[1], NULL, store_wants(s),
			   SPLICE_F_NONBLOCK);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return input_error(e);
	if (n >= 0) {
		s->head += (uint64_t)n;
		s->eof = n == 0;
		return 0;
	}
	/* The input is empty, unless it is ahead that has no buffer left. */
	if (errno == EINTR || s->head == p->taken ||
	    !io_ready(s->in->fd, POLLIN))
		return 0;
	s->full = true;
	s->cramped = store_pipe_wasted(p, s->head - p->taken);
	return 0;
}

/* Keep up to len bytes of what goes out next. */
static int store_pipe_tee(struct store_pipe *p, size_t len, struct err *e)
{
	ssize_t n = tee(p->ahead[0], p->keep[1], len, SPLICE_F_NONBLOCK);

	if (n > 0)
		p->teed += (uint64_t)n;
	if (n > 0 || errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return store_pipe_bug(e);
	p->store.limit = p->store.sent;
	p->store.cramped = store_pipe_wasted(p, p->teed - p->kept);
	return 0;
}

static int store_pipe_splice(struct store_pipe *p, struct chan *c, size_t len,
			     struct chan_io *io, struct err *e)
{
	if (chan_splice_from(c, p->ahead[0], len, io, e) < 0)
		return -1;
	p->taken += io->bytes;
	if (!p->store.keeps)
		p->kept = p->teed = p->taken;
	p->store.sent = p->taken;
	p->store.full = false;
	return 0;
}

static int store_pipe_send(struct store *s, struct chan *c, size_t len,
			   struct chan_io *io, struct err *e)
{
	struct store_pipe *p = store_pipe_of(s);

	*io = (struct chan_io){ 0 };
	if (!s->keeps)
		return store_pipe_splice(p, c, len, io, e);
	if (p->teed == p->taken && store_pipe_tee(p, len, e) < 0)
		return -1;
	if (p->teed == p->taken)
		return 0;
	if (len > p->teed - p->taken)
		len = (size_t)(p->teed - p->taken);
	return store_pipe_splice(p, c, len, io, e);
}

static void store_pipe_ack(struct store *s, uint64_t offset)
{
	struct store_pipe *p = store_pipe_of(s);
	uint64_t keep = p->taken < TAIL_BYTES ? 0 : p->taken - TAIL_BYTES;
	struct err ignored = { 0 };

	s->acked = offset;
	s->limit = UINT64_MAX;
	if (!s->keeps)
		return;
	if (keep > offset)
		keep = offset;
	/* What stays would only be kept for longer. */
	if (keep > p->kept &&
	    store_pipe_drop(p, p->keep[0], keep - p->kept, &ignored) == 0)
		p->kept = keep;
}

/* Read len bytes that a pipe holds, in as many packets as they came. */
static int store_pipe_take(int pipe_fd, uint8_t *buf, size_t len, struct err *e)
{
	while (len) {
		ssize_t n = io_read(pipe_fd, buf, len);

		if (n <= 0)
			return store_pipe_bug(e);
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Copy bytes out of a pipe and leave them there: what tee(2) copies are the
 * buffers, into a pipe with as many, which is read empty.
 */
static int store_pipe_look(const struct store_pipe *p, int pipe_fd,
			   uint64_t skip, uint8_t *buf, size_t len,
			   struct err *e)
{
	if (!len)
		return 0;
	if (tee(pipe_fd, p->look[1], skip + len, SPLICE_F_NONBLOCK) !=
	    (ssize_t)(skip + len))
		return store_pipe_bug(e);
	if (store_pipe_drop(p, p->look[0], skip, e) < 0)
		return -1;
	return store_pipe_take(p->look[0], buf, len, e);
}

/* The part of len bytes from offset on that lies below end. */
static size_t store_pipe_below(uint64_t end, uint64_t offset, size_t len)
{
	uint64_t part = end > offset ? end - offset : 0;

	return part < len ? (size_t)part : len;
}

static int store_pipe_peek(const struct store *s, uint64_t offset, void *buf,
			   size_t len, struct err *e)
{
	const struct store_pipe *p = (const struct store_pipe *)s;
	size_t part = store_pipe_below(p->taken, offset, len);
	uint8_t *out = buf;

	if (!s->keeps || offset + len > s->head || (part && offset < p->kept))
		return store_not_held(e);
	if (store_pipe_look(p, p->keep[0], offset - p->kept, out, part, e) < 0)
		return -1;
	offset += part;
	return store_pipe_look(p, p->ahead[0], offset - p->taken, out + part,
			       len - part, e);
}

static void store_pipe_close(int p[static 2])
{
	for (int i = 0; i < 2; i++)
		if (p[i] >= 0)
			close(p[i]);
}

static void store_pipe_free(struct store *s)
{
	struct store_pipe *p = store_pipe_of(s);

	store_pipe_close(p->ahead);
	store_pipe_close(p->keep);
	store_pipe_close(p->look);
	if (p->null_fd >= 0)
		close(p->null_fd);
	free(p);
}

static const struct store_ops store_pipe_ops = {
	.fill = store_pipe_fill,
	.send = store_pipe_send,
	.ack = store_pipe_ack,
	.peek = store_pipe_peek,
	.to_memory = store_pipe_to_memory,
	.free = store_pipe_free,
};

static int store_pipe_open_pipe(int p[static 2], uint64_t bytes, struct err *e)
{
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, ERR_IO, errno, "cannot make a pipe");
	if (bytes <= INT_MAX && fcntl(p[1], F_SETPIPE_SZ, (int)bytes) >= 0)
		return 0;
	return err_set(e, ERR_IO, bytes > INT_MAX ? EPERM : errno,
		       "cannot have a pipe as large as --buffer");
}

/* Empty pipes say EAGAIN where the system calls are allowed. */
static int store_pipe_try(const struct store_pipe *p, struct err *e)
{
	if (splice(p->ahead[0], NULL, p->null_fd, NULL, 1, SPLICE_F_NONBLOCK) <
		    0 &&
	    err_refuses(errno))
		return err_call(e, ERR_IO, "splice", "cannot splice");
	if (p->store.keeps &&
	    tee(p->ahead[0], p->keep[1], 1, SPLICE_F_NONBLOCK) < 0 &&
	    err_refuses(errno))
		return err_call(e, ERR_IO, "tee", "cannot splice");
	return 0;
}

static int store_pipe_open(struct store_pipe *p, struct err *e)
{
	uint64_t bytes = p->store.room;

	p->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (p->null_fd < 0)
		return err_set(e, ERR_IO, errno, "cannot open /dev/null");
	if (store_pipe_open_pipe(p->ahead, bytes, e) < 0)
		return -1;
	if (p->store.keeps &&
	    (store_pipe_open_pipe(p->keep, bytes, e) < 0 ||
	     store_pipe_open_pipe(p->look, LOOK_BYTES, e) < 0))
		return -1;
	return store_pipe_try(p, e);
}

struct store *store_pipe_new(const struct input *in, uint64_t bytes,
			     struct err *e)
{
	struct store_pipe *p = calloc(1, sizeof *p);

	if (!p) {
		err_set(e, ERR_IO, 0, "out of memory");
		return NULL;
	}
	p->store = (struct store){ .ops = &store_pipe_ops,
				   .in = in,
				   .room = bytes ? bytes : AHEAD_BYTES,
				   .limit = UINT64_MAX,
				   .ahead = UINT64_MAX,
				   .keeps = bytes != 0,
				   .peeks = bytes != 0 };
	for (int i = 0; i < 2; i++)
		p->ahead[i] = p->keep[i] = p->look[i] = -1;
	p->null_fd = -1;
	if (store_pipe_open(p, e) < 0) {
		store_pipe_free((struct store *)p);
		return NULL;
	}
	io_grow_pipe(in->fd);
	return (struct store *)p;
}
