/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP sockets: connect, listen, accept, pass on, close, and names for them.
 * Every socket made here is non-blocking and close-on-exec from the start.
 */
#pragma once

#include "base/err.h"
#include "base/net_address.h"
#include "conn/tcp_options.h"

enum {
	NET_DEFAULT_PORT = 6330,
	NET_NAME_MAX = 80, /* "[address%scope]:port" */
	NET_LISTENERS_MAX = 8, /* addresses of one name, to listen on */
	NET_ADDRESSES_MAX = 16, /* addresses of one name, to connect to */
};

/* Where to listen. */
struct net_endpoint {
	const char *host; /* name or address; NULL: every address */
	uint16_t port;
	uint16_t last_port; /* of a range: the first free one; 0: port only */
	int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
	const struct tcp_options *tcp; /* or NULL */
	const char *port_option; /* what chooses port, for messages */
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
	uint16_t port; /* the kernel's choice if 0 was asked for */
};

/*
 * Look up host, which may block, with these flags of getaddrinfo(3).  Returns
 * its result; 0: *list has at least one address, and none twice.
 */
int net_resolve(const char *host, int family, int flags,
		struct net_addresses *list);

/*
 * Describe a getaddrinfo(3) of this family that returned code, with errno num:
 * ERR_NET.  Returns -1.
 */
int net_cannot_resolve(const char *host, int family, int code, int num,
		       struct err *e);

/*
 * Begin to connect.  Returns the socket, owned by the caller.  Poll it for
 * POLLOUT, then net_connected() returns the outcome.  Errors: ERR_NET.
 */
int net_connect(const struct net_target *t, struct err *e) attr_must_check;
int net_connected(int fd, const struct net_target *t,
		  struct err *e) attr_must_check;

/* Describe a failure to connect to t, with errno num: ERR_NET.  Returns -1. */
int net_cannot_connect(const struct net_target *t, int num, struct err *e);

/* The address and port of t as text. */
void net_target_name(const struct net_target *t,
		     char name[static NET_NAME_MAX]);

/* Listen on the addresses of at->host, NET_LISTENERS_MAX at most: ERR_NET. */
int net_listen(const struct net_endpoint *at, struct net_listener *l,
	       struct err *e) attr_must_check;

void net_listener_close(struct net_listener *l);

/* Fill in the port of sockets that are open: ERR_NET. */
int net_listener_find_port(struct net_listener *l,
			   struct err *e) attr_must_check;

/* The address and port of the i-th socket as text. */
void net_listener_name(const struct net_listener *l, size_t i,
		       char name[static NET_NAME_MAX]);

/*
 * Accept one connection from the i-th socket.  Returns its socket, owned by the
 * caller, or -1 with errno set.
 */
int net_accept(const struct net_listener *l, size_t i);

/*
 * For a sender's socket: let at most 1 MiB wait in the kernel for the window to
 * open (TCP_NOTSENT_LOWAT, Linux 3.12).  That keeps the wire busy, and the
 * bytes that wait stay in the processor's cache.  It also overrides a small
 * sysctl tcp_notsent_lowat, which would stall kernel TLS.  Best effort.
 */
void net_bound_unsent(int fd);

/* The source that the peer is counted under; unknown if there is no peer. */
struct net_address net_peer_source(int fd);

/* Is the peer's address one of the loopback interface, or gone with a reset? */
bool net_peer_is_loopback(int fd);

/* The peer's address and port as text, "unknown" if there is no peer. */
void net_peer_name(int fd, char name[static NET_NAME_MAX]);

/*
 * For a receiver's socket: detect within about half a minute that the peer has
 * vanished.  Not for a sender's, whose data may rightly wait for a slow
 * consumer.
 */
void net_keepalive(int fd);

/* From now on detect it within about 5 s: another process waits for that. */
void net_probe(int fd);

/*
 * Read and discard some bytes, and add their number to *total.  Returns false
 * when fd should be closed: the peer has closed, or *total exceeds
 * NET_DISCARD_BYTES, in which case the close resets the connection.
 */
enum { NET_DISCARD_BYTES = 65536 };
bool net_discard(int fd, size_t *total);

/*
 * Send the FIN, then net_discard() until the peer has closed: closing with
 * bytes unread sends an RST, which can destroy the last bytes that we sent.
 * Waits at most timeout_ms.
 */
void net_discard_all(int fd, uint64_t timeout_ms);

/* Has the peer closed its end, or reset the connection? */
bool net_is_closed(int fd);

/* Let close(2) send the peer an RST and drop unsent bytes. */
void net_reset_on_close(int fd);
