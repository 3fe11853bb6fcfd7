/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS records that are not application data: alerts, and the handshake messages
 * that may follow a handshake.  Pure; parses a peer's bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_direction { RECORD_TX, RECORD_RX };

/* Content types, RFC 8446 section 5.1 */
enum record_type {
	RECORD_NONE = 0, /* section 5.1: reserved */
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

/* Alert descriptions that this program sends or explains, RFC 8446 section 6 */
enum record_alert {
	RECORD_CLOSE_NOTIFY = 0,
	RECORD_UNEXPECTED_MESSAGE = 10,
	RECORD_BAD_RECORD_MAC = 20,
	RECORD_RECORD_OVERFLOW = 22,
	RECORD_HANDSHAKE_FAILURE = 40,
	RECORD_BAD_CERTIFICATE = 42,
	RECORD_UNSUPPORTED_CERTIFICATE = 43,
	RECORD_CERTIFICATE_REVOKED = 44,
	RECORD_CERTIFICATE_EXPIRED = 45,
	RECORD_CERTIFICATE_UNKNOWN = 46,
	RECORD_ILLEGAL_PARAMETER = 47,
	RECORD_UNKNOWN_CA = 48,
	RECORD_ACCESS_DENIED = 49,
	RECORD_DECODE_ERROR = 50,
	RECORD_DECRYPT_ERROR = 51,
	RECORD_PROTOCOL_VERSION = 70,
	RECORD_INSUFFICIENT_SECURITY = 71,
	RECORD_INTERNAL_ERROR = 80,
	RECORD_USER_CANCELED = 90,
	RECORD_UNKNOWN_PSK_IDENTITY = 115,
	RECORD_CERTIFICATE_REQUIRED = 116,
	RECORD_NO_APPLICATION_PROTOCOL = 120,
};

enum {
	RECORD_HEADER_BYTES = 5, /* type, version, length; section 5.1 */
	RECORD_MAX = 16384, /* bytes of data in a full record, section 5.1 */
	RECORD_ALERT_BYTES = 2, /* level, description */
	RECORD_KEY_UPDATE = 24, /* its first byte, which is its type */
	RECORD_KEY_UPDATE_BYTES = 5, /* type, length, what is asked for */
	RECORD_EMPTY_MAX = 32, /* empty records in a row, as OpenSSL */
	RECORD_OVERHEAD = 64, /* more than header, nonce, tag and type take */
};

/* The meaning of a record that is not application data. */
enum record_meaning {
	RECORD_MEANS_END, /* close_notify: the authenticated end of stream */
	RECORD_MEANS_ABORT, /* another alert: the peer gives up */
	RECORD_MEANS_TICKET, /* NewSessionTicket, section 4.6.1, or a piece */
	RECORD_MEANS_KEY_UPDATE, /* KeyUpdate, section 4.6.3 */
	RECORD_MEANS_KEY_UPDATE_BOTH, /* KeyUpdate that asks for ours */
	RECORD_MEANS_RENEGOTIATION, /* of TLS 1.2, which is refused */
	RECORD_MEANS_VIOLATION, /* forbidden by the protocol */
};

/* The handshake message that is not complete: a ticket may come in pieces. */
struct record_message {
	uint8_t header[4]; /* type, length in 24 bits */
	size_t have; /* bytes of header */
	size_t left; /* bytes of the body still to come */
};

/* Is there such a message?  Then no record of another type may come. */
static inline bool record_message_open(const struct record_message *m)
{
	return m->have || m->left;
}

/*
 * Classify a record of the given type.  m: the message that the records before
 * it left incomplete.  *alert: for END and ABORT the peer's; for RENEGOTIATION
 * and VIOLATION our answer; else 0.
 */
enum record_meaning record_parse(struct record_message *m, unsigned int type,
				 const uint8_t *body, size_t len,
				 uint8_t *alert);

/*
 * Write the header for a body of len bytes.  Its legacy version is that of
 * TLS 1.2 in every record (section 5.1).
 */
void record_header(uint8_t out[static RECORD_HEADER_BYTES], uint8_t type,
		   size_t len);

/* The length of the body, from its header. */
size_t record_body_bytes(const uint8_t header[static RECORD_HEADER_BYTES]);

/* Write the body of an alert: fatal, except for close_notify. */
void record_alert(uint8_t out[static RECORD_ALERT_BYTES],
		  enum record_alert alert);

/* The name of an alert in the RFC, or "unknown". */
const char *record_alert_name(uint8_t alert);
