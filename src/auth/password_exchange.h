/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The password exchange over a connection, before its TLS handshake: one message
 * each way makes a credential of a password, for that connection alone.  Whether
 * both passwords were the same only the handshake tells.
 *
 * No byte is read beyond a message: what follows is TLS's, or the kernel's.
 * Ref: btrfs-ktls-pipe-protocol(7), Passwords.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "auth/cpace.h"
#include "auth/credential.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/password_message.h"

/* Our side, of a connecting one, and what has come from the peer. */
struct password_exchange {
	uint8_t scalar[CPACE_SCALAR_BYTES];
	uint8_t sent[PASSWORD_MESSAGE_BYTES];
	uint8_t came[PASSWORD_MESSAGE_BYTES];
	size_t have; /* bytes of it */
};

void password_exchange_wipe(struct password_exchange *x);

enum password_exchange_event {
	PASSWORD_EXCHANGE_WAIT, /* nothing yet, or not all of it */
	PASSWORD_EXCHANGE_HERE, /* the peer's message is complete */
	PASSWORD_EXCHANGE_OTHER, /* what begins here is something else, and still unread */
};

/*
 * Take what is there of the peer's message, whose first byte must be type.
 * Errors: ERR_AUTH, the connection is over.
 */
int password_exchange_receive(struct password_exchange *x, int fd,
			      enum password_message_type type,
			      enum password_exchange_event *event,
			      struct err *e) attr_must_check;

/*
 * Connecting side: draw, and send our message.  Errors: ERR_AUTH, ERR_BUG.
 */
int password_exchange_offer(struct password_exchange *x, int fd,
			    const struct secret *password,
			    struct err *e) attr_must_check;

/*
 * Connecting side: the credential that the answer leads to.  NULL: ERR_AUTH,
 * with the listener's *refusal if it gave one.  The caller owns it.
 */
struct credential *password_exchange_accept(
	struct password_exchange *x, const struct secret *password,
	enum password_message_refusal *refusal, struct err *e);

/*
 * Listener: answer the peer's message, and return the credential that this leads
 * to.  NULL: ERR_AUTH; the peer was refused.  The caller owns it.
 */
struct credential *password_exchange_answer(const struct password_exchange *x,
					    int fd,
					    const struct secret *password,
					    struct err *e);

/* Listener: answer with a refusal.  Best effort. */
void password_exchange_refuse(int fd, enum password_message_refusal refusal);
