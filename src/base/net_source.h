/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source of a connection, where peers are counted: an IPv4 address, or the
 * /64 of an IPv6 address, because one host may use all addresses of a /64.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/net_address.h"

enum { NET_SOURCE_BYTES = 16 };

/* ::ffff:a.b.c.d for IPv4; IPv6 without its last 8 bytes; zeros: unknown. */
struct net_source {
	uint8_t bytes[NET_SOURCE_BYTES];
};

/* The source of an address; unknown if the address is. */
struct net_source net_source_of(struct net_address a);

bool net_source_same(const struct net_source *a, const struct net_source *b);

/*
 * Are both of one site, which may be one attacker?  A site is a /48 of IPv6,
 * the most that many providers give to a customer, or one IPv4 address.
 */
bool net_source_same_site(const struct net_source *a,
			  const struct net_source *b);
