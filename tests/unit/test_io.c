// SPDX-License-Identifier: GPL-2.0-or-later
/* io: kinds of descriptors, and calls that survive a signal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "tap.h"
#include "wrap.h"

/* A descriptor that only the wrappers below see. */
enum { FAKE_FD = 1000 };

/* The results of the next calls; below 0: minus errno. */
static const int *script;
static char written[64];
static size_t written_len;

static ssize_t next_answer(size_t len)
{
	if (*script < 0) {
		errno = -*script++;
		return -1;
	}
	return (size_t)*script <= len ? *script++ : (ssize_t)len;
}

WRAP(read);
ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	return fd == FAKE_FD ? next_answer(len) : __real_read(fd, buf, len);
}

WRAP(write);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	ssize_t n;

	if (fd != FAKE_FD)
		return __real_write(fd, buf, len);
	n = next_answer(len);
	if (n > 0) {
		memcpy(written + written_len, buf, (size_t)n);
		written_len += (size_t)n;
	}
	return n;
}

/* A pipe and its largest allowed capacity: more fails with errno num. */
static struct {
	int size, limit, num, tries;
} fake;

WRAP64(fcntl, __fcntl_time64, fcntl64);
int __wrap_fcntl(int fd, int cmd, ...)
{
	int arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, int);
	va_end(ap);
	if (fd != FAKE_FD)
		return __real_fcntl(fd, cmd, arg);
	if (cmd == F_GETPIPE_SZ)
		return fake.size;
	fake.tries++;
	if (arg > fake.limit) {
		errno = fake.num;
		return -1;
	}
	fake.size = arg;
	return fake.size;
}

/* The environment lacks close_range(2) and getrandom(2). */
static bool refused;

long __real_syscall(long number, ...);
WRAP(syscall);
long __wrap_syscall(long number, ...)
{
	unsigned int a, b, c;
	va_list ap;

	va_start(ap, number);
	a = va_arg(ap, unsigned int);
	b = va_arg(ap, unsigned int);
	c = va_arg(ap, unsigned int);
	va_end(ap);
	if (!refused)
		return __real_syscall(number, a, b, c);
	errno = ENOSYS;
	return -1;
}

ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
WRAP(getrandom);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	if (!refused)
		return __real_getrandom(buf, len, flags);
	errno = EPERM;
	return -1;
}

static void test_random(const char *how)
{
	static const uint8_t none[32];
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	struct err e = { 0 };

	is_int(io_random(a, sizeof a, &e), 0, "%s: random numbers", how);
	ok(io_random(b, sizeof b, &e) == 0 && memcmp(a, b, sizeof a) &&
		   memcmp(a, none, sizeof a),
	   "others each time");
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Four descriptors in a row; all behind them are closed, too. */
static void test_close_all(const char *how)
{
	int below = dup(0), first = dup(0), kept = dup(0), last = dup(0);

	io_close_all_but((unsigned int)first, (int[]){ kept, -1 }, 2);
	ok(!is_open(first) && !is_open(last), "%s closes what is not kept",
	   how);
	ok(is_open(below) && is_open(kept), "and nothing else");
	io_close_all_but((unsigned int)kept, &below, 1);
	ok(!is_open(kept) && is_open(below), "%s closes to the end", how);
	io_close_all_but((unsigned int)below, &below, 1);
	ok(is_open(below), "an empty range is none");
	close(below);
}

/* It was opened before the limit was lowered. */
static void test_close_above_limit(void)
{
	struct rlimit old, low;
	int fd = fcntl(0, F_DUPFD, 200);

	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 100;
	setrlimit(RLIMIT_NOFILE, &low);
	io_close_all_but(200, &fd, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	ok(!is_open(fd), "and one above the limit");
}

static void test_closes(void)
{
	test_close_all("close_range(2)");
	refused = true;
	test_close_all("without close_range(2) a loop");
	test_close_above_limit();
	refused = false;
}

static void test_randoms(void)
{
	test_random("getrandom(2)");
	refused = true;
	test_random("/dev/urandom");
	refused = false;
}

static void test_calls(void)
{
	struct err e = { 0 };
	char buf[8];

	script = (const int[]){ -EINTR, -EINTR, 5 };
	is_int(io_read(FAKE_FD, buf, 8), 5, "io_read goes on after a signal");
	script = (const int[]){ -EAGAIN };
	is_int(io_read(FAKE_FD, buf, 8), -1, "io_read does not wait");
	is_int(errno, EAGAIN, "io_read keeps errno");
	script = (const int[]){ -EINTR, 2 };
	is_int(io_write(FAKE_FD, "ab", 2), 2, "io_write goes on likewise");

	written_len = 0;
	script = (const int[]){ 3, -EINTR, 1, 6 };
	ok(io_write_all(FAKE_FD, "0123456789", 10, "x", &e) == 0 &&
		   written_len == 10 && !memcmp(written, "0123456789", 10),
	   "io_write_all puts short writes together");
	written_len = 0;
	script = (const int[]){ 3, -EIO };
	is_int(io_write_all(FAKE_FD, "0123456789", 10, "the key", &e), -1,
	       "io_write_all reports an error in the middle");
	ok(e.kind == ERR_IO && e.num == EIO && strstr(e.msg, "the key"),
	   "and says what could not be written");
	is_int(io_write_all(FAKE_FD, "", 0, "x", &e), 0,
	       "nothing to write is no error");
}

static void test_kinds(void)
{
	int pipe_fds[2], sock_fds[2], closed = dup(0);
	FILE *file = tmpfile();
	int null = open("/dev/null", O_RDWR), dir = open("/", O_RDONLY);

	if (pipe(pipe_fds) < 0 || !file ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, sock_fds) < 0)
		bail();
	close(closed);
	is_int(io_kind(pipe_fds[0]), IO_PIPE, "a pipe is a pipe");
	is_int(io_kind(sock_fds[0]), IO_SOCKET, "a socket is a socket");
	is_int(io_kind(fileno(file)), IO_FILE, "a file is a file");
	is_int(io_kind(null), IO_DEVICE, "/dev/null is a device");
	is_int(io_kind(dir), IO_OTHER, "a directory is something else");
	is_int(io_kind(closed), IO_OTHER, "so is a closed descriptor");

	ok(!io_has_flag(fileno(file), O_APPEND),
	   "a file is not append-only by itself");
	fcntl(fileno(file), F_SETFL, O_APPEND);
	ok(io_has_flag(fileno(file), O_APPEND), "one with O_APPEND is");
	ok(!io_has_flag(closed, O_APPEND), "a closed descriptor is not");
	fclose(file);
	close(null);
	close(dir);
	close(sock_fds[0]);
	close(sock_fds[1]);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void test_ready(void)
{
	int p[2];

	if (pipe(p) < 0)
		bail();
	ok(!io_ready(p[0], POLLIN), "an empty pipe has nothing to read");
	ok(io_ready(p[1], POLLOUT), "but room");
	if (write(p[1], "x", 1) != 1)
		bail();
	ok(io_ready(p[0], POLLIN), "a full one has something to read");
	close(p[1]);
	ok(io_ready(p[0], 0), "a pipe without a writer has ended");
	close(p[0]);
}

static void test_reopen(int access, int end)
{
	struct err e = { 0 };
	const char *name = end ? "writing" : "reading";
	int p[2], own;

	if (pipe(p) < 0)
		bail();
	own = io_reopen_nonblocking(p[end], access);
	if (own < 0) {
		tap_skip("a pipe can be reopened", "no /proc here");
		return;
	}
	ok(fcntl(own, F_GETFL) & O_NONBLOCK, "its own end for %s never blocks",
	   name);
	is_int(fcntl(own, F_GETFL) & O_ACCMODE, access, "and is for %s", name);
	ok(fcntl(own, F_GETFD) & FD_CLOEXEC, "and closed on exec");
	ok(!(fcntl(p[end], F_GETFL) & O_NONBLOCK),
	   "the original for %s still blocks", name);
	is_int(io_set_nonblocking(p[!end], &e), 0, "the other end can be set");
	ok(fcntl(p[!end], F_GETFL) & O_NONBLOCK, "and does not block then");
	ok(!(fcntl(p[end], F_GETFL) & O_NONBLOCK), "alone");
	close(own);
	close(p[0]);
	close(p[1]);
}

static void test_refusals(void)
{
	struct err e = { 0 };
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		bail();
	is_int(io_reopen_nonblocking(s[0], O_WRONLY), -1,
	       "a socket cannot be reopened");
	close(s[0]);
	close(s[1]);
	is_int(io_set_nonblocking(s[0], &e), -1, "nor a closed one set");
	is_int(e.num, EBADF, "which errno tells");
}

static void test_grow(void)
{
	static const struct {
		const char *name;
		int size, limit, num, grown;
	} rows[] = {
		{ "a new pipe", 65536, 1 << 20, EPERM, 1 << 20 },
		{ "a huge pipe", 1 << 21, 1 << 20, EPERM, 1 << 21 },
		{ "a pipe of a user with many", 65536, 1 << 18, EPERM,
		  1 << 18 },
		{ "a pipe that may not grow", 65536, 65536, EPERM, 65536 },
		{ "one page", 4096, 4096, EPERM, 4096 },
		{ "something else", 65536, 65536, EBADF, 65536 },
	};
	int p[2], before;

	for (size_t i = 0; i < array_len(rows); i++) {
		fake.size = rows[i].size;
		fake.limit = rows[i].limit;
		fake.num = rows[i].num;
		fake.tries = 0;
		io_grow_pipe(FAKE_FD);
		is_int(fake.size, rows[i].grown, "%s holds %d bytes then",
		       rows[i].name, rows[i].grown);
	}
	is_int(fake.tries, 1, "other files than pipes stay unchanged");
	if (pipe(p) < 0)
		bail();
	before = fcntl(p[0], F_GETPIPE_SZ);
	io_grow_pipe(p[1]);
	ok(fcntl(p[0], F_GETPIPE_SZ) >= before, "a real pipe does not shrink");
	close(p[0]);
	close(p[1]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Signals come all the time. */
static void test_wait(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { 0 };
	uint64_t begin = clock_now_ms();
	struct err e = { 0 };
	int p[2];

	if (pipe(p) < 0)
		bail();
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	is_int(io_wait(p[0], POLLIN, clock_deadline(100), &e), 0,
	       "nothing comes, but signals");
	ok(clock_now_ms() - begin >= 100, "that takes all the time");
	ok(write(p[1], "", 1) == 1 &&
		   io_wait(p[0], POLLIN, clock_deadline(10000), &e) == 1,
	   "a byte comes");
	setitimer(ITIMER_REAL, &never, NULL);
	is_int(io_wait(p[0], POLLIN, 0, &e), 1,
	       "it is there, and the deadline has passed");
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	test_calls();
	test_kinds();
	test_ready();
	test_wait();
	test_reopen(O_RDONLY, 0);
	test_reopen(O_WRONLY, 1);
	test_closes();
	test_randoms();
	test_refusals();
	test_grow();
	return tap_end();
}
