/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few TLS records that are not application data, as bytes: alerts and the
 * first byte of handshake messages.  Pure; fed with a peer's bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Content types, RFC 8446 section 5.1 */
enum rec_type {
	REC_NONE = 0, /* section 5.1: reserved */
	REC_ALERT = 21,
	REC_HANDSHAKE = 22,
	REC_DATA = 23,
};

/* Alert descriptions that this program sends, RFC 8446 section 6 */
enum rec_alert {
	REC_CLOSE_NOTIFY = 0,
	REC_UNEXPECTED_MESSAGE = 10,
	REC_BAD_RECORD_MAC = 20,
	REC_RECORD_OVERFLOW = 22,
	REC_HANDSHAKE_FAILURE = 40,
	REC_BAD_CERTIFICATE = 42,
	REC_UNSUPPORTED_CERTIFICATE = 43,
	REC_CERTIFICATE_EXPIRED = 45,
	REC_ILLEGAL_PARAMETER = 47,
	REC_UNKNOWN_CA = 48,
	REC_ACCESS_DENIED = 49,
	REC_DECODE_ERROR = 50,
	REC_DECRYPT_ERROR = 51,
	REC_INTERNAL_ERROR = 80,
	REC_USER_CANCELED = 90,
	REC_CERTIFICATE_REQUIRED = 116,
	REC_NO_APPLICATION_PROTOCOL = 120,
};

enum {
	REC_HEADER_BYTES = 5, /* type, version, length; section 5.1 */
	REC_MAX = 16384, /* bytes of data in a full record, section 5.1 */
	REC_ALERT_BYTES = 2, /* level, description */
	REC_EMPTY_MAX = 32, /* records without data in a row, as OpenSSL */
	REC_OVERHEAD = 64, /* more than header, nonce, tag and type add */
};

/* What a record that is not data means to a receiver. */
enum rec_meaning {
	REC_MEANS_END, /* close_notify: the authenticated end of stream */
	REC_MEANS_ABORT, /* another alert: the peer gives up */
	REC_MEANS_TICKET, /* NewSessionTicket, section 4.6.1 */
	REC_MEANS_REKEY, /* KeyUpdate, section 4.6.3 */
	REC_MEANS_VIOLATION, /* no peer may send it */
};

/*
 * Classify a record of the given type.  *alert: of END and ABORT, the peer's; of
 * VIOLATION, the one that answers it; else 0.
 */
enum rec_meaning rec_parse(unsigned int type, const uint8_t *body, size_t len,
			   uint8_t *alert);

/*
 * The header in front of a body of len bytes: the legacy version is that of
 * TLS 1.2 in every record (section 5.1).
 */
void rec_header(uint8_t out[static REC_HEADER_BYTES], uint8_t type, size_t len);

/* The length that a header announces. */
size_t rec_body_bytes(const uint8_t header[static REC_HEADER_BYTES]);

/* An alert record's body; fatal but for close_notify. */
void rec_alert(uint8_t out[static REC_ALERT_BYTES], enum rec_alert alert);

/* The RFC's name of an alert, "unknown" if it has none. */
const char *rec_alert_name(uint8_t alert);
