// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/net_address.h"

#include <arpa/inet.h>
#include <string.h>

enum { SUBNET_BYTES = 8, SITE_BYTES = 6 };

struct net_address net_address_from(const struct sockaddr *sa)
{
	struct net_address a = { .family = sa->sa_family };
	union net_address_socket u;

	if (sa->sa_family == AF_INET) {
		memcpy(&u.in, sa, sizeof u.in);
		memcpy(a.bytes, &u.in.sin_addr, sizeof u.in.sin_addr);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&u.in6, sa, sizeof u.in6);
		memcpy(a.bytes, &u.in6.sin6_addr, sizeof a.bytes);
		a.scope = u.in6.sin6_scope_id;
	} else {
		a.family = AF_UNSPEC;
	}
	return a;
}

socklen_t net_address_to(const struct net_address *a, uint16_t port,
			 union net_address_socket *u)
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
	memcpy(&u->in6.sin6_addr, a->bytes, sizeof a->bytes);
	return sizeof u->in6;
}

struct net_address net_address_unmap(struct net_address a)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	struct net_address v4 = { .family = AF_INET };

	if (a.family != AF_INET6 || memcmp(a.bytes, prefix, sizeof prefix))
		return a;
	memcpy(v4.bytes, a.bytes + sizeof prefix, 4);
	return v4;
}

struct net_address net_address_source(struct net_address a)
{
	a = net_address_unmap(a);
	a.scope = 0;
	if (a.family == AF_INET6)
		memset(a.bytes + SUBNET_BYTES, 0,
		       sizeof a.bytes - SUBNET_BYTES);
	return a;
}

bool net_address_same(const struct net_address *a, const struct net_address *b)
{
	_Static_assert(sizeof *a == sizeof a->family + sizeof a->scope +
					    sizeof a->bytes,
		       "no hole between the members");

	return !memcmp(a, b, sizeof *a);
}

bool net_address_same_site(const struct net_address *a,
			   const struct net_address *b)
{
	return a->family == AF_INET6 && b->family == AF_INET6
		       ? !memcmp(a->bytes, b->bytes, SITE_BYTES)
		       : net_address_same(a, b);
}

bool net_address_is_link_local(const struct net_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe &&
	       (a->bytes[1] & 0xc0) == 0x80;
}

bool net_address_parse(const char *text, size_t len, struct net_address *a)
{
	char alone[INET6_ADDRSTRLEN];

	*a = (struct net_address){ .family = AF_INET };
	if (len >= sizeof alone)
		return false;
	memcpy(alone, text, len);
	alone[len] = '\0';
	if (inet_pton(AF_INET, alone, a->bytes) == 1)
		return true;
	a->family = AF_INET6;
	return inet_pton(AF_INET6, alone, a->bytes) == 1;
}
