// SPDX-License-Identifier: GPL-2.0-or-later
/* net: whom an address belongs to. */
#include "conn/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "tap.h"
#include "wrap.h"

/* The peer, as getpeername(2) tells it; NULL: there is none */
static const char *peer;

WRAP(getpeername);
int __wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = 4711 };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = 4711 };

	if (peer && inet_pton(AF_INET, peer, &v4.sin_addr) == 1) {
		memcpy(sa, &v4, *len < sizeof v4 ? *len : sizeof v4);
		return 0;
	}
	if (peer && inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1) {
		memcpy(sa, &v6, *len < sizeof v6 ? *len : sizeof v6);
		return 0;
	}
	errno = ENOTCONN;
	return -1;
}

static struct net_source source_of(const char *address)
{
	peer = address;
	return net_peer_source(-1);
}

static bool one_source(const char *a, const char *b)
{
	const struct net_source x = source_of(a), y = source_of(b);

	return net_source_same(&x, &y);
}

static bool one_site(const char *a, const char *b)
{
	const struct net_source x = source_of(a), y = source_of(b);

	return net_source_same_site(&x, &y);
}

int main(void)
{
	ok(one_source("192.0.2.1", "192.0.2.1"), "an address is itself");
	ok(!one_source("192.0.2.1", "192.0.2.2"), "IPv4: and no other");
	ok(!one_source("192.0.2.1", "193.0.2.1"),
	   "IPv4: not in the first byte");
	ok(one_source("192.0.2.1", "::ffff:192.0.2.1"),
	   "IPv4 is the same on a socket of IPv6");
	ok(!one_source("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
	   "and there, too, no other");
	ok(one_source("2001:db8::1", "2001:db8::ffff:1:2:3"),
	   "IPv6: a /64 is one");
	ok(!one_source("2001:db8::1", "2001:db8:0:1::1"),
	   "IPv6: the next /64 is another");
	ok(!one_source("::1", "192.0.2.1"), "IPv6 and IPv4 are two");
	ok(one_source(NULL, NULL) && !one_source(NULL, "192.0.2.1"),
	   "nobody is nobody");
	ok(one_site("2001:db8:0:1::1", "2001:db8:0:ffff::1"),
	   "IPv6: a /48 is one site");
	ok(!one_site("2001:db8::1", "2001:db8:1::1"),
	   "IPv6: the next /48 is another one");
	ok(one_site("192.0.2.1", "::ffff:192.0.2.1"),
	   "IPv4: an address is a site");
	ok(!one_site("192.0.2.1", "192.0.2.2"), "IPv4: and no other is of it");
	ok(!one_site("::1", "192.0.2.1"),
	   "IPv4 and the /48 of its mapped addresses are two sites");
	return tap_end();
}
