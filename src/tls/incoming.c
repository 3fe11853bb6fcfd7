// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/incoming.h"

enum {
	KEY_UPDATES_MAX = 32, /* KeyUpdates in a row without data */
	TICKETS_MAX = 128, /* records with tickets, in a row without data */
};

/*
 * Why a message is refused, or NULL.  "": there is no such message here.  TLS
 * 1.2 has neither tickets nor KeyUpdate after its handshake.  Libraries send
 * tickets unasked, so they are ignored, except among the stream's bytes.
 */
static const char *incoming_objection(struct incoming *in,
				      enum record_meaning meaning)
{
	switch (meaning) {
	case RECORD_MEANS_TICKET:
		if (!in->v13 || (in->bulk && !in->raw))
			return "";
		return ++in->tickets > TICKETS_MAX
			       ? "the peer sent too many session tickets"
			       : NULL;
	case RECORD_MEANS_KEY_UPDATE:
	case RECORD_MEANS_KEY_UPDATE_BOTH:
		if (!in->v13)
			return "";
		if (!in->raw)
			return "the peer changed its keys (KeyUpdate), which "
			       "this protocol does not use";
		return ++in->key_updates > KEY_UPDATES_MAX
			       ? "the peer changed its keys (KeyUpdate) too often"
			       : NULL;
	case RECORD_MEANS_RENEGOTIATION:
		return in->v13 ? ""
			       : "the peer wants to renegotiate, which is "
				 "refused";
	default:
		return NULL;
	}
}

enum record_meaning incoming_record(struct incoming *in, unsigned int type,
				    const uint8_t *body, size_t len,
				    uint8_t *alert, struct err *e)
{
	enum record_meaning meaning =
		record_parse(&in->message, type, body, len, alert);
	const char *objection = incoming_objection(in, meaning);

	if (objection) {
		meaning = RECORD_MEANS_VIOLATION;
		*alert = RECORD_UNEXPECTED_MESSAGE;
	}
	if (objection && *objection)
		err_set(e, ERR_STREAM, 0, "%s", objection);
	else if (meaning == RECORD_MEANS_VIOLATION)
		err_set(e, ERR_STREAM, 0,
			*alert == RECORD_UNEXPECTED_MESSAGE
				? "the peer sent a record of unexpected type %u"
				: "the peer sent a malformed record of type %u",
			type);
	in->closed |= meaning == RECORD_MEANS_END;
	return meaning;
}

int incoming_data(struct incoming *in, struct err *e)
{
	in->empties = in->key_updates = in->tickets = 0;
	if (in->closed)
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent data after close_notify");
	if (record_message_open(&in->message))
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent data within another message");
	return 0;
}

int incoming_empty(struct incoming *in, struct err *e)
{
	if (++in->empties <= RECORD_EMPTY_MAX)
		return 0;
	return err_set(e, ERR_STREAM, 0,
		       "the peer sent more than %d empty records in a row",
		       RECORD_EMPTY_MAX);
}
