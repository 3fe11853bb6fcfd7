// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ssh_name: a caller of an owner that is busy or gone, and a folder that
 * another user replaces meanwhile.
 */
#include "cli/ssh_name.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tap.h"
#include "wrap.h"

enum { PORT = 4711 };

/* As many messages as its queue takes */
static void fill(int fd)
{
	while (send(fd, "", 1, MSG_DONTWAIT) == 1)
		;
	is_int(errno, EAGAIN, "the owner's queue is full");
}

/* The owner: after a while it reads all, and answers the caller. */
static void answer(int fd)
{
	char bytes[4096], control[256];
	uint64_t port = PORT;
	struct iovec iov = { bytes, sizeof bytes };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int link;

	alarm(10);
	usleep(100000);
	do {
		h.msg_control = control;
		h.msg_controllen = sizeof control;
		if (recvmsg(fd, &h, 0) < 0)
			_exit(1);
	} while (!h.msg_controllen);
	memcpy(&link, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof link);
	_exit(write(link, &port, sizeof port) != sizeof port);
}

static int call(int fd, uint64_t *port, struct err *e)
{
	struct ssh_name_caller c = { .listen_fd = -1, .err_fd = STDERR_FILENO };
	struct ssh_name n;
	int ret;

	ssh_name_init(&n);
	n.fd = fd;
	ret = ssh_name_bring(&n, &c, port, e);
	ssh_name_close(&n);
	return ret;
}

#define STATE "/.local/state"

static bool replaces; /* the folder, as soon as it has been opened */

WRAP(flock);
int __wrap_flock(int fd, int operation)
{
	if (replaces && (rename("btrfs-ktls-pipe", "moved") < 0 ||
			 mkdir("btrfs-ktls-pipe", 0700) < 0))
		bail();
	replaces = false;
	return __real_flock(fd, operation);
}

static uint64_t patience_ms = 10000;

WRAP(clock_deadline);
uint64_t __wrap_clock_deadline(uint64_t ms)
{
	return __real_clock_deadline(ms < patience_ms ? ms : patience_ms);
}

static size_t count(const char *pattern)
{
	glob_t found;
	size_t n;

	glob(pattern, 0, NULL, &found);
	n = found.gl_pathc;
	globfree(&found);
	return n;
}

/* A user without privileges, with a home of its own */
static void test_folder(void)
{
	static const uint8_t id[FRAME_NAME_BYTES] = { 1 };
	char home[] = "/tmp/test_ssh_name.XXXXXX", state[64], here[64];
	struct err e = { 0 };
	struct ssh_name n;
	int fd;

	if (!mkdtemp(home) || (!geteuid() && (chown(home, 65534, 65534) < 0 ||
					      seteuid(65534) < 0)))
		bail();
	setenv("HOME", home, 1);
	snprintf(state, sizeof state, "%s/.local", home);
	mkdir(state, 0700);
	snprintf(state, sizeof state, "%s" STATE, home);
	if (mkdir(state, 0700) < 0 || chdir(state) < 0 ||
	    mkdir("btrfs-ktls-pipe", 0700) < 0)
		bail();
	replaces = true;
	ssh_name_init(&n);
	is_int(ssh_name_claim(&n, id, &e), 1, "the name is free %s", e.msg);
	is_int(count("moved/*"), 1,
	       "the folder that was checked has the socket");
	is_int(count("btrfs-ktls-pipe/*"), 0, "the one in its place has not");
	is_str(getcwd(here, sizeof here), state,
	       "the current folder is the same");
	ssh_name_close(&n);
	/* As after sudo -u from a folder that only root may enter */
	if (mkdir("closed", 0700) < 0 || chdir("closed") < 0 ||
	    (fd = open(".", O_RDONLY)) < 0 || fchmod(fd, 0) < 0)
		bail();
	ssh_name_init(&n);
	is_int(ssh_name_claim(&n, id, &e), -1,
	       "a folder that we may not enter");
	is_str(e.msg,
	       "--name: cannot use the current directory: Permission denied",
	       "is named");
	ssh_name_close(&n);
	fchmod(fd, 0700);
	close(fd);
	if (chdir("/") < 0 || seteuid(getuid()) < 0)
		bail();
	snprintf(state, sizeof state, "rm -r %s", home);
	is_int(system(state), 0, "cleaned up");
}

int main(void)
{
	struct err e = { 0 };
	uint64_t port = 0;
	int ends[2];

	test_folder();

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) < 0)
		bail();
	fill(ends[0]);
	if (fork() == 0) {
		fcntl(ends[1], F_SETFL, 0);
		answer(ends[1]);
	}
	close(ends[1]);
	is_int(call(ends[0], &port, &e), 0, "a busy owner is waited for");
	is_int((int)port, PORT, "and gives its port");
	wait(NULL);

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) < 0)
		bail();
	close(ends[1]);
	is_int(call(ends[0], &port, &e), 1, "an owner that is gone is gone");

	patience_ms = 100;
	for (int full = 0; full < 2; full++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) <
		    0)
			bail();
		if (full)
			fill(ends[0]);
		e = (struct err){ 0 };
		ok(call(ends[0], &port, &e) < 0 && e.kind == ERR_NET &&
			   strstr(e.msg, "does not answer (is it stopped, "),
		   "a stopped owner is not waited for: %s", e.msg);
		close(ends[1]);
	}
	return tap_end();
}
