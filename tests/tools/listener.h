/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What servers among the tools have in common.  Each has a die() of its own. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void die(const char *what);

/* Listen on port TOOL_PORT of 127.0.0.1, or a free one, and print it. */
static int open_listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *port = getenv("TOOL_PORT");
	socklen_t len = sizeof at;
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons((uint16_t)(port ? atoi(port) : 0));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die("listen");
	printf("%u\n", ntohs(at.sin_port));
	if (fclose(stdout) != 0)
		die("standard output");
	return fd;
}
