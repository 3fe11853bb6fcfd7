/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: many streams at once, until a signal ends it.
 *
 * The listener's process has the listening sockets and makes the handshakes.
 * It forks a process for each new stream when the HELLO has arrived.  A
 * connection of a running stream is recognised before its handshake, by the
 * server name in its ClientHello, or in mode none by the stream id in its
 * HELLO.  Its socket is passed to the stream's process.
 */
#pragma once

#include "base/err.h"
#include "cli/setup.h"
#include "conn/net.h"

struct serve;

/*
 * Prepare to serve.  From here on SIGINT and SIGTERM wait for serve_run().
 * Borrows setup and l; a stream's process closes l.
 * Owns: the caller owns the result and calls serve_free().
 * Errors: NULL, ERR_NET or ERR_BUG.
 */
struct serve *serve_new(struct setup *setup, struct net_listener *l,
			struct err *e);

/*
 * Serve.  In the listener's process it returns once a signal ended it and all
 * streams have ended (0, or -1 if they were aborted), or with an error.  In
 * each stream's process it returns with the outcome of that stream.
 */
int serve_run(struct serve *k, struct err *e) attr_must_check;

void serve_free(struct serve *k);
