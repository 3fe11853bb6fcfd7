// SPDX-License-Identifier: GPL-2.0-or-later
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "clock.h"
#include "io.h"
#include "log.h"

enum {
	BUFFER_BYTES = 1 << 20, /* 64 records a call */
	SPIN_MAX_MS = 20,
	LINGER_MS = 10000,
};

struct receiver {
	struct chan *chan;
	struct sink *sink;
	uint8_t *buffer;
	size_t start, end; /* bytes of buffer still to be written */
	int pipe[2]; /* between socket and file, when splicing */
	size_t piped; /* bytes in it */
	unsigned int spin_ms;
	uint64_t total;
};

/*
 * Linux 6.1 says POLLIN when only a part of a record is there: then leave the
 * socket alone for a moment that doubles.
 */
static int receiver_wait_chan(struct receiver *r, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = chan_fd(r->chan), .events = POLLIN },
		{ .fd = sink_has_reader(r->sink) ? sink_fd(r->sink) : -1 },
	};

	if (r->spin_ms && chan_in_kernel(r->chan)) {
		fds[0].fd = -1;
		if (poll(fds, 2, (int)r->spin_ms) < 0 && errno != EINTR)
			return err_set(e, ERR_BUG, errno, "poll");
		fds[0].fd = chan_fd(r->chan);
	}
	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return err_set(e, ERR_BUG, errno, "poll");
	if (fds[1].revents & POLLERR)
		return sink_error(EPIPE, e);
	if (fds[0].revents) {
		r->spin_ms = r->spin_ms ? 2 * r->spin_ms : 1;
		if (r->spin_ms > SPIN_MAX_MS)
			r->spin_ms = SPIN_MAX_MS;
	}
	return 0;
}

static int receiver_wait_sink(struct receiver *r, struct err *e)
{
	struct pollfd p = { .fd = sink_fd(r->sink), .events = POLLOUT };

	if (poll(&p, 1, -1) < 0 && errno != EINTR)
		return err_set(e, ERR_BUG, errno, "poll");
	if ((p.revents & POLLERR) && sink_has_reader(r->sink))
		return sink_error(EPIPE, e);
	return 0;
}

static int receiver_write_buffer(struct receiver *r, struct err *e)
{
	size_t done;

	while (r->start < r->end) {
		if (sink_write(r->sink, r->buffer + r->start, r->end - r->start,
			       &done, e) < 0)
			return -1;
		r->start += done;
		if (!done && receiver_wait_sink(r, e) < 0)
			return -1;
	}
	return 0;
}

static int receiver_copy(struct receiver *r, struct err *e)
{
	struct chan_io io;

	for (;;) {
		if (chan_recv(r->chan, r->buffer, BUFFER_BYTES, &io, e) < 0)
			return -1;
		if (io.end)
			return 0;
		if (!io.bytes) {
			if (receiver_wait_chan(r, e) < 0)
				return -1;
			continue;
		}
		r->spin_ms = 0;
		r->total += io.bytes;
		r->start = 0;
		r->end = io.bytes;
		if (receiver_write_buffer(r, e) < 0)
			return -1;
	}
}

/*
 * Empty our own pipe into a file.  *refused: this file cannot be spliced to;
 * what the pipe still holds was then written by hand.
 */
static int receiver_empty_pipe(struct receiver *r, bool *refused, struct err *e)
{
	*refused = false;
	while (r->piped) {
		ssize_t n = splice(r->pipe[0], NULL, r->sink->fd, NULL,
				   r->piped, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EINVAL)
			return sink_error(errno, e);
		if (n > 0) {
			r->piped -= (size_t)n;
			continue;
		}
		*refused = true;
		n = io_read(r->pipe[0], r->buffer, BUFFER_BYTES);
		if (n <= 0)
			return err_set(e, ERR_BUG, errno, "cannot read a pipe");
		r->piped -= (size_t)n;
		r->start = 0;
		r->end = (size_t)n;
		if (receiver_write_buffer(r, e) < 0)
			return -1;
	}
	return 0;
}

/* Nothing moved: is it the output pipe that is full, or the socket empty? */
static int receiver_wait_splice(struct receiver *r, struct err *e)
{
	if (r->sink->kind == IO_PIPE && !io_ready(sink_fd(r->sink), POLLOUT))
		return receiver_wait_sink(r, e);
	return receiver_wait_chan(r, e);
}

static int receiver_splice(struct receiver *r, struct err *e)
{
	bool direct = r->sink->kind == IO_PIPE, refused;
	int to = direct ? sink_fd(r->sink) : r->pipe[1];
	struct chan_io io;

	for (;;) {
		if (chan_splice_to(r->chan, to, BUFFER_BYTES, &io, e) < 0)
			return -1;
		if (io.end)
			return 0;
		if (!io.bytes) {
			if (receiver_wait_splice(r, e) < 0)
				return -1;
			continue;
		}
		r->spin_ms = 0;
		r->total += io.bytes;
		if (direct)
			continue;
		r->piped += io.bytes;
		if (receiver_empty_pipe(r, &refused, e) < 0)
			return -1;
		if (refused)
			return receiver_copy(r, e);
	}
}

/* The sender may learn that all is well only after the sink said so. */
static int receiver_finish(struct receiver *r, struct err *e)
{
	bool done;

	if (sink_finish(r->sink, e) < 0)
		return -1;
	if (chan_control_end(r->chan, &done, e) < 0)
		return -1;
	while (!done) {
		struct pollfd p = { .fd = chan_fd(r->chan), .events = POLLOUT };

		if (poll(&p, 1, LINGER_MS) == 0)
			return err_set(e, ERR_STREAM, 0,
				       "the sender takes no confirmation");
		if (chan_control_end(r->chan, &done, e) < 0)
			return -1;
	}
	chan_linger(r->chan, LINGER_MS);
	return 0;
}

static int receiver_loop(struct receiver *r, enum receiver_how how,
			 struct err *e)
{
	bool splice = how == RECEIVER_SPLICE && chan_in_kernel(r->chan) &&
		      sink_takes_splice(r->sink);
	int ret;

	log_debug("output by %s", splice ? "splice" : "read and write");
	if (splice && r->sink->kind != IO_PIPE && pipe2(r->pipe, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, errno, "cannot make a pipe");
	ret = splice ? receiver_splice(r, e) : receiver_copy(r, e);
	if (ret == 0)
		ret = receiver_finish(r, e);
	if (ret < 0 && e->kind == ERR_IO)
		chan_abort(r->chan);
	log_debug("received %llu bytes", (unsigned long long)r->total);
	return ret;
}

int receiver_run(struct chan *chan, struct sink *sink, enum receiver_how how,
		 struct err *e)
{
	struct receiver r = { .chan = chan, .sink = sink, .pipe = { -1, -1 } };
	int ret;

	r.buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r.buffer == MAP_FAILED)
		return err_set(e, ERR_IO, errno, "no memory");
	ret = receiver_loop(&r, how, e);
	munmap(r.buffer, BUFFER_BYTES);
	attr_close(&r.pipe[0]);
	attr_close(&r.pipe[1]);
	return ret;
}
