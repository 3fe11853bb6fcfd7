// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/plain.h"

#include <errno.h>

void plain_send(struct wire *w, const void *buf, size_t len, size_t *done)
{
	uint8_t header[REC_HEADER_BYTES];
	const uint8_t *p = buf;

	*done = 0;
	while (*done < len && wire_room(w) >= REC_MAX + sizeof header) {
		size_t n = len - *done < REC_MAX ? len - *done : REC_MAX;

		rec_header(header, REC_DATA, n);
		wire_append(w, header, sizeof header);
		wire_append(w, p + *done, n);
		*done += n;
	}
}

void plain_alert(struct wire *w, enum rec_alert alert)
{
	uint8_t record[REC_HEADER_BYTES + REC_ALERT_BYTES];

	if (wire_room(w) < sizeof record)
		return;
	rec_header(record, REC_ALERT, REC_ALERT_BYTES);
	rec_alert(record + REC_HEADER_BYTES, alert);
	wire_append(w, record, sizeof record);
}

static int plain_bad(struct err *e)
{
	return err_set(e, ERR_NET, 0,
		       "the peer sent no record of mode none; -m none must be "
		       "said on both sides");
}

/* Does a whole header make sense?  It must say so again in the next call. */
static bool plain_header_ok(const struct plain *p)
{
	size_t len = rec_body_bytes(p->header);

	if (p->header[1] != 3 || p->header[2] != 3)
		return false;
	if (p->header[0] == REC_ALERT)
		return len == REC_ALERT_BYTES;
	return p->header[0] == REC_DATA && len > 0 && len <= REC_MAX;
}

/* Take as much as is there of a header; its record begins when it is whole. */
static int plain_take_header(struct plain *p, struct wire *w, size_t *n,
			     struct err *e)
{
	if (wire_read_some(w, p->header + p->have, sizeof p->header - p->have,
			   n, e) < 0)
		return -1;
	p->have += *n;
	if (p->have < sizeof p->header)
		return 0;
	p->left = rec_body_bytes(p->header);
	return 0;
}

static int plain_take_alert(struct plain *p, struct wire *w, bool *end,
			    struct err *e)
{
	uint8_t alert;
	size_t n;

	if (wire_read_some(w, p->alert + sizeof p->alert - p->left, p->left, &n,
			   e) < 0)
		return -1;
	p->left -= n;
	if (p->left)
		return 0;
	*end = rec_parse(REC_ALERT, p->alert, sizeof p->alert, &alert) ==
	       REC_MEANS_END;
	/* A second one may follow. */
	if (*end) {
		p->have = 0;
		return 0;
	}
	return err_set(e, ERR_NET, 0, "the peer gave up (alert %s)",
		       rec_alert_name(alert));
}

/* One piece of a header or of data.  *n 0: nothing now. */
static int plain_step(struct plain *p, struct wire *w, uint8_t *out, size_t len,
		      size_t *data, size_t *n, struct err *e)
{
	*data = 0;
	if (p->have < sizeof p->header)
		return plain_take_header(p, w, n, e);
	if (wire_read_some(w, out, len < p->left ? len : p->left, n, e) < 0)
		return -1;
	*data = *n;
	p->left -= *n;
	if (!p->left)
		p->have = 0;
	return 0;
}

int plain_recv(struct plain *p, struct wire *w, void *buf, size_t len,
	       size_t *done, bool *end, struct err *e)
{
	size_t n = 1, data;

	*done = 0;
	*end = false;
	while (*done < len && n) {
		/* What came before the end or an error is given out first. */
		if (p->have == sizeof p->header && !plain_header_ok(p))
			return *done ? 0 : plain_bad(e);
		if (p->have == sizeof p->header && p->header[0] == REC_ALERT)
			return *done ? 0 : plain_take_alert(p, w, end, e);
		if (plain_step(p, w, (uint8_t *)buf + *done, len - *done, &data,
			       &n, e) < 0)
			return *done ? 0 : -1;
		*done += data;
	}
	return 0;
}
