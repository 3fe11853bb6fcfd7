/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encode and decode the two messages of a password exchange, which comes before
 * TLS.  Pure; decodes bytes of a peer that is not authenticated.
 * Ref: btrfs-ktls-pipe-protocol(7), Passwords.
 */
#pragma once

#include <stdint.h>

enum { PASSWORD_MESSAGE_VERSION = 2, PASSWORD_MESSAGE_VERSION_OLD = 1 };

/* First bytes: no record of TLS or of mode none begins with either. */
enum password_message_type {
	PASSWORD_MESSAGE_OFFER = 0x70, /* connecting side */
	PASSWORD_MESSAGE_ANSWER = 0x71, /* listener */
};

/* Sizes on the wire, in bytes */
enum {
	PASSWORD_MESSAGE_NONCE_BYTES = 16,
	PASSWORD_MESSAGE_POINT_BYTES = 32,
	PASSWORD_MESSAGE_HEAD_BYTES =
		4 + PASSWORD_MESSAGE_NONCE_BYTES, /* all but the point */
	PASSWORD_MESSAGE_BYTES = PASSWORD_MESSAGE_HEAD_BYTES +
				 PASSWORD_MESSAGE_POINT_BYTES,
};

/* Why the listener does not answer with a point. */
enum password_message_refusal {
	PASSWORD_MESSAGE_ACCEPTED = 0,
	PASSWORD_MESSAGE_REFUSED_VERSION = 1,
	PASSWORD_MESSAGE_REFUSED_UNUSED = 2, /* the listener uses no password */
	/* Too many wrong passwords or handshakes, or the listener ends */
	PASSWORD_MESSAGE_REFUSED_LATER = 3,
	PASSWORD_MESSAGE_REFUSED_MALFORMED = 4,
};

struct password_message {
	enum password_message_type type;
	uint8_t version;
	enum password_message_refusal refusal; /* of an answer */
	uint8_t nonce[PASSWORD_MESSAGE_NONCE_BYTES]; /* unless refused */
	uint8_t point[PASSWORD_MESSAGE_POINT_BYTES]; /* unless refused */
};

void password_message_encode(const struct password_message *p,
			     uint8_t out[static PASSWORD_MESSAGE_BYTES]);

/*
 * Decode a message of the given type.  Returns 0, or -1 if it is no such
 * message.  A message of another version is no error: then only its version
 * and refusal are filled in.
 */
int password_message_decode(const uint8_t in[static PASSWORD_MESSAGE_BYTES],
			    enum password_message_type type,
			    struct password_message *p);

/* A refusal in words.  version: what the peer speaks */
const char *password_message_refusal_text(enum password_message_refusal refusal,
					  uint8_t version);
