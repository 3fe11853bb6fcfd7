// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/bulk.h"

#include <string.h>

#include "tls/seal.h"
#include "tls/wire.h"

enum {
	RECORD_BYTES = REC_MAX + REC_OVERHEAD,
	OUT_BYTES = 16 * RECORD_BYTES, /* 256 KiB of data a send */
	IN_BYTES = 16 * RECORD_BYTES,
};

struct bulk {
	struct seal *seal;
	struct wire wire; /* its in is filled and emptied here */
	bool forged;
	enum rec_alert violation; /* the answer to one; 0: there was none */
	unsigned int empties; /* records without data in a row */
	/* A record that is not data, met behind data that goes first */
	bool holds;
	unsigned int held_type;
	size_t held_len;
	uint8_t held[16]; /* how it begins; alerts have 2 bytes */
};

struct bulk *bulk_new(int fd, const struct mode *mode, const struct traffic *t,
		      struct err *e)
{
	struct bulk *b = calloc(1, sizeof *b);

	if (!b) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	b->seal = seal_new(mode, t, e);
	/* Room for an alert behind a full buffer. */
	if (!b->seal ||
	    wire_init(&b->wire, fd, OUT_BYTES + 2 * REC_OVERHEAD, e) < 0 ||
	    wire_grow(&b->wire.in, IN_BYTES, e) < 0) {
		bulk_free(b);
		return NULL;
	}
	return b;
}

void bulk_free(struct bulk *b)
{
	if (!b)
		return;
	seal_free(b->seal);
	wire_fini(&b->wire);
	free(b);
}

static int bulk_seal(struct bulk *b, uint8_t type, uint8_t *data, size_t len,
		     struct err *e)
{
	struct wire_buffer *out = &b->wire.out;
	size_t size;

	if (seal_encrypt(b->seal, type, data, len, out->bytes + out->end, &size,
			 e) < 0)
		return -1;
	out->end += size;
	return 0;
}

int bulk_send(struct bulk *b, uint8_t *buf, size_t len, size_t *done,
	      struct err *e)
{
	bool empty;

	*done = 0;
	while (*done < len &&
	       wire_room(&b->wire) >= RECORD_BYTES + 2 * REC_OVERHEAD) {
		size_t n = len - *done < REC_MAX ? len - *done : REC_MAX;

		if (bulk_seal(b, REC_DATA, buf + *done, n, e) < 0)
			return -1;
		*done += n;
	}
	return wire_flush(&b->wire, &empty, e);
}

int bulk_alert(struct bulk *b, enum rec_alert alert, struct err *e)
{
	uint8_t body[REC_ALERT_BYTES + 1]; /* and one to be lent */
	bool empty;

	rec_alert(body, alert);
	body[REC_ALERT_BYTES] = 0;
	if (wire_room(&b->wire) < REC_ALERT_BYTES + REC_OVERHEAD)
		return err_set(e, ERR_NET, 0, "no room for an alert");
	if (bulk_seal(b, REC_ALERT, body, REC_ALERT_BYTES, e) < 0)
		return -1;
	return wire_flush(&b->wire, &empty, e);
}

int bulk_flush(struct bulk *b, bool *empty, struct err *e)
{
	return wire_flush(&b->wire, empty, e);
}

bool bulk_pending(const struct bulk *b)
{
	return wire_pending(&b->wire);
}

static int bulk_set_forged(struct bulk *b, struct err *e)
{
	b->forged = true;
	return err_set(e, ERR_NET, 0,
		       "a record was forged or damaged on its way "
		       "(bad_record_mac)");
}

/* The record authenticates: it is the peer that broke the protocol. */
static int bulk_set_violation(struct bulk *b, enum rec_alert alert,
			      struct err *e)
{
	b->violation = alert;
	if (alert == REC_RECORD_OVERFLOW)
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent a record of more than %d bytes",
			       REC_MAX);
	return err_set(e, ERR_STREAM, 0,
		       "the peer sent more than %d empty records in a row",
		       REC_EMPTY_MAX);
}

/* A whole record that was read, or NULL.  Errors: it cannot be one. */
static int bulk_next(struct bulk *b, const uint8_t **record, size_t *size,
		     struct err *e)
{
	const struct wire_buffer *in = &b->wire.in;
	size_t have = in->end - in->start, body;

	*record = NULL;
	if (have < REC_HEADER_BYTES)
		return 0;
	body = seal_body_bytes(b->seal, in->bytes + in->start);
	if (!body)
		return bulk_set_forged(b, e);
	*size = REC_HEADER_BYTES + body;
	if (have >= *size)
		*record = in->bytes + in->start;
	return 0;
}

/* Decrypt the record at the front into out. */
static int bulk_open(struct bulk *b, const uint8_t *record, size_t size,
		     unsigned int *type, uint8_t *out, size_t *n, struct err *e)
{
	uint8_t inner;

	if (seal_decrypt(b->seal, record, &inner, out, n) < 0)
		return bulk_set_forged(b, e);
	b->wire.in.start += size;
	*type = inner;
	if (*n > REC_MAX)
		return bulk_set_violation(b, REC_RECORD_OVERFLOW, e);
	b->empties = *n || inner != REC_DATA ? 0 : b->empties + 1;
	if (b->empties > REC_EMPTY_MAX)
		return bulk_set_violation(b, REC_UNEXPECTED_MESSAGE, e);
	return 0;
}

/* It waits until the data in front of it was given out. */
static void bulk_hold(struct bulk *b, unsigned int type, const uint8_t *body,
		      size_t len)
{
	b->holds = true;
	b->held_type = type;
	b->held_len = len;
	memcpy(b->held, body, len < sizeof b->held ? len : sizeof b->held);
}

static void bulk_release(struct bulk *b, unsigned int *type, void *buf,
			 size_t *n)
{
	*type = b->held_type;
	*n = b->held_len;
	memcpy(buf, b->held, *n < sizeof b->held ? *n : sizeof b->held);
	b->holds = false;
}

/* Decrypt what was read.  Stops in front of what is not data. */
static int bulk_open_all(struct bulk *b, unsigned int *type, uint8_t *buf,
			 size_t len, size_t *n, struct err *e)
{
	const uint8_t *record;
	unsigned int next = REC_DATA;
	size_t size, got;

	while (len - *n >= SEAL_BODY_MAX) {
		if (bulk_next(b, &record, &size, e) < 0)
			return -1;
		if (!record)
			return 0;
		if (bulk_open(b, record, size, &next, buf + *n, &got, e) < 0)
			return -1;
		if (next == REC_DATA) {
			*n += got;
		} else if (*n) {
			bulk_hold(b, next, buf + *n, got);
			return 0;
		} else {
			*type = next;
			*n = got;
			return 0;
		}
	}
	return 0;
}

int bulk_recv(struct bulk *b, unsigned int *type, void *buf, size_t len,
	      size_t *n, struct err *e)
{
	size_t got;

	*n = 0;
	*type = REC_DATA;
	if (b->holds) {
		bulk_release(b, type, buf, n);
		return 0;
	}
	if (b->forged)
		return bulk_set_forged(b, e);
	if (b->violation)
		return bulk_set_violation(b, b->violation, e);
	do {
		/* What came before an error is given out first. */
		if (bulk_open_all(b, type, buf, len, n, e) < 0)
			return *n ? 0 : -1;
		if (*n || *type != REC_DATA)
			return 0;
		if (wire_fill(&b->wire, &got, e) < 0)
			return -1;
	} while (got);
	b->empties = 0;
	return 0;
}

bool bulk_violated(const struct bulk *b, enum rec_alert *alert)
{
	*alert = b->violation;
	return b->violation;
}

bool bulk_lost(const struct bulk *b)
{
	return wire_gone(&b->wire) || b->forged;
}

bool bulk_forged(const struct bulk *b)
{
	return b->forged;
}

uint64_t bulk_records(const struct bulk *b)
{
	return seal_records(b->seal);
}
