/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listener's door: many handshakes at the same time, each with its
 * deadline.  It stays open while a stream runs.  What strangers do neither ends
 * the waiting nor holds up the right peer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/cred.h"
#include "base/err.h"
#include "conn/chan.h"
#include "conn/net.h"
#include "proto/frame.h"
#include "tls/mode.h"
#include "tls/tls.h"

struct door;

/* Whose is a connection, by its first bytes? */
enum door_claim {
	DOOR_MORE, /* cannot be told yet */
	DOOR_OURS,
	DOOR_GONE, /* somebody else has it: it was passed on */
};

/* Everything is borrowed until door_close(). */
struct door_params {
	const struct net_listener *listener;
	struct cred *cred;
	const struct secret *password; /* NULL: none is in use */
	const struct mode_list *modes;
	enum chan_ktls ktls;
	bool raw; /* no HELLO is expected */
	enum frame_role role; /* ours: the visitor's must be the other */
	bool allow_self; /* a visitor may be our own host */
	uint64_t handshake_ms; /* for each handshake */

	/*
	 * Sees the first bytes of every connection, at most PEEK_MAX, before
	 * anything is read.  Borrows fd.  NULL: all are ours.
	 */
	enum door_claim (*claim)(void *arg, int fd, const uint8_t *bytes,
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
struct door_guest {
	struct chan_socket socket;
	struct tls *tls;
	struct frame_hello hello; /* not with raw */
	struct net_source source;
	char name[NET_NAME_MAX];
};

/* The stream that runs: nobody else is let in but who comes back for it. */
struct door_stream {
	bool resumes; /* else only a rotation can come */
	const uint8_t *id; /* FRAME_ID_BYTES */
	const struct key *ticket; /* NULL: mode none */
	uint32_t connection; /* number of the last that was let in */
	struct net_source source; /* of its peer */
};

/* NULL: ERR_NET (no descriptors, no memory). */
struct door *door_open(const struct door_params *p, struct err *e);

/* Readable when there is something to do for door_step(). */
int door_fd(const struct door *d);

/* When time alone asks for door_step(). */
uint64_t door_due(const struct door *d);

/*
 * Do what can be done at once.  Returns whether a peer was let in that
 * authenticated and said a HELLO that can be accepted; the WELCOME is left to
 * the caller.  Everyone else is refused with one line of log each.
 */
bool door_step(struct door *d, struct door_guest *guest);

/* Does it still work?  ERR_NET: no connection can ever come in. */
int door_check(const struct door *d, struct err *e) attr_must_check;

/*
 * From now on this stream runs: others who authenticate are told that we are
 * busy.  Borrows s, which the caller keeps up to date.  Releases the descriptors
 * that were kept for it: open what it needs before the next door_step().
 */
void door_serve(struct door *d, const struct door_stream *s);

/* Refuse a guest that was let in; closes and frees what is in g. */
void door_turn_away(struct door_guest *g, enum frame_refusal why);

/* Who is in the middle of a handshake is told that it may come again. */
void door_close(struct door *d);

/* In a process that was forked: close our copy of it, which nobody notices. */
void door_leave(struct door *d);
