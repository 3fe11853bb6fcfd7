// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood [-t ADDRESS] [-s SOURCE] [-n SOURCES] [-r | -p RATE] PORT COUNT: opens
 * COUNT connections from the address SOURCE to ADDRESS:PORT (127.0.0.1), sends
 * its standard input on each, and keeps them open until it is killed.  IPv4 or
 * IPv6; with -n in turn from so many addresses, SOURCE and the following ones.
 *
 * -r: reopens at once a connection that the other end closes.  -p: opens RATE
 * connections a second instead, for ever, sends nothing on them and keeps the
 * newest COUNT open.
 *
 * Prints "ready" when each connection has been established once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 1000, TEXT_BYTES = 4096, NS_PER_S = 1000000000 };

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static struct pollfd fds[COUNT_MAX];
static union address to, from;
static uint32_t sources = 1; /* -n */
static int count, rate;
static bool again;
static char text[TEXT_BYTES];
static size_t text_len;

static int fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool read_address(const char *s, union address *a)
{
	*a = (union address){ .in6.sin6_family = AF_INET6 };
	if (inet_pton(AF_INET6, s, &a->in6.sin6_addr) == 1)
		return true;
	*a = (union address){ .in.sin_family = AF_INET };
	return inet_pton(AF_INET, s, &a->in.sin_addr) == 1;
}

static socklen_t size_of(const union address *a)
{
	return a->sa.sa_family == AF_INET ? sizeof a->in : sizeof a->in6;
}

/* The next source address */
static union address next_source(void)
{
	static uint32_t next;
	union address a = from;
	uint32_t *last = a.sa.sa_family == AF_INET
				 ? &a.in.sin_addr.s_addr
				 : &a.in6.sin6_addr.s6_addr32[3];

	*last = htonl(ntohl(*last) + next++ % sources);
	return a;
}

/* -1: the other end refused it, which is allowed */
static int dial(int flags)
{
	const union address a = next_source();
	int fd = socket(to.sa.sa_family, SOCK_STREAM | flags, 0), on = 1;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
	if (bind(fd, &a.sa, size_of(&a)) < 0)
		fail("bind");
	if ((connect(fd, &to.sa, size_of(&to)) < 0 && errno != EINPROGRESS) ||
	    (text_len && send(fd, text, text_len, MSG_NOSIGNAL) < 0)) {
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

static void stay_connected(void)
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
				fds[i].fd = dial(0);
		}
	}
}

/* Open the connections that are due; late ones are made up for. */
static void keep_coming(void)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int i = 0;; i = (i + 1) % count) {
		if (fds[i].fd >= 0)
			close(fds[i].fd);
		fds[i].fd = dial(SOCK_NONBLOCK);
		next.tv_nsec += NS_PER_S / rate;
		next.tv_sec += next.tv_nsec / NS_PER_S;
		next.tv_nsec %= NS_PER_S;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

static bool read_options(int argc, char **argv)
{
	bool good = read_address("127.0.0.1", &to) &&
		    read_address("127.0.0.1", &from);

	for (int c; (c = getopt(argc, argv, "t:s:n:rp:")) != -1;) {
		if (c == 't')
			good &= read_address(optarg, &to);
		else if (c == 's')
			good &= read_address(optarg, &from);
		else if (c == 'n')
			sources = (uint32_t)atoi(optarg);
		else if (c == 'p')
			rate = atoi(optarg);
		again |= c == 'r';
		good &= c != '?';
	}
	if (!good || argc - optind != 2 || !sources)
		return false;
	/* sin_port and sin6_port are at the same place */
	to.in.sin_port = htons((in_port_t)atoi(argv[optind]));
	count = atoi(argv[optind + 1]);
	return count > 0 && count <= COUNT_MAX;
}

int main(int argc, char **argv)
{
	struct rlimit files = { COUNT_MAX + 24, COUNT_MAX + 24 };

	if (!read_options(argc, argv))
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &files);
	text_len = rate ? 0 : fread(text, 1, sizeof text, stdin);
	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = rate ? -1 : dial(0),
					  .events = POLLIN };
	printf("ready\n");
	if (fclose(stdout) != 0)
		fail("standard output");
	if (rate)
		keep_coming();
	stay_connected();
}
