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

#include "base/clock.h"
#include "base/log.h"
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

static void net_free_list(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
	*list = NULL;
}

#define autofree_list attr_cleanup(net_free_list)

union net_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Returns its length. */
static socklen_t net_sockaddr_of(const struct net_address *a, uint16_t port,
				 union net_sockaddr *u)
{
	memset(u, 0, sizeof *u);
	if (a->family == AF_INET) {
		u->in.sin_family = AF_INET;
		u->in.sin_port = htons(port);
		memcpy(&u->in.sin_addr, a->bytes, sizeof u->in.sin_addr);
		return sizeof u->in;
	}
	u->in6.sin6_family = AF_INET6;
	u->in6.sin6_port = htons(port);
	u->in6.sin6_scope_id = a->scope;
	memcpy(&u->in6.sin6_addr, a->bytes, sizeof u->in6.sin6_addr);
	return sizeof u->in6;
}

bool net_address_from(const struct sockaddr *sa, struct net_address *a)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	memset(a, 0, sizeof *a);
	a->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		memcpy(a->bytes, &in->sin_addr, sizeof in->sin_addr);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(a->bytes, &in6->sin6_addr, sizeof in6->sin6_addr);
	a->scope = in6->sin6_scope_id;
	return true;
}

/*
 * "%eth0", or "%2" if that interface has no name any more.  getnameinfo(3) would
 * open a socket for it, which a confined process may not.
 */
static void net_scope(uint32_t scope, char out[static IF_NAMESIZE + 1])
{
	const struct order order = { .kind = ORDER_INTERFACE,
				     .number = (int32_t)scope };
	struct order_answer a = { .name = "" };
	struct err e = { 0 };
	bool found = order_possible() ? order_ask(&order, -1, &a, &e) == 0
				      : if_indextoname(scope, a.name) != NULL;

	if (found)
		snprintf(out, IF_NAMESIZE + 1, "%%%s", a.name);
	else
		snprintf(out, IF_NAMESIZE + 1, "%%%" PRIu32, scope);
}

static void net_name(const struct sockaddr *sa, char name[static NET_NAME_MAX])
{
	char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE + 1] = "";
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	bool is_v6 = sa->sa_family == AF_INET6;
	/* Show an IPv4 client of our IPv6 socket as IPv4. */
	bool mapped = is_v6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

	if (!is_v6 && sa->sa_family != AF_INET) {
		snprintf(name, NET_NAME_MAX, "unknown");
	} else if (!is_v6 || mapped) {
		inet_ntop(AF_INET,
			  mapped ? (const void *)&v6->sin6_addr.s6_addr[12]
				 : &v4->sin_addr,
			  host, sizeof host);
		snprintf(name, NET_NAME_MAX, "%s:%u", host,
			 ntohs(mapped ? v6->sin6_port : v4->sin_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		if (v6->sin6_scope_id)
			net_scope(v6->sin6_scope_id, scope);
		snprintf(name, NET_NAME_MAX, "[%s%s]:%u", host, scope,
			 ntohs(v6->sin6_port));
	}
}

void net_peer_name(int fd, char name[static NET_NAME_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		snprintf(name, NET_NAME_MAX, "unknown");
	else
		net_name((struct sockaddr *)&ss, name);
}

bool net_peer_is_loopback(int fd)
{
	union net_sockaddr u = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = sizeof u;
	const uint8_t *mapped = u.in6.sin6_addr.s6_addr + 12;

	if (getpeername(fd, &u.sa, &len) < 0)
		return false;
	if (u.sa.sa_family == AF_INET)
		return ntohl(u.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (u.sa.sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&u.in6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&u.in6.sin6_addr) &&
		mapped[0] == IN_LOOPBACKNET);
}

struct net_source net_peer_source(int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof ss;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		ss.ss_family = AF_UNSPEC;
	return net_source_of((struct sockaddr *)&ss);
}

int net_cannot_resolve(const char *host, int code, int num, struct err *e)
{
	err_set(e, ERR_NET, 0, "cannot resolve %s: %s", host,
		code == EAI_SYSTEM ? strerror(num) : gai_strerror(code));
	err_append(e, "%s", code == EAI_SYSTEM ? err_remedy(num) : "");
	e->num = code == EAI_SYSTEM ? num : code == EAI_AGAIN ? EAGAIN : 0;
	return -1;
}

static int net_resolve(const char *host, uint16_t port, int family,
		       struct addrinfo **list, struct err *e)
{
	struct addrinfo hints = { .ai_family = family,
				  .ai_socktype = SOCK_STREAM,
				  .ai_protocol = IPPROTO_TCP,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	char service[8];
	int ret;

	snprintf(service, sizeof service, "%u", port);
	ret = getaddrinfo(host, service, &hints, list);
	if (!ret)
		return 0;
	return net_cannot_resolve(host ? host : "the local address", ret, errno,
				  e);
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

void net_shutdown_send(int fd)
{
	shutdown(fd, SHUT_WR);
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
	size_t total = 0;

	net_shutdown_send(fd);
	while (clock_now_ms() < deadline_ms) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, clock_poll_ms(deadline_ms)) > 0 &&
		    !net_discard(fd, &total))
			return;
	}
}

void net_close_hard(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fd);
}

void net_target_name(const struct net_target *t, char name[static NET_NAME_MAX])
{
	union net_sockaddr u;

	net_sockaddr_of(t->to, t->port, &u);
	net_name(&u.sa, name);
}

static bool net_lacks_zone(const struct net_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe &&
	       (a->bytes[1] & 0xc0) == 0x80 && !a->scope;
}

/* What to check when a connection fails, or "" */
static const char *net_connect_hint(int num)
{
	switch (num) {
	case ECONNREFUSED:
		return " (is 'btrfs-ktls-pipe listen' running there?)";
	case ETIMEDOUT:
		return " (is that TCP port open there, and 'btrfs-ktls-pipe "
		       "listen' running?)";
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
	if (num == EINVAL && net_lacks_zone(t->to)) {
		e->num = 0;
		return err_append(e, " (a link-local address needs its "
				     "interface: ADDRESS%%INTERFACE)");
	}
	return err_append(e, "%s", net_connect_hint(num));
}

static int net_bind_source(int fd, const struct net_address *from,
			   struct err *e)
{
	union net_sockaddr u;
	socklen_t len = net_sockaddr_of(from, 0, &u);
	char name[INET6_ADDRSTRLEN];

	if (bind(fd, &u.sa, len) == 0)
		return 0;
	err_set(e, ERR_NET, errno, "cannot bind to %s",
		inet_ntop(from->family, from->bytes, name, sizeof name));
	return err_append(e, " (-b)");
}

static void net_order_address(const struct net_address *a,
			      struct order_address *out)
{
	out->family = a->family;
	out->scope = a->scope;
	memcpy(out->bytes, a->bytes, sizeof out->bytes);
}

/* The port and the options of TCP are those that the launcher knows. */
static int net_order_connect(const struct net_target *t, struct err *e)
{
	struct order dial = { .kind = ORDER_DIAL };
	struct order_answer answer;

	net_order_address(t->to, &dial.to);
	if (t->from)
		net_order_address(t->from, &dial.from);
	if (order_ask(&dial, -1, &answer, e) < 0) {
		e->kind = ERR_NET;
		return -1;
	}
	return answer.fds[0];
}

int net_connect(const struct net_target *t, struct err *e)
{
	if (order_possible())
		return net_order_connect(t, e);
	return net_connect_here(t, e);
}

int net_connect_here(const struct net_target *t, struct err *e)
{
	autoclose int fd = socket(t->to->family,
				  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				  IPPROTO_TCP);
	union net_sockaddr u;
	socklen_t len = net_sockaddr_of(t->to, t->port, &u);

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
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return err_call(e, ERR_NET, "getsockopt",
				"cannot tell whether the connection is there");
	return error ? net_cannot_connect(t, error, e) : 0;
}

static int net_listen_one(const struct net_endpoint *at,
			  const struct addrinfo *ai, bool both, uint16_t port,
			  struct err *e)
{
	struct sockaddr_storage ss = { 0 };
	char name[NET_NAME_MAX];
	int on = 1, off = 0;
	autoclose int fd = -1;

	memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
	/* sin_port and sin6_port are at the same place */
	((struct sockaddr_in *)&ss)->sin_port = htons(port);
	net_name((struct sockaddr *)&ss, name);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    IPPROTO_TCP);
	if (fd < 0)
		return err_call(e, ERR_NET, "socket", "cannot listen on %s",
				name);
	if (at->tcp)
		tcp_options_apply(at->tcp, fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? &off : &on,
			   sizeof on);
	if (bind(fd, (struct sockaddr *)&ss, ai->ai_addrlen) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_call(e, ERR_NET, "bind and listen",
				"cannot listen on %s%s", name,
				errno == EADDRINUSE
					? " (choose another port with -p)"
					: "");
	return steal_fd(&fd);
}

static int net_local_port(int fd, uint16_t *port, struct err *e)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof sa;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return err_call(e, ERR_NET, "getsockname",
				"cannot tell the port");
	*port = ntohs(sa.sin6_port);
	return 0;
}

/* Is ai a duplicate of an earlier entry?  Resolvers return some twice. */
static bool net_is_repeated(const struct addrinfo *list,
			    const struct addrinfo *ai)
{
	for (; list != ai; list = list->ai_next)
		if (list->ai_addrlen == ai->ai_addrlen &&
		    !memcmp(list->ai_addr, ai->ai_addr, ai->ai_addrlen))
			return true;
	return false;
}

static int net_listen_port(const struct net_endpoint *at,
			   struct net_listener *l, struct err *e)
{
	autofree_list struct addrinfo *list = NULL;
	/* Every address: one IPv6 socket that takes IPv4 too, if there is IPv6 */
	bool both = !at->host && at->family == AF_UNSPEC;
	int family = both ? AF_INET6 : at->family;

	l->count = 0;
	l->port = at->port;
	if (net_resolve(at->host, at->port, family, &list, e) < 0)
		return -1;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		int fd;

		if (net_is_repeated(list, ai))
			continue;
		fd = net_listen_one(at, ai, both, l->port, e);
		if (fd < 0 && both && e->num == EAFNOSUPPORT) {
			struct net_endpoint v4 = *at;

			v4.family = AF_INET;
			return net_listen_port(&v4, l, e);
		}
		if (fd < 0) {
			net_listener_close(l);
			return -1;
		}
		l->fds[l->count++] = fd;
		if (net_local_port(fd, &l->port, e) < 0) {
			net_listener_close(l);
			return -1;
		}
		if (l->count == NET_LISTENERS_MAX || !at->host)
			break;
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
	return err_set(e, ERR_NET, EADDRINUSE,
		       "cannot listen on %s%sany port from %u to %u",
		       at->host ? at->host : "", at->host ? ", " : "", at->port,
		       last);
}

void net_listener_name(const struct net_listener *l, size_t i,
		       char name[static NET_NAME_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (getsockname(l->fds[i], (struct sockaddr *)&ss, &len) < 0)
		snprintf(name, NET_NAME_MAX, "unknown");
	else
		net_name((struct sockaddr *)&ss, name);
}

int net_listener_find_port(struct net_listener *l, struct err *e)
{
	return net_local_port(l->fds[0], &l->port, e);
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
