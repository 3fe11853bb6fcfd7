// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood PORT COUNT [-s SOURCE] [-r]: opens COUNT connections from the address
 * SOURCE to 127.0.0.1:PORT, says on each what standard input says, and keeps
 * them open until it is killed. With -r one that the other end closes is opened
 * again at once. Prints "ready" when all of them stand, or once did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COUNT_MAX = 1000, TEXT_BYTES = 4096 };

static struct sockaddr_in to = { .sin_family = AF_INET };
static struct sockaddr_in from = { .sin_family = AF_INET };
static char text[TEXT_BYTES];
static size_t text_len;

static int fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* -1: the other end does not want it, which is its right */
static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
	    send(fd, text, text_len, MSG_NOSIGNAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_closed(int fd)
{
	char dropped[4096];
	ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void hold(struct pollfd *fds, int count, bool again)
{
	for (;;) {
		if (poll(fds, (nfds_t)count, 100) < 0)
			fail("poll");
		for (int i = 0; i < count; i++) {
			if (fds[i].fd >= 0 && fds[i].revents &&
			    is_closed(fds[i].fd)) {
				close(fds[i].fd);
				fds[i].fd = -1;
			}
			if (fds[i].fd < 0 && again)
				fds[i].fd = dial();
		}
	}
}

int main(int argc, char **argv)
{
	static struct pollfd fds[COUNT_MAX];
	struct rlimit files = { COUNT_MAX + 24, COUNT_MAX + 24 };
	bool again = false;
	int count;

	if (argc < 3)
		return 2;
	to.sin_port = htons((in_port_t)atoi(argv[1]));
	to.sin_addr.s_addr = from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	count = atoi(argv[2]);
	for (int c; (c = getopt(argc - 2, argv + 2, "s:r")) != -1;) {
		if (c == 's' && inet_aton(optarg, &from.sin_addr))
			continue;
		if (c != 'r')
			return 2;
		again = true;
	}
	if (count < 1 || count > COUNT_MAX)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &files);
	text_len = fread(text, 1, sizeof text, stdin);
	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = dial(), .events = POLLIN };
	printf("ready\n");
	if (fclose(stdout) != 0)
		fail("standard output");
	hold(fds, count, again);
}
