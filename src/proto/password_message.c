// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/password_message.h"

#include <string.h>

void password_message_encode(const struct password_message *p,
			     uint8_t out[static PASSWORD_MESSAGE_BYTES])
{
	memset(out, 0, PASSWORD_MESSAGE_BYTES);
	out[0] = (uint8_t)p->type;
	out[1] = p->version;
	out[2] = (uint8_t)p->refusal;
	if (p->refusal)
		return;
	memcpy(out + 4, p->nonce, PASSWORD_MESSAGE_NONCE_BYTES);
	memcpy(out + PASSWORD_MESSAGE_HEAD_BYTES, p->point,
	       PASSWORD_MESSAGE_POINT_BYTES);
}

int password_message_decode(const uint8_t in[static PASSWORD_MESSAGE_BYTES],
			    enum password_message_type type,
			    struct password_message *p)
{
	memset(p, 0, sizeof *p);
	if (in[0] != type)
		return -1;
	p->type = type;
	p->version = in[1];
	/* The refusal is at the same place in every version. */
	p->refusal = (enum password_message_refusal)in[2];
	if (type == PASSWORD_MESSAGE_OFFER &&
	    p->version == PASSWORD_MESSAGE_VERSION && p->refusal)
		return -1;
	if (p->version != PASSWORD_MESSAGE_VERSION || p->refusal)
		return 0;
	if (in[3])
		return -1;
	memcpy(p->nonce, in + 4, PASSWORD_MESSAGE_NONCE_BYTES);
	memcpy(p->point, in + PASSWORD_MESSAGE_HEAD_BYTES,
	       PASSWORD_MESSAGE_POINT_BYTES);
	return 0;
}

const char *password_message_refusal_text(enum password_message_refusal refusal,
					  uint8_t version)
{
	switch (refusal) {
	case PASSWORD_MESSAGE_ACCEPTED:
		return "accepted";
	case PASSWORD_MESSAGE_REFUSED_VERSION:
		return version == PASSWORD_MESSAGE_VERSION_OLD
			       ? "the peer runs 0.1: upgrade it"
			       : "the peer exchanges passwords in "
				 "another version of the protocol";
	case PASSWORD_MESSAGE_REFUSED_UNUSED:
		return "the listener does not use a password; give both sides "
		       "the same key with -k FILE, or certificates, or both a "
		       "password";
	case PASSWORD_MESSAGE_REFUSED_LATER:
		return "too many wrong passwords came from this address (the "
		       "listener allows one a second), or the listener has "
		       "too many handshakes at the same time, or has just "
		       "ended";
	case PASSWORD_MESSAGE_REFUSED_MALFORMED:
		return "the listener does not understand our part of the "
		       "password exchange";
	}
	return "refused for a reason that this version does not know";
}
