// SPDX-License-Identifier: GPL-2.0-or-later
/* input: reads never wait, even if another process reads the same pipe. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "stream/input.h"
#include "tap.h"
#include "terminal.h"
#include "wrap.h"

static bool no_proc; /* pretend that a pipe cannot be opened again */

WRAP(io_reopen_nonblocking);
int __wrap_io_reopen_nonblocking(int fd, int access)
{
	return no_proc ? -1 : __real_io_reopen_nonblocking(fd, access);
}

static volatile sig_atomic_t rings;

static void on_alarm(int sig)
{
	(void)sig;
	/* A test may expect one signal; a read that waits on waits for ever. */
	if (++rings > 3)
		_exit(1);
}

/* Interrupt any wait, again and again, while ms is not 0. */
static void ring(int ms)
{
	struct itimerval t = { .it_interval.tv_usec = ms * 1000,
			       .it_value.tv_usec = ms * 1000 };

	rings = 0;
	setitimer(ITIMER_REAL, &t, NULL);
}

static char got[10];
static size_t done;
static bool end;

static void init(struct input *in, int fd)
{
	struct err e = { 0 };

	if (input_init(in, fd, &e) < 0)
		bail();
}

static int read_some(const struct input *in)
{
	struct iovec two[2] = { { got, 3 }, { got + 3, sizeof got - 3 } };
	struct err e = { 0 };

	memset(got, 0, sizeof got);
	return input_read(in, two, 2, &done, &end, &e);
}

static void test_stream(const char *what, int from, int to)
{
	struct input in;
	int flags = fcntl(from, F_GETFL);

	init(&in, from);
	ring(500);
	is_int(read_some(&in), 0, "%s: another process took the bytes", what);
	ok(!done && !end && !rings, "%s: the read does not wait for more",
	   what);
	if (write(to, "a line\n", 7) != 7)
		bail();
	ok(io_ready(in.fd, POLLIN), "%s: new bytes are announced", what);
	is_int(read_some(&in), 0, "%s: and read", what);
	is_int(done, 7, "%s: all of it", what);
	ok(!memcmp(got, "a line\n", 7) && !end, "%s: unchanged", what);
	is_int(fcntl(from, F_GETFL), flags, "%s: the shared flags stay", what);
	ring(0);
	input_fini(&in);
}

static void test_end(const char *what, int from, int to, bool before)
{
	struct input in;

	if (before)
		close(to);
	init(&in, from);
	if (!before)
		close(to);
	ok(io_ready(in.fd, POLLIN), "%s: the end is announced", what);
	is_int(read_some(&in), 0, "%s: and read", what);
	ok(!done && end, "%s: it is the end", what);
	input_fini(&in);
	close(from);
}

static void test_pipe(bool before)
{
	int p[2];

	if (pipe(p) < 0)
		bail();
	test_stream("pipe", p[0], p[1]);
	test_end(before ? "pipe whose writer ended long ago" : "pipe", p[0],
		 p[1], before);
}

static void test_socket(void)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		bail();
	test_stream("socket", s[0], s[1]);
	test_end("socket", s[0], s[1], false);
}

static void test_terminal(void)
{
	int ours, theirs = terminal_open(&ours, "terminal");

	if (theirs < 0)
		return;
	test_stream("terminal", theirs, ours);
	close(theirs);
	close(ours);
}

/* If it must wait, a signal ends the wait. */
static void test_no_proc(void)
{
	struct input in;
	int p[2];

	if (pipe(p) < 0)
		bail();
	no_proc = true;
	init(&in, p[0]);
	no_proc = false;
	ring(50);
	is_int(read_some(&in), 0, "a wait that cannot be avoided has an end");
	ok(!done && !end && rings == 1, "at the first signal");
	ring(0);
	input_fini(&in);
	close(p[0]);
	close(p[1]);
}

/* what has nothing to read, ever */
static void is_refused(int fd, const char *words, const char *what)
{
	struct err e = { 0 };
	struct input in;

	is_int(input_init(&in, fd, &e), -1, "%s is refused", what);
	is_int(e.kind, ERR_IO, "an error of input");
	ok(strstr(e.msg, words), "it says so: %s", e.msg);
	input_fini(&in);
	close(fd);
}

static void test_refused(void)
{
	int p[2], listener = socket(AF_INET, SOCK_STREAM, 0);
	char path[32];

	if (pipe(p) < 0 || listen(listener, 1) < 0)
		bail();
	is_refused(eventfd(0, 0), "no stream of bytes", "an eventfd");
	is_refused(listener, "listens", "a listening socket");
	is_refused(p[1], "Bad file descriptor", "the write end of a pipe");
	/* Opening it again would read the pipe. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	is_refused(open(path, O_PATH), "Bad file descriptor",
		   "a pipe that is open as a path");
	close(p[0]);
}

/* A read with too little room would lose the rest of a message. */
static void test_messages(int type)
{
	struct err e = { 0 };
	struct input in;
	int s[2];

	if (socketpair(AF_UNIX, type, 0, s) < 0)
		bail();
	is_int(input_init(&in, s[0], &e), -1, "a socket of type %d is refused",
	       type);
	is_int(e.kind, ERR_IO, "%s", e.msg);
	input_fini(&in);
	close(s[0]);
	close(s[1]);
}

/* Read to the end.  Returns the number of bytes, or -1. */
static long read_all(const struct input *in)
{
	long all = 0;

	do {
		if (read_some(in) < 0)
			return -1;
		all += (long)done;
	} while (!end);
	return all;
}

static void test_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct input in;

	if (fd < 0 || ftruncate(fd, 100) < 0 || lseek(fd, 30, SEEK_SET) < 0)
		bail();
	init(&in, fd);
	is_int(in.end, 100, "a file ends where its size says");
	is_int(read_all(&in), 70, "all of the rest is read");
	if (ftruncate(fd, 120) < 0)
		bail();
	is_int(read_all(&in), 20, "and the bytes that were added meanwhile");
	if (ftruncate(fd, 99) < 0)
		bail();
	is_int(read_all(&in), -1,
	       "but a file that grew and became shorter is an error");
	input_fini(&in);
	init(&in, fd);
	is_int(in.end, 0, "behind its end nothing is expected");
	input_fini(&in);
	lseek(fd, 0, SEEK_SET);
	init(&in, fd);
	if (read_some(&in) < 0 || ftruncate(fd, 98) < 0)
		bail();
	is_int(read_all(&in), -1, "and one that only became shorter");
	input_fini(&in);
	close(fd);
}

static void test_lying_file(void)
{
	int fd = open("/sys/class/net/lo/mtu", O_RDONLY);
	struct input in;

	if (fd < 0) {
		tap_skip("a file of the kernel", "no such file");
		return;
	}
	init(&in, fd);
	is_int(in.end, 0, "the size of a kernel file says nothing");
	ok(read_all(&in) > 1, "but it can be read");
	input_fini(&in);
	close(fd);
}

static void test_errors(void)
{
	int dir = open("/", O_RDONLY);
	struct input in;

	init(&in, dir);
	is_int(read_some(&in), -1, "a directory cannot be read");
	close(dir);
}

int main(void)
{
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	test_pipe(false);
	test_pipe(true);
	test_socket();
	test_terminal();
	test_no_proc();
	test_refused();
	test_messages(SOCK_SEQPACKET);
	test_messages(SOCK_DGRAM);
	test_file();
	test_lying_file();
	test_errors();
	return tap_end();
}
