/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HOST of a command line, with or without a port. */
#pragma once

#include "base/err.h"

struct host_port {
	char host[256]; /* without brackets */
	uint64_t port; /* 0: none */
};

/*
 * Parse HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT, or an IPv6 address without
 * brackets.  port_given: another option gives the port.  Errors: ERR_USAGE.
 */
int host_port_parse(const char *text, bool port_given, struct host_port *out,
		    struct err *e) attr_must_check;
