/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listener's door: many handshakes at the same time, each with its
 * deadline.  It stays open while a stream runs.  What strangers do neither ends
 * the waiting nor holds up the right peer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/credential.h"
#include "base/err.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "proto/frame.h"
#include "tls/mode.h"
#include "tls/tls.h"

struct acceptor;

/* Whose is a connection, by its first bytes? */
enum acceptor_claim {
	ACCEPTOR_MORE, /* cannot be told yet */
	ACCEPTOR_OURS,
	ACCEPTOR_GONE, /* somebody else has it: it was passed on */
};

/* Everything is borrowed until acceptor_close(). */
struct acceptor_params {
	const struct net_listener *listener;
	struct credential *cred;
	const struct secret *password; /* NULL: none is in use */
	const struct mode_list *modes;
	enum connection_ktls ktls;
	bool raw; /* no HELLO is expected */
	enum frame_role role; /* ours: the visitor's must be the other */
	bool allow_self; /* a visitor may be our own host */
	uint64_t handshake_ms; /* for each handshake */

	/*
	 * Sees the first bytes of every connection, at most PEEK_MAX, before
	 * anything is read.  Borrows fd.  NULL: all are ours.
	 */
	enum acceptor_claim (*claim)(void *arg, int fd, const uint8_t *bytes,
				     size_t len);

	/*
	 * May this peer have a stream of its own, now that it has authenticated
	 * and greeted?  Returns 0, or -1 with what is to be logged: the peer is
	 * told that we are busy.  NULL: it may.
	 */
	int (*admit)(void *arg, const struct tls *t,
		     const struct net_source *source, struct err *e);

	void *callback_arg; /* of both */
};

/* Who was let in; the caller owns the session and the socket. */
struct accepted_peer {
	struct connection_socket socket;
	struct tls *tls;
	struct frame_hello hello; /* not with raw */
	struct net_source source;
	char name[NET_NAME_MAX];
};

/* The stream that runs: nobody else is let in but who comes back for it. */
struct acceptor_stream {
	bool resumes; /* else only a rotation can come */
	const uint8_t *id; /* FRAME_ID_BYTES */
	const struct key *ticket; /* NULL: mode none */
	uint32_t connection; /* number of the last that was let in */
	struct net_source source; /* of its peer */
};

/* NULL: ERR_NET (no descriptors, no memory). */
struct acceptor *acceptor_open(const struct acceptor_params *p, struct err *e);

/* Readable when there is something to do for acceptor_step(). */
int acceptor_fd(const struct acceptor *d);

/* When time alone asks for acceptor_step(). */
uint64_t acceptor_due(const struct acceptor *d);

/*
 * Do what can be done at once.  Returns whether a peer was let in that
 * authenticated and said a HELLO that can be accepted; the WELCOME is left to
 * the caller.  Everyone else is refused with one line of log each.
 */
bool acceptor_step(struct acceptor *d, struct accepted_peer *accepted);

/* Does it still work?  ERR_NET: no connection can ever come in. */
int acceptor_check(const struct acceptor *d, struct err *e) attr_must_check;

/*
 * From now on this stream runs: others who authenticate are told that we are
 * busy.  Borrows s, which the caller keeps up to date.  Releases the descriptors
 * that were kept for it: open what it needs before the next acceptor_step().
 */
void acceptor_serve(struct acceptor *d, const struct acceptor_stream *s);

/* Refuse a guest that was let in; closes and frees what is in g. */
void acceptor_refuse_accepted(struct accepted_peer *g, enum frame_refusal why);

/* Who is in the middle of a handshake is told that it may come again. */
void acceptor_close(struct acceptor *d);

/* In a process that was forked: close our copy of it, which nobody notices. */
void acceptor_leave(struct acceptor *d);
