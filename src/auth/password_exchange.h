/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The password exchange on a connection, before its TLS handshake.  One message
 * each way turns a password into a credential for this connection alone.  Only
 * the handshake tells whether both passwords are the same.
 *
 * No byte behind a message is read: it belongs to TLS.
 * Ref: btrfs-ktls-pipe-protocol(7), Passwords.
 */
#pragma once

#include "auth/cpace.h"
#include "auth/credential.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/password_message.h"

/* State of the connecting side, and the peer's message. */
struct password_exchange {
	uint8_t scalar[CPACE_SCALAR_BYTES];
	uint8_t sent[PASSWORD_MESSAGE_BYTES];
	uint8_t came[PASSWORD_MESSAGE_BYTES];
	size_t have; /* bytes of came */
};

SECRET_WIPER(password_exchange_wipe, struct password_exchange)

enum password_exchange_event {
	PASSWORD_EXCHANGE_WAIT, /* the peer's message is incomplete */
	PASSWORD_EXCHANGE_HERE, /* the peer's message is complete */
	PASSWORD_EXCHANGE_OTHER, /* no such message: nothing was read */
};

/*
 * Read the part of the peer's message that has arrived.  Its first byte must be
 * type.  Errors: ERR_AUTH, the connection is over.
 */
int password_exchange_receive(struct password_exchange *x, int fd,
			      enum password_message_type type,
			      enum password_exchange_event *event,
			      struct err *e) attr_must_check;

/*
 * Connecting side: draw scalar and nonce, send our message.  Errors: ERR_AUTH,
 * ERR_BUG.
 */
int password_exchange_offer(struct password_exchange *x, int fd,
			    const struct secret *password,
			    struct err *e) attr_must_check;

/*
 * Connecting side: make a credential of the listener's answer.  The caller owns
 * it.  NULL: ERR_AUTH, with the listener's *refusal if it refused.
 */
struct credential *password_exchange_accept(
	struct password_exchange *x, const struct secret *password,
	enum password_message_refusal *refusal, struct err *e);

/*
 * Listener: answer the peer's message and make a credential of both.  The
 * caller owns it.  NULL: ERR_AUTH; the peer was refused.
 */
struct credential *password_exchange_answer(const struct password_exchange *x,
					    int fd,
					    const struct secret *password,
					    struct err *e);

/* Listener: answer with a refusal.  Best effort. */
void password_exchange_refuse(int fd, enum password_message_refusal refusal);
