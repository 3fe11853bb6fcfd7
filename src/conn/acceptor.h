/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accepts connections and authenticates many peers at the same time, each
 * within its own deadline, also while a stream runs.  No peer can block the
 * others: a peer that fails is refused, and a flood of peers is thinned out.
 */
#pragma once

#include "base/err.h"
#include "conn/net.h"
#include "conn/pending.h"
#include "proto/frame.h"

struct acceptor;

/*
 * Start to accept from l.  Borrows l and what rules borrows until
 * acceptor_close().  NULL: ERR_NET (no descriptors, no memory).
 */
struct acceptor *acceptor_open(const struct net_listener *l,
			       const struct pending_rules *rules,
			       struct err *e);

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

/*
 * Has the wait for the first peer lasted until *deadline_ms?  Call it after
 * acceptor_step().  If we were suspended then, a peer that came meanwhile
 * counts: the deadline is moved, once, by the time that a handshake may take.
 * Errors: ERR_NET, it has.
 */
int acceptor_check_wait(struct acceptor *a, uint64_t *deadline_ms,
			struct err *e) attr_must_check;

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
