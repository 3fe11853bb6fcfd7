/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session that connects, and what becomes of its attempts: which failures
 * are final, when the next one begins, and what is logged.  The steps of an
 * attempt are client_dial.c, client_handshake.c and client_greeting.c.  A step
 * returns 0 also if the attempt failed and another one will begin; -1: none
 * will.  Errors: ERR_NET, ERR_AUTH, ERR_KTLS, ERR_STREAM; ERR_BUG (resources).
 */
#pragma once

#include "auth/password_exchange.h"
#include "conn/net.h"
#include "conn/resolve.h"
#include "conn/session.h"
#include "tls/tls.h"

enum client_state {
	CLIENT_IDLE,
	CLIENT_RESOLVING,
	CLIENT_CONNECTING,
	CLIENT_PASSWORD, /* the password exchange, before TLS */
	CLIENT_HANDSHAKE,
	CLIENT_GREETING,
};

struct client {
	struct session session; /* first, for the cast */
	/* From the second connection on; NULL if the mode has no PSK */
	struct credential *ticket_cred;
	struct resolve resolve;
	struct net_addresses list, source; /* to connect to, and from */
	size_t next; /* index of the one to try; list.count: none left */
	/* Of the last connection, its peer first */
	struct resolve_answer known;
	bool look_up; /* resolve again, do not use known */
	enum client_state state;
	struct connection_socket socket;
	struct password_exchange pass;
	struct tls *tls; /* until the handshake is done */
	struct record_layer *layer; /* then, until the connection is used */
	struct frame_reader reader;
	char name[NET_NAME_MAX];
	uint64_t start_ms; /* idle: when to try again */
	uint64_t deadline_ms; /* else: when this step fails */
	uint64_t speak_ms; /* when to log that there is no answer */
	unsigned int spoke; /* states logged since the last connection */
	uint64_t since_ms; /* when the last connection was lost */
	uint64_t backoff_ms;
	uint64_t give_up_ms; /* deadline of the first connection */
	bool retryable; /* another attempt at the first one may succeed */
	char told[sizeof((struct err *)0)->msg]; /* the last failure logged */
};

/* How long there is no answer before we log that */
enum {
	CLIENT_SPEAK_MS = 3000,
	CLIENT_SPEAK_HANDSHAKE_MS = 5000, /* where the peer must compute */
};

/* Do we need another connection? */
bool client_dials(const struct client *client);

/* Set what the session polls in this state. */
void client_watch(struct client *client, enum tls_want want);

/* Enter a state in which another process must answer within timeout_ms. */
void client_wait(struct client *client, enum client_state state,
		 uint64_t timeout_ms, enum tls_want want);

/* The timeout of a step, most_ms, but not beyond the end of --retry. */
uint64_t client_patience(const struct client *client, uint64_t most_ms);

/* Pause before the next attempt, each time for longer, until the reset. */
void client_reset_pause(struct client *client);
void client_pause(struct client *client);

/* Drop what belongs to this attempt. */
void client_hang_up(struct client *client);

/*
 * One attempt failed.  retryable: another may succeed.  That matters only
 * before the first connection; later any failure that the authenticated peer
 * did not report itself is just another lost connection.  Returns 0 and clears
 * *e if another attempt will begin; else -1, and *e stays.
 */
int client_failed(struct client *client, bool retryable, struct err *e);

/*
 * The peer failed the handshake; retryable if it was only busy or reset us.
 * Returns as client_failed(); between HELLO and WELCOME of a rekey as
 * session_abort_rekey().
 */
int client_refused(struct client *client, struct err *e);

/*
 * From the name of the host to a TCP connection: begin with the next address,
 * or look the name up again.  A rekey needs no look-up: the peer of a running
 * stream is where it was.
 */
int client_dial_begin(struct client *client, struct err *e);

/* The steps of CLIENT_RESOLVING and CLIENT_CONNECTING. */
int client_dial_resolving(struct client *client, struct err *e);
int client_dial_connecting(struct client *client, struct err *e);

/* No answer for a while: log what we wait for, and what to check. */
void client_dial_speak(struct client *client);

/*
 * The socket is connected: begin the password exchange, which only the first
 * connection makes, or the TLS handshake.
 */
int client_handshake_begin(struct client *client, struct err *e);

/* The steps of CLIENT_PASSWORD and CLIENT_HANDSHAKE. */
int client_handshake_password(struct client *client, struct err *e);
int client_handshake_step(struct client *client,
			  const struct session_span *span, struct err *e);

/* Send HELLO.  With --raw there is none: the connection is used at once. */
int client_greeting_begin(struct client *client,
			  const struct session_span *span, struct err *e);

/* CLIENT_GREETING: read what the listener answers. */
int client_greeting_step(struct client *client, const struct session_span *span,
			 struct err *e);
