// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/signals.h"

enum {
	RETRY_MS = 20, /* between attempts to pass lines on */
	STUCK_MS = 1000, /* without room, then they are dropped */
};

static void ssh_relay_detach(int fd)
{
	setpgid(0, 0);
	prctl(PR_SET_NAME, "ktls-messages");
	/* Standard input and output are not ours to hold open. */
	io_close_all_but(0, (int[]){ STDERR_FILENO, fd }, 2);
	log_after_fork();
}

/* Returns false if they were dropped; then the next ones do not wait either. */
static bool ssh_relay_pass_on(const char *text, size_t len, bool waits)
{
	uint64_t end_ms = waits ? clock_deadline(STUCK_MS) : 0;

	while (!log_pass_on(text, len)) {
		if (clock_now_ms() >= end_ms) {
			log_count_dropped(text, len);
			return false;
		}
		poll(NULL, 0, RETRY_MS);
	}
	return true;
}

/* A message is whole lines, or has a descriptor with it. */
static void ssh_relay_run(int fd)
{
	char text[LOG_PASS_BYTES];
	struct rights rights;
	bool waits = true;
	ssize_t len;

	for (;;) {
		len = rights_recv(fd, text, sizeof text, 0, &rights);
		if (len < 0 || (len == 0 && rights_ended(fd))) {
			log_be_patient();
			log_flush();
			_exit(0);
		}
		if (rights.count) {
			dup2(rights.fds[0], STDERR_FILENO);
			rights_close(&rights);
			log_change_reader();
			waits = true;
		} else if (len > 0) {
			waits = ssh_relay_pass_on(text, (size_t)len, waits);
		}
	}
}

int ssh_relay_start(struct err *e)
{
	autoclose_pair int ends[2] = { -1, -1 };
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(e, ERR_NET, "socketpair",
				"cannot pass messages on");
	pid = signals_fork();
	if (pid == 0) {
		ssh_relay_detach(ends[0]);
		ssh_relay_run(ends[0]);
	}
	log_after_fork();
	if (pid < 0)
		return err_call(e, ERR_NET, "clone", "cannot pass messages on");
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return err_set(e, ERR_NET, errno, "cannot pass messages on");
	return 0;
}

void ssh_relay_use(int fd)
{
	uint64_t deadline = clock_deadline(2 * STUCK_MS);
	struct err ignored = { 0 };

	/* The process may be waiting for the reader that it has now. */
	if (io_wait(STDERR_FILENO, POLLOUT, deadline, &ignored) < 0 ||
	    rights_send(STDERR_FILENO, "", 1, &fd, 1, MSG_DONTWAIT) < 0)
		log_debug("messages are not redirected: %s", strerror(errno));
}

/* A program that ran before us may have left ssh's pipes non-blocking. */
static ssize_t ssh_relay_read(int fd, void *buf, size_t len)
{
	struct err ignored = { 0 };
	ssize_t n;

	do
		n = io_read(fd, buf, len);
	while (n < 0 && errno == EAGAIN &&
	       io_wait(fd, POLLIN, CLOCK_NEVER, &ignored) > 0);
	return n;
}

/* In a child.  Never returns. */
static void ssh_relay_copy(int from, int to)
{
	static char buf[1 << 16];
	struct err ignored = { 0 };
	ssize_t n;

	while ((n = ssh_relay_read(from, buf, sizeof buf)) > 0)
		if (io_write_all(to, buf, (size_t)n, "", &ignored) < 0)
			break;
	/* If `to` is the socket, this is how it learns of the end. */
	shutdown(to, SHUT_WR);
	shutdown(from, SHUT_RD);
	_exit(0);
}

/* dies: when we do.  Else it outlives us, to write what we sent last. */
static pid_t ssh_relay_fork(int from, int to, int ours, bool dies)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (dies)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(ours);
	ssh_relay_copy(from, to);
	return 0;
}

int ssh_relay_channel(int in_fd, int out_fd, struct err *e)
{
	autoclose_pair int ends[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(e, ERR_NET, "socketpair",
				"cannot use ssh's channel");
	if (ssh_relay_fork(in_fd, ends[1], ends[0], true) < 0 ||
	    ssh_relay_fork(ends[1], out_fd, ends[0], false) < 0)
		return err_call(e, ERR_NET, "clone",
				"cannot use ssh's channel");
	return io_set_nonblocking(ends[0], e) < 0 ? -1 : steal_fd(&ends[0]);
}
