// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/net_source.h"

#include <string.h>

enum { SUBNET_BYTES = 8, SITE_BYTES = 6 };

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct net_source net_source_of(struct net_address a)
{
	struct net_source s = { 0 };

	a = net_address_unmap(a);
	if (a.family == AF_INET6) {
		memcpy(s.bytes, a.bytes, SUBNET_BYTES);
	} else if (a.family == AF_INET) {
		memcpy(s.bytes, mapped_prefix, sizeof mapped_prefix);
		memcpy(s.bytes + sizeof mapped_prefix, a.bytes, 4);
	}
	return s;
}

bool net_source_same(const struct net_source *a, const struct net_source *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static bool net_source_is_ipv4(const struct net_source *s)
{
	return !memcmp(s->bytes, mapped_prefix, sizeof mapped_prefix);
}

bool net_source_same_site(const struct net_source *a,
			  const struct net_source *b)
{
	if (net_source_is_ipv4(a) || net_source_is_ipv4(b))
		return net_source_same(a, b);
	return !memcmp(a->bytes, b->bytes, SITE_BYTES);
}
