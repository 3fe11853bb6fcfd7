// SPDX-License-Identifier: GPL-2.0-or-later
/* net: which addresses count as one source, or one site; a message. */
#include "conn/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "tap.h"
#include "wrap.h"

/* The result of getpeername(2); NULL: there is no peer. */
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

static struct net_address source_of(const char *address)
{
	peer = address;
	return net_peer_source(-1);
}

static bool one_source(const char *a, const char *b)
{
	const struct net_address x = source_of(a), y = source_of(b);

	return net_address_same(&x, &y);
}

static bool one_site(const char *a, const char *b)
{
	const struct net_address x = source_of(a), y = source_of(b);

	return net_address_same_site(&x, &y);
}

/* A name, too, may lead to such an address: it has no interface. */
static bool is_loopback(const char *address)
{
	peer = address;
	return net_peer_is_loopback(-1);
}

static void test_loopback(void)
{
	ok(is_loopback("127.0.0.9") && is_loopback("::1") &&
		   is_loopback("::ffff:127.0.0.1"),
	   "a peer over loopback");
	ok(!is_loopback("192.0.2.1") && !is_loopback("2001:db8::1"),
	   "another host is none");
	ok(is_loopback(NULL), "a peer whose address a reset took may be one");
}

static void test_link_local(void)
{
	const struct net_address local = { .family = AF_INET6,
					   .bytes = { 0xfe, 0x80, [15] = 1 } };
	struct net_address far = { .family = AF_INET6, .bytes = { 0x20, 1 } };
	struct net_target t = { .to = &local, .port = 7 };
	struct err e = { 0 };

	net_cannot_connect(&t, EINVAL, &e);
	ok(strstr(e.msg, "[fe80::1]:7") && strstr(e.msg, "ADDRESS%INTERFACE"),
	   "a link-local address lacks its interface: %s", e.msg);
	t.to = &far;
	net_cannot_connect(&t, EINVAL, &e);
	ok(strstr(e.msg, "is there a route"), "another does not: %s", e.msg);
}

int main(void)
{
	test_loopback();
	ok(one_source("192.0.2.1", "192.0.2.1"), "an address equals itself");
	ok(!one_source("192.0.2.1", "192.0.2.2"),
	   "IPv4: another address is another source");
	ok(!one_source("192.0.2.1", "193.0.2.1"),
	   "IPv4: also if the first byte differs");
	ok(one_source("192.0.2.1", "::ffff:192.0.2.1"),
	   "an IPv4-mapped address equals the IPv4 one");
	ok(!one_source("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
	   "IPv4-mapped: another address is another source");
	ok(one_source("2001:db8::1", "2001:db8::ffff:1:2:3"),
	   "IPv6: a /64 is one source");
	ok(!one_source("2001:db8::1", "2001:db8:0:1::1"),
	   "IPv6: the next /64 is another source");
	ok(!one_source("::1", "192.0.2.1"), "IPv6 and IPv4 are two sources");
	ok(one_source(NULL, NULL) && !one_source(NULL, "192.0.2.1"),
	   "no peer equals only no peer");
	ok(one_site("2001:db8:0:1::1", "2001:db8:0:ffff::1"),
	   "IPv6: a /48 is one site");
	ok(!one_site("2001:db8::1", "2001:db8:1::1"),
	   "IPv6: the next /48 is another site");
	ok(one_site("192.0.2.1", "::ffff:192.0.2.1"),
	   "IPv4: an address is a site");
	ok(!one_site("192.0.2.1", "192.0.2.2"),
	   "IPv4: another address is another site");
	ok(!one_site("::1", "192.0.2.1"),
	   "IPv4 and the /48 of its mapped addresses are two sites");
	test_link_local();
	return tap_end();
}
