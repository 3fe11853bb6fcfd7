/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP sockets with deadlines, and names for them.  Every socket made here is
 * non-blocking and close-on-exec from its first moment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"

enum {
	NET_DEFAULT_PORT = 6330,
	NET_NAME_MAX = 80, /* "[address%scope]:port" */
	NET_LISTENERS_MAX = 8 /* addresses that one name may stand for */
};

struct net_endpoint {
	const char *host; /* name or address; NULL: every address (listen) */
	const char *bind; /* connect: source address or NULL */
	uint16_t port;
	int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
};

struct net_listener {
	int fds[NET_LISTENERS_MAX];
	size_t count;
	uint16_t port; /* the one chosen, if 0 was asked for */
};

/*
 * Connect to the first address of to->host that answers.  timeout_ms counts
 * for all of them together; each of several gets 5 s at most.
 * Returns the socket.  Errors: ERR_NET.
 */
int net_connect(const struct net_endpoint *to, uint64_t timeout_ms,
		struct err *e) attr_must_check;

/* Listen on all addresses of at->host.  Errors: ERR_NET. */
int net_listen(const struct net_endpoint *at, struct net_listener *l,
	       struct err *e) attr_must_check;

void net_listener_close(struct net_listener *l);

/* Accept one connection.  Returns the socket, -1 if none is there (any more). */
int net_accept(int listen_fd);

/* The peer's address and port as text, "unknown" if there is no peer. */
void net_peer_name(int fd, char name[static NET_NAME_MAX]);

/*
 * Have a peer that vanished noticed in about half a minute: for the receiver's
 * socket.  Not for a sender's, whose data rightly waits for a slow consumer.
 */
void net_keepalive(int fd);

/* Close so that the peer gets an RST and unsent bytes are dropped. */
void net_close_hard(int fd);
