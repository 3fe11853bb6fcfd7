// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_channel.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/io.h"

/* In a child.  Never returns. */
static void ssh_channel_copy(int from, int to)
{
	static char buf[1 << 16];
	struct err ignored = { 0 };
	ssize_t n;

	while ((n = io_read(from, buf, sizeof buf)) > 0)
		if (io_write_all(to, buf, (size_t)n, "", &ignored) < 0)
			break;
	/* If `to` is the socket, this is how it learns of the end. */
	shutdown(to, SHUT_WR);
	shutdown(from, SHUT_RD);
	_exit(0);
}

/* dies: with us; the other one still has to write what we sent last. */
static pid_t ssh_channel_fork(int from, int to, int ours, bool dies)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (dies)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(ours);
	ssh_channel_copy(from, to);
	return 0;
}

int ssh_channel_open(int in_fd, int out_fd, struct err *e)
{
	int ends[2], ret = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(e, ERR_NET, "socketpair",
				"cannot use ssh's channel");
	if (ssh_channel_fork(in_fd, ends[1], ends[0], true) < 0 ||
	    ssh_channel_fork(ends[1], out_fd, ends[0], false) < 0)
		ret = err_call(e, ERR_NET, "clone", "cannot use ssh's channel");
	else
		ret = io_set_nonblocking(ends[0], e);
	close(ends[1]);
	if (ret == 0)
		return ends[0];
	close(ends[0]);
	return -1;
}
