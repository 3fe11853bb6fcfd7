// SPDX-License-Identifier: GPL-2.0-or-later
/* nowait: a write never waits, and never changes a shared descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/nowait.h"
#include "tap.h"
#include "terminal.h"

static void stuck(int signal)
{
	static const char text[] = "Bail out! a write waited\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static bool blocks(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Read bytes and check that they are lines of x. */
static size_t reads(int fd, size_t len)
{
	static char text[1 << 20];
	size_t have = 0, good = 0;
	ssize_t n;

	while (have < len && (n = read(fd, text, sizeof text)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			good += text[i] == 'x';
		have += (size_t)n;
	}
	return good;
}

/* Fill it, empty it, and find room again. */
static void test_full(struct nowait *w, int reader, const char *name)
{
	char line[1000];
	size_t all = 0;
	ssize_t n;

	memset(line, 'x', sizeof line);
	while ((n = nowait_write(w, line, sizeof line, 0)) > 0)
		all += (size_t)n;
	ok(n < 0 && errno == EAGAIN && all, "%s: full after %zu bytes", name,
	   all);
	ok(!nowait_room(w, 0), "%s: and says so", name);
	is_int(reads(reader, all), all, "%s: all that was taken arrives", name);
	is_int(nowait_write(w, line, 7, 0), 7, "%s: then there is room", name);
	is_int(reads(reader, 7), 7, "%s: for just that", name);
	ok(blocks(w->fd), "%s: O_NONBLOCK is not set for others", name);
}

static void test_pipe(bool reopen)
{
	struct nowait w;
	int fds[2];

	if (pipe(fds) < 0)
		bail();
	nowait_init(&w, fds[1]);
	if (!reopen) {
		close(w.own_fd);
		w.own_fd = -1;
		if (pipe2(w.pipe, O_NONBLOCK) < 0)
			bail();
	}
	ok(reopen == (w.own_fd >= 0), "a pipe, %s",
	   reopen ? "opened again" : "spliced into");
	test_full(&w, fds[0], reopen ? "pipe" : "splice");
	close(fds[0]);
	ok(nowait_write(&w, "x", 1, 0) < 0 && errno == EPIPE,
	   "without a reader it fails");
	nowait_fini(&w);
	close(fds[1]);
}

static void test_socket(int type, const char *name)
{
	struct nowait w;
	int fds[2];

	if (socketpair(AF_UNIX, type, 0, fds) < 0)
		bail();
	nowait_init(&w, fds[1]);
	test_full(&w, fds[0], name);
	close(fds[0]);
	ok(nowait_write(&w, "x", 1, 0) < 0, "%s: without a reader it fails",
	   name);
	nowait_fini(&w);
	close(fds[1]);
}

/* The terminal is stopped (^S), or nobody reads. */
static void test_terminal(bool reopen)
{
	int ours, theirs = terminal_open(&ours, "a terminal takes a line");
	char line[100];
	struct nowait w;
	ssize_t n = 0;
	int count = 0;

	if (theirs < 0)
		return;
	memset(line, 'x', sizeof line);
	nowait_init(&w, theirs);
	if (!reopen) {
		close(w.own_fd);
		w.own_fd = -1;
	}
	is_int(nowait_write(&w, line, sizeof line, 0), sizeof line,
	       "a terminal takes a line");
	tcflow(theirs, TCOOFF);
	while (count < 100000 &&
	       (n = nowait_write(&w, line, sizeof line, 0)) > 0)
		count++;
	ok(n < 0 && errno == EAGAIN, "a terminal that is stopped takes none");
	tcflow(theirs, TCOON);
	ok(nowait_write(&w, line, sizeof line, 0) > 0, "until it goes on");
	ok(blocks(theirs), "O_NONBLOCK is not set for others");
	nowait_fini(&w);
	close(theirs);
	close(ours);
}

static void test_file(void)
{
	int fd = open("/dev/null", O_WRONLY);
	struct nowait w;

	nowait_init(&w, fd);
	is_int(nowait_write(&w, "12345", 5, 0), 5, "/dev/null takes all");
	nowait_fini(&w);
	close(fd);
	nowait_init(&w, fd);
	ok(nowait_write(&w, "1", 1, 0) < 0 && errno == EBADF,
	   "a closed descriptor fails");
	nowait_fini(&w);
}

int main(void)
{
	signal(SIGALRM, stuck);
	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	test_pipe(true);
	test_pipe(false);
	test_socket(SOCK_STREAM, "stream socket");
	test_socket(SOCK_SEQPACKET, "message socket");
	test_terminal(true);
	test_terminal(false);
	test_file();
	return tap_end();
}
