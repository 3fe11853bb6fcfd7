// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_name: a visitor of an owner that is busy, gone, or does not answer. */
#include "cli/ssh_name.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { PORT = 4711 };

/* As many messages as its queue takes */
static void fill(int fd)
{
	while (send(fd, "", 1, MSG_DONTWAIT) == 1)
		;
	is_int(errno, EAGAIN, "the owner's queue is full");
}

/* The owner: after a while it reads all, and answers the visitor. */
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

static int visit(int fd, uint64_t *port, struct err *e)
{
	struct ssh_name_visit v = { .listen_fd = -1, .err_fd = STDERR_FILENO };
	struct ssh_name n;
	int ret;

	ssh_name_init(&n);
	n.fd = fd;
	ret = ssh_name_bring(&n, &v, port, e);
	ssh_name_close(&n);
	return ret;
}

int main(void)
{
	struct err e = { 0 };
	uint64_t port = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) < 0)
		bail();
	fill(ends[0]);
	if (fork() == 0) {
		fcntl(ends[1], F_SETFL, 0);
		answer(ends[1]);
	}
	close(ends[1]);
	is_int(visit(ends[0], &port, &e), 0, "a busy owner is waited for");
	is_int((int)port, PORT, "and gives its port");
	wait(NULL);

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) < 0)
		bail();
	close(ends[1]);
	is_int(visit(ends[0], &port, &e), 1, "an owner that is gone is gone");
	return tap_end();
}
