/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resolves names without blocking.  getaddrinfo(3) can block for as long as a
 * name server is silent, so it runs in a process of its own, which returns one
 * message of fixed size; the message is validated before use.  A numeric
 * address needs no process.  If fork(2) fails, getaddrinfo(3) blocks us.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "conn/net.h"

/* What to look up.  The strings are borrowed until the answer is complete. */
struct resolve_query {
	const char *host;
	int number; /* of the host, for the launcher */
	const char *source; /* address to connect from, or NULL */
	int family; /* AF_UNSPEC, AF_INET or AF_INET6 */
};

/* In the order of getaddrinfo(3): the best first. */
struct resolve_answer {
	struct net_addresses host, source;
	int code; /* of getaddrinfo(3); 0: both lists are found */
	int num; /* its errno, or 0 */
	int of_source; /* code is about the source, not the host */
};

/* A look-up in progress. */
struct resolve {
	struct resolve_query query;
	struct resolve_answer answer;
	pid_t pid; /* of the process; -1: none */
	int fd; /* poll it for POLLIN; -1: the answer is complete */
};

void resolve_init(struct resolve *r);

/*
 * Begin a look-up.  Then call resolve_take() at once, and whenever r->fd is
 * ready.  Errors: ERR_NET.
 */
int resolve_start(struct resolve *r, const struct resolve_query *q,
		  struct err *e) attr_must_check;

/*
 * For the launcher: begin a look-up in a process of its own, *pid, which gives
 * up its privileges.  Returns the descriptor that the answer, a struct
 * resolve_answer, comes from.  Errors: ERR_NET; then *pid is 0.
 */
int resolve_spawn(const struct resolve_query *q, pid_t *pid,
		  struct err *e) attr_must_check;

/*
 * Take the answer, without blocking.  *done: r->answer is complete, and each
 * list that was asked for has at least one address.  Errors: ERR_NET, with num
 * an errno, EAGAIN if no name server answered, 0 if the name does not exist.
 */
int resolve_take(struct resolve *r, bool *done, struct err *e) attr_must_check;

/* Cancel the look-up: kill the process, if there is one. */
void resolve_stop(struct resolve *r);
