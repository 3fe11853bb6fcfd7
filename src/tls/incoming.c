// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/incoming.h"

enum {
	REKEYS_MAX = 32, /* KeyUpdates in a row without data */
	TICKETS_MAX = 128, /* records with tickets, in a row without data */
};

static enum record_meaning incoming_forbidden(const char *what, uint8_t *alert,
					      struct err *e)
{
	*alert = RECORD_UNEXPECTED_MESSAGE;
	err_set(e, ERR_STREAM, 0, "%s", what);
	return RECORD_MEANS_VIOLATION;
}

static enum record_meaning incoming_bad(unsigned int type, uint8_t alert,
					struct err *e)
{
	err_set(e, ERR_STREAM, 0,
		alert == RECORD_UNEXPECTED_MESSAGE
			? "the peer sent a record of unexpected type %u"
			: "the peer sent a malformed record of type %u",
		type);
	return RECORD_MEANS_VIOLATION;
}

static enum record_meaning incoming_ticket(struct incoming *in, uint8_t *alert,
					   struct err *e)
{
	if (++in->tickets > TICKETS_MAX)
		return incoming_forbidden("the peer sent too many session "
					  "tickets",
					  alert, e);
	return RECORD_MEANS_TICKET;
}

static enum record_meaning incoming_rekey(struct incoming *in,
					  enum record_meaning meaning,
					  uint8_t *alert, struct err *e)
{
	if (!in->raw)
		return incoming_forbidden("the peer changed its keys "
					  "(KeyUpdate), which this protocol "
					  "does not use",
					  alert, e);
	if (++in->rekeys > REKEYS_MAX)
		return incoming_forbidden("the peer changed its keys "
					  "(KeyUpdate) too often",
					  alert, e);
	return meaning;
}

/*
 * Is there such a thing here?  TLS 1.2 has neither tickets nor KeyUpdate after
 * its handshake.  Libraries send tickets by themselves, so one does no harm,
 * except among the stream's bytes.
 */
static bool incoming_exists(const struct incoming *in,
			    enum record_meaning meaning)
{
	switch (meaning) {
	case RECORD_MEANS_TICKET:
		return in->v13 && (in->raw || !in->bulk);
	case RECORD_MEANS_REKEY:
	case RECORD_MEANS_REKEY_BOTH:
		return in->v13;
	case RECORD_MEANS_RENEGOTIATION:
		return !in->v13;
	default:
		return true;
	}
}

enum record_meaning incoming_record(struct incoming *in, unsigned int type,
				    const uint8_t *body, size_t len,
				    uint8_t *alert, struct err *e)
{
	enum record_meaning meaning =
		record_parse(&in->message, type, body, len, alert);

	if (!incoming_exists(in, meaning)) {
		*alert = RECORD_UNEXPECTED_MESSAGE;
		return incoming_bad(type, *alert, e);
	}
	switch (meaning) {
	case RECORD_MEANS_END:
		in->closed = true;
		return meaning;
	case RECORD_MEANS_ABORT:
		return meaning;
	case RECORD_MEANS_TICKET:
		return incoming_ticket(in, alert, e);
	case RECORD_MEANS_REKEY:
	case RECORD_MEANS_REKEY_BOTH:
		return incoming_rekey(in, meaning, alert, e);
	case RECORD_MEANS_RENEGOTIATION:
		return incoming_forbidden("the peer wants to renegotiate, "
					  "which is refused",
					  alert, e);
	case RECORD_MEANS_VIOLATION:
		break;
	}
	return incoming_bad(type, *alert, e);
}

int incoming_data(struct incoming *in, struct err *e)
{
	in->empties = in->rekeys = in->tickets = 0;
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
