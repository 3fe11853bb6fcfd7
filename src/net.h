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
#include "tcp_options.h"

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
	const struct tcp_options *tcp; /* or NULL */
};

struct net_listener {
	int fds[NET_LISTENERS_MAX];
	size_t count;
	bool handed; /* connections come over a socket, by net_pass() */
	uint16_t port; /* the one chosen, if 0 was asked for */
};

/* The addresses of a name. */
struct addrinfo;
void net_free_addresses(struct addrinfo **list);
#define autofree_addresses attr_cleanup(net_free_addresses)

/*
 * Look to->host up, which may take as long as the resolver likes.  The caller
 * owns *list.  Errors: ERR_NET, with num 0 if trying again is of no use.
 */
int net_lookup(const struct net_endpoint *to, struct addrinfo **list,
	       struct err *e) attr_must_check;

/*
 * Begin to connect to one address.  Returns the socket: when poll(2) says
 * POLLOUT, net_connected() tells how it went.  Errors: ERR_NET.
 */
int net_connect(const struct net_endpoint *to, const struct addrinfo *ai,
		struct err *e) attr_must_check;
int net_connected(int fd, const struct addrinfo *ai,
		  struct err *e) attr_must_check;

/* The address and port that ai stands for, as text. */
void net_address_name(const struct addrinfo *ai,
		      char name[static NET_NAME_MAX]);

/* Listen on all addresses of at->host.  Errors: ERR_NET. */
int net_listen(const struct net_endpoint *at, struct net_listener *l,
	       struct err *e) attr_must_check;

void net_listener_close(struct net_listener *l);

/*
 * Accept one connection of the i-th socket.  Returns its socket, -1 if none is
 * there (any more); errno EPIPE: nor will there be.
 */
int net_accept(const struct net_listener *l, size_t i);

/*
 * Hand a connection to who has the other end of the socket pair over, which takes
 * it by net_accept().  The caller keeps fd.  Returns 0, or -1 with errno set.
 */
int net_pass(int over, int fd) attr_must_check;

/* The peer's address and port as text, "unknown" if there is no peer. */
/*
 * For who sends much: at most 1 MiB of it waits in the kernel for its turn,
 * whatever the window takes besides.  That is enough to keep the wire busy, what
 * waits is not copied out of every cache, and a sysctl tcp_notsent_lowat that is
 * small, which stalls kernel TLS, does not count (Linux 3.12).  Best effort.
 */
void net_bound_unsent(int fd);

/*
 * Whom a peer's address belongs to, for limits: an IPv4 address (mapped), or the
 * /64 of an IPv6 address, of which one host can have all.  Zeros: unknown.
 */
enum { NET_SOURCE_BYTES = 16 };
void net_peer_source(int fd, uint8_t source[static NET_SOURCE_BYTES]);

/* Does the peer of a connection have an address of the loopback interface? */
bool net_peer_is_loopback(int fd);

void net_peer_name(int fd, char name[static NET_NAME_MAX]);

/*
 * Have a peer that vanished noticed in about half a minute: for the receiver's
 * socket.  Not for a sender's, whose data rightly waits for a slow consumer.
 */
void net_keepalive(int fd);

/*
 * Nothing more is to be said: send the FIN, but keep the socket.  What the peer
 * has sent meanwhile must be discarded until it closes, because to close with
 * bytes unread makes an RST, which can destroy what was said last.
 */
void net_say_goodbye(int fd);

/* Throw away some of what came; returns false when the peer has closed. */
bool net_discard(int fd);

/* Both, and wait for the peer, timeout_ms at the most. */
void net_see_off(int fd, uint64_t timeout_ms);

/* Close so that the peer gets an RST and unsent bytes are dropped. */
void net_close_hard(int fd);
