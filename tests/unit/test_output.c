// SPDX-License-Identifier: GPL-2.0-or-later
/* output: writes never wait, and no failure goes unnoticed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "stream/output.h"
#include "stream/part_file.h"
#include "tap.h"
#include "wrap.h"

static bool no_proc; /* pretend that a pipe cannot be opened again */

WRAP(io_reopen_nonblocking);
int __wrap_io_reopen_nonblocking(int fd, int access)
{
	return no_proc ? -1 : __real_io_reopen_nonblocking(fd, access);
}

static int (*on_fdatasync)(int fd);

WRAP(fdatasync);
int __wrap_fdatasync(int fd)
{
	return on_fdatasync(fd);
}

static bool full; /* like a disk; the time of the file changes all the same */

WRAP(io_write);
ssize_t __wrap_io_write(int fd, const void *buf, size_t len)
{
	if (!full)
		return __real_io_write(fd, buf, len);
	futimens(fd, (struct timespec[2]){ { 0 } });
	errno = ENOSPC;
	return -1;
}

static bool fail_close; /* like a file system that stores bytes so late */
static int copy = -1;

WRAP(dup);
int __wrap_dup(int fd)
{
	copy = __real_dup(fd);
	return copy;
}

WRAP(close);
int __wrap_close(int fd)
{
	int ret = __real_close(fd);

	if (!fail_close || fd < 0 || fd != copy)
		return ret;
	errno = EDQUOT;
	return -1;
}

static pid_t ourselves;
static bool no_fork; /* pretend that there are too many processes */

WRAP(fork);
pid_t __wrap_fork(void)
{
	return no_fork ? -1 : __real_fork();
}

static char block[65536];

/* Write blocks of len bytes until there is no room.  Returns the bytes. */
static size_t fill(struct output *s, size_t len, struct err *e)
{
	size_t all = 0, done;

	do {
		if (output_write(s, block, len, &done, e) < 0)
			return 0;
		all += done;
	} while (done);
	return all;
}

static void pair_of(bool socket, int fds[2])
{
	int ret = socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds);

	if (ret < 0)
		bail();
}

static void stuck(int signal)
{
	static const char text[] = "Bail out! a write waits for room\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static void test_full(const char *name, bool socket)
{
	struct err e = { 0 };
	struct output s;
	size_t all, done;
	int fds[2];

	pair_of(socket, fds);
	output_init(&s, fds[1]);
	all = fill(&s, sizeof block, &e) + fill(&s, 100, &e);
	ok(all >= 4096 && e.kind == ERR_NONE, "a full %s does not block", name);
	ok(!(fcntl(fds[1], F_GETFL) & O_NONBLOCK),
	   "and O_NONBLOCK is not set for others");
	for (size_t n = 0; n < 8192;)
		n += (size_t)read(fds[0], block, 8192 - n);
	if (!socket)
		ok(output_write(&s, block, sizeof block, &done, &e) == 0 &&
			   done > 0 && done <= 8192,
		   "a %s with some room takes some", name);
	is_int(output_finish(&s, &e), 0, "a full %s can be finished", name);
	is_int(fcntl(fds[1], F_GETFD), -1, "and is closed then");
	close(fds[0]);
}

/* A reader with too little room would lose the rest of a message. */
static void test_messages(const char *what, int fd)
{
	struct err e = { 0 };
	struct output s;
	size_t done;

	output_init(&s, fd);
	is_int(output_write(&s, "x", 1, &done, &e), -1, "%s is refused", what);
	ok(strstr(e.msg, "takes messages"), "%s", e.msg);
	ok(!output_takes_splice(&s), "and nothing is spliced into it");
	is_int(output_finish(&s, &e), 0, "it can be closed");
}

static void test_all_messages(void)
{
	int s[2], d[2], p[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) < 0 ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, d) < 0 || pipe2(p, O_DIRECT) < 0)
		bail();
	test_messages("a SOCK_SEQPACKET socket", s[1]);
	test_messages("a SOCK_DGRAM socket", d[1]);
	no_proc = true;
	test_messages("a pipe in packet mode that cannot be opened again",
		      p[1]);
	no_proc = false;
	close(s[0]);
	close(d[0]);
	close(p[0]);
}

static void test_reader_gone(const char *name, bool socket)
{
	struct err e = { 0 };
	struct output s;
	size_t done = 99;
	int fds[2];

	pair_of(socket, fds);
	output_init(&s, fds[1]);
	ok(output_has_reader(&s), "a %s has a reader", name);
	close(fds[0]);
	is_int(output_write(&s, "x", 1, &done, &e), -1,
	       "a %s whose reader left is an error", name);
	ok(e.kind == ERR_IO && done == 0 && strstr(e.msg, "went away"),
	   "and the message says so");
	is_int(output_finish(&s, &e), 0, "but it can be closed");
}

static void test_errors(void)
{
	const struct output out = { .fd = -1 };
	struct err e = { 0 };

	ok(output_error(&out, EPIPE, &e) == -1 && strstr(e.msg, "reader"),
	   "EPIPE means that the reader left");
	ok(output_error(&out, ECONNRESET, &e) == -1 && strstr(e.msg, "reader"),
	   "and so does ECONNRESET");
	ok(output_error(&out, EIO, &e) == -1 && !strstr(e.msg, "reader") &&
		   e.num == EIO,
	   "other errors have their own text");
}

static void test_file(void)
{
	char path[] = "/tmp/test_output.XXXXXX", text[16] = "";
	struct err e = { 0 };
	int fd = mkstemp(path), again = open(path, O_RDONLY);
	struct output s;
	size_t done;

	unlink(path);
	if (fd < 0 || again < 0)
		bail();
	output_init(&s, fd);
	ok(output_write(&s, "hello ", 6, &done, &e) == 0 && done == 6 &&
		   output_write(&s, "world", 5, &done, &e) == 0 && done == 5,
	   "a file takes all at once");
	ok(!output_has_reader(&s), "and has no reader that could leave");
	is_int(output_finish(&s, &e), 0, "it can be finished");
	is_int(fcntl(fd, F_GETFD), -1, "and is closed then");
	is_int(read(again, text, sizeof text), 11, "with all in it");
	is_str(text, "hello world", "as it was written");
	close(again);
}

static int sync_well(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

static int sync_fail(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

/* Does the process close all our descriptors and block all signals? */
static int sync_alone(int fd)
{
	sigset_t set;
	int open = 0;

	for (int i = 0; i < 100; i++)
		open += fcntl(i, F_GETFD) >= 0;
	sigprocmask(SIG_BLOCK, NULL, &set);
	errno = EIO;
	return fcntl(fd, F_GETFD) >= 0 && open == 1 &&
			       sigismember(&set, SIGTERM)
		       ? 0
		       : -1;
}

/* The kernel reports an error once: a second sync succeeds. */
static int sync_die(int fd)
{
	(void)fd;
	return getpid() == ourselves ? 0 : raise(SIGKILL);
}

static int sync_to_end(struct output *s)
{
	int num;

	while (!output_synced(s, &num))
		poll(NULL, 0, 5);
	return num;
}

static void test_sync(void)
{
	static const struct {
		const char *name;
		int (*sync)(int fd);
		bool no_fork, ignore_children;
		int num;
	} rows[] = {
		{ "a file goes to disk", sync_well, false, false, 0 },
		{ "the process has no other descriptor", sync_alone, false,
		  false, 0 },
		{ "an error of the disk", sync_fail, false, false, EIO },
		{ "no process left", sync_well, true, false, 0 },
		{ "no process left and an error", sync_fail, true, false, EIO },
		{ "the process is killed", sync_die, false, false, ECANCELED },
		{ "its status cannot be had", sync_fail, false, true, ECHILD },
	};
	char path[] = "/tmp/test_output.XXXXXX";
	struct output s;
	struct err e = { 0 };
	sigset_t set;
	int fd = mkstemp(path);

	unlink(path);
	for (size_t i = 0; i < array_len(rows); i++) {
		no_fork = rows[i].no_fork;
		on_fdatasync = rows[i].sync;
		signal(SIGCHLD, rows[i].ignore_children ? SIG_IGN : SIG_DFL);
		output_init(&s, fd);
		is_int(sync_to_end(&s), rows[i].num, "%s", rows[i].name);
	}
	no_fork = false;
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, NULL, &set);
	is_int(sigismember(&set, SIGTERM), 0, "signals are ours afterwards");
	output_init(&s, open("/dev/null", O_WRONLY));
	on_fdatasync = sync_fail;
	is_int(sync_to_end(&s), 0, "a device does not go to disk");
	close(s.fd);
	output_init(&s, open("/", O_RDONLY));
	is_int(output_check(&s, &e), -1, "what is no stream has no consumer");
	close(s.fd);
	is_int(output_check(&s, &e), -1, "nor what cannot be examined");
	ok(strstr(e.msg, "cannot tell what standard output is: Bad file"),
	   "and the reason is said");
	close(fd);
}

static int sync_fail_once(int fd)
{
	return getpid() == ourselves ? 0 : sync_fail(fd);
}

static void test_part_error(int num, bool finishing, const char *words)
{
	struct part_file part = { .path = "FILE", .finishing = finishing };
	struct output s = { .part = &part };
	struct err e = { 0 };

	output_error(&s, num, &e);
	ok(strstr(e.msg, words), "%s", e.msg);
	is_int(e.num, num, "the sender hears why");
}

/* Does a sync begin after so many more bytes?  Waits until it has ended. */
static bool part_is_synced(struct part_file *p, size_t bytes)
{
	bool begun = part_file_wrote(p, bytes) == 0 && p->sync_pid;

	for (int i = 0; p->sync_pid && i < 10000; i++) {
		int num = part_file_wrote(p, 0);

		if (num)
			return false;
		poll(NULL, 0, 1);
	}
	return begun;
}

static void test_part_due(struct part_file *p)
{
	const size_t most = 64 << 20;

	on_fdatasync = sync_well;
	p->sync_due_ms = CLOCK_NEVER;
	ok(!part_is_synced(p, most - 1), "less than 64 MiB are not synced");
	ok(part_is_synced(p, 1), "64 MiB are");
	p->sync_due_ms = CLOCK_NEVER;
	ok(!part_is_synced(p, most - 1), "less than 64 MiB more are not");
	p->sync_due_ms = 0;
	ok(part_is_synced(p, 0), "but they are when the time has come");
	p->sync_due_ms = 0;
	ok(!part_is_synced(p, 0), "without more bytes nothing is");
}

/* A folder for FILE, FILE.part and the note beside it */
struct folder {
	char dir[40], file[64];
};

static struct folder folder_make(void)
{
	struct folder f = { .dir = "/tmp/test_output.XXXXXX" };

	if (!mkdtemp(f.dir))
		bail();
	snprintf(f.file, sizeof f.file, "%s/file", f.dir);
	return f;
}

static void folder_remove(const struct folder *f)
{
	static const char *const ends[] = { "", ".part", ".part.durable" };
	char name[80];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(name, sizeof name, "%s%s", f->file, ends[i]);
		unlink(name);
	}
	rmdir(f->dir);
}

static void test_part(void)
{
	struct folder f = folder_make();
	struct part_file p;
	struct err e = { 0 };
	int num = 0;

	is_int(part_file_open(&p, f.file, &e), 0, "a part is opened");
	test_part_due(&p);
	if (ftruncate(p.fd, 228 << 20) < 0)
		bail();
	on_fdatasync = sync_fail_once;
	for (size_t wrote = 100 << 20; !num; wrote = 0) {
		num = part_file_wrote(&p, wrote);
		poll(NULL, 0, 5);
	}
	is_int(num, EIO, "its disk fails");
	part_file_close(&p);
	is_int(part_file_open(&p, f.file, &e), 0, "it is opened again");
	is_int(p.start, (128 << 20) - 1,
	       "what the failed sync was about is dropped");
	part_file_close(&p);
	folder_remove(&f);
}

/* A part is continued, but there is no room for another byte. */
static void test_part_full(void)
{
	struct folder f = folder_make();
	struct part_file p;
	struct output s;
	struct err e = { 0 };
	size_t done;

	on_fdatasync = sync_well;
	for (int i = 0; i < 2; i++) {
		is_int(part_file_open(&p, f.file, &e), 0, "a part is opened");
		output_init_part(&s, &p);
		full = i;
		is_int(output_write(&s, "word", 4, &done, &e), full ? -1 : 0,
		       "it is written if there is room");
		full = false;
		is_int(part_file_unchanged(&p), 0, "nobody changed it");
		part_file_close(&p);
	}
	folder_remove(&f);
}

/* May FILE get its name although close(2) says that bytes were lost? */
static void test_part_closed(bool fails)
{
	struct folder f = folder_make();
	struct part_file p;
	struct err e = { 0 };
	int num;

	is_int(part_file_open(&p, f.file, &e), 0, "a part is opened");
	on_fdatasync = sync_well;
	fail_close = fails;
	while (!part_file_finished(&p, &num))
		poll(NULL, 0, 1);
	fail_close = false;
	is_int(num, fails ? EDQUOT : 0, "close(2) is heard");
	is_int(access(f.file, F_OK), fails ? -1 : 0,
	       "FILE is there if it succeeds");
	part_file_close(&p);
	folder_remove(&f);
}

static void test_devices(void)
{
	struct err e = { 0 };
	struct output s;
	size_t done;

	output_init(&s, open("/dev/full", O_WRONLY));
	is_int(output_write(&s, "x", 1, &done, &e), -1,
	       "/dev/full is an error");
	ok(e.kind == ERR_IO && e.num == ENOSPC, "and errno tells which");
	is_int(output_finish(&s, &e), 0, "but it can be closed");
	output_init(&s, open("/dev/null", O_WRONLY));
	ok(output_write(&s, block, sizeof block, &done, &e) == 0 &&
		   done == sizeof block,
	   "/dev/null takes everything");
	is_int(output_finish(&s, &e), 0, "and can be finished");
	s = (struct output){ .fd = -1, .own_fd = -1 };
	is_int(output_finish(&s, &e), -1,
	       "a closed output cannot be closed again");
}

static void test_splice(void)
{
	char path[] = "/tmp/test_output.XXXXXX";
	struct err e = { 0 };
	int pipe_fds[2], sock_fds[2];
	int file = mkstemp(path), append = open(path, O_WRONLY | O_APPEND);
	const struct {
		const char *name;
		int fd;
		bool takes;
	} rows[] = {
		{ "a pipe", (pair_of(false, pipe_fds), pipe_fds[1]), true },
		{ "a file", file, true },
		{ "a file to append to", append, false },
		{ "a socket", (pair_of(true, sock_fds), sock_fds[1]), false },
		{ "a device", open("/dev/null", O_WRONLY), false },
	};

	unlink(path);
	for (size_t i = 0; i < array_len(rows); i++) {
		struct output s;

		output_init(&s, rows[i].fd);
		is_int(output_takes_splice(&s), rows[i].takes,
		       "splice(2) writes to %s: %d", rows[i].name,
		       rows[i].takes);
		is_int(output_finish(&s, &e), 0, "%s can be finished",
		       rows[i].name);
	}
	close(pipe_fds[0]);
	close(sock_fds[0]);
}

int main(void)
{
	ourselves = getpid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, stuck);
	alarm(60);
	test_full("pipe", false);
	test_full("socket", true);
	test_reader_gone("pipe", false);
	test_reader_gone("socket", true);
	test_all_messages();
	test_errors();
	test_file();
	test_sync();
	test_part();
	test_part_full();
	test_part_closed(false);
	test_part_closed(true);
	test_part_error(ESTALE, true, "changed, removed or replaced FILE.part");
	test_part_error(ECANCELED, true, "if it is there, it is complete");
	test_part_error(ENOSPC, false, "cannot write FILE.part: No space");
	test_part_error(EACCES, true,
			"cannot sync FILE.part or rename it to FILE: Perm");
	test_devices();
	test_splice();
	no_proc = true;
	test_reader_gone("pipe without /proc", false);
	test_full("pipe without /proc", false);
	return tap_end();
}
