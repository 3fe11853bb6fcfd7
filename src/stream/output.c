// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/signals.h"

static struct output output_of(int fd, enum io_kind kind, bool borrowed)
{
	return (struct output){ .fd = fd,
				.borrowed = borrowed,
				.own_fd = -1,
				.kind = kind,
				.at_once = SIZE_MAX };
}

void output_init_borrowed(struct output *out, int pipe_fd)
{
	*out = output_of(pipe_fd, IO_PIPE, true);
}

void output_init(struct output *out, int fd)
{
	*out = output_of(fd, io_kind(fd), false);
	/* Files and plain devices (tapes) take a write whole; sockets get
	 * MSG_DONTWAIT. */
	if ((out->kind == IO_PIPE && io_allows(fd, O_WRONLY)) ||
	    (out->kind == IO_DEVICE && isatty(fd))) {
		out->own_fd = io_reopen_nonblocking(fd, O_WRONLY);
		/* poll(2) promises room for at least one page */
		if (out->own_fd < 0)
			out->at_once = PIPE_BUF;
	}
	/* Its reader loses the part of a message that it has no room for. */
	out->messages = out->kind == IO_SOCKET
				? io_socket_option(fd, SO_TYPE, SOCK_STREAM) !=
					  SOCK_STREAM
				: out->kind == IO_PIPE && out->own_fd < 0 &&
					  io_has_flag(fd, O_DIRECT);
	if (out->kind == IO_PIPE)
		io_grow_pipe(fd);
}

void output_init_part(struct output *out, struct part_file *part)
{
	*out = output_of(part->fd, IO_FILE, true);
	out->part = part;
}

int output_fd(const struct output *out)
{
	return out->own_fd >= 0 ? out->own_fd : out->fd;
}

bool output_has_reader(const struct output *out)
{
	return out->kind == IO_PIPE || out->kind == IO_SOCKET;
}

/* splice(2) refuses to write to a file with O_APPEND. */
bool output_takes_splice(const struct output *out)
{
	return (out->kind == IO_PIPE && !out->messages) ||
	       (out->kind == IO_FILE && !out->part &&
		!io_has_flag(out->fd, O_APPEND));
}

static int output_part_error(const struct part_file *p, int num, struct err *e)
{
	if (num == EEXIST)
		return err_set(e, ERR_IO, num,
			       "--output: %s appeared meanwhile, and is not "
			       "overwritten",
			       p->path);
	if (num == ESTALE)
		err_set(e, ERR_IO, 0,
			"--output: another process changed, removed or "
			"replaced %s.part",
			p->path);
	else if (num == ECANCELED && p->finishing)
		err_set(e, ERR_IO, 0,
			"--output: cannot tell whether %s is on the disk (a "
			"process of ours was killed, or syncing its directory "
			"failed); if it is there, it is complete",
			p->path);
	else if (p->finishing)
		return err_set(e, ERR_IO, num,
			       "--output: all is received, but cannot sync "
			       "%s.part or rename it to %s",
			       p->path, p->path);
	else
		return err_set(e, ERR_IO, num, "cannot write %s.part", p->path);
	e->num = num;
	return -1;
}

int output_error(const struct output *out, int num, struct err *e)
{
	if (out->part)
		return output_part_error(out->part, num, e);
	if (num == EPIPE || num == ECONNRESET)
		return err_set(e, ERR_IO, 0,
			       "the reader of standard output went away");
	return err_set(e, ERR_IO, num, "cannot write standard output");
}

int output_write(struct output *out, const void *buf, size_t len, size_t *done,
		 struct err *e)
{
	ssize_t n;
	int num;

	*done = 0;
	if (out->messages) {
		err_set(e, ERR_IO, 0,
			"standard output takes messages, not a stream of "
			"bytes");
		e->num = EPROTOTYPE;
		return -1;
	}
	if (out->at_once != SIZE_MAX && !io_ready(out->fd, POLLOUT))
		return 0;
	num = out->part ? part_file_before_write(out->part) : 0;
	if (num)
		return output_error(out, num, e);
	if (len > out->at_once)
		len = out->at_once;
	if (out->kind == IO_SOCKET)
		do
			n = send(out->fd, buf, len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
	else
		n = io_write(output_fd(out), buf, len);
	if (n < 0 && errno != EAGAIN)
		return output_error(out, errno, e);
	*done = n > 0 ? (size_t)n : 0;
	num = out->part ? part_file_wrote(out->part, *done) : 0;
	return num ? output_error(out, num, e) : 0;
}

/* Bytes, or -1 */
static int output_ask_unread(const struct output *out)
{
	int bytes = 0;

	if (output_has_reader(out) &&
	    ioctl(out->fd, out->kind == IO_PIPE ? FIONREAD : SIOCOUTQ, &bytes) <
		    0)
		return -1;
	return bytes;
}

int output_check(const struct output *out, struct err *e)
{
	struct stat st;

	if (out->kind == IO_OTHER) {
		/* It may have a reader, or none. */
		if (fstat(out->fd, &st) < 0)
			return err_set(e, ERR_IO, errno,
				       "cannot tell what standard output is");
		err_set(e, ERR_IO, 0, "standard output is no stream of bytes");
		e->num = EBADF;
		return -1;
	}
	return output_ask_unread(out) < 0
		       ? err_call(e, ERR_IO, "ioctl",
				  "cannot tell what the reader has read")
		       : 0;
}

size_t output_unread(const struct output *out)
{
	int bytes = output_ask_unread(out);

	return bytes < 0 ? 0 : (size_t)bytes;
}

static int output_flush(const struct output *out)
{
	return fdatasync(out->fd) < 0 ? errno : 0;
}

/*
 * A process of its own closes every descriptor but the file: no connection and
 * no port may outlive the parent, however long the disk takes.
 */
static pid_t output_fork_sync(const struct output *out)
{
	pid_t pid = signals_fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		io_close_all_but(0, (int[]){ out->fd }, 1);
		_exit(output_flush(out));
	}
	return pid;
}

/*
 * The kernel reports an error once.  If the process cannot pass it on to us, it
 * is lost: so that counts as an error, too.
 */
bool output_synced(struct output *out, int *num)
{
	if (out->part)
		return part_file_finished(out->part, num);
	*num = 0;
	if (out->kind != IO_FILE)
		return true;
	if (!out->sync_pid)
		out->sync_pid = output_fork_sync(out);
	if (out->sync_pid < 0) {
		*num = output_flush(out);
		return true;
	}
	return signals_reap(out->sync_pid, num);
}

void output_fini(struct output *out)
{
	attr_close(&out->own_fd);
}

int output_finish(struct output *out, struct err *e)
{
	output_fini(out);
	if (out->borrowed)
		return 0;
	if (close(steal_fd(&out->fd)) < 0)
		return output_error(out, errno, e);
	return 0;
}
