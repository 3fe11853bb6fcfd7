// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/plain.h"

#include <errno.h>

void plain_send(struct socket_buffer *w, const void *buf, size_t len,
		size_t *done)
{
	uint8_t header[RECORD_HEADER_BYTES];
	const uint8_t *p = buf;

	*done = 0;
	while (*done < len &&
	       socket_buffer_room(w) >= RECORD_MAX + sizeof header) {
		size_t n = len - *done < RECORD_MAX ? len - *done : RECORD_MAX;

		record_header(header, RECORD_DATA, n);
		socket_buffer_append(w, header, sizeof header);
		socket_buffer_append(w, p + *done, n);
		*done += n;
	}
}

void plain_alert(struct socket_buffer *w, enum record_alert alert)
{
	uint8_t record[RECORD_HEADER_BYTES + RECORD_ALERT_BYTES];

	if (socket_buffer_room(w) < sizeof record)
		return;
	record_header(record, RECORD_ALERT, RECORD_ALERT_BYTES);
	record_alert(record + RECORD_HEADER_BYTES, alert);
	socket_buffer_append(w, record, sizeof record);
}

static int plain_bad(struct err *e)
{
	return err_set(e, ERR_NET, 0,
		       "the peer sent no record of mode none; give -m none to "
		       "both sides");
}

/* Is a complete header valid?  The next call must come to the same result. */
static bool plain_header_ok(const struct plain *p)
{
	size_t len = record_body_bytes(p->header);

	if (p->header[1] != 3 || p->header[2] != 3)
		return false;
	if (p->header[0] == RECORD_ALERT)
		return len == RECORD_ALERT_BYTES;
	return p->header[0] == RECORD_DATA && len > 0 && len <= RECORD_MAX;
}

/*
 * Read a header as far as it has arrived; its record begins once it is
 * complete.
 */
static int plain_take_header(struct plain *p, struct socket_buffer *w,
			     size_t *n, struct err *e)
{
	if (socket_buffer_read_some(w, p->header + p->have,
				    sizeof p->header - p->have, n, e) < 0)
		return -1;
	p->have += *n;
	if (p->have < sizeof p->header)
		return 0;
	p->left = record_body_bytes(p->header);
	return 0;
}

static int plain_take_alert(struct plain *p, struct socket_buffer *w, bool *end,
			    struct err *e)
{
	uint8_t alert;
	size_t n;

	if (socket_buffer_read_some(w, p->alert + sizeof p->alert - p->left,
				    p->left, &n, e) < 0)
		return -1;
	p->left -= n;
	if (p->left)
		return 0;
	*end = record_parse(RECORD_ALERT, p->alert, sizeof p->alert, &alert) ==
	       RECORD_MEANS_END;
	/* Another alert may follow. */
	if (*end) {
		p->have = 0;
		return 0;
	}
	return err_set(e, ERR_NET, 0, "the peer gave up (alert %s)",
		       record_alert_name(alert));
}

/* Read a part of a header or of data.  *n 0: nothing now. */
static int plain_step(struct plain *p, struct socket_buffer *w, uint8_t *out,
		      size_t len, size_t *data, size_t *n, struct err *e)
{
	*data = 0;
	if (p->have < sizeof p->header)
		return plain_take_header(p, w, n, e);
	if (socket_buffer_read_some(w, out, len < p->left ? len : p->left, n,
				    e) < 0)
		return -1;
	*data = *n;
	p->left -= *n;
	if (!p->left)
		p->have = 0;
	return 0;
}

int plain_recv(struct plain *p, struct socket_buffer *w, void *buf, size_t len,
	       size_t *done, bool *end, struct err *e)
{
	size_t n = 1, data;

	*done = 0;
	*end = false;
	while (*done < len && n) {
		/*
		 * Bytes that came before the end or an error are returned
		 * first.
		 */
		if (p->have == sizeof p->header && !plain_header_ok(p))
			return *done ? 0 : plain_bad(e);
		if (p->have == sizeof p->header && p->header[0] == RECORD_ALERT)
			return *done ? 0 : plain_take_alert(p, w, end, e);
		if (plain_step(p, w, (uint8_t *)buf + *done, len - *done, &data,
			       &n, e) < 0)
			return *done ? 0 : -1;
		*done += data;
	}
	return 0;
}
