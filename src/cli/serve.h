/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: streams side by side until ended by a signal.
 *
 * This process has the listening sockets and does the handshakes.  Each stream
 * has a process of its own, forked when its HELLO has come.  A connection that
 * belongs to a running stream says so before its handshake (by the server name in
 * its ClientHello, in mode none by the stream id in its HELLO), and its socket is
 * passed on to that process.
 */
#pragma once

#include "base/err.h"
#include "cli/setup.h"
#include "conn/net.h"

struct serve;

/*
 * Get ready to serve: from here on SIGINT and SIGTERM wait for serve_run().
 * Borrows both; a process of a stream closes l.  The caller ends with serve_free().
 * NULL: ERR_NET or ERR_BUG.
 */
struct serve *serve_new(struct setup *setup, struct net_listener *l,
			struct err *e);

/*
 * Serve.  Returns in this process when it was ended and all streams are through
 * (0, or -1 if they were aborted), or with an error.  It returns also in the
 * process of each stream, with the outcome of that.
 */
int serve_run(struct serve *k, struct err *e) attr_must_check;

void serve_free(struct serve *k);
