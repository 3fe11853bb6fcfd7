// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/record.h"

#include <string.h>

enum {
	ALERT_WARNING = 1,
	ALERT_FATAL = 2,
	HANDSHAKE_HELLO_REQUEST = 0, /* TLS 1.2 */
	HANDSHAKE_CLIENT_HELLO = 1,
	HANDSHAKE_NEW_SESSION_TICKET = 4,
	HANDSHAKE_HEADER_BYTES = 4, /* type, length in 24 bits */
};

static enum record_meaning record_violation(uint8_t *alert,
					    enum record_alert answer)
{
	*alert = (uint8_t)answer;
	return RECORD_MEANS_VIOLATION;
}

static enum record_meaning record_parse_alert(const uint8_t *body, size_t len,
					      uint8_t *alert)
{
	/*
	 * Section 6: one alert of two bytes fills a record, unfragmented.
	 * Section 5.4: an empty record is an unexpected message.
	 */
	if (!len)
		return record_violation(alert, RECORD_UNEXPECTED_MESSAGE);
	if (len != RECORD_ALERT_BYTES)
		return record_violation(alert, RECORD_DECODE_ERROR);
	*alert = body[1];
	return body[1] == RECORD_CLOSE_NOTIFY ? RECORD_MEANS_END
					      : RECORD_MEANS_ABORT;
}

/* The rest of the record begins with KeyUpdate (section 4.6.3). */
static enum record_meaning record_parse_key_update(const uint8_t *body,
						   size_t len, uint8_t *alert)
{
	if (len < RECORD_KEY_UPDATE_BYTES || body[1] || body[2] || body[3] != 1)
		return record_violation(alert, RECORD_DECODE_ERROR);
	if (body[HANDSHAKE_HEADER_BYTES] > 1)
		return record_violation(alert, RECORD_ILLEGAL_PARAMETER);
	/* Section 5.1: the keys change between two records. */
	if (len > RECORD_KEY_UPDATE_BYTES)
		return record_violation(alert, RECORD_UNEXPECTED_MESSAGE);
	return body[HANDSHAKE_HEADER_BYTES] ? RECORD_MEANS_KEY_UPDATE_BOTH
					    : RECORD_MEANS_KEY_UPDATE;
}

/* The next bytes of a ticket.  Returns how many there were. */
static size_t record_parse_ticket(struct record_message *m, const uint8_t *body,
				  size_t len)
{
	size_t n = len < m->left ? len : m->left;

	if (m->left) {
		m->left -= n;
		return n;
	}
	m->header[m->have++] = *body;
	if (m->have == sizeof m->header) {
		m->left = (size_t)m->header[1] << 16 |
			  (size_t)m->header[2] << 8 | m->header[3];
		m->have = 0;
	}
	return 1;
}

/* A ticket may exceed the record, or share it with other messages. */
static enum record_meaning record_parse_handshake(struct record_message *m,
						  const uint8_t *body,
						  size_t len, uint8_t *alert)
{
	if (!len)
		return record_violation(alert, RECORD_UNEXPECTED_MESSAGE);
	while (len) {
		size_t n;

		if (!record_message_open(m) && *body == RECORD_KEY_UPDATE)
			return record_parse_key_update(body, len, alert);
		if (!record_message_open(m) &&
		    (*body == HANDSHAKE_HELLO_REQUEST ||
		     *body == HANDSHAKE_CLIENT_HELLO)) {
			*alert = RECORD_UNEXPECTED_MESSAGE;
			return RECORD_MEANS_RENEGOTIATION;
		}
		if (!record_message_open(m) &&
		    *body != HANDSHAKE_NEW_SESSION_TICKET)
			return record_violation(alert,
						RECORD_UNEXPECTED_MESSAGE);
		n = record_parse_ticket(m, body, len);
		body += n;
		len -= n;
	}
	return RECORD_MEANS_TICKET;
}

enum record_meaning record_parse(struct record_message *m, unsigned int type,
				 const uint8_t *body, size_t len,
				 uint8_t *alert)
{
	*alert = 0;
	if (type == RECORD_HANDSHAKE)
		return record_parse_handshake(m, body, len, alert);
	if (type == RECORD_ALERT && !record_message_open(m))
		return record_parse_alert(body, len, alert);
	return record_violation(alert, RECORD_UNEXPECTED_MESSAGE);
}

void record_header(uint8_t out[static RECORD_HEADER_BYTES], uint8_t type,
		   size_t len)
{
	out[0] = type;
	out[1] = 3;
	out[2] = 3;
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
}

size_t record_body_bytes(const uint8_t header[static RECORD_HEADER_BYTES])
{
	return (size_t)header[3] << 8 | header[4];
}

void record_alert(uint8_t out[static RECORD_ALERT_BYTES],
		  enum record_alert alert)
{
	out[0] = alert == RECORD_CLOSE_NOTIFY ? ALERT_WARNING : ALERT_FATAL;
	out[1] = (uint8_t)alert;
}

const char *record_alert_name(uint8_t alert)
{
	static const struct {
		uint8_t code;
		const char *name;
	} names[] = {
		{ 0, "close_notify" },
		{ 10, "unexpected_message" },
		{ 20, "bad_record_mac" },
		{ 22, "record_overflow" },
		{ 40, "handshake_failure" },
		{ 42, "bad_certificate" },
		{ 43, "unsupported_certificate" },
		{ 44, "certificate_revoked" },
		{ 45, "certificate_expired" },
		{ 46, "certificate_unknown" },
		{ 47, "illegal_parameter" },
		{ 48, "unknown_ca" },
		{ 49, "access_denied" },
		{ 50, "decode_error" },
		{ 51, "decrypt_error" },
		{ 70, "protocol_version" },
		{ 71, "insufficient_security" },
		{ 80, "internal_error" },
		{ 86, "inappropriate_fallback" },
		{ 90, "user_canceled" },
		{ 109, "missing_extension" },
		{ 110, "unsupported_extension" },
		{ 112, "unrecognized_name" },
		{ 113, "bad_certificate_status_response" },
		{ 115, "unknown_psk_identity" },
		{ 116, "certificate_required" },
		{ 120, "no_application_protocol" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == alert)
			return names[i].name;
	return "unknown";
}
