/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TLS handshake, by GnuTLS, over one non-blocking socket.  Its result is a
 * value: what was agreed on, and the keys of both directions.  GnuTLS makes no
 * record after it.
 *
 * GnuTLS sees our functions and never the socket, so it cannot enable kernel
 * TLS by itself.
 */
#pragma once

#include "auth/credential.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

struct tls;

enum { TLS_PROOF_BYTES = 32, TLS_EXPORT_BYTES = 32 };

enum tls_want { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE };

/* What a handshake agreed on.  Contains secrets: tls_agreed_wipe(). */
struct tls_agreed {
	const struct mode *mode;
	/*
	 * The authenticated name of the peer.  With certificates,
	 * credential_session.name.  With a PSK, the client's identity;
	 * on the client too, because a listener has no other name.  "": no peer
	 * was authenticated, or its certificate has no such name.
	 */
	char name[KEY_IDENTITY_MAX + 1];
	/* The peer is another program: it may send tickets and new keys */
	bool raw;
	bool psk; /* name is the identity of the pre-shared key */
	bool ticket; /* server: of a stream's ticket, which names no client */
	/*
	 * The old version of the protocol was negotiated.  That happens to a
	 * server only, which must refuse the HELLO that follows.
	 */
	bool old;
	/*
	 * Secrets of this connection, which only its two ends can compute (RFC
	 * 8446 section 7.5, RFC 5705); zeros in mode none.
	 */
	uint8_t resume[TLS_EXPORT_BYTES], proof[TLS_EXPORT_BYTES];
	/* The keys for the next record; with raw and TLS 1.3 their secrets */
	struct traffic keys[2]; /* by enum record_direction */
};

struct tls_params {
	bool server;
	int fd; /* borrowed: non-blocking, must outlive the session */
	struct credential *cred; /* borrowed, must outlive the session */
	bool owns_cred; /* cred is owned instead, on failure too */
	const struct mode_list *modes;
	bool raw; /* the peer is another TLS program: no ALPN */
};

/*
 * Remove from the environment all variables that make GnuTLS log secrets or
 * read another configuration.  Call it before tls_global_init(), and before
 * anything that starts a COMMAND.
 */
void tls_clean_environment(void);

/*
 * Start GnuTLS.  Call it before any other function of tls, credential and key.
 * Errors: ERR_BUG.
 */
int tls_global_init(struct err *e) attr_must_check;

/* The version of GnuTLS at run time. */
const char *tls_library_version(void);

/* Errors: ERR_USAGE, a mode of list is not usable with kinds. */
int tls_check_modes(const struct mode_list *list, unsigned int kinds,
		    struct err *e) attr_must_check;

/* A session before its handshake.  NULL: ERR_AUTH. */
struct tls *tls_new(const struct tls_params *p, struct err *e);
void tls_free(struct tls *t);

/*
 * Continue the handshake as far as the socket allows; *want says what to poll
 * for.  On failure the alert that RFC 8446 requires was sent.  Errors:
 * ERR_AUTH; the message distinguishes a wrong key, no common mode and a peer
 * without TLS.
 */
int tls_handshake(struct tls *t, enum tls_want *want,
		  struct err *e) attr_must_check;

/*
 * After TLS_DONE: what was agreed on.  The caller owns and wipes *out;
 * afterwards t can only be freed.  Errors: ERR_AUTH, also if the peer sent data
 * too early.
 */
int tls_finish(struct tls *t, struct tls_agreed *out,
	       struct err *e) attr_must_check;

SECRET_WIPER(tls_agreed_wipe, struct tls_agreed)
#define autowipe_agreed attr_cleanup(tls_agreed_wipe)

/*
 * Prove that we hold the ticket, on a connection that it did not authenticate:
 * a MAC over a secret of this connection, with the ticket's secret as key.
 * Errors: ERR_AUTH.
 */
int tls_prove(const struct tls_agreed *a, const struct key *ticket,
	      uint8_t proof[static TLS_PROOF_BYTES],
	      struct err *e) attr_must_check;

/*
 * Server: does the peer hold the ticket?  Yes if the ticket authenticated the
 * connection, or if certificates did (TLS 1.3) and the proof is right.
 */
bool tls_shows_ticket(const struct tls_agreed *a, const struct key *ticket,
		      const uint8_t proof[static TLS_PROOF_BYTES]);

/* Before TLS_DONE: send an alert.  Best effort. */
void tls_alert(struct tls *t, enum record_alert alert);

/* Did the peer send user_canceled?  That means: busy, try again later. */
bool tls_put_off(const struct tls *t);

/* Did another alert end the handshake?  Anybody may have sent it. */
bool tls_refused(const struct tls *t);

/* Was the connection lost? */
bool tls_lost(const struct tls *t);
