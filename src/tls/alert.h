/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a peer's alert in the handshake means, in words (RFC 8446 section 6.2).
 * Pure; fed with a peer's bytes.
 */
#pragma once

#include "base/err.h"

/* How this side authenticates: the meaning of some alerts depends on it. */
struct alert_context {
	bool server;
	bool psk; /* with a key or a password */
	bool password;
	bool sha384; /* the key is bound to it */
	const char *identity; /* of the key, or "" */
};

/*
 * Is it about our certificate?  In TLS 1.3 a client may get that alert after
 * the handshake.
 */
bool alert_judges_certificate(uint8_t alert);

/*
 * Does the alert ask a client to try again later?  Never with a password:
 * during the handshake anybody can send this alert, and the server has had one
 * guess at the password by then.  Each new try would give it another one.
 */
bool alert_is_busy(uint8_t alert, const struct alert_context *c);

/* The error that the alert stands for: ERR_AUTH.  Returns -1. */
int alert_error(uint8_t alert, const struct alert_context *c, struct err *e);
