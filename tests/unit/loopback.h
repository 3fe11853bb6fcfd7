/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP connections over the loopback device */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tap.h"

/* Both ends of a connection, fds[0] that of the client.  Negative: an error */
static inline int loopback_pair(int family, int fds[2])
{
	struct sockaddr_in6 sa = { .sin6_family = (sa_family_t)family };
	autoclose int listener = socket(family, SOCK_STREAM, 0);
	socklen_t len = sizeof sa;

	if (family == AF_INET6)
		sa.sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&sa)->sin_addr.s_addr =
			htonl(INADDR_LOOPBACK);
	fds[0] = socket(family, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&sa, &len) < 0 ||
	    connect(fds[0], (struct sockaddr *)&sa, len) < 0)
		return -1;
	fds[1] = accept(listener, NULL, NULL);
	return fds[1];
}

/* A connection whose peer reads nothing, which waits for it when it closes */
static inline int loopback_lingering(int *peer)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 600 };
	char bytes[65536] = "";
	int fds[2];

	if (loopback_pair(AF_INET, fds) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) <
		    0)
		bail();
	while (send(fds[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
	*peer = fds[1];
	return fds[0];
}
