// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/nowait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"

void nowait_init(struct nowait *w, int fd)
{
	enum io_kind kind = io_kind(fd);

	*w = (struct nowait){ .fd = fd,
			      .own_fd = -1,
			      .pipe = { -1, -1 },
			      .is_socket = kind == IO_SOCKET,
			      .is_pipe = kind == IO_PIPE };
	w->is_plain = !w->is_socket && !w->is_pipe && !isatty(fd);
	if (w->is_socket || w->is_plain)
		return;
	w->own_fd = io_reopen_nonblocking(fd, O_WRONLY);
	/* No /proc, or, after su(1), a terminal or pipe of another user. */
	if (w->own_fd < 0 && w->is_pipe &&
	    pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		w->pipe[0] = w->pipe[1] = -1;
}

/*
 * write(2) would wait if another process filled the pipe after we polled it;
 * splice(2) takes a flag with each call.  Bytes that do not fit are taken back.
 */
static ssize_t nowait_splice(struct nowait *w, const void *buf, size_t len)
{
	ssize_t done = 0, n;
	char back[PIPE_BUF];

	if (write(w->pipe[1], buf, len) != (ssize_t)len)
		return -1;
	n = splice(w->pipe[0], NULL, w->fd, NULL, len, SPLICE_F_NONBLOCK);
	if (n == (ssize_t)len)
		return n;
	if (n > 0)
		done = n;
	n = errno;
	if (read(w->pipe[0], back, sizeof back) < 0)
		return -1;
	errno = (int)n;
	return done ? done : -1;
}

static ssize_t nowait_try(struct nowait *w, const void *buf, size_t len)
{
	ssize_t n;

	if (w->is_socket)
		return send(w->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (w->is_pipe && len > PIPE_BUF)
		len = PIPE_BUF;
	if (w->own_fd >= 0)
		return write(w->own_fd, buf, len);
	if (w->pipe[0] >= 0) {
		n = nowait_splice(w, buf, len);
		if (n >= 0 || !err_refuses(errno))
			return n;
		attr_close_pair(&w->pipe);
	}
	/* A terminal that is stopped (^S) has no room. */
	if (!w->is_plain && !nowait_room(w, 0)) {
		errno = EAGAIN;
		return -1;
	}
	return write(w->fd, buf, len);
}

ssize_t nowait_write(struct nowait *w, const void *buf, size_t len,
		     uint64_t end_ms)
{
	ssize_t n;

	while ((n = nowait_try(w, buf, len)) < 0 &&
	       (errno == EINTR || (errno == EAGAIN && clock_now_ms() < end_ms)))
		/* poll(2) may report room that is too small for it. */
		if (errno == EAGAIN && nowait_room(w, clock_poll_ms(end_ms)))
			poll(NULL, 0, 1);
	return n;
}

bool nowait_room(const struct nowait *w, int ms)
{
	struct pollfd p = { .fd = w->own_fd >= 0 ? w->own_fd : w->fd,
			    .events = POLLOUT };

	return poll(&p, 1, ms) == 1;
}

void nowait_fini(struct nowait *w)
{
	attr_close(&w->own_fd);
	attr_close_pair(&w->pipe);
}

int nowait_write_all(int fd, const char *buf, size_t len, const char *what,
		     struct err *e)
{
	uint64_t end_ms = clock_deadline(NOWAIT_MS);
	struct nowait w;
	ssize_t n = 0;
	int num;

	nowait_init(&w, fd);
	for (size_t done = 0; n >= 0 && done < len; done += (size_t)n)
		n = nowait_write(&w, buf + done, len - done, end_ms);
	num = errno;
	nowait_fini(&w);
	if (n >= 0)
		return 0;
	return err_set(e, ERR_IO, num == EAGAIN ? 0 : num, "cannot write %s%s",
		       what, num == EAGAIN ? ": nobody reads it" : "");
}
