/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tools that are TLS clients of a listener share. */
#pragma once

#include <netdb.h>
#include <poll.h>
#include <stdio.h>

#include "base/err.h"
#include "conn/net.h"
#include "tls/record_layer.h"

static struct err e;

static int fail(const char *who)
{
	fprintf(stderr, "%s: %s\n", who, e.msg);
	return 1;
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 10000) > 0 ? 0
				      : err_set(&e, ERR_NET, 0, "no answer");
}

static int dial(uint16_t port)
{
	static const struct net_address here = { .family = AF_INET,
						 .bytes = { 127, 0, 0, 1 } };
	const struct net_target to = { .to = &here, .port = port };
	int fd = net_connect(&to, &e);

	if (fd < 0 || wait_for(fd, POLLOUT) < 0 ||
	    net_connected(fd, &to, &e) < 0)
		return -1;
	return fd;
}

static inline int shake(struct tls *t, int fd)
{
	enum tls_want want;

	for (;;) {
		if (tls_handshake(t, &want, &e) < 0)
			return -1;
		if (want == TLS_DONE)
			return 0;
		if (wait_for(fd, want == TLS_WANT_WRITE ? POLLOUT : POLLIN) < 0)
			return -1;
	}
}

/* The record layer of a new connection, or NULL. */
static inline struct record_layer *handshake(const struct tls_params *p)
{
	struct tls *t = tls_new(p, &e);
	struct record_layer *rl = NULL;

	if (t && shake(t, p->fd) == 0)
		rl = record_layer_new(t, p->fd, &e);
	tls_free(t);
	return rl;
}
