// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_net.h"

#include <string.h>

#include "base/net_address.h"
#include "base/parse.h"

struct net {
	struct net_address address;
	uint64_t bits; /* that count */
};

static bool ssh_net_parse(const char *text, struct net *n)
{
	size_t len = strcspn(text, "/");
	struct err ignored = { 0 };

	if (!net_address_parse(text, len, &n->address))
		return false;
	n->bits = n->address.family == AF_INET ? 32 : 128;
	return !text[len] ||
	       parse_uint(text + len + 1, 0, n->bits, &n->bits, &ignored) == 0;
}

bool ssh_net_valid(const char *net)
{
	struct net ignored;

	return ssh_net_parse(net, &ignored);
}

bool ssh_net_has(const char *net, const char *address)
{
	struct net n;
	struct net_address a;

	if (!ssh_net_parse(net, &n) ||
	    !net_address_parse(address, strlen(address), &a) ||
	    n.address.family != a.family)
		return false;
	for (uint64_t bit = 0; bit < n.bits; bit++)
		if ((n.address.bytes[bit / 8] ^ a.bytes[bit / 8]) &
		    0x80 >> bit % 8)
			return false;
	return true;
}
