// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/host_port.h"

#include <string.h>

#include "base/net_address.h"
#include "base/parse.h"

/* Is this an IPv6 address, perhaps with a zone? */
static bool host_port_is_ipv6(const char *text, size_t len)
{
	size_t zone = strcspn(text, "%");
	struct net_address a;

	return net_address_parse(text, zone < len ? zone : len, &a) &&
	       a.family == AF_INET6;
}

/*
 * text has more than one colon and no brackets.  "2001:db8::1:7000" is a valid
 * address, but may be meant as an address with a port.
 */
static int host_port_check_bare(const char *text, bool port_given,
				struct err *e)
{
	const char *port = strrchr(text, ':') + 1, *zone = strchr(text, '%');
	size_t digits = strspn(port, "0123456789"), before = port - text - 1;
	bool whole, part;

	whole = host_port_is_ipv6(text, strlen(text)) && !(zone && zone < port);
	part = host_port_is_ipv6(text, before) && digits && !port[digits];
	if (part && (!whole || (!port_given && digits >= 4 && *port != '0')))
		return err_set(
			e, ERR_USAGE, 0,
			"'%s' looks like an IPv6 address with a port: write "
			"[%.*s]:%s%s%s%s",
			text, (int)before, text, port, whole ? ", or [" : "",
			whole ? text : "",
			whole ? "] if all of it is the address" : "");
	if (!whole)
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is neither HOST:PORT nor an IPv6 address",
			       text);
	return 0;
}

static int host_port_check_zone(const char *host, struct err *e)
{
	size_t zone = strcspn(host, "%");
	struct net_address a;

	if (!net_address_parse(host, zone, &a) ||
	    !net_address_is_link_local(&a) || (host[zone] && host[zone + 1]))
		return 0;
	return err_set(e, ERR_USAGE, 0,
		       "'%s' is a link-local address, which needs its "
		       "interface: %.*s%%INTERFACE (see 'ip -6 address')",
		       host, (int)zone, host);
}

int host_port_parse(const char *text, bool port_given, struct host_port *out,
		    struct err *e)
{
	const char *host = text, *port = NULL, *colon = strchr(text, ':');
	size_t len = strlen(text);

	if (strchr(text, '@'))
		return err_set(e, ERR_USAGE, 0,
			       "'%s': give the host alone, no user@; the user "
			       "who runs 'btrfs-ktls-pipe listen' there takes "
			       "the stream; or use 'btrfs-ktls-pipe ssh %s "
			       "COMMAND'",
			       text, colon ? "USER@HOST" : text);
	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return err_set(e, ERR_USAGE, 0,
				       "'%s' is not [address]:port", text);
		host = text + 1;
		len = (size_t)(close - host);
		port = close[1] ? close + 2 : NULL;
	} else if (colon && !strchr(colon + 1, ':')) {
		len = (size_t)(colon - text);
		port = colon + 1;
	} else if (colon && host_port_check_bare(text, port_given, e) < 0) {
		return -1;
	}
	if (len < 1 || len >= sizeof out->host)
		return err_set(e, ERR_USAGE, 0, "'%s' names no host", text);
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	out->port = 0;
	if (host_port_check_zone(out->host, e) < 0)
		return -1;
	if (!port)
		return 0;
	if (parse_uint(port, 1, 65535, &out->port, e) < 0)
		return err_wrap(e, "port in '%s'", text);
	return 0;
}
