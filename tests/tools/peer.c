// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer hold|close|reset [TEXT]: a server that is not btrfs-ktls-pipe.  It
 * listens on a free port of 127.0.0.1, prints that port, and sends TEXT to
 * every client.  Then it keeps the connection open, closes it, or resets it
 * after the first bytes that it receives.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listener.h"

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A close with unread bytes would send RST: read until the peer has closed. */
static void close_softly(int fd)
{
	char buf[4096];

	shutdown(fd, SHUT_WR);
	while (recv(fd, buf, sizeof buf, 0) > 0)
		;
	close(fd);
}

int main(int argc, char **argv)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	const char *text = argc > 2 ? argv[2] : "";
	int acceptor, fd;
	char heard;

	if (argc < 2 || !strchr("hcr", argv[1][0])) {
		fprintf(stderr, "usage: peer hold|close|reset [TEXT]\n");
		return 2;
	}
	acceptor = open_listener();
	for (;;) {
		fd = accept(acceptor, NULL, NULL);
		if (fd < 0)
			die("accept");
		if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
			die("send");
		if (argv[1][0] == 'c')
			close_softly(fd);
		if (argv[1][0] == 'r' && recv(fd, &heard, 1, 0) >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard,
				   sizeof hard);
			close(fd);
		}
	}
}
