/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wall to GnuTLS: one TLS session over one non-blocking socket.  The
 * handshake, the traffic keys for the kernel, and records made in user space:
 * all of them, or those of the direction that the kernel does not own.
 *
 * GnuTLS never sees the socket, only our buffers, so it can neither take
 * kernel TLS for itself nor be caught halfway through a write.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/credential.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

struct tls;

enum { TLS_PROOF_BYTES = 32 };

enum tls_want { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE };
enum tls_direction { TLS_WRITE, TLS_READ };

struct tls_params {
	bool server;
	int fd; /* borrowed: non-blocking, must outlive the session */
	struct credential *cred; /* borrowed, must outlive the session */
	bool owns_cred; /* or taken over, on failure too */
	const struct mode_list *modes;
	bool raw; /* the peer must not be one of ours: no ALPN */
	const char *server_name; /* client: what to call for, or NULL */
};

/*
 * Start GnuTLS, after taking from the environment what would make it log
 * secrets or read a foreign configuration.  Before anything else of this
 * header, of cred or of key.  Errors: ERR_BUG.
 */
int tls_global_init(struct err *e) attr_must_check;

/* The version of the library that runs. */
const char *tls_library_version(void);

/* ERR_USAGE, with the reason, if a named mode cannot be had here. */
int tls_check_modes(const struct mode_list *list, unsigned int kinds,
		    struct err *e) attr_must_check;

/* A session that is about to handshake.  NULL: ERR_AUTH. */
struct tls *tls_new(const struct tls_params *p, struct err *e);
void tls_free(struct tls *t);

/*
 * Go on with the handshake as far as the socket allows; *want says what to
 * poll for.  On failure the alert that RFC 8446 asks for was sent.
 * Errors: ERR_AUTH, in words that tell a wrong key, no common mode and a peer
 * without TLS apart.
 */
int tls_handshake(struct tls *t, enum tls_want *want,
		  struct err *e) attr_must_check;

/* What was negotiated; only after TLS_DONE. */
const struct mode *tls_mode(const struct tls *t);

/*
 * The name that the peer authenticated under.  Certificates: see
 * credential_peer_name().  Pre-shared keys: the client's identity; on its own
 * side too, for a listener has no other name.  "": nobody was authenticated,
 * or a certificate has no such name.  Only after TLS_DONE, until tls_free().
 */
const char *tls_identity(const struct tls *t);

/*
 * Has the handshake settled on the old version of the protocol?  Only a server
 * can meet that, and has to refuse the HELLO that follows.
 */
bool tls_is_old(const struct tls *t);

/*
 * A secret of this connection alone, which both ends and nobody else can
 * compute (RFC 8446 section 7.5, RFC 5705); in mode none zeros.  The caller
 * owns and wipes *out.  Errors: ERR_AUTH.
 */
int tls_export(const struct tls *t, struct secret *out,
	       struct err *e) attr_must_check;

/*
 * What shows, over a connection that the ticket did not authenticate, that its
 * secret is known: a MAC over an exporter value of this very connection.
 * Errors: ERR_AUTH.
 */
int tls_prove(const struct tls *t, const struct key *ticket,
	      uint8_t proof[static TLS_PROOF_BYTES],
	      struct err *e) attr_must_check;

/*
 * Server: does the peer hold the ticket?  It does if that authenticated the
 * connection, or if certificates did (TLS 1.3) and the proof is right.
 */
bool tls_shows_ticket(const struct tls *t, const struct key *ticket,
		      const uint8_t proof[static TLS_PROOF_BYTES]);

/*
 * The keys, IV and sequence number that the next record of a direction needs.
 * The caller owns and wipes *out.  Afterwards the session must not be used in
 * that direction: its sequence number is stale.  Errors: ERR_KTLS.
 */
int tls_traffic(struct tls *t, enum tls_direction dir, struct traffic *out,
		struct err *e) attr_must_check;

/* Records that the present keys of dir have made or opened; mode none: 0. */
uint64_t tls_records(const struct tls *t, enum tls_direction dir);

/*
 * The keys of dir are in other hands from now on: what GnuTLS would write there
 * by itself, such as alerts, goes nowhere.
 */
void tls_give_away(struct tls *t, enum tls_direction dir);

/*
 * Make room for bulk data in a direction that stays in user space: records
 * are collected for one send, or read from the socket by the hundred.  Errors:
 * ERR_BUG (memory).
 */
int tls_bulk(struct tls *t, enum tls_direction dir,
	     struct err *e) attr_must_check;

/*
 * Encrypt up to len bytes into the session's own buffer and send what the
 * socket takes.  *done: bytes accepted, 0 if the buffer is full (poll for
 * POLLOUT, tls_flush()).  Errors: ERR_NET.
 */
int tls_send(struct tls *t, const void *buf, size_t len, size_t *done,
	     struct err *e) attr_must_check;

/* Send what is left in the buffer; *empty says whether all went. */
int tls_flush(struct tls *t, bool *empty, struct err *e) attr_must_check;

/* Is there something to flush? */
bool tls_pending_write(const struct tls *t);

/* Put an alert into the buffer and try to send it; failure goes unreported. */
void tls_alert(struct tls *t, enum record_alert alert);

/*
 * Decrypt up to len bytes.  *done 0: nothing now, or, with *end, the peer's
 * close_notify.  Poll only after *done was 0: records may wait inside.
 * Errors: ERR_NET for a lost connection, a forged record and a peer that
 * aborts; ERR_STREAM for one that breaks the protocol.
 */
int tls_recv(struct tls *t, void *buf, size_t len, size_t *done, bool *end,
	     struct err *e) attr_must_check;

/* Is there more in the record that tls_recv() took the last bytes from? */
bool tls_pending_read(const struct tls *t);

/*
 * Did the peer cancel (user_canceled)?  Before it greets that means: not now,
 * come again.  With a password it counts only once the handshake is done, when
 * it is known to be the peer's.
 */
bool tls_put_off(const struct tls *t);

/*
 * Did the peer break the protocol, in a record that authenticated?  Then *alert
 * is the answer, which was sent unless that direction was given away.
 */
bool tls_violated(const struct tls *t, enum record_alert *alert);

/* Did an alert of the peer end the connection, after the handshake? */
bool tls_gave_up(const struct tls *t);

/*
 * Is the connection lost, by TCP's word or because a record did not
 * authenticate here or there?  Not if the peer said that it gives up.
 */
bool tls_lost(const struct tls *t);
