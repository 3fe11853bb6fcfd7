// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Refuse what would never be readable, or loses bytes when it is read. */
static int input_check(const struct input *in, struct err *e)
{
	struct stat st = { .st_mode = S_IFDIR }; /* if unknown, reading tells */

	if (in->kind == IO_PIPE && !io_allows(in->fd, O_RDONLY)) {
		errno = EBADF;
		return input_error(e);
	}
	if (in->kind == IO_SOCKET &&
	    io_socket_option(in->fd, SO_TYPE, SOCK_STREAM) != SOCK_STREAM)
		return err_set(e, ERR_IO, 0,
			       "standard input is a message socket, not a "
			       "stream socket");
	if (in->kind == IO_SOCKET && io_socket_option(in->fd, SO_ACCEPTCONN, 0))
		return err_set(e, ERR_IO, 0,
			       "standard input is a socket that listens");
	if (in->kind == IO_OTHER && fstat(in->fd, &st) == 0 &&
	    !S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, 0,
			       "standard input is no stream of bytes");
	return 0;
}

/* Trust the size if the last byte is there. */
static off_t input_file_end(int fd, off_t start)
{
	struct stat st;
	char last;

	if (start < 0 || fstat(fd, &st) < 0 || start >= st.st_size ||
	    pread(fd, &last, 1, st.st_size - 1) != 1)
		return 0;
	return st.st_size;
}

int input_init(struct input *in, int fd, struct err *e)
{
	*in = (struct input){ .fd = fd, .own_fd = -1, .kind = io_kind(fd) };
	if (in->kind == IO_FILE) {
		in->start = lseek(fd, 0, SEEK_CUR);
		in->end = input_file_end(fd, in->start);
	}
	/* A read of a file or a plain device waits for nobody; sockets get
	 * MSG_DONTWAIT. */
	if (in->kind == IO_PIPE || (in->kind == IO_DEVICE && isatty(fd)))
		in->own_fd = io_reopen_nonblocking(fd, O_RDONLY);
	return input_check(in, e);
}

int input_rewind(struct input *in, struct err *e)
{
	if (in->kind != IO_FILE || in->start < 0)
		return err_set(
			e, ERR_IO, 0,
			"the receiver was restarted, and standard input "
			"cannot be read again: use a COMMAND, or a file");
	if (lseek(in->fd, in->start, SEEK_SET) < 0)
		return input_error(e);
	return 0;
}

int input_error(struct err *e)
{
	return err_set(e, ERR_IO, errno, "cannot read standard input");
}

int input_shorter(struct err *e)
{
	return err_set(e, ERR_IO, 0,
		       "the file on standard input became shorter while it "
		       "was sent");
}

/* Others may share the offset, but cannot have read beyond the end. */
static int input_check_end(const struct input *in, struct err *e)
{
	off_t offset = lseek(in->fd, 0, SEEK_CUR);
	struct stat st;

	if (fstat(in->fd, &st) < 0)
		return input_error(e);
	return offset < in->end || offset > st.st_size ? input_shorter(e) : 0;
}

/*
 * A terminal that hangs up, such as a pseudo terminal whose program was killed,
 * drops what nobody has read, and then looks as if it had ended.
 */
static int input_check_terminal(const struct input *in, struct err *e)
{
	if (!io_ready(in->fd, 0)) /* POLLHUP is always reported */
		return 0;
	return err_set(e, ERR_IO, 0,
		       "the terminal on standard input hung up before the end "
		       "of the input, which is ^D");
}

int input_read(const struct input *in, const struct iovec *buffers, int count,
	       size_t *done, bool *end, struct err *e)
{
	ssize_t n;

	*done = 0;
	*end = false;
	if (in->kind == IO_SOCKET) {
		struct msghdr m = { .msg_iov = (struct iovec *)buffers,
				    .msg_iovlen = (size_t)count };

		n = recvmsg(in->fd, &m, MSG_DONTWAIT);
	} else {
		n = readv(in->own_fd >= 0 ? in->own_fd : in->fd, buffers,
			  count);
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : input_error(e);
	*done = (size_t)n;
	*end = n == 0;
	if (*end && in->kind == IO_DEVICE)
		return input_check_terminal(in, e);
	return *end && in->end ? input_check_end(in, e) : 0;
}

void input_fini(struct input *in)
{
	attr_close(&in->own_fd);
}
