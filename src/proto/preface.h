/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two messages of a password exchange, which come before TLS, to and from
 * bytes.  Pure; fed with a stranger's bytes.
 * Ref: btrfs-ktls-pipe-protocol(7), Passwords.
 */
#pragma once

#include <stdint.h>

enum { PREFACE_VERSION = 2, PREFACE_VERSION_OLD = 1 };

/* Neither begins like TLS, or like a record of mode none. */
enum preface_type {
	PREFACE_OFFER = 0x70, /* connecting side */
	PREFACE_ANSWER = 0x71, /* listener */
};

/* Sizes on the wire, in bytes */
enum {
	PREFACE_NONCE_BYTES = 16,
	PREFACE_POINT_BYTES = 32,
	PREFACE_HEAD_BYTES = 4 + PREFACE_NONCE_BYTES, /* all but the point */
	PREFACE_BYTES = PREFACE_HEAD_BYTES + PREFACE_POINT_BYTES,
};

/* Why the listener does not answer with a point. */
enum preface_refusal {
	PREFACE_ACCEPTED = 0,
	PREFACE_REFUSED_VERSION = 1,
	PREFACE_REFUSED_UNUSED = 2, /* no password is in use here */
	PREFACE_REFUSED_LATER = 3, /* too many wrong ones, or too many guests */
	PREFACE_REFUSED_MALFORMED = 4,
};

struct preface {
	enum preface_type type;
	uint8_t version;
	enum preface_refusal refusal; /* of an answer */
	uint8_t nonce[PREFACE_NONCE_BYTES]; /* without a refusal */
	uint8_t point[PREFACE_POINT_BYTES]; /* without a refusal */
};

void preface_encode(const struct preface *p, uint8_t out[static PREFACE_BYTES]);

/*
 * Read a message of the given type.  Returns 0, or -1 if it is none.  One of
 * another version passes, with that version and its refusal alone.
 */
int preface_decode(const uint8_t in[static PREFACE_BYTES],
		   enum preface_type type, struct preface *p);

/* What a refusal means, for people. */
const char *preface_refusal_text(enum preface_refusal refusal);
