/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The address of a host, without a port.  Pure. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_address {
	int32_t family; /* AF_INET, AF_INET6; AF_UNSPEC: unknown, or any */
	uint32_t scope; /* interface of a link-local address, or 0 */
	uint8_t bytes[16]; /* of IPv4 the first 4; the rest is 0 */
};

/* Room for the address of a socket, with a port */
union net_address_socket {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The address in sa.  Unknown if sa is neither IPv4 nor IPv6. */
struct net_address net_address_from(const struct sockaddr *sa);

/* Write a socket address; a must be known.  Returns its length. */
socklen_t net_address_to(const struct net_address *a, uint16_t port,
			 union net_address_socket *u);

/* The IPv4 address in an IPv4-mapped IPv6 one (RFC 4291 2.5.5.2); others: a */
struct net_address net_address_unmap(struct net_address a);

/*
 * The source of connections from an address, where peers are counted: an IPv4
 * address, or the /64 of an IPv6 address, because one host may use all
 * addresses of a /64.  Unknown if the address is.
 */
struct net_address net_address_source(struct net_address a);

bool net_address_same(const struct net_address *a, const struct net_address *b);

/*
 * Are both sources of one site, which may be one attacker?  A site is a /48 of
 * IPv6, the most that many providers give to a customer, or one IPv4 address.
 */
bool net_address_same_site(const struct net_address *a,
			   const struct net_address *b);

/* Is it an IPv6 address that is valid on one interface only? */
bool net_address_is_link_local(const struct net_address *a);

/*
 * Parse len bytes of text as a numeric address without a zone.  Returns false
 * if they are not one.
 */
bool net_address_parse(const char *text, size_t len, struct net_address *a);
