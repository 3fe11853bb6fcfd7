/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode none: TLS record headers (RFC 8446 section 5.1) around bytes that
 * nobody encrypts.  For networks that are protected otherwise, and to measure
 * what encryption costs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/record.h"
#include "tls/socket_buffer.h"

/* Where reading stands within a record. */
struct plain {
	size_t have; /* bytes of header */
	size_t left; /* bytes of the body to come */
	uint8_t header[RECORD_HEADER_BYTES];
	uint8_t alert[RECORD_ALERT_BYTES];
};

/*
 * As tls_send(): whole records of buf into w, as far as there is room.
 * *done: bytes taken.
 */
void plain_send(struct socket_buffer *w, const void *buf, size_t len,
		size_t *done);

/* Append an alert, if there is room. */
void plain_alert(struct socket_buffer *w, enum record_alert alert);

/* As tls_recv().  Errors: ERR_NET. */
int plain_recv(struct plain *p, struct socket_buffer *w, void *buf, size_t len,
	       size_t *done, bool *end, struct err *e) attr_must_check;

/* Is there more to come of the record that was read last? */
static inline bool plain_pending(const struct plain *p)
{
	return p->have == RECORD_HEADER_BYTES && p->left > 0;
}

/* Was what plain_recv() failed with an alert of the peer? */
static inline bool plain_gave_up(const struct plain *p)
{
	return p->have == RECORD_HEADER_BYTES && !p->left &&
	       p->header[0] == RECORD_ALERT;
}

/* Was it the alert user_canceled? */
static inline bool plain_canceled(const struct plain *p)
{
	return plain_gave_up(p) && p->alert[1] == RECORD_USER_CANCELED;
}
