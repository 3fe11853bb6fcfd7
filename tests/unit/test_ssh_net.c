// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_net: does a network have an address? */
#include "cli/ssh_net.h"

#include "tap.h"

static const struct {
	const char *net, *address;
	bool has;
} cases[] = {
	{ "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.8", false },
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "2001:db8::/32", "2001:db8:ffff::1", true },
	{ "2001:db8::/33", "2001:db8:ffff::1", false },
	{ "2001:db8::1", "2001:db8::1", true },
	{ "::/0", "192.0.2.7", false },
	{ "192.0.2.0/24", "host", false },
	{ "192.0.2.0/24", "", false },
	{ "192.0.2.0/24", "192.0.2.1/32", false },
	/* no networks */
	{ "", "192.0.2.0", false },
	{ "host", "192.0.2.0", false },
	{ "192.0.2.0/", "192.0.2.0", false },
	{ "192.0.2.0/33", "192.0.2.0", false },
	{ "192.0.2.0/-1", "192.0.2.0", false },
	{ "2001:db8::/129", "2001:db8::", false },
	{ "192.0.2/24", "192.0.2.0", false },
	{ "192.0.2.0/24/8", "192.0.2.0", false },
};

int main(void)
{
	for (size_t i = 0; i < array_len(cases); i++)
		ok(ssh_net_has(cases[i].net, cases[i].address) == cases[i].has,
		   "'%s' %s %s", cases[i].net, cases[i].has ? "has" : "has not",
		   cases[i].address);
	return tap_end();
}
