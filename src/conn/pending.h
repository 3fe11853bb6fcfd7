/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pending handshake of a listener, from accept to HELLO: the password
 * exchange, the TLS handshake, and the decision whether the peer is accepted.
 * Nothing here blocks, except sending a refusal, for up to 0.1 s.
 */
#pragma once

#include "auth/credential.h"
#include "auth/password_exchange.h"
#include "auth/rate_limit.h"
#include "base/err.h"
#include "base/net_address.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/session.h"
#include "proto/frame.h"
#include "tls/tls.h"

enum pending_state {
	PENDING_NEW, /* TLS or a password exchange may begin */
	PENDING_HANDSHAKE,
	PENDING_GREETING, /* the handshake is done; no HELLO yet */
	PENDING_NAMING, /* HELLO came, and NAME is to follow */
	PENDING_LEAVING, /* refused; waiting for the peer to close */
};

/* The other end of a connection that came in. */
struct peer {
	struct connection_socket socket;
	struct record_layer *layer; /* once the handshake is done */
	struct net_address source; /* for eviction and the rate limit */
	char name[NET_NAME_MAX];

	/* What it asked for, and what that means here; not with raw */
	struct frame_hello hello;
	uint8_t stream_name[FRAME_NAME_BYTES]; /* if the HELLO is NAMED */
	bool reconnects; /* the HELLO is of a stream that runs */
	size_t stream; /* then: its index in pending_rules.streams */
	bool restarts; /* it has no ticket of that stream, and asks for one */
	uint8_t handle[FRAME_ID_BYTES]; /* if passed on: of its new ticket */
};

/* Close its socket and free its record layer. */
void pending_drop_peer(struct peer *p);

/* A pending handshake: its peer has yet to authenticate. */
struct pending {
	struct peer peer;
	struct tls *tls; /* until there is a layer; both NULL: a free slot */
	enum tls_want want;
	enum pending_state state;
	struct password_exchange pass;
	bool password_tried; /* counted as wrong until proven right */
	struct frame_reader reader;
	size_t discarded; /* bytes received after the refusal */
	uint64_t since_ms, deadline_ms;
	bool overdue; /* deadline_ms passed, and it got one more step */
};

/* A running stream, whose peer may reconnect. */
struct pending_stream {
	bool resumes; /* false: another connection can only rekey */
	const uint8_t *id; /* FRAME_ID_BYTES */
	const struct key *ticket; /* NULL: mode none */
	uint32_t connection; /* number of the last accepted connection */
	struct net_address source; /* of its peer */
	const uint8_t *name; /* FRAME_NAME_BYTES; NULL: it has none */
	/* Identity that may get another ticket; "": none; NULL: any */
	const char *identity;
};

/* What a listener requires of its peers.  Everything is borrowed. */
struct pending_rules {
	const struct session_params *session; /* credential, modes, options */

	/* Streams that run; their peers may reconnect.  NULLs are skipped. */
	const struct pending_stream *const *streams;
	size_t stream_count;

	/*
	 * Called when a peer has authenticated and sent a valid HELLO: may it
	 * have a stream of its own?  Returns 0, or -1 with the reason for our
	 * log; the peer is told that we are busy.  NULL: it always may.
	 */
	int (*admit)(void *arg, const struct tls_agreed *agreed,
		     const struct net_address *source, struct err *e);
	void *admit_arg;

	/* The acceptor's own */
	bool one; /* there is a stream, and others may not begin */
	struct rate_limit rate_limit; /* of passwords */
};

/*
 * A TLS session for the peer of socket fd, owned by the caller.  own: a
 * credential for this peer only (taken over, on failure too), or NULL.  NULL:
 * ERR_AUTH.
 */
struct tls *pending_session(const struct pending_rules *r, int fd,
			    struct credential *own, struct err *e);

/*
 * Run the steps of a handshake, as far as each completes.  *done: the peer is
 * accepted.  Errors: it is to be refused, with *e as the reason for our log; it
 * was told why.
 */
int pending_step(struct pending_rules *r, struct pending *p, bool *done,
		 struct err *e) attr_must_check;

/*
 * Did the peer of the running stream give this handshake up itself?  It dials
 * ahead of time to rekey, and hangs up when the stream ends meanwhile.
 */
bool pending_has_left(const struct pending_rules *r, const struct pending *p);

/*
 * Tell a peer to try again later, in the protocol that it speaks now: before
 * TLS it may be waiting for the answer to its password.
 */
void pending_tell_later(const struct pending_rules *r, const struct pending *p);

/* Send an authenticated peer a WELCOME that refuses it. */
void pending_send_refusal(const struct peer *p, enum frame_refusal refusal);

/* Is this slot in use? */
static inline bool pending_exists(const struct pending *p)
{
	return p->tls || p->peer.layer;
}

/* Close the socket and free all: the slot is free. */
void pending_drop(struct pending *p);
