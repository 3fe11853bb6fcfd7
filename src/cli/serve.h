/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: many streams at once, until a signal ends it.
 *
 * The listener's process has the listening sockets and makes all handshakes.
 * When a HELLO begins a new stream it forks a process for that stream.  When a
 * HELLO resumes a running stream it passes socket, keys and HELLO to that
 * stream's process (conn/pass).
 *
 * A stream's process inherits no secret of others: those are in memory of
 * secret_alloc(), and it frees, and so wipes, the TLS sessions of other peers
 * and the certificate's key.
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
