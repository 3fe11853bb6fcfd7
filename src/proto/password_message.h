/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two messages of a password exchange, which come before TLS, to and from
 * bytes.  Pure; fed with a stranger's bytes.
 * Ref: btrfs-ktls-pipe-protocol(7), Passwords.
 */
#pragma once

#include <stdint.h>

enum { PASSWORD_MESSAGE_VERSION = 2, PASSWORD_MESSAGE_VERSION_OLD = 1 };

/* Neither begins like TLS, or like a record of mode none. */
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
	PASSWORD_MESSAGE_REFUSED_UNUSED = 2, /* no password is in use here */
	PASSWORD_MESSAGE_REFUSED_LATER =
		3, /* too many wrong ones, or too many guests */
	PASSWORD_MESSAGE_REFUSED_MALFORMED = 4,
};

struct password_message {
	enum password_message_type type;
	uint8_t version;
	enum password_message_refusal refusal; /* of an answer */
	uint8_t nonce[PASSWORD_MESSAGE_NONCE_BYTES]; /* without a refusal */
	uint8_t point[PASSWORD_MESSAGE_POINT_BYTES]; /* without a refusal */
};

void password_message_encode(const struct password_message *p,
			     uint8_t out[static PASSWORD_MESSAGE_BYTES]);

/*
 * Read a message of the given type.  Returns 0, or -1 if it is none.  One of
 * another version passes, with that version and its refusal alone.
 */
int password_message_decode(const uint8_t in[static PASSWORD_MESSAGE_BYTES],
			    enum password_message_type type,
			    struct password_message *p);

/* What a refusal means, for people. */
const char *password_message_refusal_text(
	enum password_message_refusal refusal);
