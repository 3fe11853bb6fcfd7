/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TLS session of GnuTLS over one non-blocking socket: the handshake, the
 * traffic keys for the kernel, and records in user space, for both directions
 * or for the one that the kernel does not own.
 *
 * GnuTLS sees our buffers and never the socket, so it can neither enable kernel
 * TLS by itself nor stop halfway through a write.
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
	bool owns_cred; /* cred is owned instead, on failure too */
	const struct mode_list *modes;
	bool raw; /* the peer is another TLS program: no ALPN */
	const char *server_name; /* client: for the SNI extension, or NULL */
};

/*
 * Remove from the environment all variables that make GnuTLS log secrets or
 * read another configuration, and start it.  Call it before any other function
 * of tls, credential and key.  Errors: ERR_BUG.
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

/* The negotiated mode; only after TLS_DONE. */
const struct mode *tls_mode(const struct tls *t);

/*
 * The authenticated name of the peer.  With certificates,
 * credential_peer_name().  With pre-shared keys, the client's identity; on the
 * client too, because a listener has no other name.  "": no peer was
 * authenticated, or its certificate has no such name.  Only after TLS_DONE,
 * until tls_free().
 */
const char *tls_identity(const struct tls *t);

/*
 * Was the old version of the protocol negotiated?  That happens to a server
 * only, which must refuse the HELLO that follows.
 */
bool tls_is_old(const struct tls *t);

/*
 * Export a secret of this connection, which only its two ends can compute (RFC
 * 8446 section 7.5, RFC 5705); zeros in mode none.  The caller owns and wipes
 * *out.  Errors: ERR_AUTH.
 */
int tls_export(const struct tls *t, struct secret *out,
	       struct err *e) attr_must_check;

/*
 * Prove that we hold the ticket, on a connection that it did not authenticate:
 * a MAC over an exporter value of this connection, with the ticket's secret as
 * key.  Errors: ERR_AUTH.
 */
int tls_prove(const struct tls *t, const struct key *ticket,
	      uint8_t proof[static TLS_PROOF_BYTES],
	      struct err *e) attr_must_check;

/*
 * Server: does the peer hold the ticket?  Yes if the ticket authenticated the
 * connection, or if certificates did (TLS 1.3) and the proof is right.
 */
bool tls_shows_ticket(const struct tls *t, const struct key *ticket,
		      const uint8_t proof[static TLS_PROOF_BYTES]);

/*
 * Get the key, IV and sequence number for the next record of a direction.  The
 * caller owns and wipes *out.  The session must not be used in that direction
 * afterwards: its sequence number is stale.  Errors: ERR_KTLS; ERR_AUTH if the
 * peer sent data too early.
 */
int tls_traffic(struct tls *t, enum tls_direction dir, struct traffic *out,
		struct err *e) attr_must_check;

/* Records under the current keys of dir; 0 in mode none. */
uint64_t tls_records(const struct tls *t, enum tls_direction dir);

/*
 * From now on another record layer owns dir: bytes that GnuTLS writes by
 * itself, such as alerts, are discarded.
 */
void tls_give_away(struct tls *t, enum tls_direction dir);

/*
 * Enlarge the buffer of a direction that stays in user space, for bulk data:
 * many records are sent or read in one call.  Errors: ERR_BUG (memory).
 */
int tls_bulk(struct tls *t, enum tls_direction dir,
	     struct err *e) attr_must_check;

/*
 * Encrypt up to len bytes into the session's buffer and send as much as the
 * socket takes.  *done: bytes taken; 0 if the buffer is full (poll for
 * POLLOUT, then tls_flush()).  Errors: ERR_NET.
 */
int tls_send(struct tls *t, const void *buf, size_t len, size_t *done,
	     struct err *e) attr_must_check;

/* Send the contents of the buffer; *empty: all was sent.  Errors: ERR_NET. */
int tls_flush(struct tls *t, bool *empty, struct err *e) attr_must_check;

/* Are bytes waiting to be sent? */
bool tls_pending_write(const struct tls *t);

/* Append an alert to the buffer and try to send it.  Best effort. */
void tls_alert(struct tls *t, enum record_alert alert);

/*
 * Decrypt up to len bytes.  *done 0 with *end: the peer's close_notify;
 * without: nothing now.  Poll only after *done was 0, because records may be
 * buffered.  Errors: ERR_NET if the connection was lost, a record was forged
 * or the peer aborted; ERR_STREAM if the peer broke the protocol.
 */
int tls_recv(struct tls *t, void *buf, size_t len, size_t *done, bool *end,
	     struct err *e) attr_must_check;

/* Has the record that tls_recv() read last more bytes? */
bool tls_pending_read(const struct tls *t);

/*
 * Did the peer send user_canceled?  Before its HELLO or WELCOME that means:
 * busy, come back later.  With a password it counts only after the handshake,
 * which authenticates the alert.
 */
bool tls_put_off(const struct tls *t);

/*
 * Did the peer break the protocol, in a record that authenticates?  Then
 * *alert is our answer.  It was sent unless tls_give_away() discarded it.
 */
bool tls_violated(const struct tls *t, enum record_alert *alert);

/* Did an alert of the peer end the connection after the handshake? */
bool tls_gave_up(const struct tls *t);

/*
 * Was the connection lost, in TCP or because a record did not authenticate,
 * here or at the peer?  Not if another alert of the peer ended it.
 */
bool tls_lost(const struct tls *t);
