// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_net.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"

struct net {
	int family;
	uint8_t bytes[16];
	uint64_t bits; /* that count */
};

static bool ssh_net_address(const char *text, struct net *n)
{
	n->family = AF_INET;
	n->bits = 32;
	if (inet_pton(AF_INET, text, n->bytes) == 1)
		return true;
	n->family = AF_INET6;
	n->bits = 128;
	return inet_pton(AF_INET6, text, n->bytes) == 1;
}

static bool ssh_net_parse(const char *text, struct net *n)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	struct err ignored = { 0 };

	if (len >= sizeof address)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!ssh_net_address(address, n))
		return false;
	return !text[len] ||
	       parse_uint(text + len + 1, 0, n->bits, &n->bits, &ignored) == 0;
}

bool ssh_net_ok(const char *net)
{
	struct net n;

	return ssh_net_parse(net, &n);
}

bool ssh_net_has(const char *net, const char *address)
{
	struct net n, a;

	if (!ssh_net_parse(net, &n) || !ssh_net_address(address, &a) ||
	    n.family != a.family)
		return false;
	for (uint64_t bit = 0; bit < n.bits; bit++)
		if ((n.bytes[bit / 8] ^ a.bytes[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}
