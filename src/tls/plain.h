/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode none: TLS record headers (RFC 8446 section 5.1) around plaintext.  For
 * networks that are protected by other means, and to measure the cost of
 * encryption.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/record.h"
#include "tls/socket_buffer.h"

/* The reading position within a record. */
struct plain {
	size_t have; /* bytes of header */
	size_t left; /* bytes of the body still to come */
	uint8_t header[RECORD_HEADER_BYTES];
	uint8_t alert[RECORD_ALERT_BYTES];
};

/*
 * As tls_send(): append whole records of buf to w while there is room.  *done:
 * bytes of buf taken.
 */
void plain_send(struct socket_buffer *w, const void *buf, size_t len,
		size_t *done);

/* Append an alert, if there is room. */
void plain_alert(struct socket_buffer *w, enum record_alert alert);

/* As tls_recv().  Errors: ERR_NET. */
int plain_recv(struct plain *p, struct socket_buffer *w, void *buf, size_t len,
	       size_t *done, bool *end, struct err *e) attr_must_check;

/* Is the record that was read last still incomplete? */
static inline bool plain_pending(const struct plain *p)
{
	return p->have == RECORD_HEADER_BYTES && p->left > 0;
}

/* Did plain_recv() fail with an alert of the peer? */
static inline bool plain_gave_up(const struct plain *p)
{
	return p->have == RECORD_HEADER_BYTES && !p->left &&
	       p->header[0] == RECORD_ALERT &&
	       record_body_bytes(p->header) == RECORD_ALERT_BYTES;
}

/* Was that alert user_canceled? */
static inline bool plain_canceled(const struct plain *p)
{
	return plain_gave_up(p) && p->alert[1] == RECORD_USER_CANCELED;
}
