/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP sockets with deadlines, and names for them.  Every socket made here is
 * non-blocking and close-on-exec from its first moment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/net_source.h"
#include "conn/tcp_options.h"

enum {
	NET_DEFAULT_PORT = 6330,
	NET_NAME_MAX = 80, /* "[address%scope]:port" */
	NET_LISTENERS_MAX = 8, /* addresses that one name may stand for */
	NET_ADDRESSES_MAX = 16, /* the same, to connect to */
};

/* Where to listen. */
struct net_endpoint {
	const char *host; /* name or address; NULL: every address */
	uint16_t port;
	int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct tcp_options *tcp; /* or NULL */
};

/* One host's address, without a port.  Bytes not used are 0. */
struct net_address {
	int family; /* AF_INET or AF_INET6 */
	uint8_t bytes[16];
	uint32_t scope; /* the interface of a link-local one, or 0 */
};

struct net_addresses {
	size_t count;
	struct net_address all[NET_ADDRESSES_MAX];
};

/* Where to connect.  Everything is borrowed. */
struct net_target {
	const struct net_address *to;
	const struct net_address *from; /* or NULL */
	uint16_t port;
	const struct tcp_options *tcp; /* or NULL */
};

struct net_listener {
	int fds[NET_LISTENERS_MAX];
	size_t count;
	bool handed; /* connections come over a socket, by net_pass() */
	uint16_t port; /* the one chosen, if 0 was asked for */
};

/* Returns whether sa is of a family that is known here; only then *a is set. */
struct sockaddr;
bool net_address_from(const struct sockaddr *sa, struct net_address *a);

/* Describe a failed getaddrinfo(3), which returned code: ERR_NET.  Returns -1. */
int net_cannot_resolve(const char *host, int code, int num, struct err *e);

/*
 * Begin to connect.  Returns the socket: when poll(2) says POLLOUT,
 * net_connected() tells how it went.  Errors: ERR_NET.
 */
int net_connect(const struct net_target *t, struct err *e) attr_must_check;
int net_connected(int fd, const struct net_target *t,
		  struct err *e) attr_must_check;

/* The same error, for a reason found by others: num is an errno.  Returns -1. */
int net_cannot_connect(const struct net_target *t, int num, struct err *e);

/* The address and port of t as text. */
void net_target_name(const struct net_target *t,
		     char name[static NET_NAME_MAX]);

/* Listen on all addresses of at->host.  Errors: ERR_NET. */
int net_listen(const struct net_endpoint *at, struct net_listener *l,
	       struct err *e) attr_must_check;

void net_listener_close(struct net_listener *l);

/* The address and port of the i-th socket as text. */
void net_listener_name(const struct net_listener *l, size_t i,
		       char name[static NET_NAME_MAX]);

/*
 * Accept one connection of the i-th socket.  Returns its socket, -1 if none is
 * there (any more); errno EPIPE: nor will there be.
 */
int net_accept(const struct net_listener *l, size_t i);

/* Can connections be passed on?  ERR_NET: the system calls are refused. */
int net_check_pass(struct err *e) attr_must_check;

/*
 * Hand a connection to who has the other end of the socket pair over, which takes
 * it by net_accept().  The caller keeps fd.  Returns 0, or -1 with errno set.
 */
int net_pass(int over, int fd) attr_must_check;

/*
 * Tell who has the other end of the socket pair l whether there is a connection:
 * net_told() returns whether something was told, and the last of it.  Best effort.
 */
void net_tell(const struct net_listener *l, bool connected);
bool net_told(int over, bool *connected);

/*
 * For who sends much: at most 1 MiB of it waits in the kernel for its turn,
 * whatever the window takes besides.  That is enough to keep the wire busy, what
 * waits is not copied out of every cache, and a sysctl tcp_notsent_lowat that is
 * small, which stalls kernel TLS, does not count (Linux 3.12).  Best effort.
 */
void net_bound_unsent(int fd);

/* Whom the peer's address belongs to; without a peer: unknown. */
struct net_source net_peer_source(int fd);

/* Does the peer of a connection have an address of the loopback interface? */
bool net_peer_is_loopback(int fd);

/* The peer's address and port as text, "unknown" if there is no peer. */
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
void net_shutdown_send(int fd);

/*
 * Throw away some of what came.  Returns false when the peer has closed, or has
 * sent more than a peer does that leaves: *total counts its bytes.  Who closes fd
 * then resets the connection.
 */
enum { NET_DISCARD_BYTES = 65536 };
bool net_discard(int fd, size_t *total);

/* Has the peer closed its end, or reset the connection? */
bool net_is_closed(int fd);

/* Both, and wait for the peer, timeout_ms at the most. */
void net_discard_all(int fd, uint64_t timeout_ms);

/* Close so that the peer gets an RST and unsent bytes are dropped. */
void net_close_hard(int fd);
