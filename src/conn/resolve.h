/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names become addresses without holding up anybody: getaddrinfo(3), which may
 * take as long as a resolver likes, runs in a process that does nothing else.
 * It hands over one message of fixed size, which we do not trust further than
 * its grammar.  An address in digits needs no such process.  Where there can be
 * none we wait for the resolver ourselves.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "conn/net.h"

/* What to look up.  The strings are borrowed until the answer is here. */
struct resolve_query {
	const char *host;
	const char *source; /* to connect from, or NULL */
	int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
};

/* In the order of getaddrinfo(3): the best first. */
struct resolve_answer {
	struct net_addresses host, source;
	int code; /* of getaddrinfo(3), 0: both are found */
	int num; /* errno that goes with it, or 0 */
	int of_source; /* it is about the source, not the host */
};

/* A look-up */
struct resolve {
	struct resolve_query query;
	struct resolve_answer answer;
	pid_t pid; /* of the process, -1: none */
	int fd; /* to poll for POLLIN, -1: the answer is here already */
};

void resolve_init(struct resolve *r);

/*
 * Begin.  Then resolve_take() at once, and whenever r->fd is ready.  Errors:
 * ERR_NET.
 */
int resolve_start(struct resolve *r, const struct resolve_query *q,
		  struct err *e) attr_must_check;

/*
 * *done: r->answer is complete, and each list asked for has an address at
 * least.  Does not block.  Errors: ERR_NET; num is what errno would say, EAGAIN
 * if no resolver answered, and 0 if the name does not exist.
 */
int resolve_take(struct resolve *r, bool *done, struct err *e) attr_must_check;

/* End the process, if there is one: nobody waits for the answer any more. */
void resolve_stop(struct resolve *r);
