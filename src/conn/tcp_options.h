/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options for TCP on long fat networks: --tcp-buffer, --congestion, --dscp.
 * They are set on each socket before it connects or accepts; accepted
 * connections inherit them.
 */
#pragma once

#include "base/err.h"

/* The kernel doubles it, in an int. */
enum { TCP_OPTIONS_BUFFER_MAX = 1 << 30 };

struct tcp_options {
	uint64_t buffer_bytes; /* payload in flight; 0: the kernel's choice */
	const char *congestion; /* name of an algorithm, or NULL */
	int dscp; /* code point; -1: unchanged */
};

/*
 * Parse a DSCP: a class of RFC 4594 and RFC 8622 (cs0 to cs7, af11 to af43, ef,
 * va, le), or 0 to 63.  Errors: ERR_USAGE.
 */
int tcp_options_dscp(const char *text, int *dscp,
		     struct err *e) attr_must_check;

/*
 * Set the options on a socket that is not connected.  If the kernel refuses
 * one, logs once which sysctl would allow it, and goes on.
 * Ref: tcp(7), socket(7): SO_SNDBUFFORCE needs CAP_NET_ADMIN.
 */
void tcp_options_apply(const struct tcp_options *o, int fd);
