// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/preface.h"

#include <string.h>

void preface_encode(const struct preface *p, uint8_t out[static PREFACE_BYTES])
{
	memset(out, 0, PREFACE_BYTES);
	out[0] = (uint8_t)p->type;
	out[1] = p->version;
	out[2] = (uint8_t)p->refusal;
	if (p->refusal)
		return;
	memcpy(out + 4, p->nonce, PREFACE_NONCE_BYTES);
	memcpy(out + PREFACE_HEAD_BYTES, p->point, PREFACE_POINT_BYTES);
}

int preface_decode(const uint8_t in[static PREFACE_BYTES],
		   enum preface_type type, struct preface *p)
{
	memset(p, 0, sizeof *p);
	if (in[0] != type)
		return -1;
	p->type = type;
	p->version = in[1];
	/* Every version refuses in the same place. */
	p->refusal = (enum preface_refusal)in[2];
	if (type == PREFACE_OFFER && p->version == PREFACE_VERSION &&
	    p->refusal)
		return -1;
	if (p->version != PREFACE_VERSION || p->refusal)
		return 0;
	if (in[3])
		return -1;
	memcpy(p->nonce, in + 4, PREFACE_NONCE_BYTES);
	memcpy(p->point, in + PREFACE_HEAD_BYTES, PREFACE_POINT_BYTES);
	return 0;
}

const char *preface_refusal_text(enum preface_refusal refusal)
{
	switch (refusal) {
	case PREFACE_ACCEPTED:
		return "accepted";
	case PREFACE_REFUSED_VERSION:
		return "the other side exchanges passwords in another version "
		       "of the protocol";
	case PREFACE_REFUSED_UNUSED:
		return "the listener does not use a password; give both sides "
		       "the same key with -k FILE, or both a password";
	case PREFACE_REFUSED_LATER:
		return "too many wrong passwords came from this address, of "
		       "which the listener takes one a second, or it has too "
		       "many handshakes at the same time";
	case PREFACE_REFUSED_MALFORMED:
		return "the listener does not understand our part of the "
		       "password exchange";
	}
	return "refused for a reason that this version does not know";
}
