/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom an address belongs to, wherever peers are counted: an IPv4 address, or
 * the /64 of an IPv6 address, because one host can have all addresses of it.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { NET_SOURCE_BYTES = 16 };

/* IPv4 as ::ffff:a.b.c.d; IPv6 without its last 8 bytes; zeros: unknown. */
struct net_source {
	uint8_t bytes[NET_SOURCE_BYTES];
};

/* The source of an address; of an unknown family: unknown. */
struct net_source net_source_of(const struct sockaddr *sa);

bool net_source_same(const struct net_source *a, const struct net_source *b);

/*
 * Do both belong to one site, which may be one attacker?  That is a /48 of IPv6,
 * the most that many providers give to a customer; each IPv4 address is a site.
 */
bool net_source_same_site(const struct net_source *a,
			  const struct net_source *b);
