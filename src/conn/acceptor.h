/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accepts connections and authenticates many peers at the same time, each
 * within its own deadline, also while a stream runs.  No peer can block the
 * others: a peer that fails is refused, and a flood of peers is thinned out.
 */
#pragma once

#include "auth/credential.h"
#include "base/err.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/pending.h"
#include "proto/frame.h"
#include "tls/channel.h"
#include "tls/mode.h"

struct acceptor;

/* Everything is borrowed until acceptor_close(). */
struct acceptor_params {
	const struct net_listener *listener;
	enum connection_ktls ktls;
	uint64_t handshake_ms; /* for each handshake */
	struct pending_rules rules;

	/*
	 * Called when visit_fd is readable.  It may add a socket to the
	 * listener.  NULL: there is no visit_fd.
	 */
	void (*visit)(void *arg);
	void *visit_arg;
	int visit_fd;
};

/* Start to accept.  NULL: ERR_NET (no descriptors, no memory). */
struct acceptor *acceptor_open(const struct acceptor_params *p, struct err *e);

/* Take fd over, as a connection that was accepted.  Before acceptor_step(). */
void acceptor_adopt(struct acceptor *a, int fd);

/* A descriptor to poll; readable when acceptor_step() has something to do. */
int acceptor_fd(const struct acceptor *a);

/* When acceptor_step() must be called at the latest, in clock_now_ms() time. */
uint64_t acceptor_due(const struct acceptor *a);

/*
 * Do what can be done without blocking.  Returns true and fills *accepted when
 * a peer has authenticated and sent an acceptable HELLO; the caller then sends
 * the WELCOME.  All other peers are refused, each with one line in the log.
 */
bool acceptor_step(struct acceptor *a, struct peer *accepted);

/* Does the acceptor still work?  ERR_NET: it can never accept again. */
int acceptor_check(const struct acceptor *a, struct err *e) attr_must_check;

/*
 * Declare that stream s runs: other peers that authenticate are told that we
 * are busy.  Borrows s; the caller keeps it up to date.  Closes the descriptors
 * that were reserved for the stream: open what the stream needs before the
 * next acceptor_step().
 */
void acceptor_serve(struct acceptor *a, const struct pending_stream *s);

/* Refuse a peer that was accepted; closes and frees what is in peer. */
void acceptor_refuse_accepted(struct peer *peer, enum frame_refusal why);

/*
 * Close and free a, which may be NULL.  Peers in the middle of a handshake are
 * told to try again later.
 */
void acceptor_close(struct acceptor *a);

/* After a fork, in the child: close our copy.  The peers do not notice. */
void acceptor_leave(struct acceptor *a);
