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

#include "auth/cred.h"
#include "auth/pake.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/preface.h"

/* Our side, of a connecting one, and what has come from the peer. */
struct pass {
	uint8_t scalar[PAKE_SCALAR_BYTES];
	uint8_t sent[PREFACE_BYTES];
	uint8_t came[PREFACE_BYTES];
	size_t have; /* bytes of it */
};

void pass_wipe(struct pass *x);

enum pass_event {
	PASS_WAIT, /* nothing yet, or not all of it */
	PASS_HERE, /* the peer's message is complete */
	PASS_OTHER, /* what begins here is something else, and still unread */
};

/*
 * Take what is there of the peer's message, whose first byte must be type.
 * Errors: ERR_AUTH, the connection is over.
 */
int pass_receive(struct pass *x, int fd, enum preface_type type,
		 enum pass_event *event, struct err *e) attr_must_check;

/*
 * Connecting side: draw, and send our message.  Errors: ERR_AUTH, ERR_BUG.
 */
int pass_offer(struct pass *x, int fd, const struct secret *password,
	       struct err *e) attr_must_check;

/*
 * Connecting side: the credential that the answer leads to.  NULL: ERR_AUTH,
 * with the listener's *refusal if it gave one.  The caller owns it.
 */
struct cred *pass_accept(struct pass *x, const struct secret *password,
			 enum preface_refusal *refusal, struct err *e);

/*
 * Listener: answer the peer's message, and return the credential that this leads
 * to.  NULL: ERR_AUTH; the peer was refused.  The caller owns it.
 */
struct cred *pass_answer(const struct pass *x, int fd,
			 const struct secret *password, struct err *e);

/* Listener: answer with a refusal.  Best effort. */
void pass_refuse(int fd, enum preface_refusal refusal);
