/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an administrator asks of TCP on long fat networks: --tcp-buffer,
 * --congestion, --dscp.  Set on every socket of a stream before it connects or
 * listens; accepted connections inherit it.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct tcp_options {
	uint64_t buffer_bytes; /* payload in flight; 0: the kernel decides */
	const char *congestion; /* name of an algorithm, or NULL */
	int dscp; /* code point, or -1: leave it */
};

/*
 * Read a DSCP: a class of RFC 4594 and RFC 8622 (cs0 to cs7, af11 to af43, ef,
 * va, le), or 0 to 63.  Errors: ERR_USAGE.
 */
int tcp_options_dscp(const char *text, int *dscp,
		     struct err *e) attr_must_check;

/*
 * Set what is asked for on a socket that is neither connected nor listening.
 * What the system refuses is said once, with the sysctl that would allow it, and
 * left as it is.  Ref: tcp(7), socket(7): SO_SNDBUFFORCE needs CAP_NET_ADMIN.
 */
void tcp_options_apply(const struct tcp_options *o, int fd);
