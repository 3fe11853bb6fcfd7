// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/order.h"

enum {
	BACKLOG = 128,
	KEEPALIVE_IDLE_S = 15, /* together about half a minute */
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_PROBES = 3,
	VANISHED_MS = 30000,
	PROBE_MS = 5000,
	UNSENT_BYTES = 1 << 20,
};

/*
 * "%eth0"; or "%2" if the interface is gone, or its name has a character that
 * no order may have.  A confined process cannot open a socket to ask for the
 * name, as getnameinfo(3) and if_indextoname(3) would.  Any socket will do,
 * such as that to the launcher.
 */
static void net_scope(uint32_t scope, char out[static IF_NAMESIZE + 1])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._@-";
	struct ifreq r = { .ifr_ifindex = (int)scope };
	bool found = order_possible()
			     ? ioctl(order_socket(), SIOCGIFNAME, &r) == 0
			     : if_indextoname(scope, r.ifr_name) != NULL;

	if (found && !r.ifr_name[strspn(r.ifr_name, plain)])
		snprintf(out, IF_NAMESIZE + 1, "%%%s", r.ifr_name);
	else
		snprintf(out, IF_NAMESIZE + 1, "%%%" PRIu32, scope);
}

static void net_name(const struct net_address *of, uint16_t port,
		     char name[static NET_NAME_MAX])
{
	/* Show an IPv4 client of our IPv6 socket as IPv4. */
	const struct net_address a = net_address_unmap(*of);
	char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE + 1] = "";

	if (a.family == AF_UNSPEC) {
		snprintf(name, NET_NAME_MAX, "unknown");
		return;
	}
	inet_ntop(a.family, a.bytes, host, sizeof host);
	if (a.scope)
		net_scope(a.scope, scope);
	snprintf(name, NET_NAME_MAX,
		 a.family == AF_INET ? "%s%s:%u" : "[%s%s]:%u", host, scope,
		 port);
}

/* The peer's address, or our own; unknown if there is none. */
static struct net_address net_end_address(int fd, bool peer, uint16_t *port)
{
	union net_address_socket u = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = sizeof u;

	if ((peer ? getpeername(fd, &u.sa, &len)
		  : getsockname(fd, &u.sa, &len)) < 0)
		u.sa.sa_family = AF_UNSPEC;
	/* sin_port and sin6_port are at the same place */
	*port = ntohs(u.in.sin_port);
	return net_address_from(&u.sa);
}

void net_peer_name(int fd, char name[static NET_NAME_MAX])
{
	uint16_t port;
	const struct net_address a = net_end_address(fd, true, &port);

	net_name(&a, port, name);
}

bool net_peer_is_loopback(int fd)
{
	static const uint8_t loopback[] = { [15] = 1 };
	uint16_t ignored;
	const struct net_address a =
		net_address_unmap(net_end_address(fd, true, &ignored));

	if (a.family == AF_INET)
		return a.bytes[0] == IN_LOOPBACKNET;
	return a.family != AF_INET6 ||
	       !memcmp(a.bytes, loopback, sizeof loopback);
}

struct net_address net_peer_source(int fd)
{
	uint16_t ignored;

	return net_address_source(net_end_address(fd, true, &ignored));
}

/* Resolvers return some addresses twice; one is enough. */
static void net_add(struct net_addresses *list, const struct sockaddr *sa)
{
	const struct net_address a = net_address_unmap(net_address_from(sa));

	for (size_t i = 0; i < list->count; i++)
		if (net_address_same(&list->all[i], &a))
			return;
	if (a.family != AF_UNSPEC && list->count < NET_ADDRESSES_MAX)
		list->all[list->count++] = a;
}

int net_resolve(const char *host, int family, int flags,
		struct net_addresses *list)
{
	struct addrinfo hints = { .ai_family = family,
				  .ai_socktype = SOCK_STREAM,
				  .ai_protocol = IPPROTO_TCP,
				  .ai_flags = flags };
	struct addrinfo *found = NULL;
	int ret = getaddrinfo(host, NULL, &hints, &found);

	list->count = 0;
	if (ret)
		return ret;
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next)
		net_add(list, ai->ai_addr);
	freeaddrinfo(found);
	return list->count ? 0 : EAI_NONAME;
}

int net_cannot_resolve(const char *host, int family, int code, int num,
		       struct err *e)
{
	const char *remedy = "";

	if (code == EAI_SYSTEM)
		remedy = err_remedy(num);
	else if (code != EAI_AGAIN && family != AF_UNSPEC)
		remedy = family == AF_INET ? " (-4 asks for IPv4 only)"
					   : " (-6 asks for IPv6 only)";
	err_set(e, ERR_NET, 0, "cannot resolve '%s': %s%s", host,
		code == EAI_SYSTEM ? strerror(num) : gai_strerror(code),
		remedy);
	e->num = code == EAI_SYSTEM ? num : code == EAI_AGAIN ? EAGAIN : 0;
	return -1;
}

/* The last record of a stream must not wait for an acknowledgement. */
static void net_no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/*
 * After idle_s seconds without a byte TCP sends a probe every every_s seconds,
 * and gives up when so many probes got no answer.  While bytes of ours are not
 * acknowledged it sends no probe, and gives up after unanswered_ms.
 */
static void net_set_probes(int fd, int idle_s, int every_s, int probes,
			   unsigned int unanswered_ms)
{
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms,
		   sizeof unanswered_ms);
}

void net_keepalive(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	net_set_probes(fd, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S,
		       KEEPALIVE_PROBES, VANISHED_MS);
}

void net_probe(int fd)
{
	net_set_probes(fd, 1, 1, 4, PROBE_MS);
}

void net_bound_unsent(int fd)
{
	int bytes = UNSENT_BYTES;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

bool net_discard(int fd, size_t *total)
{
	char scratch[16384];
	ssize_t n = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	*total += (size_t)n;
	return n > 0 && *total <= NET_DISCARD_BYTES;
}

bool net_is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void net_discard_all(int fd, uint64_t timeout_ms)
{
	uint64_t deadline_ms = clock_deadline(timeout_ms);
	struct err ignored = { 0 };
	size_t total = 0;

	shutdown(fd, SHUT_WR);
	while (io_wait(fd, POLLIN, deadline_ms, &ignored) > 0 &&
	       net_discard(fd, &total))
		;
}

void net_reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void net_target_name(const struct net_target *t, char name[static NET_NAME_MAX])
{
	net_name(t->to, t->port, name);
}

/* What to check when a connection fails, or "" */
static const char *net_connect_hint(int num)
{
	switch (num) {
	case ECONNREFUSED:
		return " (does btrfs-ktls-pipe listen there?)";
	case ETIMEDOUT:
		return " (is that TCP port open there, and does "
		       "btrfs-ktls-pipe listen?)";
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EACCES:
	case EPERM:
	case EINVAL:
		return " (is there a route, and is that TCP port open in the "
		       "firewalls?)";
	}
	return "";
}

int net_cannot_connect(const struct net_target *t, int num, struct err *e)
{
	char name[NET_NAME_MAX];

	net_target_name(t, name);
	err_set(e, ERR_NET, num, "cannot connect to %s", name);
	if (num == EINVAL && net_address_is_link_local(t->to) &&
	    !t->to->scope) {
		e->num = 0;
		return err_append(e, " (a link-local address needs its "
				     "interface: ADDRESS%%INTERFACE)");
	}
	return err_append(e, "%s", net_connect_hint(num));
}

static int net_bind_source(int fd, const struct net_address *from,
			   struct err *e)
{
	union net_address_socket u;
	socklen_t len = net_address_to(from, 0, &u);
	char name[INET6_ADDRSTRLEN];

	if (bind(fd, &u.sa, len) == 0)
		return 0;
	err_set(e, ERR_NET, errno, "cannot bind to %s",
		inet_ntop(from->family, from->bytes, name, sizeof name));
	return err_append(e, " (-b)");
}

/* The launcher knows the port and the options of TCP. */
static int net_order_connect(const struct net_target *t, struct err *e)
{
	struct order dial = { .kind = ORDER_DIAL, .to = *t->to };
	int fd;

	if (t->from)
		dial.from = *t->from;
	fd = order_ask_fd(&dial, e);
	if (fd < 0)
		e->kind = ERR_NET;
	return fd;
}

int net_connect(const struct net_target *t, struct err *e)
{
	union net_address_socket u;
	socklen_t len = net_address_to(t->to, t->port, &u);
	autoclose int fd = -1;

	if (order_possible())
		return net_order_connect(t, e);
	fd = socket(t->to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    IPPROTO_TCP);
	if (fd < 0)
		return err_call(e, ERR_NET, "socket", "cannot connect");
	if (t->tcp)
		tcp_options_apply(t->tcp, fd);
	if (t->from && net_bind_source(fd, t->from, e) < 0)
		return -1;
	if (connect(fd, &u.sa, len) < 0 && errno != EINPROGRESS)
		return net_cannot_connect(t, errno, e);
	net_no_delay(fd);
	return steal_fd(&fd);
}

int net_connected(int fd, const struct net_target *t, struct err *e)
{
	int error = io_socket_option(fd, SO_ERROR, -1);

	if (error < 0)
		return err_call(e, ERR_NET, "getsockopt",
				"cannot tell whether the connection was made");
	return error ? net_cannot_connect(t, error, e) : 0;
}

static int net_cannot_listen(const struct net_endpoint *at, const char *name,
			     struct err *e)
{
	err_call(e, ERR_NET, "bind and listen", "cannot listen on %s", name);
	if (e->num == EADDRINUSE)
		return err_append(e, " (choose another port with %s)",
				  at->port_option);
	if (e->num == EACCES)
		return err_append(e,
				  " (ports below 1024 need root; choose "
				  "another with %s)",
				  at->port_option);
	if (e->num == EADDRNOTAVAIL)
		return err_append(e, " (no interface of this host has it: see "
				     "'ip address')");
	return -1;
}

static int net_listen_one(const struct net_endpoint *at,
			  const struct net_address *a, bool both, uint16_t port,
			  struct err *e)
{
	union net_address_socket u;
	socklen_t len = net_address_to(a, port, &u);
	char name[NET_NAME_MAX];
	int on = 1, off = 0;
	autoclose int fd = socket(a->family,
				  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				  IPPROTO_TCP);

	net_name(a, port, name);
	if (fd < 0)
		return err_call(e, ERR_NET, "socket", "cannot listen on %s",
				name);
	if (at->tcp)
		tcp_options_apply(at->tcp, fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? &off : &on,
			   sizeof on);
	if (bind(fd, &u.sa, len) < 0 || listen(fd, BACKLOG) < 0)
		return net_cannot_listen(at, name, e);
	return steal_fd(&fd);
}

int net_listener_find_port(struct net_listener *l, struct err *e)
{
	if (net_end_address(l->fds[0], false, &l->port).family == AF_UNSPEC)
		return err_call(e, ERR_NET, "getsockname",
				"cannot tell the port");
	return 0;
}

static int net_listen_port(const struct net_endpoint *at,
			   struct net_listener *l, struct err *e)
{
	/* Every address: if there is IPv6, one socket of it takes IPv4 too */
	bool both = !at->host && at->family == AF_UNSPEC;
	struct net_addresses list = {
		.count = 1,
		.all = { { .family = both ? AF_INET6 : at->family } }
	};
	int code = at->host ? net_resolve(at->host, at->family, 0, &list) : 0;

	l->count = 0;
	l->port = at->port;
	if (code)
		return net_cannot_resolve(at->host, at->family, code, errno, e);
	for (size_t i = 0; i < list.count && i < NET_LISTENERS_MAX; i++) {
		int fd = net_listen_one(at, &list.all[i], both, l->port, e);

		if (fd < 0 && both && e->num == EAFNOSUPPORT) {
			struct net_endpoint v4 = *at;

			v4.family = AF_INET;
			return net_listen_port(&v4, l, e);
		}
		if (fd >= 0)
			l->fds[l->count++] = fd;
		if (fd < 0 || net_listener_find_port(l, e) < 0) {
			net_listener_close(l);
			return -1;
		}
	}
	return 0;
}

int net_listen(const struct net_endpoint *at, struct net_listener *l,
	       struct err *e)
{
	unsigned int last = at->last_port;
	struct net_endpoint one = *at;

	for (;; one.port++) {
		if (net_listen_port(&one, l, e) == 0)
			return 0;
		if (e->num != EADDRINUSE || one.port >= last)
			break;
		*e = (struct err){ 0 };
	}
	if (e->num != EADDRINUSE || last <= at->port)
		return -1;
	err_set(e, ERR_NET, EADDRINUSE,
		"cannot listen on %s%sany port from %u to %u",
		at->host ? at->host : "", at->host ? ", " : "", at->port, last);
	return err_append(e, " (choose others with %s)", at->port_option);
}

void net_listener_name(const struct net_listener *l, size_t i,
		       char name[static NET_NAME_MAX])
{
	uint16_t port;
	const struct net_address a = net_end_address(l->fds[i], false, &port);

	net_name(&a, port, name);
}

void net_listener_close(struct net_listener *l)
{
	while (l->count)
		close(l->fds[--l->count]);
}

int net_accept(const struct net_listener *l, size_t i)
{
	int fd = accept4(l->fds[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		net_no_delay(fd);
	return fd;
}
