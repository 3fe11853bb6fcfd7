// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/order.h"

/* /proc/sys/fs/pipe-max-size unless root raised it; 64 full TLS records */
#define PIPE_BYTES (1 << 20)

/*
 * The master of a pseudo terminal.  To open it again makes another terminal,
 * and its last close loses what nobody has read.  Linux: devices.txt.
 */
static bool io_is_pty_master(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(5, 2);
}

enum io_kind io_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || io_is_pty_master(&st))
		return IO_OTHER;
	switch (st.st_mode & S_IFMT) {
	case S_IFIFO:
		return IO_PIPE;
	case S_IFSOCK:
		return IO_SOCKET;
	case S_IFREG:
	case S_IFBLK:
		return IO_FILE;
	case S_IFCHR:
		return IO_DEVICE;
	default:
		return IO_OTHER;
	}
}

bool io_has_flag(int fd, int flag)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & flag);
}

bool io_allows(int fd, int access)
{
	int flags = fcntl(fd, F_GETFL);

	/* O_PATH looks like O_RDONLY. */
	if (flags >= 0 && (flags & O_PATH))
		return false;
	return flags < 0 || (flags & O_ACCMODE) == access ||
	       (flags & O_ACCMODE) == O_RDWR;
}

int io_socket_option(int fd, int option, int unknown)
{
	int number = unknown;
	socklen_t len = sizeof number;

	return getsockopt(fd, SOL_SOCKET, option, &number, &len) == 0 ? number
								      : unknown;
}

bool io_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1;
}

int io_wait(int fd, short events, uint64_t deadline_ms, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	while ((n = poll(&p, 1, clock_poll_ms(deadline_ms))) < 0)
		if (errno != EINTR)
			return err_call(e, ERR_NET, "poll", "cannot wait");
	return n;
}

int io_lock(int fd, uint64_t deadline_ms)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_now_ms() >= deadline_ms)
			return -1;
		poll(NULL, 0, 20);
	}
	return 0;
}

int io_set_pipe_size(int fd, int bytes)
{
	const struct order grow = { .kind = ORDER_GROW, .number = bytes };
	struct order_answer answer;
	struct err e = { 0 };

	if (fcntl(fd, F_SETPIPE_SZ, bytes) >= 0)
		return 0;
	if (errno != EPERM || !order_possible())
		return -1;
	if (order_ask(&grow, fd, &answer, &e) == 0)
		return 0;
	errno = EPERM;
	return -1;
}

void io_grow_pipe(int fd)
{
	int size = PIPE_BYTES;

	/* The limit is on all pipes of a user: take what is granted. */
	for (; size > 65536 && fcntl(fd, F_GETPIPE_SZ) < size; size /= 2)
		if (io_set_pipe_size(fd, size) >= 0 || errno != EPERM)
			return;
}

int io_set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_call(e, ERR_STREAM, "fcntl",
				"cannot set O_NONBLOCK");
	return 0;
}

bool io_same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int io_reopen_nonblocking(int fd, int access)
{
	const struct order reopen = { .kind = ORDER_REOPEN,
				      .number = fd,
				      .access = access };
	struct err ignored = { 0 };
	autoclose int again = -1;
	char path[32];

	if (io_kind(fd) == IO_OTHER)
		return -1;
	if (order_possible())
		return order_ask_fd(&reopen, &ignored);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	/* /proc may be another kernel's, or an ordinary directory. */
	return io_same_file(fd, again) ? steal_fd(&again) : -1;
}

int io_open_null(void)
{
	const struct order ask = { .kind = ORDER_NULL };
	struct err ignored = { 0 };
	autoclose int null = -1;

	if (order_possible())
		return order_ask_fd(&ask, &ignored);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	/* A regular file would keep what we throw away. */
	if (null >= 0 && io_kind(null) != IO_DEVICE) {
		errno = ENODEV;
		return -1;
	}
	return steal_fd(&null);
}

ssize_t io_read(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t io_write(int fd, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = write(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n;
}

int io_random(void *buf, size_t len, struct err *e)
{
	autoclose int fd = -1;

	/* Short reads happen only above 256 bytes. */
	if (getrandom(buf, len, 0) == (ssize_t)len)
		return 0;
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && io_read(fd, buf, len) == (ssize_t)len)
		return 0;
	return err_call(e, ERR_NET, "getrandom", "no random numbers");
}

int io_flush_stdout(struct err *e)
{
	int num = fflush(stdout) == EOF ? errno : 0;

	if (num || ferror(stdout))
		return err_set(e, ERR_IO, num, "cannot write standard output");
	return 0;
}

int io_write_all(int fd, const void *buf, size_t len, const char *what,
		 struct err *e)
{
	const char *p = buf;

	while (len) {
		ssize_t n = io_write(fd, p, len);

		if (n < 0 && errno != EAGAIN)
			return err_set(e, ERR_IO, errno, "cannot write %s",
				       what);
		if (n < 0 && io_wait(fd, POLLOUT, CLOCK_NEVER, e) < 0)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Close first to last, which need not be open. */
static void io_close_range(unsigned int first, unsigned int last)
{
	enum { END = 1 << 16 }; /* more would take seconds */

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	for (unsigned int fd = first; fd < END && fd <= last; fd++)
		close((int)fd);
}

static int io_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void io_close_all_but(unsigned int first, int *kept, size_t count)
{
	qsort(kept, count, sizeof *kept, io_compare);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)first)
			continue;
		if ((unsigned int)kept[i] > first)
			io_close_range(first, (unsigned int)kept[i] - 1);
		first = (unsigned int)kept[i] + 1;
	}
	io_close_range(first, ~0u);
}
